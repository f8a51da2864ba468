package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// recurrentCore is ConvGRUCore with its GRU.
type recurrentCore struct {
	convs *convGRUCore
	gru   *convGRU
}

// Forward gives the GRU's states (batch, rec_channels, time, height, width).
func (c *recurrentCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	features := c.convs.Forward(s, x)
	defer s.Free(features)
	return c.gru.Forward(s, features, nil)
}

// Convolutions is the core without its GRU.
func (c *recurrentCore) Convolutions() LocalInTime { return c.convs }

// Continue goes on from state (batch, rec_channels, height, width).
func (c *recurrentCore) Continue(s *torch.Scope, features, state *torch.Tensor) (out, last *torch.Tensor) {
	out = c.gru.Forward(s, features, state)
	final := s.Narrow(out, 2, s.Dim(out, 2)-1, 1)
	return out, s.Reshape(final, s.Dim(out, 0), s.Dim(out, 1), s.Dim(out, 3), s.Dim(out, 4))
}

// ForSession is the core at a session's log speed, where that is used.
func (c *recurrentCore) ForSession(session string) Core {
	convs := c.convs.forSession(session)
	if convs == c.convs {
		return c
	}
	return &recurrentCore{convs: convs, gru: c.gru}
}

// Fixed works out the temporal kernels.
func (c *recurrentCore) Fixed(s *torch.Scope) Core {
	return &recurrentCore{convs: c.convs.fixed(s), gru: c.gru}
}

// OutShape is the features' shape for a stimulus of shape in.
func (c *recurrentCore) OutShape(in []int64) ([]int64, error) {
	features, err := c.convs.OutShape(in)
	if err != nil {
		return nil, err
	}
	s, err := c.gru.outSize(size(features[1:]))
	if err != nil {
		return nil, config.Refuse("gru_kwargs.input_kern", "gru_kwargs.input_kern: %v", err)
	}
	return []int64{c.gru.RecChannels, s[0], s[1], s[2]}, nil
}

// Memory is what the convolutions take, or the GRU after them.
func (c *recurrentCore) Memory(in []int64) int64 {
	convs := c.convs.Memory(in)
	features, err := c.convs.OutShape(in)
	if err != nil {
		return convs
	}
	s, _ := c.gru.outSize(size(features[1:])) // what does not fit has no volume
	states := c.gru.RecChannels * s.volume()
	return max(convs, floatBytes*(elements(in)+elements(features)+states*c.gru.tensors()))
}

// Regularizer is that of the convolutions and, where use_gamma_rec asks for it, of the
// GRU.
func (c *recurrentCore) Regularizer(s *torch.Scope) *torch.Tensor {
	penalty := c.convs.Regularizer(s)
	if !c.convs.UseGammaRec {
		return penalty
	}
	return s.Add(penalty, c.gru.Regularizer(s))
}

func (c *recurrentCore) class() string { return c.convs.class() }

func (c *recurrentCore) summary(in []int64) ([]Layer, error) {
	layers, err := c.convs.summary(in)
	if err != nil {
		return nil, err
	}
	out, err := c.OutShape(in)
	return append(layers, Layer{Name: "features.gru", Type: className(c.gru), Output: out, kept: keptByGRU}), err
}
