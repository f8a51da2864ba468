package torch

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// AdamUpdate is one step of torch.optim.Adam, or AdamW where Decoupled, for
// parameters that all have a gradient; parameters and moments are contiguous and
// of one element type. Steps counts the updates of each, this one included;
// MaxExpAvgSq is there for AMSGrad only. Where one of Guards is NaN or infinite,
// nothing is updated.
type AdamUpdate struct {
	Params, ExpAvg, ExpAvgSq, MaxExpAvgSq []*Tensor
	Steps                                 []float64
	Guards                                []*Tensor
	LR, Beta1, Beta2, Eps, WeightDecay    float64
	Decoupled, Maximize                   bool
}

// AdamStep updates parameters and moments in place.
func (s *Scope) AdamStep(u AdamUpdate) {
	s.effect("adam step", func() *libtorch.Error {
		return libtorch.AdamStep(rawHandles(u.Params), rawHandles(u.ExpAvg), rawHandles(u.ExpAvgSq),
			rawHandles(u.MaxExpAvgSq), u.Steps, rawHandles(u.Guards), libtorch.AdamOptions{
				LR: u.LR, Beta1: u.Beta1, Beta2: u.Beta2, Eps: u.Eps, WeightDecay: u.WeightDecay,
				Decoupled: u.Decoupled, AMSGrad: u.MaxExpAvgSq != nil, Maximize: u.Maximize,
			})
	}, slices.Concat(u.Params, u.ExpAvg, u.ExpAvgSq, u.MaxExpAvgSq, u.Guards)...)
}

// SGDUpdate is one step of torch.optim.SGD for parameters as in AdamUpdate. First
// marks those whose momentum buffer has no value yet.
type SGDUpdate struct {
	Params, MomentumBuffer               []*Tensor
	First                                []bool
	Guards                               []*Tensor
	LR, Momentum, Dampening, WeightDecay float64
	Nesterov, Maximize                   bool
}

// SGDStep updates parameters and momentum in place.
func (s *Scope) SGDStep(u SGDUpdate) {
	s.effect("sgd step", func() *libtorch.Error {
		return libtorch.SGDStep(rawHandles(u.Params), rawHandles(u.MomentumBuffer), u.First, rawHandles(u.Guards),
			libtorch.SGDOptions{
				LR: u.LR, Momentum: u.Momentum, Dampening: u.Dampening, WeightDecay: u.WeightDecay,
				Nesterov: u.Nesterov, Maximize: u.Maximize,
			})
	}, slices.Concat(u.Params, u.MomentumBuffer, u.Guards)...)
}
