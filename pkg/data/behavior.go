package data

import (
	"fmt"
	"math"
)

// Behavior is what an animal did while a movie was shown, such as where its eye looked:
// Data has shape (Signals, Frames).
type Behavior struct {
	Signals, Frames int
	Data            []float32
}

// spread writes the values of a signal, from a frame on, over the pixels of frames.
func (b *Behavior) spread(dst []float32, signal, from, pixels int) {
	for i := range len(dst) / pixels {
		value := b.Data[signal*b.Frames+from+i]
		frame := dst[i*pixels : (i+1)*pixels]
		for p := range frame {
			frame[p] = value
		}
	}
}

// standardise subtracts each signal's mean over the training movies from all of them
// and divides by its standard deviation; a signal that never changes becomes zero. NaN
// stands for a frame at which it was not measured, and becomes the mean.
func standardise(train, tests []*Behavior) error {
	for signal := range train[0].Signals {
		mean, deviation, err := statistics(train, signal)
		if err != nil {
			return err
		}
		for _, b := range append(append([]*Behavior(nil), train...), tests...) {
			for i, v := range b.Data[signal*b.Frames : (signal+1)*b.Frames] {
				at := &b.Data[signal*b.Frames+i]
				switch {
				case math.IsInf(float64(v), 0):
					return fmt.Errorf("signal %d of the behaviour is %v at frame %d", signal, v, i)
				case math.IsNaN(float64(v)) || deviation == 0:
					*at = 0
				default:
					*at = float32((float64(v) - mean) / deviation)
				}
			}
		}
	}
	return nil
}

// statistics are the mean of a signal where it was measured, and its standard deviation.
func statistics(parts []*Behavior, signal int) (mean, deviation float64, err error) {
	var sum, squares, n float64
	for _, b := range parts {
		for _, value := range b.Data[signal*b.Frames : (signal+1)*b.Frames] {
			if v := float64(value); !math.IsNaN(v) {
				sum, squares, n = sum+v, squares+v*v, n+1
			}
		}
	}
	if n == 0 {
		return 0, 0, fmt.Errorf("signal %d of the behaviour was not measured at any frame of the training movies", signal)
	}
	mean = sum / n
	return mean, math.Sqrt(max(squares/n-mean*mean, 0)), nil
}
