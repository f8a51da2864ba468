package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// clonedReadout is ClonedReadout: another session's readout, of the same neurons, whose
// responses are scaled and shifted.
type clonedReadout struct {
	source      Readout
	path        string
	alpha, beta *torch.Tensor // (neurons)
}

// cloning makes the first session's readout, and clones of it for the others. (The
// Python package, 1.1.1 and later, fails in making the second one.)
func cloning(build ReadoutBuilder) ReadoutBuilder {
	var original Readout
	var place nn.Path
	return func(p nn.Path, session Session) (Readout, error) {
		if original != nil {
			return newClone(p, session, original, place)
		}
		r, err := build(p, session)
		if err == nil {
			original, place = r, p
		}
		return r, err
	}
}

func newClone(p nn.Path, session Session, original Readout, place nn.Path) (Readout, error) {
	if session.Neurons != original.NumNeurons() {
		return nil, fmt.Errorf("clone_readout needs the same neurons in all sessions: %d here, %d in %s",
			session.Neurons, original.NumNeurons(), place)
	}
	n := int64(session.Neurons)
	r := &clonedReadout{source: original, path: p.String(), alpha: p.Param("alpha", nn.Ones, n), beta: p.Param("beta", nn.Zeros, n)}
	p.Sub("_source").Share(place)
	return r, p.Err()
}

func (r *clonedReadout) NumNeurons() int { return r.source.NumNeurons() }

// Forward is alpha · source(x) + beta.
func (r *clonedReadout) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	y := r.source.Forward(s, x)
	defer s.Enter(r.path)()
	return s.Add(s.Mul(y, r.alpha), r.beta)
}

// Fixed scales and shifts what the source's gives.
func (r *clonedReadout) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	f := &fixedClone{source: r.source.Fixed(s, neurons), alpha: r.alpha, beta: r.beta}
	if neurons != nil {
		f.alpha, f.beta = s.IndexSelect(r.alpha, 0, neurons), s.IndexSelect(r.beta, 0, neurons)
	}
	return f
}

// Regularizer is zero: the features are the source's, which pays for them. (The Python
// class has none, and fails in training.)
func (r *clonedReadout) Regularizer(s *torch.Scope) *torch.Tensor { return s.Zeros() }

// center moves the source's.
func (r *clonedReadout) center(s *torch.Scope) {
	if source, ok := r.source.(centered); ok {
		source.center(s)
	}
}

func (r *clonedReadout) class() string { return "ClonedReadout" }

// fixedClone is a clone of a fixed readout.
type fixedClone struct {
	source      FixedReadout
	alpha, beta *torch.Tensor // (neurons)
}

func (f *fixedClone) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	return s.Add(s.Mul(f.source.Forward(s, features), f.alpha), f.beta)
}

func (f *fixedClone) Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	of := func(x *torch.Tensor) *torch.Tensor { return s.Reshape(s.IndexSelect(x, 0, neurons), -1, 1) }
	return s.Add(s.Mul(f.source.Pairs(s, features, clips, neurons), of(f.alpha)), of(f.beta))
}

func (f *fixedClone) Keep(s *torch.Scope) FixedReadout {
	return &fixedClone{source: f.source.Keep(s), alpha: s.Keep(f.alpha), beta: s.Keep(f.beta)}
}
