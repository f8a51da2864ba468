package models

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// CoreReadout is a core shared by all sessions and a readout for each: the
// Python package's UnifiedCoreReadout, and its older CoreReadout.
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

	readoutInShape []int64 // nil where the readout's config has it

	store    *nn.Store
	rng      *torch.Generator
	device   torch.Device
	sessions []string // in the order of creation
	readouts map[string]Readout
}

// UnifiedConfig is the node `model` of a config, and the hyperparameters of a
// checkpoint of UnifiedCoreReadout.
type UnifiedConfig struct {
	InShape        []int64      `yaml:"in_shape,required"`
	HiddenChannels []int64      `yaml:"hidden_channels"`
	NNeuronsDict   *config.Node `yaml:"n_neurons_dict,runtime"`
	Core           *config.Node `yaml:"core,required" of:"core"`
	Readout        *config.Node `yaml:"readout,required" of:"readout"`
	LearningRate   float64      `yaml:"learning_rate"`
	Loss           *config.Node `yaml:"loss" of:"loss"`
	EvaluationLoss *config.Node `yaml:"evaluation_loss" of:"loss"`
	Optimizer      *config.Node `yaml:"optimizer" of:"optimizer"`
	LRScheduler    *config.Node `yaml:"lr_scheduler" of:"lr_scheduler"`
}

// Session is what a readout is made for.
type Session struct {
	Name    string
	Neurons int
	// MeanActivity starts the readout's bias; nil starts it at zero.
	MeanActivity []float32
}

// Options are what a model needs beside its config.
type Options struct {
	Device torch.Device
	// Seed of the initial weights and of dropout; the same seed gives the weights
	// that the Python package draws on the CPU.
	Seed uint64
}

// New builds a model from the node `model` of a config.
func New(n *config.Node, sessions []Session, o Options) (*CoreReadout, error) {
	c, err := readUnified(n)
	if err != nil {
		return nil, err
	}
	m, err := newUnified(c, sessions, o, true)
	if err != nil {
		return nil, locate(n, err)
	}
	return m, nil
}

// Check finds out what is wrong with the node `model` of a config before there is
// data: it builds the model with one neuron, and computes the penalties.
func Check(n *config.Node) error {
	if err := checkClass(n); err != nil {
		return err // the arguments of another class are none of ours
	}
	c, err := readUnified(n)
	var problems config.Problems
	problems.Add(err)
	m, err := newUnified(c, []Session{{Name: "session", Neurons: 1}}, Options{}, false)
	if err != nil {
		problems.AddAt(n, err)
		return problems.Err()
	}
	defer m.Close()
	problems.AddAt(c.Core, torch.Do(context.Background(), torch.Inference, func(s *torch.Scope) error {
		m.Core.Regularizer(s)
		return s.Err()
	}))
	return problems.Err()
}

// readUnified gives what could be read also where it fails.
func readUnified(n *config.Node) (UnifiedConfig, error) {
	c := defaultUnified()
	if err := checkClass(n); err != nil {
		return c, err
	}
	err := n.Read(&c)
	return c, err
}

// checkClass refuses other classes than UnifiedCoreReadout, which need not be named.
func checkClass(n *config.Node) error {
	if target, ok := n.Get(config.TargetKey); !ok || target.Kind() == config.Null {
		return nil
	}
	return Models.Check(n)
}

func defaultUnified() UnifiedConfig { return UnifiedConfig{LearningRate: 0.001} }

