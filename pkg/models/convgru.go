package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// ConvGRUConfig are the arguments of GRU_Module, without the input's channels.
type ConvGRUConfig struct {
	RecChannels int64   `yaml:"rec_channels,required"`
	InputKern   int64   `yaml:"input_kern,required"`
	RecKern     int64   `yaml:"rec_kern,required"`
	Groups      *int64  `yaml:"groups"`
	GammaRec    float64 `yaml:"gamma_rec"`
	PadInput    *bool   `yaml:"pad_input"`
}

func (c *ConvGRUConfig) groups() int64 {
	if c.Groups == nil {
		return 1
	}
	return *c.Groups
}

func (c *ConvGRUConfig) padsInput() bool { return c.PadInput == nil || *c.PadInput }

// padding is that of the input's convolutions.
func (c *ConvGRUConfig) padding() int64 {
	if c.padsInput() {
		return c.InputKern / 2
	}
	return 0
}

// check refuses what cannot be computed with an input of some channels. Even kernels
// that are padded change the size of what they go over, so that state and input no
// longer fit: the Python package makes such a module and fails at its first frame.
func (c *ConvGRUConfig) check(input int64) error {
	var refused config.Refusals
	refused.Unless(c.RecChannels >= 1, "gru_kwargs.rec_channels", "rec_channels must be at least 1, got %d", c.RecChannels)
	refused.Unless(c.InputKern >= 1, "gru_kwargs.input_kern", "input_kern must be at least 1, got %d", c.InputKern)
	refused.Unless(c.InputKern%2 != 0 || !c.padsInput(), "gru_kwargs.input_kern",
		"input_kern must be odd where pad_input is true, got %d: the Python package's GRU fails with it too; take %d or %d",
		c.InputKern, c.InputKern-1, c.InputKern+1)
	refused.Unless(c.RecKern >= 1, "gru_kwargs.rec_kern", "rec_kern must be at least 1, got %d", c.RecKern)
	refused.Unless(c.RecKern%2 != 0, "gru_kwargs.rec_kern",
		"rec_kern must be odd, got %d: the Python package's GRU fails with it too; take %d or %d",
		c.RecKern, c.RecKern-1, c.RecKern+1)
	groups := c.groups()
	refused.Unless(groups >= 1 && input%max(groups, 1) == 0 && c.RecChannels%max(groups, 1) == 0, "gru_kwargs.groups",
		"groups must divide the %d channels of the GRU's input and its %d rec_channels, got %d", input, c.RecChannels, groups)
	return refused.Err()
}

// convGRU is GRU_Module with its ConvGRUCell: a gated recurrent unit whose products are
// convolutions over space (Sinz et al. 2018).
type convGRU struct {
	ConvGRUConfig
	path    string
	weights torch.ConvGRU
}

func newConvGRU(p nn.Path, input int64, c ConvGRUConfig) *convGRU {
	cell := p.Sub("gru")
	conv := func(name string, in, kernel int64) (weight, bias *torch.Tensor) {
		in /= c.groups()
		initial := nn.ConvUniform(in * kernel * kernel) // Conv2d's, which is drawn and replaced
		at := cell.Sub(name)
		return at.Param("weight", initial, c.RecChannels, in, kernel, kernel), at.Param("bias", initial, c.RecChannels)
	}
	gate := func(name string) (g torch.GRUGate) {
		g.Input, g.InputBias = conv(name+"_gate_input", input, c.InputKern)
		g.Hidden, g.HiddenBias = conv(name+"_gate_hidden", c.RecChannels, c.RecKern)
		return g
	}
	g := &convGRU{ConvGRUConfig: c, path: p.String()}
	g.weights = torch.ConvGRU{
		Reset: gate("reset"), Update: gate("update"), Out: gate("out"), Padding: c.padding(), Groups: c.groups(),
	}
	for _, gate := range []torch.GRUGate{g.weights.Reset, g.weights.Update, g.weights.Out} {
		cell.Redraw(gate.Input, nn.XavierNormal)
		cell.Redraw(gate.InputBias, nn.Zeros)
		cell.Redraw(gate.Hidden, nn.XavierNormal)
		cell.Redraw(gate.HiddenBias, nn.Zeros)
	}
	return g
}

// Forward gives the states (batch, rec_channels, time, height, width) to features
// (batch, channels, time, height, width). state (batch, rec_channels, height, width) is
// the one before the first frame; nil is zero.
func (g *convGRU) Forward(s *torch.Scope, features, state *torch.Tensor) *torch.Tensor {
	defer s.Enter(g.path)()
	return s.ConvGRU(features, g.weights, state)
}

func (g *convGRU) outSize(in size) (size, error) {
	if g.padsInput() {
		return in, nil
	}
	return in.after(size{1, g.InputKern, g.InputKern}, size{1, 1, 1}, Padding{})
}

// tensors is how many of the size of its states it makes: what the input gives the
// three gates, the states, and a copy of the first while it is made.
func (*convGRU) tensors() int64 { return 3 + 1 + 1 }

// Regularizer is gamma_rec · (mean |b_reset| + mean |w_update| + mean |b_out|) / 3 of
// the convolutions of the state, as ConvGRUCell's, which no core of the Python package
// asks for.
func (g *convGRU) Regularizer(s *torch.Scope) *torch.Tensor {
	w := g.weights
	sum := s.Add(s.Mean(s.Abs(w.Reset.HiddenBias)), s.Mean(s.Abs(w.Update.Hidden)))
	return s.MulScalar(s.Add(sum, s.Mean(s.Abs(w.Out.HiddenBias))), g.GammaRec/3)
}

func (*convGRU) class() string { return "GRU_Module" }
