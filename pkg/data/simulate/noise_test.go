package simulate

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// TestNoiseLayout checks names, shapes and types against those that the Python
// package writes with --num-colors 2 --num-stimuli 2 --num-sessions 2
// --clip-length 2 (fixture data/create_data).
func TestNoiseLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "noise")
	options := NoiseOptions{NumColors: 2, NumStimuli: 2, NumSessions: 2, ClipLength: 2}
	if err := WriteNoise(context.Background(), dir, options); err != nil {
		t.Fatal(err)
	}
	for i, frames := range []int{140, 142} {
		a, err := npy.ReadFile(filepath.Join(dir, stimulusFile(noiseName(i))))
		if err != nil || a.DType != ndarray.Float64 || !slices.Equal(a.Shape, []int{2, frames, 16, 8}) {
			t.Fatalf("stimulus %d: %v, %v", i, a, err)
		}
	}
	for _, session := range []string{"session_0.hdf5", "session_1.hdf5"} {
		codes, shape := readDataset(t, filepath.Join(dir, session), "session_info/celltypes")
		if len(codes) < 10 || len(codes) > 29 || slices.Min(codes) < 0 || slices.Max(codes) > 39 {
			t.Errorf("%s: cell types %v", session, codes)
		}
		if _, got := readDataset(t, filepath.Join(dir, session), "responses_random_noise_1"); !slices.Equal(got, []int{shape[0], 142}) {
			t.Errorf("%s: responses of shape %v", session, got)
		}
	}
	first := digests(t, dir)
	again := filepath.Join(t.TempDir(), "again")
	if err := WriteNoise(context.Background(), again, options); err != nil {
		t.Fatal(err)
	}
	for name, digest := range digests(t, again) {
		if first[name] != digest {
			t.Errorf("%s differs the second time", name)
		}
	}
}

// TestNoiseNeuron follows numpy.convolve(mode="same") by hand.
func TestNoiseNeuron(t *testing.T) {
	const frames = 5
	stimulus := make([]float64, 2*frames*noiseHeight*noiseWidth)
	for f := range frames {
		for p := range noiseHeight * noiseWidth {
			stimulus[(frames+f)*noiseHeight*noiseWidth+p] = float64(f + 1) // second colour only
		}
	}
	for _, c := range []struct {
		neuron noiseNeuron
		want   []float64
	}{
		{noiseNeuron{colour: 1, row: 14, column: 3, size: 3, window: 3, scale: 2, offset: 1}, []float64{13, 25, 37, 49, 37}},
		{noiseNeuron{colour: 1, row: 0, column: 7, size: 2, window: 4, scale: 1}, []float64{1.5, 3, 5, 7, 6}},
		{noiseNeuron{colour: 0, size: 2, window: 3, scale: 1, offset: 0.5}, []float64{0.5, 0.5, 0.5, 0.5, 0.5}},
	} {
		got := c.neuron.respond(stimulus, frames)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-12 {
				t.Errorf("%+v: %v, want %v", c.neuron, got, c.want)
				break
			}
		}
	}
}

func TestBadNoiseOptions(t *testing.T) {
	err := WriteNoise(context.Background(), t.TempDir(), NoiseOptions{NumColors: -2})
	if err == nil || !strings.Contains(err.Error(), "num-colors is -2") {
		t.Errorf("error %v", err)
	}
}
