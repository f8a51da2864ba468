package insilico

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// starts gives where each stimulus begins.
type starts struct {
	clips [][]float32 // one for all stimuli, or one for each
}

func (s starts) of(target int) []float32 { return s.clips[target%len(s.clips)] }

// newStarts draws or reads the starts of n stimuli. A random start is the same
// for all of them, namely that of a generator with the settings' seed: so a
// neuron has the same start alone and among others.
func newStarts(ctx context.Context, m *models.CoreReadout, c *Settings, n int) (starts, error) {
	if c.Init.Path != "" {
		return readStarts(c.Init.Path, m.StimulusShape(c.Frames), n)
	}
	clip, err := drawStart(ctx, m, c)
	return starts{[][]float32{clip}}, err
}

// drawStart draws on the CPU, so that the start does not depend on the device.
func drawStart(ctx context.Context, m *models.CoreReadout, c *Settings) (clip []float32, err error) {
	rng, err := torch.NewGenerator(c.Seed, torch.CPU)
	if err != nil {
		return nil, err
	}
	defer rng.Close()
	err = torch.Do(ctx, torch.Inference, func(s *torch.Scope) error {
		x := s.MulScalar(s.Randn(rng, toInt64(m.StimulusShape(c.Frames))...), c.Init.Scale)
		clip, err = s.Float32s(process(s, x, c.Postprocessors))
		return err
	})
	return clip, err
}

// process applies postprocessors in order.
func process(s *torch.Scope, x *torch.Tensor, list []Postprocessor) *torch.Tensor {
	for _, p := range list {
		x = p.Process(s, x)
	}
	return x
}

// readStarts reads one stimulus for all targets, or one for each of the n.
func readStarts(path string, shape []int, n int) (starts, error) {
	a, err := npy.ReadFile(path)
	if err != nil {
		return starts{}, fmt.Errorf("mei.init: %w", err)
	}
	count := 1
	if len(a.Shape) == len(shape) {
		count = a.Shape[0]
	}
	if given := a.Shape[max(0, len(a.Shape)-len(shape)+1):]; !slices.Equal(given, shape[1:]) ||
		len(a.Shape) > len(shape) || count != 1 && count != n {
		return starts{}, fmt.Errorf("mei.init: %s has shape %v, a stimulus (1, channels, mei.frames, height, width) of the model is %v; one for each of the %d stimuli is taken too",
			path, a.Shape, shape, n)
	}
	if a.DType == ndarray.Bool {
		return starts{}, fmt.Errorf("mei.init: %s holds bools, not numbers", path)
	}
	values := a.Float32s()
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return starts{}, fmt.Errorf("mei.init: %s has the value %v at element %d", path, v, i)
		}
	}
	size := len(values) / count
	return starts{slices.Collect(slices.Chunk(values, size))}, nil
}

func toInt64(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, d := range shape {
		out[i] = int64(d)
	}
	return out
}
