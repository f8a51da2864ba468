package models

import (
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// parametrizedSoftplus is the word for ParametrizedSoftplus: w · softplus(x + b).
const parametrizedSoftplus = "parametrized_softplus"

// outputNonlinearity is the readout of a model of one cell whose core has computed the
// cell's drive, features (batch, 1, time, 1, 1).
type outputNonlinearity struct {
	function func(s *torch.Scope, x *torch.Tensor) *torch.Tensor
	b, w     *torch.Tensor // numbers, of ParametrizedSoftplus alone
}

func newOutputNonlinearity(p nn.Path, name string) *outputNonlinearity {
	if name != parametrizedSoftplus {
		return &outputNonlinearity{function: functionals[name]}
	}
	return &outputNonlinearity{
		function: (*torch.Scope).Softplus, b: p.Param("b", nn.Zeros), w: p.Param("w", nn.Ones),
	}
}

func (r *outputNonlinearity) class() string {
	if r.b != nil {
		return "ParametrizedSoftplus"
	}
	return "nonlinearity"
}

func (r *outputNonlinearity) NumNeurons() int { return 1 }

// Regularizer is zero.
func (r *outputNonlinearity) Regularizer(s *torch.Scope) *torch.Tensor { return s.Zeros() }

func (r *outputNonlinearity) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	x := s.Reshape(features, s.Dim(features, 0), s.Dim(features, 2), 1)
	if r.b == nil {
		return r.function(s, x)
	}
	return s.Mul(r.function(s, s.Add(x, r.b)), r.w)
}

// Fixed has the one neuron as often as it is named.
func (r *outputNonlinearity) Fixed(_ *torch.Scope, neurons []int64) FixedReadout {
	times := int64(1)
	if neurons != nil {
		times = int64(len(neurons))
	}
	return &fixedNonlinearity{*r, times}
}

type fixedNonlinearity struct {
	outputNonlinearity
	times int64
}

func (r *fixedNonlinearity) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	y := r.outputNonlinearity.Forward(s, features)
	return s.Expand(y, s.Dim(y, 0), s.Dim(y, 1), r.times)
}

func (r *fixedNonlinearity) Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	return pairsOf(s, r.Forward(s, features), clips, neurons)
}

// Keep moves the parameters.
func (r *fixedNonlinearity) Keep(s *torch.Scope) FixedReadout {
	kept := *r
	if r.b != nil {
		kept.b, kept.w = s.Keep(r.b), s.Keep(r.w)
	}
	return &kept
}
