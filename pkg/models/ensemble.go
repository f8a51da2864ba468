package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// NewEnsemble makes one model of members of the same architecture and sessions, whose
// response is the mean of theirs: the Python package's EnsembleModel. It closes the
// members when it is closed; where it fails, they are the caller's.
func NewEnsemble(members []*CoreReadout) (*CoreReadout, error) {
	if len(members) == 0 {
		return nil, errors.New("an ensemble needs at least one member")
	}
	first := members[0]
	features, err := first.Core.OutShape(first.InShape)
	if err != nil {
		return nil, err
	}
	for i, m := range members[1:] {
		if err := first.sameArchitecture(m); err != nil {
			return nil, fmt.Errorf("member %d of the ensemble differs from the first: %w", i+2, err)
		}
	}
	rng, err := torch.NewGenerator(0, torch.CPU)
	if err != nil {
		return nil, err
	}
	e := &CoreReadout{
		Core: newEnsembleCore(coresOf(members)), Loss: first.Loss, EvaluationLoss: first.EvaluationLoss,
		LearningRate: first.LearningRate, InShape: first.InShape, DataInfo: withoutScores(first.DataInfo), Conventions: first.Conventions,
		device: first.device, rng: rng, store: nn.NewStore(first.device, rng),
		sessions: first.sessions, members: members, singleCell: first.singleCell,
	}
	e.readouts = e.combined(features[0], meanOfMembers)
	return e, nil
}

// withoutScores is data_info without what a training stored of one member.
func withoutScores(info *pickle.Dict) *pickle.Dict {
	if info == nil {
		return nil
	}
	rest := &pickle.Dict{}
	for _, key := range info.Keys() {
		if v, _ := info.Get(key); !strings.HasPrefix(key, "pretrained_performance") {
			rest.SetString(key, v)
		}
	}
	return rest
}

// LoadEnsemble is NewEnsemble of the models in files.
func LoadEnsemble(paths []string, o Options) (*CoreReadout, error) {
	return assemble(len(paths), func(i int) (*CoreReadout, error) { return Load(paths[i], o) })
}

// assemble makes an ensemble of n members that load gives.
func assemble(n int, load func(i int) (*CoreReadout, error)) (e *CoreReadout, err error) {
	members := make([]*CoreReadout, 0, n)
	defer func() {
		if err != nil {
			closeAll(members)
		}
	}()
	for i := range n {
		m, err := load(i)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return NewEnsemble(members)
}

func closeAll(models []*CoreReadout) {
	for _, m := range models {
		m.Close()
	}
}

// Members is how many models an ensemble is the mean of; 1 for a model that is none.
func (m *CoreReadout) Members() int { return max(1, len(m.members)) }

// plain is the model that tells what m takes and gives: an ensemble's first member, which
// in this is like the others, or m itself.
func (m *CoreReadout) plain() *CoreReadout {
	if len(m.members) > 0 {
		return m.members[0]
	}
	return m
}

// Spread is the model whose responses are the standard deviation, with divisor n, of the
// members' responses: 0 for a model that is no ensemble. It lives as long as m does,
// and is not closed.
func (m *CoreReadout) Spread() (*CoreReadout, error) {
	members := m.members
	if members == nil {
		members = []*CoreReadout{m}
	}
	features, err := members[0].Core.OutShape(m.InShape)
	if err != nil {
		return nil, err
	}
	spread := *m
	spread.members = members
	spread.Core = newEnsembleCore(coresOf(members))
	spread.readouts = spread.combined(features[0], deviationOfMembers)
	return &spread, nil
}

// combined are the readouts of all sessions; channels is how many features each member
// gives, reduce what is made of the members' responses.
func (m *CoreReadout) combined(channels int64, reduce acrossMembers) map[string]Readout {
	readouts := map[string]Readout{}
	for _, session := range m.sessions {
		parts := make([]Readout, len(m.members))
		for i, member := range m.members {
			parts[i] = member.readouts[session]
		}
		readouts[session] = &ensembleReadout{parts, combination{channels, reduce}}
	}
	return readouts
}

// sameArchitecture compares what must not differ between the members of an ensemble.
func (m *CoreReadout) sameArchitecture(other *CoreReadout) error {
	if a, b := m.Sessions(), other.Sessions(); !slices.Equal(a, b) {
		return fmt.Errorf("its sessions are %v, not %v", b, a)
	}
	for _, s := range m.sessions {
		if a, b := m.readouts[s].NumNeurons(), other.readouts[s].NumNeurons(); a != b {
			return fmt.Errorf("session %s has %d neurons, not %d", s, b, a)
		}
	}
	if !slices.Equal(m.InShape, other.InShape) || m.stimulusChannels() != other.stimulusChannels() {
		return fmt.Errorf("its in_shape is %v, not %v", other.InShape, m.InShape)
	}
	a, errA := m.Core.OutShape(m.InShape)
	b, errB := other.Core.OutShape(m.InShape)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !slices.Equal(a, b) || timingOf(m.Core) != timingOf(other.Core) {
		return fmt.Errorf("its core gives features of shape %v or of other frames, not %v", b, a)
	}
	return nil
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
