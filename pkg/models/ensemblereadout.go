package models

import (
	"github.com/open-retina/openretina-go/pkg/torch"
)

// acrossMembers makes one response of those of members (members, …).
type acrossMembers func(s *torch.Scope, responses *torch.Tensor) *torch.Tensor

func meanOfMembers(s *torch.Scope, responses *torch.Tensor) *torch.Tensor {
	return s.Mean(responses, 0)
}

// deviationOfMembers is sqrt(mean((y - mean(y))²)).
func deviationOfMembers(s *torch.Scope, responses *torch.Tensor) *torch.Tensor {
	return s.Sqrt(s.Mean(s.Square(s.Sub(responses, s.MeanKeep(responses, 0))), 0))
}

// combination says how members share features, and what is made of their responses.
type combination struct {
	channels int64 // of each member
	reduce   acrossMembers
}

// of combines what respond makes of each member's features.
func (c combination) of(
	s *torch.Scope, members int, features *torch.Tensor, respond func(member int, features *torch.Tensor) *torch.Tensor,
) *torch.Tensor {
	responses := make([]*torch.Tensor, members)
	for i := range members {
		responses[i] = respond(i, s.Narrow(features, 1, int64(i)*c.channels, c.channels))
	}
	all := s.Stack(0, responses...)
	s.Free(responses...)
	return c.reduce(s, all)
}

// ensembleReadout gives each member's readout the member's features.
type ensembleReadout struct {
	parts []Readout
	combination
}

func (r *ensembleReadout) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	return r.of(s, len(r.parts), features, func(i int, own *torch.Tensor) *torch.Tensor { return r.parts[i].Forward(s, own) })
}

func (r *ensembleReadout) Regularizer(s *torch.Scope) *torch.Tensor { return meanOf(s, r.parts) }

func (r *ensembleReadout) NumNeurons() int { return r.parts[0].NumNeurons() }

func (r *ensembleReadout) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	fixed := &fixedEnsemble{make([]FixedReadout, len(r.parts)), r.combination}
	for i, part := range r.parts {
		fixed.parts[i] = part.Fixed(s, neurons)
	}
	return fixed
}

// fixedEnsemble is an ensembleReadout with everything worked out.
type fixedEnsemble struct {
	parts []FixedReadout
	combination
}

func (r *fixedEnsemble) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	return r.of(s, len(r.parts), features, func(i int, own *torch.Tensor) *torch.Tensor { return r.parts[i].Forward(s, own) })
}

func (r *fixedEnsemble) Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	return r.of(s, len(r.parts), features, func(i int, own *torch.Tensor) *torch.Tensor {
		return r.parts[i].Pairs(s, own, clips, neurons)
	})
}

func (r *fixedEnsemble) Keep(s *torch.Scope) FixedReadout {
	kept := &fixedEnsemble{make([]FixedReadout, len(r.parts)), r.combination}
	for i, part := range r.parts {
		kept.parts[i] = part.Keep(s)
	}
	return kept
}
