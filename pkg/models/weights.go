package models

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// WeightMap is a part of a model's weights as numbers to draw: a map over space, and
// beside it a course over the frames of a kernel, or a number for each feature.
type WeightMap struct {
	// Dir and Name are those of the Python package's save_weight_visualizations, such as
	// weights_core/weights_layer_0 and 1_2 (from channel 1 to channel 2), or
	// weights_readout/SESSION and neuron_3.
	Dir, Name     string
	Space         []float64 // row by row
	Height, Width int
	Course        []float64
	Features      bool // Course is of features
}

// kernelDrawn is a convolution whose kernel (out, in, time, height, width) is not one of
// its parameters but made of them.
type kernelDrawn interface {
	drawnKernel(s *torch.Scope) *torch.Tensor
}

// layered is a core of layers, each with a convolution.
type layered interface{ coreLayers() []*coreLayer }

func (c *simpleCore) coreLayers() []*coreLayer { return c.layers }

func (c *stSeparableConv) drawnKernel(s *torch.Scope) *torch.Tensor {
	return s.Mul(c.spatial, c.temporalKernel(s))
}

func (c *fullConv) drawnKernel(*torch.Scope) *torch.Tensor            { return c.weight }
func (c *torchSeparableConv) drawnKernel(*torch.Scope) *torch.Tensor  { return c.spatial } // its time mixes channels
func (c *timeIndependentConv) drawnKernel(*torch.Scope) *torch.Tensor { return c.weight }

// EachWeightMap gives the maps of all kernels of the core, then those of all neurons of
// the readouts that come down to a weighted sum of features. Cores that are not made of
// layers give each of their parameters that has the shape of a kernel.
func (m *CoreReadout) EachWeightMap(ctx context.Context, draw func(WeightMap) error) error {
	return torch.DoOn(ctx, m.device, torch.Inference, func(s *torch.Scope) error {
		if m.Core != nil {
			if err := m.eachKernel(s, draw); err != nil {
				return err
			}
		}
		return m.eachMask(s, draw)
	})
}

func (m *CoreReadout) eachKernel(s *torch.Scope, draw func(WeightMap) error) error {
	if core, ok := m.Core.(layered); ok {
		for i, l := range core.coreLayers() {
			if conv, ok := l.conv.(kernelDrawn); ok {
				if err := kernelMaps(s, conv.drawnKernel(s), fmt.Sprintf("weights_core/weights_layer_%d", i), draw); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, e := range m.store.Entries() {
		shape, err := s.Shape(e.Tensor)
		if err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(e.Name, "core."); ok && e.Parameter && len(shape) == kernelRank {
			if err := kernelMaps(s, e.Tensor, "weights_core/"+name, draw); err != nil {
				return err
			}
		}
	}
	return nil
}

const kernelRank = 5

// kernelMaps draws a kernel (out, in, time, height, width), each pair of channels by the
// map at its strongest frame and the course at its strongest position: of a separable
// kernel these are its factors.
func kernelMaps(s *torch.Scope, kernel *torch.Tensor, dir string, draw func(WeightMap) error) error {
	shape, err := s.Shape(kernel)
	if err != nil {
		return err
	}
	values, err := s.Float32s(kernel)
	if err != nil {
		return err
	}
	out, in, frames, positions := int(shape[0]), int(shape[1]), int(shape[2]), int(shape[3]*shape[4])
	for i := range in {
		for o := range out {
			pair := values[(o*in+i)*frames*positions:][:frames*positions]
			p := WeightMap{Dir: dir, Name: fmt.Sprintf("%d_%d", i, o), Height: int(shape[3]), Width: int(shape[4])}
			p.Space, p.Course = factors(pair, frames, positions)
			if err := draw(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// factors are the row with the largest weight of a matrix (rows, columns), and the
// column with it.
func factors(values []float32, rows, columns int) (row, column []float64) {
	strongest := 0
	for i, v := range values {
		if math.Abs(float64(v)) > math.Abs(float64(values[strongest])) {
			strongest = i
		}
	}
	row, column = make([]float64, columns), make([]float64, rows)
	for c := range columns {
		row[c] = float64(values[strongest/columns*columns+c])
	}
	for r := range rows {
		column[r] = float64(values[r*columns+strongest%columns])
	}
	return row, column
}

// eachMask draws what readouts that are linear in the features weigh: for each neuron
// the map of its strongest feature, and the features' weights where that is strongest.
func (m *CoreReadout) eachMask(s *torch.Scope, draw func(WeightMap) error) error {
	if m.Core == nil || m.members != nil {
		return nil
	}
	features, err := m.Core.OutShape(m.InShape)
	if err != nil {
		return err
	}
	for _, session := range m.Sessions() {
		linear, ok := m.readouts[session].Fixed(s, nil).(*linearReadout)
		if !ok {
			continue
		}
		channels, positions := int(features[0]), int(features[2]*features[3])
		values, err := linear.everywhere(s, positions)
		if err != nil {
			return err
		}
		for n := range m.readouts[session].NumNeurons() {
			p := WeightMap{
				Dir: "weights_readout/" + session, Name: fmt.Sprintf("neuron_%d", n),
				Height: int(features[2]), Width: int(features[3]), Features: true,
			}
			p.Space, p.Course = factors(values[n*channels*positions:][:channels*positions], channels, positions)
			if err := draw(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// everywhere are the weights (neurons, channels, positions), zero where none are weighed.
func (r *linearReadout) everywhere(s *torch.Scope, positions int) ([]float32, error) {
	values, err := s.Float32s(r.weights)
	if err != nil || r.positions == nil {
		return values, err
	}
	all := make([]float32, len(values)/len(r.positions)*positions)
	for i, v := range values {
		row, picked := i/len(r.positions), i%len(r.positions)
		all[row*positions+int(r.positions[picked])] = v
	}
	return all, nil
}
