package retina

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"testing"
)

func newTestMovie(t *testing.T, name string, frames int) *Movie {
	t.Helper()
	movie, err := NewMovie(context.Background(), 0, name, frames, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return movie
}

// pixel is the course of one pixel.
func pixel(m *Movie, channel, p int) []float64 {
	values := make([]float64, m.Frames)
	for t := range values {
		values[t] = float64(m.frame(channel, t)[p])
	}
	return values
}

func TestMovieStatistics(t *testing.T) {
	movie := newTestMovie(t, "statistics", 25*SceneFrames)
	all := [Channels][]float64{}
	for c := range all {
		for f := range movie.Frames {
			for _, v := range movie.frame(c, f) {
				all[c] = append(all[c], float64(v))
			}
		}
		if mean, deviation := moments(all[c]); math.Abs(mean) > 0.1 || math.Abs(deviation-1) > 0.1 {
			t.Errorf("channel %d has mean %.3f and deviation %.3f, want 0 and 1", c, mean, deviation)
		}
	}
	if r := correlation(all[0], all[1]); math.Abs(r-colourCorrelation) > 0.06 {
		t.Errorf("the channels correlate by %.3f, want about %.2f", r, colourCorrelation)
	}
	centre := 9*Width + 8
	here := pixel(movie, 0, centre)
	previous := 1.0
	for _, distance := range []int{1, 3, 6} {
		r := correlation(here, pixel(movie, 0, centre+distance))
		if r >= previous || r < 0.1 {
			t.Errorf("pixels %d apart correlate by %.3f after %.3f at a smaller distance", distance, r, previous)
		}
		previous = r
	}
	if r := correlation(here[:len(here)-1], here[1:]); r < 0.8 {
		t.Errorf("frames correlate by %.3f with the next", r)
	}
}

func TestCells(t *testing.T) {
	cells := NewCells(0, 4)
	linear, kinds := 0, map[string]int{}
	for i := range cells {
		kinds[cells[i].Type]++
		if cells[i].Linear {
			linear++
		}
		square := 0.0
		for _, v := range cells[i].Filter() {
			square += float64(v) * float64(v)
		}
		if math.Abs(square-1) > 1e-5 {
			t.Errorf("the filter of cell %d has norm %v", i, math.Sqrt(square))
		}
	}
	if len(cells) < 60 || linear < 30 || len(kinds) != 18 {
		t.Errorf("%d cells, %d linear, %d types", len(cells), linear, len(kinds))
	}
}

// TestLinearRate recomputes a rate from the published filter and parameters.
func TestLinearRate(t *testing.T) {
	movie := newTestMovie(t, "rate", 300)
	cell := NewCells(0, 1)[2]
	record := cell.Record(movie, movie, 2, NewStream(0, "spikes", 2))
	filter := cell.Filter()
	for _, f := range []int{0, 10, 40, 299} {
		drive := 0.0
		for c := range Channels {
			for tap := range Taps {
				if frame := f - Taps + 1 + tap; frame >= 0 {
					for p, v := range movie.frame(c, frame) {
						drive += float64(v) * float64(filter[(c*Taps+tap)*pixels+p])
					}
				}
			}
		}
		want := record.Peak * math.Log1p(math.Exp(record.Gain*drive+record.Threshold))
		if got := record.Rate[f]; math.Abs(got-want) > 1e-5*(1+want) {
			t.Errorf("frame %d: rate %v, filter says %v", f, got, want)
		}
	}
}

// TestRecordings checks that every cell answers well enough to be fitted.
func TestRecordings(t *testing.T) {
	train, test := newTestMovie(t, "train", 1200), newTestMovie(t, "test", 300)
	cells := NewCells(0, 1)
	for i := range cells {
		r := cells[i].Record(train, test, 10, NewStream(0, "spikes", i))
		mean := 0.0
		for _, count := range r.Train {
			mean += float64(count) / float64(len(r.Train))
		}
		if mean < 0.2 || mean > 1.2 || r.Ceiling < 0.7 || r.Ceiling > 0.999 {
			t.Errorf("%s: %.2f spikes a frame, ceiling %.2f", cells[i].Type, mean, r.Ceiling)
		}
	}
}

// TestSameBits pins the simulation. A change of these digests changes the data of
// every demo: bump the version in the manifest of package simulate with it.
func TestSameBits(t *testing.T) {
	train, test := newTestMovie(t, "train", 400), newTestMovie(t, "test", 160)
	cells := NewCells(0, 1)
	digest := sha256.New()
	for _, cell := range []int{0, 8, 12, 14, 17} {
		r := cells[cell].Record(train, test, 3, NewStream(0, "spikes", cell))
		_ = binary.Write(digest, binary.LittleEndian, r.Rate)
		_ = binary.Write(digest, binary.LittleEndian, r.Train)
		_ = binary.Write(digest, binary.LittleEndian, cells[cell].Filter())
	}
	for name, got := range map[string]struct{ have, want string }{
		"movie": {sum(train.Data), "68dd71f7ba62aceee2f4e3e74fcb62e1c61710d53747b65774d22a3a239a0686"}, "cells": {hex.EncodeToString(digest.Sum(nil)), "3951d6ff54e088f237468ddc3a2a44d5c8333297b3f2aa09d2cfaa4217e96bc2"},
	} {
		if got.have != got.want {
			t.Errorf("%s: digest %s, want %s", name, got.have, got.want)
		}
	}
}

func sum(values []float32) string {
	digest := sha256.New()
	_ = binary.Write(digest, binary.LittleEndian, values)
	return hex.EncodeToString(digest.Sum(nil))
}

func TestCancelledMovie(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := NewMovie(ctx, 0, "cancelled", 1000, func() {}); !errors.Is(err, stop) {
		t.Errorf("error %v, want the cause", err)
	}
}
