package models

import (
	"fmt"
	"strconv"
	"strings"
)

// Layer is one step of a model, under its name in the state_dict.
type Layer struct {
	Name string `json:"name"`
	// Type is the Python class's name.
	Type string `json:"type"`
	// Output is the shape of what it makes of one clip: (channels, time, height,
	// width) in the core, (time, neurons) of a readout.
	Output []int64 `json:"output"`
	// Parameters are how many it has; Trainable how many of them training moves.
	Parameters int64 `json:"parameters"`
	Trainable  int64 `json:"trainable"`

	root bool  // its parameters are all of the model's, under names of their own
	kept int64 // tensors of the size of Output that a training step holds for it
}

// summarizer is a core that tells its layers.
type summarizer interface {
	// summary are the layers that a stimulus of shape in goes through, in order;
	// names are relative to the core, and Parameters are not filled in.
	summary(in []int64) ([]Layer, error)
}

// Summary are the layers of the model, in the order in which a clip of a stimulus of
// shape (channels, time, height, width) goes through them, the readouts last.
func (m *CoreReadout) Summary(stimulus []int64) ([]Layer, error) {
	features, err := m.Core.OutShape(stimulus)
	if err != nil {
		return nil, err
	}
	layers := []Layer{{Name: "core", Type: className(m.Core), Output: features}}
	if core, ok := m.Core.(summarizer); ok {
		parts, err := core.summary(stimulus)
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if !m.singleCell {
				parts[i].Name = "core." + parts[i].Name
			}
		}
		layers = parts
	}
	for _, name := range m.sessions {
		r := m.readouts[name]
		layer, contrast := "readout."+name, false
		if m.singleCell {
			layer = "nonlinearity"
			_, contrast = r.(*spatialContrast)
		}
		layers = append(layers, Layer{
			Name: layer, root: contrast, Type: className(r), Output: []int64{max(features[1]-m.history(), 0), int64(r.NumNeurons())},
		})
	}
	for i := range layers {
		if err := m.count(&layers[i]); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

// className is the name of a layer's class in the Python package.
func className(layer any) string {
	if named, ok := layer.(interface{ class() string }); ok {
		return named.class()
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", layer), "*models.")
}

// count fills in the parameters that lie below a layer's name.
func (m *CoreReadout) count(l *Layer) error {
	for _, e := range m.store.Entries() {
		if !e.Parameter || !l.root && !strings.HasPrefix(e.Name, l.Name+".") {
			continue
		}
		shape, err := m.store.Scope().Shape(e.Tensor)
		if err != nil {
			return err
		}
		n := elements(shape)
		l.Parameters += n
		if e.Trainable {
			l.Trainable += n
		}
	}
	return nil
}

// elements is how many values a tensor of a shape has.
func elements(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

func (*simpleCore) class() string   { return "SimpleCoreWrapper" }
func (*gaussianMask) class() string { return "GaussianMaskReadout" }

func (*stSeparableConv) class() string     { return "STSeparableBatchConv3d" }
func (*torchSeparableConv) class() string  { return "TorchSTSeparableConv3D" }
func (*fullConv) class() string            { return "TorchFullConv3D" }
func (*timeIndependentConv) class() string { return "TimeIndependentConv3D" }

// summary has the names of the Python class's nn.Sequential.
func (c *simpleCore) summary(in []int64) (layers []Layer, err error) {
	s := size{in[1], in[2], in[3]}
	channels := c.Channels[0]
	add := func(name, class string) {
		layers = append(layers, Layer{Name: name, Type: class, Output: []int64{channels, s[0], s[1], s[2]}})
	}
	if c.squash != nil {
		add("color_squashing_layer", "WeightedChannelSumLayer")
	}
	if k := c.DownsampleKernelSize; k != nil {
		if s, err = s.after(*k, *k, Padding{}); err != nil {
			return nil, err
		}
		add("downsample", "avg_pool3d")
	}
	parts, s, err := summaryOfLayers(c.layers, s)
	if err != nil {
		return nil, err
	}
	layers, channels = append(layers, parts...), c.Channels[len(c.Channels)-1]
	if c.CutFirstNFrames > 0 {
		s[0] = max(s[0]-c.CutFirstNFrames, 0)
		add("cut_first_n_frames", "slice")
	}
	return layers, nil
}

// summaryOfLayers are the parts of layers that go on from size s, and the size that
// they end with.
func summaryOfLayers(layers []*coreLayer, s size) (parts []Layer, end size, err error) {
	for _, l := range layers {
		if s, err = l.conv.outSize(s); err != nil {
			return nil, s, err
		}
		add := func(name, class string) {
			if l.numbered {
				name = strconv.Itoa(map[string]int{"conv": 0, "nonlin": 1}[name])
			}
			parts = append(parts, Layer{
				Name: strings.TrimPrefix(l.path+"."+name, "core."), Type: class,
				Output: []int64{l.conv.channels(), s[0], s[1], s[2]},
			})
		}
		add("conv", className(l.conv))
		parts[len(parts)-1].kept = l.kept()
		if l.norm != nil {
			add("norm", "BatchNorm3d")
		}
		if l.bias != nil {
			add("bias", "Bias3DLayer")
		}
		if l.scale != nil {
			add("scale", "Scale3DLayer")
		}
		if l.activation != "" {
			add("nonlin", l.activation)
		}
		if l.dropout > 0 {
			add("dropout", "Dropout3d")
		}
		if l.pool {
			if s, err = s.after(poolKernel, poolKernel, Padding{}); err != nil {
				return nil, s, err
			}
			add("pool", "MaxPool3d")
		}
		if l.film != nil {
			add("film", "FiLM")
			parts[len(parts)-1].Name = strings.TrimPrefix(l.film.path, "core.")
		}
	}
	return parts, s, nil
}

// The activations of a step, in tensors of the size of a layer's output: what the
// layer keeps for its gradient, and what is on the way. Measured at the peak of steps;
// docs/configs.md has how far off the sum is.
const (
	keptByFusedLayer    = 4 // SeparableLayer, one operation
	keptByComposedLayer = 9 // convolution, BatchNorm, bias and ELU each with their own
	// What the input gives the gates, the gates, the gradients of both, and the states
	// before and after.
	keptByGRU = 12
)

// floatBytes is the size of a float32.
const floatBytes = 4

// ActivationBytes estimates the memory that a batch of clips of shape (channels,
// time, height, width) takes beside the parameters: in a step of training, and where
// only the responses are computed.
func ActivationBytes(layers []Layer, stimulus []int64, clips int) (training, inference int64) {
	training, inference = elements(stimulus), elements(stimulus)
	largest := int64(0)
	for _, l := range layers {
		training += l.kept * elements(l.Output)
		if l.kept > 0 {
			largest = max(largest, elements(l.Output))
		}
	}
	inference += 2 * largest // a layer's input and output
	batch := floatBytes * int64(clips)
	return training * batch, inference * batch
}
