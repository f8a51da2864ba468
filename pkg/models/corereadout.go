package models

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// CoreReadout is a core shared by all sessions and a readout for each, of any
// Family.
type CoreReadout struct {
	Core           Core
	Loss           Loss
	EvaluationLoss Loss
	LearningRate   float64
	// InShape is the stimulus that the readouts were sized with (channels, time,
	// height, width).
	InShape []int64
	// Hyper are the hyperparameters that rebuild the model, as checkpoints store
	// them, without data_info.
	Hyper *config.Node
	// DataInfo is the data_info of the checkpoint that the model was loaded from:
	// what it was trained on, and how well. nil where there is none.
	DataInfo *pickle.Dict
	// Conventions are how the model's class trains and what it logs.
	Conventions Conventions

	// singleCell is a class of one neuron, whose tensors have names of their own. It
	// answers for any session.
	singleCell bool
	// lossModules is a class that takes losses as modules of Python, not as configs.
	lossModules bool

	corrected bool
	store     *nn.Store
	rng       *torch.Generator
	device    torch.Device
	sessions  []string // in the order of creation
	readouts  map[string]Readout
	builder   ReadoutBuilder // of the readouts of further sessions
	members   []*CoreReadout // of an ensemble; nil else
	notStored []string       // tensors that the model's file lacks

	cellWeights map[string][]float32 // of sessions, where a loss goes by cell type
}

// Session is what a readout is made for.
type Session struct {
	Name    string
	Neurons int
	// MeanActivity starts the readout's bias; nil starts it at zero.
	MeanActivity []float32
	// Cells are the neurons' numbers in the recording, cell_indices, by which their STA
	// files are named; nil numbers them from 0.
	Cells []int64
	// CellTypes are the neurons' types, which losses by cell type need; nil where they
	// are not known.
	CellTypes []int64

	// sample stands for sessions with any number of neurons: a config is looked at
	// before there is data.
	sample bool
}

// biasInit draws the bias of the session's readout.
func (s Session) biasInit() (nn.Init, error) {
	if s.MeanActivity == nil {
		return nn.Zeros, nil
	}
	if len(s.MeanActivity) != s.Neurons {
		return nil, fmt.Errorf("%d neurons, but %d mean activities", s.Neurons, len(s.MeanActivity))
	}
	return nn.Values(s.MeanActivity), nil
}

// Options are what a model needs beside its config.
type Options struct {
	Device torch.Device
	// Seed of the initial weights and of dropout; the same seed gives the weights
	// that the Python package draws on the CPU.
	Seed uint64
	// Corrected computes what release 1.1.1 of the Python package computes wrongly as
	// its later sources do; without it numbers are the release's.
	Corrected bool

	// beside is the directory of the file that a model is restored of.
	beside string
	// dataInfo is that of the file.
	dataInfo *pickle.Dict
}

// Close frees the model, an ensemble with its members.
func (m *CoreReadout) Close() {
	closeAll(m.members)
	m.store.Close()
	m.rng.Close()
}

