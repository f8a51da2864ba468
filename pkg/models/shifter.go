package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// A shifter turns signals of behaviour (frames, signals) into shifts (frames, 2) of a
// session's readout: (x, y), 2 being the whole width and height of the features.
type shifter interface {
	Forward(s *torch.Scope, signals *torch.Tensor) *torch.Tensor
	// Regularizer is the penalty on the shifter's weights, a scalar.
	Regularizer(s *torch.Scope) *torch.Tensor
}

// ShifterBuilder makes the shifter of one session, for that many signals.
type ShifterBuilder func(p nn.Path, signals int64) (shifter, error)

// shifterSignals are the arguments that all shifters share.
type shifterSignals struct {
	DataKeys      *config.Node `yaml:"data_keys,runtime"` // the model knows its sessions
	InputChannels int64        `yaml:"input_channels"`    // how many of the signals move it: the first ones
	Gamma         float64      `yaml:"gamma_shifter"`     // weight of the penalty
	Bias          bool         `yaml:"bias"`              // a shift where all signals are 0, which the readouts can learn themselves
}

func (c *shifterSignals) validate() error {
	if c.InputChannels < 1 {
		return config.Refuse("input_channels", "input_channels must be at least 1, got %d", c.InputChannels)
	}
	return nil
}

// check compares what a shifter needs with the signals that there are.
func (c *shifterSignals) check(signals int64) error {
	if signals < c.InputChannels {
		return config.Refuse("input_channels", "the shifter takes %d signals, behavior.channels is %d", c.InputChannels, signals)
	}
	return nil
}

// MLPShifterConfig are the arguments of neuralpredictors' MLPShifter, whose bias is
// off here unless it is asked for.
type MLPShifterConfig struct {
	Signals shifterSignals `yaml:",inline"`
	Hidden  int64          `yaml:"hidden_channels_shifter"`
	Layers  int64          `yaml:"shift_layers"`
}

func defaultMLPShifter() MLPShifterConfig {
	return MLPShifterConfig{Signals: shifterSignals{InputChannels: 2}, Hidden: 2, Layers: 1}
}

// Validate refuses sizes that make no network.
func (c *MLPShifterConfig) Validate() error {
	refused := config.Refusals{c.Signals.validate()}
	refused.Unless(c.Hidden >= 1, "hidden_channels_shifter", "hidden_channels_shifter must be at least 1, got %d", c.Hidden)
	refused.Unless(c.Layers >= 1, "shift_layers", "shift_layers must be at least 1, got %d", c.Layers)
	return refused.Err()
}

// AffineShifterConfig are the arguments of neuralpredictors' StaticAffine2dShifter,
// whose bias is off here unless it is asked for.
type AffineShifterConfig struct {
	Signals shifterSignals `yaml:",inline"`
	Outputs int64          `yaml:"output_channels"`
}

func defaultAffineShifter() AffineShifterConfig {
	return AffineShifterConfig{Signals: shifterSignals{InputChannels: 2}, Outputs: 2}
}

// Validate refuses shifts that are not (x, y).
func (c *AffineShifterConfig) Validate() error {
	refused := config.Refusals{c.Signals.validate()}
	refused.Unless(c.Outputs == 2, "output_channels", "output_channels must be 2 (x and y), got %d", c.Outputs)
	return refused.Err()
}

// linearTanh is a layer of a shifter: tanh(W·x + b).
type linearTanh struct{ weight, bias *torch.Tensor }

func newLinearTanh(p nn.Path, in, out int64, bias bool, init nn.Init) linearTanh {
	l := linearTanh{weight: p.Param("weight", init, out, in)}
	if bias {
		l.bias = p.Param("bias", init, out)
	}
	return l
}

func (l linearTanh) forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	y := s.MatMul(x, s.Permute(l.weight, 1, 0))
	if l.bias != nil {
		y = s.Add(y, l.bias)
	}
	return s.Tanh(y)
}

// layeredShifter is a chain of layers over the first signals.
type layeredShifter struct {
	layers  []linearTanh
	signals int64
	// gamma weighs the mean square of the first layer's weights.
	gamma float64
}

func (n *layeredShifter) Forward(s *torch.Scope, signals *torch.Tensor) *torch.Tensor {
	x := s.Narrow(signals, 1, 0, n.signals)
	for _, l := range n.layers {
		x = l.forward(s, x)
	}
	return x
}

func (n *layeredShifter) Regularizer(s *torch.Scope) *torch.Tensor {
	if n.gamma == 0 {
		return s.Zeros()
	}
	return s.MulScalar(s.Mean(s.Square(n.layers[0].weight)), n.gamma)
}

// builder has no penalty, as neuralpredictors' class.
func (c MLPShifterConfig) builder(struct{}) (ShifterBuilder, error) {
	return func(p nn.Path, signals int64) (shifter, error) {
		if err := c.Signals.check(signals); err != nil {
			return nil, err
		}
		n := &layeredShifter{signals: c.Signals.InputChannels}
		in := c.Signals.InputChannels
		for i := range c.Layers {
			out := c.Hidden
			if i == c.Layers-1 {
				out = 2
			}
			at := p.Sub("mlp").Subf("%d", 2*i) // tanh is the layer between
			n.layers = append(n.layers, newLinearTanh(at, in, out, c.Signals.Bias, nn.ConvUniform(in)))
			in = out
		}
		return n, p.Err()
	}, nil
}

// builder starts next to no shift, as neuralpredictors' class.
func (c AffineShifterConfig) builder(struct{}) (ShifterBuilder, error) {
	return func(p nn.Path, signals int64) (shifter, error) {
		if err := c.Signals.check(signals); err != nil {
			return nil, err
		}
		layer := newLinearTanh(p, c.Signals.InputChannels, 2, c.Signals.Bias, nn.ScaledNormal(1e-6))
		return &layeredShifter{layers: []linearTanh{layer}, signals: c.Signals.InputChannels, gamma: c.Signals.Gamma}, p.Err()
	}, nil
}
