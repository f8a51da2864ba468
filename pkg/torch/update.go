package torch

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// AdamUpdate is one step of torch.optim.Adam, or AdamW where Decoupled, for
// parameters that all have a gradient. Steps counts the updates of each, this
// one included; MaxExpAvgSq is there for AMSGrad only.
type AdamUpdate struct {
	Params, ExpAvg, ExpAvgSq, MaxExpAvgSq []*Tensor
	Steps                                 []float64
	LR, Beta1, Beta2, Eps, WeightDecay    float64
	Decoupled, Maximize                   bool
}

// AdamStep updates parameters and moments in place.
func (s *Scope) AdamStep(u AdamUpdate) {
	s.effect("adam step", func() *libtorch.Error {
		return libtorch.AdamStep(rawHandles(u.Params), rawHandles(u.ExpAvg), rawHandles(u.ExpAvgSq),
			rawHandles(u.MaxExpAvgSq), u.Steps, libtorch.AdamOptions{
				LR: u.LR, Beta1: u.Beta1, Beta2: u.Beta2, Eps: u.Eps, WeightDecay: u.WeightDecay,
				Decoupled: u.Decoupled, AMSGrad: u.MaxExpAvgSq != nil, Maximize: u.Maximize,
			})
	}, slices.Concat(u.Params, u.ExpAvg, u.ExpAvgSq, u.MaxExpAvgSq)...)
}

// SGDUpdate is one step of torch.optim.SGD for parameters that all have a
// gradient. First marks those whose momentum buffer has no value yet.
type SGDUpdate struct {
	Params, MomentumBuffer               []*Tensor
	First                                []bool
	LR, Momentum, Dampening, WeightDecay float64
	Nesterov, Maximize                   bool
}

// SGDStep updates parameters and momentum in place.
func (s *Scope) SGDStep(u SGDUpdate) {
	s.effect("sgd step", func() *libtorch.Error {
		return libtorch.SGDStep(rawHandles(u.Params), rawHandles(u.MomentumBuffer), u.First, libtorch.SGDOptions{
			LR: u.LR, Momentum: u.Momentum, Dampening: u.Dampening, WeightDecay: u.WeightDecay,
			Nesterov: u.Nesterov, Maximize: u.Maximize,
		})
	}, slices.Concat(u.Params, u.MomentumBuffer)...)
}