// NotStored are the tensors that the model's file lacks, which have their initial
// values; of an ensemble those that any member's file lacks.
func (m *CoreReadout) NotStored() []string {
	names := slices.Clone(m.notStored)
	for _, member := range m.members {
		names = append(names, member.notStored...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Store holds the model's tensors by name.
func (m *CoreReadout) Store() *nn.Store { return m.store }

// Stores hold the tensors of the model, or of all members of an ensemble.
func (m *CoreReadout) Stores() []*nn.Store {
	if len(m.members) == 0 {
		return []*nn.Store{m.store}
	}
	stores := make([]*nn.Store, len(m.members))
	for i, member := range m.members {
		stores[i] = member.store
	}
	return stores
}

// Rand draws initial weights and dropout.
func (m *CoreReadout) Rand() *torch.Generator { return m.rng }

// Device is where the model computes.
func (m *CoreReadout) Device() torch.Device { return m.device }

// Sessions are the names of the sessions, sorted: the order in which a forward
// pass without a session puts their neurons side by side.
func (m *CoreReadout) Sessions() []string {
	sorted := slices.Clone(m.sessions)
	sort.Strings(sorted)
	return sorted
}

// Readout is the readout of a session; that of a single cell is every session's. An
// unknown session is an error that names the known ones.
func (m *CoreReadout) Readout(session string) (Readout, error) {
	if m.singleCell {
		session = m.sessions[0]
	}
	if r, ok := m.readouts[session]; ok {
		return r, nil
	}
	return nil, fmt.Errorf("unknown session %q: the model has %s", session, strings.Join(m.Sessions(), ", "))
}

// NumNeurons is the number of neurons of a session, or of all where session is
// empty.
func (m *CoreReadout) NumNeurons(session string) (int, error) {
	if session != "" {
		r, err := m.Readout(session)
		if err != nil {
			return 0, err
		}
		return r.NumNeurons(), nil
	}
	n := 0
	for _, r := range m.readouts {
		n += r.NumNeurons()
	}
	return n, nil
}

// StimulusShape is (batch, channels, time, height, width) of a stimulus with one
// clip of the given number of frames.
func (m *CoreReadout) StimulusShape(frames int) []int {
	return []int{1, int(m.stimulusChannels()), frames, int(m.InShape[2]), int(m.InShape[3])}
}

// stimulusChannels are the colours of the movie, which a core may squash into
// the one channel of its InShape.
func (m *CoreReadout) stimulusChannels() int64 {
	if c, ok := m.plain().Core.(interface{ colorsOfMovie(inShape int64) int64 }); ok {
		return c.colorsOfMovie(m.InShape[0])
	}
	return m.InShape[0]
}

// Behavior is how many signals of behaviour may follow a stimulus' colours.
func (m *CoreReadout) Behavior() int {
	if c, ok := m.plain().Core.(interface{ behavior() int64 }); ok {
		return int(c.behavior())
	}
	return 0
}

// Forward gives the responses (batch, time, neurons) of a session to a stimulus
// (batch, channels, time, height, width); those of all sessions side by side, in
// sorted order, where session is empty.
func (m *CoreReadout) Forward(s *torch.Scope, stimulus *torch.Tensor, session string) *torch.Tensor {
	parts, err := m.branches(session)
	if err != nil {
		s.Fail(err)
		return nil
	}
	return forward(s, parts, func(core Core) *torch.Tensor { return core.Forward(s, stimulus) })
}

// CoreFor is the core for the stimuli of a session.
func (m *CoreReadout) CoreFor(session string) Core {
	if core, ok := m.Core.(PerSession); ok {
		return core.ForSession(session)
	}
	return m.Core
}

// responder is a Readout or a FixedReadout.
type responder interface {
	Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor
}

// branch is a core and the readouts that take its features.
type branch[R responder] struct {
	core     Core
	readouts []R
}

// branches are a session's core and readout; those of all sessions, in sorted order,
// where session is empty: one branch where all have the same core.
func (m *CoreReadout) branches(session string) ([]branch[Readout], error) {
	names := []string{session}
	if session == "" {
		names = m.Sessions()
	}
	var list []branch[Readout]
	for _, name := range names {
		r, err := m.Readout(name)
		if err != nil {
			return nil, err
		}
		core := m.CoreFor(name)
		if len(list) == 0 || list[len(list)-1].core != core {
			list = append(list, branch[Readout]{core: core})
		}
		last := &list[len(list)-1]
		last.readouts = append(last.readouts, r)
	}
	return list, nil
}

// forward gives the responses of all branches' readouts side by side, to the features
// of their cores.
func forward[R responder](s *torch.Scope, branches []branch[R], features func(Core) *torch.Tensor) *torch.Tensor {
	var responses []*torch.Tensor
	for _, b := range branches {
		of := features(b.core)
		for _, r := range b.readouts {
			responses = append(responses, r.Forward(s, of))
		}
		s.Free(of) // the readouts keep what their gradients need
	}
	if len(responses) == 1 {
		return responses[0]
	}
	return s.Cat(-1, responses...)
}
