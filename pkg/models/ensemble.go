package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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
