package models

import (
	"context"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// pass is RespondStream under way: the readouts, worked out, and the states of cores
// that have one.
type pass struct {
	scope    *torch.Scope // of what lives longer than a stretch
	branches []branch[FixedReadout]
	states   map[Core]*torch.Tensor // behind the last stretch of the clip
}

// newPass works out the readouts of a session, or of all, for as long as scope lives.
func (m *CoreReadout) newPass(ctx context.Context, scope *torch.Scope, session string) (*pass, error) {
	chosen, err := m.branches(session)
	if err != nil {
		return nil, err
	}
	p := &pass{scope: scope, states: map[Core]*torch.Tensor{}}
	for _, b := range chosen {
		fixed := branch[FixedReadout]{core: b.core}
		for _, r := range b.readouts {
			err := scope.Do(ctx, torch.Inference, func(s *torch.Scope) error {
				fixed.readouts = append(fixed.readouts, r.Fixed(s, nil).Keep(s))
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		p.branches = append(p.branches, fixed)
	}
	return p, nil
}

// forget is for the start of other clips.
func (p *pass) forget() {
	for core, state := range p.states {
		p.scope.Free(state)
		delete(p.states, core)
	}
}

// respond gives the responses to a stretch of the clips, the next one.
func (p *pass) respond(ctx context.Context, stimulus *ndarray.Array, piece stretch) (responses *ndarray.Array, err error) {
	err = p.scope.Do(ctx, torch.Inference, func(s *torch.Scope) error {
		x := s.As(s.FromArray(stimulus), ndarray.Float32)
		var err error
		responses, err = s.Array(forward(s, p.branches, func(core Core) *torch.Tensor {
			if recurrent, ok := core.(Recurrent); ok {
				return p.goOn(s, recurrent, x, piece)
			}
			return core.Forward(s, x)
		}))
		return err
	})
	return responses, err
}

// goOn gives a recurrent core's wanted features of a stretch, from the state behind the
// one before.
func (p *pass) goOn(s *torch.Scope, core Recurrent, x *torch.Tensor, piece stretch) *torch.Tensor {
	all := core.Convolutions().Forward(s, x)
	wanted := s.Narrow(all, 2, int64(piece.wanted.From), int64(piece.wanted.Len()))
	before := p.states[core]
	features, last := core.Continue(s, wanted, before)
	s.Free(all, wanted)
	if s.Err() == nil {
		p.states[core] = s.Keep(s.Clone(last)) // not a view of all states
		if before != nil {
			p.scope.Free(before)
		}
	}
	return features
}
