package models

import (
	"slices"
	"sync"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// ensembleCore puts the features of its members side by side, as channels.
type ensembleCore struct{ members []Core }

// localEnsemble is an ensemble of cores that are local in time.
type localEnsemble struct{ ensembleCore }

// sessionEnsemble is an ensemble of cores whose features depend on the session.
type sessionEnsemble struct {
	ensembleCore

	mu   sync.Mutex
	made map[string]*ensembleCore // for sessions; one for those that make no difference
}

func newEnsembleCore(members []Core) Core {
	if slices.ContainsFunc(members, func(c Core) bool { _, ok := c.(PerSession); return ok }) {
		return &sessionEnsemble{ensembleCore: ensembleCore{members}, made: map[string]*ensembleCore{}}
	}
	e := ensembleCore{members}
	if slices.ContainsFunc(members, func(c Core) bool { _, ok := c.(LocalInTime); return !ok }) {
		return &e
	}
	return &localEnsemble{e}
}

// ForSession has each member's core for the session.
func (e *sessionEnsemble) ForSession(session string) Core {
	e.mu.Lock()
	defer e.mu.Unlock()
	if made, ok := e.made[session]; ok {
		return made
	}
	own := slices.Clone(e.members)
	for i, m := range e.members {
		if core, ok := m.(PerSession); ok {
			own[i] = core.ForSession(session)
		}
	}
	made := &ensembleCore{own}
	for _, other := range e.made {
		if slices.Equal(other.members, own) {
			made = other
		}
	}
	e.made[session] = made
	return made
}

func (*ensembleCore) class() string  { return "EnsembleModel" }
func (*localEnsemble) class() string { return "EnsembleModel" }

// Forward gives features (batch, members · channels, time, height, width).
func (e *ensembleCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	if len(e.members) == 1 {
		return e.members[0].Forward(s, x)
	}
	features := make([]*torch.Tensor, len(e.members))
	for i, m := range e.members {
		features[i] = m.Forward(s, x)
	}
	all := s.Cat(1, features...)
	s.Free(features...)
	return all
}

// OutShape is that of the members' features together.
func (e *ensembleCore) OutShape(in []int64) ([]int64, error) {
	out, err := e.members[0].OutShape(in)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(out)
	all[0] *= int64(len(e.members))
	return all, nil
}

// Regularizer is the mean of the members'.
func (e *ensembleCore) Regularizer(s *torch.Scope) *torch.Tensor {
	return meanOf(s, e.members)
}

// regularized is a Core or a Readout.
type regularized interface {
	Regularizer(s *torch.Scope) *torch.Tensor
}

func meanOf[R regularized](s *torch.Scope, parts []R) *torch.Tensor {
	penalties := make([]*torch.Tensor, len(parts))
	for i, p := range parts {
		penalties[i] = p.Regularizer(s)
	}
	return s.Mean(s.Stack(0, penalties...), 0)
}

// Fixed works out each member.
func (e *ensembleCore) Fixed(s *torch.Scope) Core {
	fixed := make([]Core, len(e.members))
	for i, m := range e.members {
		fixed[i] = m.Fixed(s)
	}
	return newEnsembleCore(fixed)
}

// Timing is that of each member.
func (e *localEnsemble) Timing() Timing { return timingOf(e.members[0]) }

// Memory counts one member at work, and the features of all.
func (e *localEnsemble) Memory(in []int64) int64 {
	bytes := int64(0)
	for _, m := range e.members {
		if local, ok := m.(LocalInTime); ok {
			bytes = max(bytes, local.Memory(in))
		}
	}
	if out, err := e.OutShape(in); err == nil {
		bytes += 2 * floatBytes * elements(out) // apart and side by side
	}
	return bytes
}

// timingOf is the timing of a core; zero where it does not say.
func timingOf(core Core) Timing {
	if local, ok := core.(LocalInTime); ok {
		return local.Timing()
	}
	return Timing{}
}

func coresOf(members []*CoreReadout) []Core {
	cores := make([]Core, len(members))
	for i, m := range members {
		cores[i] = m.Core
	}
	return cores
}
