package models

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// Family is a class of models of the Python package with its arguments: what the
// node `model` of a config describes, and the hyperparameters of a checkpoint.
type Family interface {
	// fill makes core, losses and readouts of an empty model. fresh tells that the
	// weights are drawn here, not read from a file afterwards.
	fill(m *CoreReadout, sessions []Session, fresh bool) error
	// hyper are the arguments that rebuild the filled model, as the class's checkpoints
	// store them; without data_info.
	hyper(m *CoreReadout) (*config.Node, error)
	// conventions are those of the class.
	conventions() Conventions
}

// DefaultFamily is the class of a model whose config names none.
const DefaultFamily = "openretina.models.core_readout.UnifiedCoreReadout"

// The other classes.
const (
	exampleClass         = "openretina.models.core_readout.ExampleCoreReadout"
	lnpClass             = "openretina.models.linear_nonlinear.SingleCellSeparatedLNP"
	spatialContrastClass = "openretina.models.spatial_contrast.SpatialContrastCoreReadout"
	singleContrastClass  = "openretina.models.spatial_contrast.SingleCellSpatialContrast"
)

// Conventions are what classes of models do differently when they train.
type Conventions struct {
	// Train and Validation are what the class's training_step and validation_step log,
	// in their order.
	Train, Validation []Metric
	// EvaluationKey is the argument of the evaluation loss, Evaluation the loss where that is
	// not given; empty and nil stand for evaluation_loss and the usual correlation.
	EvaluationKey string
	Evaluation    Loss
	// PerElement divides the loss by the number of responses, in training and
	// validation alike. Else it is whole in training, and divided by batch + time +
	// neurons in validation.
	PerElement bool
	// GradientNorms are logged at the end of epochs.
	GradientNorms bool
	// AfterStep keeps weights where they may be after each step of the optimizer; nil
	// leaves them.
	AfterStep func(s *torch.Scope)
}

// Metric is a quantity under the name by which a class logs it.
type Metric struct {
	Name     string
	Quantity Quantity
}

// Quantity is what a training or validation step measures.
type Quantity int

// The quantities of a step.
const (
	DataLoss Quantity = iota
	CorePenalty
	ReadoutPenalty
	TotalLoss
	EvaluationLoss
	// Correlation is the evaluation loss with its sign turned.
	Correlation
)

// Judges tells that a quantity says how good a model is, rather than what it is trained
// for.
func (q Quantity) Judges() bool { return q == EvaluationLoss || q == Correlation }

// ConventionsOf gives the conventions of the class that the node `model` of a config
// names; those of the default one where it cannot be read.
func ConventionsOf(n *config.Node) Conventions {
	if f, _ := familyOf(n); f != nil {
		return f.conventions()
	}
	return unifiedFamily{}.conventions()
}

// New builds a model from the node `model` of a config.
func New(n *config.Node, sessions []Session, o Options) (*CoreReadout, error) {
	f, err := familyOf(n)
	if err != nil {
		return nil, err
	}
	m, err := build(f, sessions, o, true)
	if err != nil {
		return nil, locate(n, err)
	}
	if err := m.useCellTypes(sessions); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Check finds out what is wrong with the node `model` of a config before there is
// data: it builds the model with one neuron, and computes the penalties.
func Check(n *config.Node) error {
	f, err := familyOf(n)
	var problems config.Problems
	problems.Add(err)
	if f == nil {
		return problems.Err()
	}
	if c, ok := f.(interface{ check() error }); ok {
		problems.AddAt(n, c.check())
	} else {
		problems.AddAt(n, checkBuilt(f, n))
	}
	problems.Add(checkLosses(n))
	return problems.Err()
}

// checkBuilt builds a model with one neuron. core is where the core's arguments stand.
func checkBuilt(f Family, core *config.Node) error {
	m, err := build(f, []Session{{Name: "session", Neurons: 1, sample: true}}, Options{}, false)
	if err != nil {
		return err
	}
	defer m.Close()
	return locate(core, torch.Do(context.Background(), torch.Inference, func(s *torch.Scope) error {
		m.Core.Regularizer(s)
		return s.Err()
	}))
}

// familyOf reads the node `model` of a config. Of the default class it gives what
// could be read also where it fails.
func familyOf(n *config.Node) (Family, error) {
	target, ok := n.Get(config.TargetKey)
	if !ok || target.Kind() == config.Null {
		return readUnified(n)
	}
	if err := Models.Check(n); err != nil {
		return nil, err // the arguments of another class are none of ours
	}
	if name, err := config.Target(n); err == nil && name == DefaultFamily {
		return readUnified(n)
	}
	return Models.Build(n, struct{}{})
}

// build makes a model of a family, fresh or for the weights of a file.
func build(f Family, sessions []Session, o Options, fresh bool) (*CoreReadout, error) {
	if len(sessions) == 0 {
		return nil, errors.New("a model needs at least one session")
	}
	rng, err := torch.NewGenerator(o.Seed, torch.CPU)
	if err != nil {
		return nil, err
	}
	m := &CoreReadout{
		Loss: defaultLoss(), EvaluationLoss: defaultEvaluationLoss(), Conventions: f.conventions(),
		corrected: o.Corrected, device: o.Device, rng: rng,
		store: nn.NewStore(torch.CPU, rng), readouts: map[string]Readout{},
	}
	err = torch.Do(context.Background(), torch.Inference, func(*torch.Scope) error {
		if err := f.fill(m, sessions, fresh); err != nil {
			return err
		}
		return m.moveTo(o.Device)
	})
	if err == nil {
		m.Hyper, err = f.hyper(m)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// neuronsOf is n_neurons_dict.
func neuronsOf(m *CoreReadout) config.Object {
	neurons := make(config.Object, 0, len(m.sessions))
	for _, name := range m.sessions {
		neurons = append(neurons, config.Pair{Key: name, Value: int64(m.readouts[name].NumNeurons())})
	}
	return neurons
}

// addReadouts makes the readouts of sessions.
func (m *CoreReadout) addReadouts(builder ReadoutBuilder, sessions []Session) error {
	m.builder = builder
	first := len(m.sessions) == 0
	for _, s := range sessions {
		if _, ok := m.readouts[s.Name]; ok {
			return fmt.Errorf("session %s is there twice", s.Name)
		}
		if s.Neurons < 1 {
			return fmt.Errorf("session %s has no neurons", s.Name)
		}
		r, err := builder(m.store.Root().Sub("readout").Sub(s.Name), s)
		if err != nil {
			return fmt.Errorf("readout of session %s: %w", s.Name, err)
		}
		m.sessions = append(m.sessions, s.Name)
		m.readouts[s.Name] = r
	}
	if first {
		m.redrawReadouts(sessions)
	}
	return m.store.Err()
}

// redrawn is a readout whose class draws its weights in initialize, which
// MultiReadoutBase calls once more when it has made all readouts.
type redrawn interface{ redraw(s Session) }

func (m *CoreReadout) redrawReadouts(sessions []Session) {
	for _, s := range sessions {
		if r, ok := readoutAs[redrawn](m.readouts[s.Name]); ok {
			r.redraw(s)
		}
	}
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
