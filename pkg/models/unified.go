package models

import (
	"errors"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// UnifiedConfig is the node `model` of a config, and the hyperparameters of a
// checkpoint of UnifiedCoreReadout.
type UnifiedConfig struct {
	InShape        []int64         `yaml:"in_shape,required"`
	HiddenChannels []int64         `yaml:"hidden_channels"`
	NNeuronsDict   *config.Node    `yaml:"n_neurons_dict,runtime"`
	Behavior       *BehaviorConfig `yaml:"behavior"` // of the animal, beside the movie; ours alone
	Core           *config.Node    `yaml:"core,required" of:"core"`
	Readout        *config.Node    `yaml:"readout,required" of:"readout"`
	LearningRate   float64         `yaml:"learning_rate"`
	Loss           *config.Node    `yaml:"loss" of:"loss"`
	EvaluationLoss *config.Node    `yaml:"evaluation_loss" of:"loss"`
	Optimizer      *config.Node    `yaml:"optimizer" of:"optimizer"`
	LRScheduler    *config.Node    `yaml:"lr_scheduler" of:"lr_scheduler"`
}

// unifiedFamily is UnifiedCoreReadout: any core with any readout.
type unifiedFamily struct{ UnifiedConfig }

// readUnified gives what could be read also where it fails.
func readUnified(n *config.Node) (Family, error) {
	f := unifiedFamily{defaultUnified()}
	err := n.Read(&f.UnifiedConfig)
	return f, err
}

func defaultUnified() UnifiedConfig { return UnifiedConfig{LearningRate: 0.001} }

// Validate refuses a shape that is none.
func (c *UnifiedConfig) Validate() error {
	refused := config.Refusals{c.Behavior.validate()}
	refused.Unless(isStimulusShape(c.InShape), "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	return refused.Err()
}

// isStimulusShape tells (channels, time, height, width), isFeatureShape that of features,
// of which a short stimulus has no frames.
func isStimulusShape(shape []int64) bool { return len(shape) == 4 && slices.Min(shape) >= 1 }

func isFeatureShape(shape []int64) bool { return len(shape) == 4 && slices.Min(shape) >= 0 }

func isNull(n *config.Node) bool { return n == nil || n.Kind() == config.Null }

func (f unifiedFamily) conventions() Conventions {
	return Conventions{
		GradientNorms: true,
		Train: []Metric{
			{"regularization_loss_core", CorePenalty},
			{"regularization_loss_readout", ReadoutPenalty},
			{"train_total_loss", TotalLoss},
			{"train_loss", DataLoss},
			{"train_evaluation_loss", EvaluationLoss},
		},
		Validation: []Metric{
			{"val_loss", DataLoss},
			{"val_regularization_loss_core", CorePenalty},
			{"val_regularization_loss_readout", ReadoutPenalty},
			{"val_total_loss", TotalLoss},
			{"val_evaluation_loss", EvaluationLoss},
		},
	}
}

func (f unifiedFamily) check() error { return checkBuilt(f, f.Core) }

// fill tells what is wrong with any of core, losses and readouts.
func (f unifiedFamily) fill(m *CoreReadout, sessions []Session, fresh bool) error {
	m.InShape, m.LearningRate = f.InShape, f.LearningRate
	features, err := f.buildCore(m, sessions)
	if err = errors.Join(err, f.chooseLosses(m)); err == nil && fresh && takesShape(f.Readout) {
		if err := m.firstStep(); err != nil {
			return err
		}
	}
	if features == nil {
		features = []int64{1, 1, 1, 1} // to look at the readouts with
	}
	builder, readoutErr := f.buildReadouts(m, features)
	if err = errors.Join(err, readoutErr); err != nil {
		return err
	}
	return locate(f.Readout, m.addReadouts(builder, sessions))
}

// buildCore makes the core and gives the shape of its features; nil where it is not
// known.
func (f unifiedFamily) buildCore(m *CoreReadout, sessions []Session) (features []int64, err error) {
	if f.Core == nil {
		return nil, config.Refuse("core", "the model has no core")
	}
	shaped := isStimulusShape(f.InShape)
	deps := CoreDeps{Path: m.store.Root().Sub("core"), Corrected: m.corrected}
	for _, session := range sessions {
		deps.Sessions = append(deps.Sessions, session.Name)
	}
	if f.HiddenChannels != nil {
		stimulus := int64(1)
		if shaped {
			stimulus = f.InShape[0]
		}
		deps.Channels = append([]int64{stimulus + f.Behavior.inCore()}, f.HiddenChannels...)
	}
	if m.Core, err = Cores.Build(f.Core, deps); err != nil || !shaped {
		return nil, errors.Join(err, f.Validate())
	}
	if f.Behavior != nil {
		m.Core = withBehavior(f.Behavior, m.Core, m.stimulusChannels())
	}
	features, err = f.features(m.Core)
	return features, locate(f.Core, err)
}

// features is the shape of what the readouts weigh.
func (f unifiedFamily) features(core Core) ([]int64, error) {
	out, err := core.OutShape(f.InShape)
	if err == nil && f.shifted() {
		out[0] -= f.Behavior.Channels
	}
	return out, err
}

// shifted tells that the readouts move with the behaviour.
func (f unifiedFamily) shifted() bool { return f.Behavior != nil && !isNull(f.Behavior.Shifter) }

func (f unifiedFamily) chooseLosses(m *CoreReadout) error {
	var lossErr, evaluationErr error
	m.Loss, lossErr = lossOr(f.Loss, m.Loss)
	m.EvaluationLoss, evaluationErr = lossOr(f.EvaluationLoss, m.EvaluationLoss)
	return errors.Join(lossErr, evaluationErr)
}

func lossOr(n *config.Node, otherwise Loss) (Loss, error) {
	if isNull(n) {
		return otherwise, nil
	}
	return Losses.Build(n, struct{}{})
}

// takesShape tells that a readout is to be sized by the core's features.
func takesShape(readout *config.Node) bool {
	if readout == nil {
		return false
	}
	given, ok := readout.Get("in_shape")
	return !ok || given.Kind() == config.Missing
}

func (f unifiedFamily) buildReadouts(m *CoreReadout, features []int64) (ReadoutBuilder, error) {
	if f.Readout == nil {
		return nil, config.Refuse("readout", "the model has no readout")
	}
	builder, err := Readouts.Build(f.Readout, ReadoutDeps{InShape: features, Corrected: m.corrected})
	if err != nil || !f.shifted() {
		return builder, err
	}
	shifters, err := Shifters.Build(f.Behavior.Shifter, struct{}{})
	return shiftedReadouts(builder, shifters, f.Behavior.Channels, m.store.Root().Sub("shifter")), err
}

// hyper has the values that construction found: the core's channels, the readouts'
// input.
func (f unifiedFamily) hyper(m *CoreReadout) (*config.Node, error) {
	core, readout := f.Core.Clone(), f.Readout.Clone()
	if f.HiddenChannels != nil {
		if err := core.Set("channels", append([]int64{f.InShape[0] + f.Behavior.inCore()}, f.HiddenChannels...)); err != nil {
			return nil, err
		}
	}
	if takesShape(f.Readout) {
		features, err := f.features(m.Core)
		if err != nil {
			return nil, err
		}
		if err := readout.Set("in_shape", features); err != nil {
			return nil, err
		}
	}
	arguments := config.Object{
		{Key: "core", Value: core},
		{Key: "readout", Value: readout},
		{Key: "learning_rate", Value: f.LearningRate},
		{Key: "loss", Value: f.Loss},
		{Key: "evaluation_loss", Value: f.EvaluationLoss},
		{Key: "in_shape", Value: f.InShape},
		{Key: "n_neurons_dict", Value: neuronsOf(m)},
		{Key: "hidden_channels", Value: f.HiddenChannels},
		{Key: "optimizer", Value: f.Optimizer},
		{Key: "lr_scheduler", Value: f.LRScheduler},
	}
	if f.Behavior != nil { // the Python package does not know the word
		arguments = append(arguments, config.Pair{Key: "behavior", Value: f.Behavior})
	}
	return config.FromValue(arguments)
}