// Validate refuses a shape that is none.
func (c *UnifiedConfig) Validate() error {
	if !c.hasShape() {
		return config.Refuse("in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	}
	return nil
}

func (c *UnifiedConfig) hasShape() bool { return len(c.InShape) == 4 && slices.Min(c.InShape) >= 1 }

// newUnified makes a model, fresh or for the weights of a file.
func newUnified(c UnifiedConfig, sessions []Session, o Options, fresh bool) (m *CoreReadout, err error) {
	if len(sessions) == 0 {
		return nil, fmt.Errorf("a model needs at least one session")
	}
	return build(o, func(m *CoreReadout) error {
		if err := m.unified(c, sessions, fresh); err != nil {
			return err
		}
		m.Hyper, err = unifiedHyper(c, m)
		return err
	})
}

// unifiedHyper are the arguments that rebuild the model, with the values that
// construction found: the core's channels, the readouts' input.
func unifiedHyper(c UnifiedConfig, m *CoreReadout) (*config.Node, error) {
	core, readout := c.Core.Clone(), c.Readout.Clone()
	if c.HiddenChannels != nil {
		if err := core.Set("channels", append([]int64{c.InShape[0]}, c.HiddenChannels...)); err != nil {
			return nil, err
		}
	}
	if m.readoutInShape != nil {
		if err := readout.Set("in_shape", m.readoutInShape); err != nil {
			return nil, err
		}
	}
	neurons := make(config.Object, 0, len(m.sessions))
	for _, name := range m.sessions {
		neurons = append(neurons, config.Pair{Key: name, Value: int64(m.readouts[name].NumNeurons())})
	}
	return config.FromValue(config.Object{
		{Key: "core", Value: core},
		{Key: "readout", Value: readout},
		{Key: "learning_rate", Value: c.LearningRate},
		{Key: "loss", Value: nodeOrNil(c.Loss)},
		{Key: "evaluation_loss", Value: nodeOrNil(c.EvaluationLoss)},
		{Key: "in_shape", Value: c.InShape},
		{Key: "n_neurons_dict", Value: neurons},
		{Key: "hidden_channels", Value: c.HiddenChannels},
		{Key: "optimizer", Value: nodeOrNil(c.Optimizer)},
		{Key: "lr_scheduler", Value: nodeOrNil(c.LRScheduler)},
	})
}

// nodeOrNil keeps a nil node from becoming a non-nil interface.
func nodeOrNil(n *config.Node) any {
	if n == nil {
		return nil
	}
	return n
}

// build makes an empty model, lets fill complete it, and closes it on an error.
func build(o Options, fill func(*CoreReadout) error) (*CoreReadout, error) {
	rng, err := torch.NewGenerator(o.Seed, torch.CPU)
	if err != nil {
		return nil, err
	}
	m := &CoreReadout{
		Loss: defaultLoss(), EvaluationLoss: defaultEvaluationLoss(), device: o.Device, rng: rng,
		store: nn.NewStore(torch.CPU, rng), readouts: map[string]Readout{},
	}
	err = torch.Do(context.Background(), torch.Inference, func(*torch.Scope) error {
		if err := fill(m); err != nil {
			return err
		}
		return m.moveTo(o.Device)
	})
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// unified builds core, losses and readouts, and tells what is wrong with any of them.
func (m *CoreReadout) unified(c UnifiedConfig, sessions []Session, fresh bool) error {
	m.InShape, m.LearningRate = c.InShape, c.LearningRate
	features, err := m.buildCore(c)
	if err = errors.Join(err, m.chooseLosses(c)); err == nil && takesShape(c.Readout) {
		m.readoutInShape = features
		if fresh {
			if err := m.firstStep(); err != nil {
				return err
			}
		}
	}
	if features == nil {
		features = []int64{1, 1, 1, 1} // to look at the readouts with
	}
	builder, readoutErr := buildReadouts(c.Readout, features)
	if err = errors.Join(err, readoutErr); err != nil {
		return err
	}
	return m.addReadouts(builder, sessions)
}

// buildCore makes the core and gives the shape of its features; nil where it is not
// known.
func (m *CoreReadout) buildCore(c UnifiedConfig) (features []int64, err error) {
	if c.Core == nil {
		return nil, config.Refuse("core", "the model has no core")
	}
	stimulus := int64(1)
	if c.hasShape() {
		stimulus = c.InShape[0]
	}
	deps := CoreDeps{Path: m.store.Root().Sub("core")}
	if c.HiddenChannels != nil {
		deps.Channels = append([]int64{stimulus}, c.HiddenChannels...)
	}
	if m.Core, err = Cores.Build(c.Core, deps); err != nil || !c.hasShape() {
		return nil, errors.Join(err, c.Validate())
	}
	features, err = m.Core.OutShape(m.InShape)
	return features, locate(c.Core, err)
}

func (m *CoreReadout) chooseLosses(c UnifiedConfig) error {
	var lossErr, evaluationErr error
	m.Loss, lossErr = lossOr(c.Loss, m.Loss)
	m.EvaluationLoss, evaluationErr = lossOr(c.EvaluationLoss, m.EvaluationLoss)
	return errors.Join(lossErr, evaluationErr)
}

// takesShape tells that a readout is to be sized by the core's features.
func takesShape(readout *config.Node) bool {
	if readout == nil {
		return false
	}
	given, ok := readout.Get("in_shape")
	return !ok || given.Kind() == config.Missing
}

func buildReadouts(n *config.Node, features []int64) (ReadoutBuilder, error) {
	if n == nil {
		return nil, config.Refuse("readout", "the model has no readout")
	}
	return Readouts.Build(n, ReadoutDeps{InShape: features})
}

func lossOr(n *config.Node, otherwise Loss) (Loss, error) {
	if n == nil || n.Kind() == config.Null {
		return otherwise, nil
	}
	return Losses.Build(n, struct{}{})
}

func (m *CoreReadout) addReadouts(builder ReadoutBuilder, sessions []Session) error {
	for _, s := range sessions {
		if _, ok := m.readouts[s.Name]; ok {
			return fmt.Errorf("session %s is there twice", s.Name)
		}
		if s.Neurons < 1 {
			return fmt.Errorf("session %s has no neurons", s.Name)
		}
		r, err := builder(m.store.Root().Sub("readout").Sub(s.Name), s.Neurons, s.MeanActivity)
		if err != nil {
			return fmt.Errorf("readout of session %s: %w", s.Name, err)
		}
		m.sessions = append(m.sessions, s.Name)
		m.readouts[s.Name] = r
	}
	return m.store.Err()
}

// firstStep runs a stimulus of zeros through the core in training mode. The Python
// package does so when it builds a model, to learn the shape of the features, and
// so BatchNorm's statistics take a first step there, and dropout draws.
func (m *CoreReadout) firstStep() error {
	return m.store.Scope().Do(context.Background(), torch.Train, func(s *torch.Scope) error {
		defer s.NoGrad()()
		s.SetRand(m.rng)
		m.Core.Forward(s, s.Zeros(append([]int64{1}, m.InShape...)...))
		return s.Err()
	})
}

// moveTo moves the model to another device.
func (m *CoreReadout) moveTo(d torch.Device) error {
	if d.IsCPU() {
		return nil
	}
	return m.store.MoveTo(d)
}

// Close frees the model.
func (m *CoreReadout) Close() {
	m.store.Close()
	m.rng.Close()
}

// Store holds the model's tensors by name.
func (m *CoreReadout) Store() *nn.Store { return m.store }

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

// Readout is the readout of a session. An unknown session is an error that names
// the known ones.
func (m *CoreReadout) Readout(session string) (Readout, error) {
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
	if c, ok := m.Core.(*simpleCore); ok && c.squash != nil {
		return int64(len(c.ColorSquashing))
	}
	return m.InShape[0]
}

// Forward gives the responses (batch, time, neurons) of a session to a stimulus
// (batch, channels, time, height, width); those of all sessions side by side, in
// sorted order, where session is empty.
func (m *CoreReadout) Forward(s *torch.Scope, stimulus *torch.Tensor, session string) *torch.Tensor {
	chosen, err := m.chosen(session)
	if err != nil {
		s.Fail(err)
		return nil
	}
	return forward(s, m.Core, chosen, stimulus)
}

// chosen are the readouts of a session; those of all, in sorted order, where session
// is empty.
func (m *CoreReadout) chosen(session string) ([]Readout, error) {
	if session != "" {
		r, err := m.Readout(session)
		return []Readout{r}, err
	}
	all := make([]Readout, 0, len(m.readouts))
	for _, name := range m.Sessions() {
		all = append(all, m.readouts[name])
	}
	return all, nil
}

// responder is a Readout or a LinearReadout.
type responder interface {
	Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor
}

// forward gives the responses of readouts side by side.
func forward[R responder](s *torch.Scope, core Core, readouts []R, stimulus *torch.Tensor) *torch.Tensor {
	features := core.Forward(s, stimulus)
	responses := make([]*torch.Tensor, len(readouts))
	for i, r := range readouts {
		responses[i] = r.Forward(s, features)
	}
	s.Free(features) // the readouts keep what their gradients need
	if len(responses) == 1 {
		return responses[0]
	}
	return s.Cat(-1, responses...)
}
