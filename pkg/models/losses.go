package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Loss compares predicted with measured responses, both (batch, time, neurons).
// The target may be longer in time: its first frames, for which the model lacks
// the past, are left out.
type Loss interface {
	// Forward is the loss: a scalar, or per neuron where the config asks for it.
	Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor
	// Name is the Python class's name, under which the loss is logged.
	Name() string
}

// A LossOfFrames is a sum or mean of a value for each neuron and frame.
type LossOfFrames interface {
	Loss
	// PerNeuronFrame is the mean of that value over clips, frames and neurons,
	// whatever Forward does with it.
	PerNeuronFrame(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor
}

// A LossOfCorrelations is made of correlations over time.
type LossOfCorrelations interface {
	Loss
	// Correlations gives each neuron's, averaged over the clips. They are what the
	// Python class keeps as _per_neuron_correlations: some classes turn their sign.
	Correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor
}

// Direction is how a quantity of a model gets better: "min" or "max". A loss that is
// trained on is always lowered; the evaluation loss, of the node `model` of a config,
// may be a correlation. It is empty where the config cannot be read.
func Direction(model *config.Node, q Quantity) string {
	if !q.Judges() {
		return "min"
	}
	c := ConventionsOf(model)
	if c.Evaluation == nil {
		c.EvaluationKey, c.Evaluation = "evaluation_loss", defaultEvaluationLoss()
	}
	n, _ := model.Get(c.EvaluationKey)
	l, err := lossOr(n, c.Evaluation)
	if err != nil {
		return ""
	}
	correlation, ok := l.(interface{ HigherIsBetter() bool })
	if higher := ok && correlation.HigherIsBetter(); higher == (q == EvaluationLoss) {
		return "max"
	}
	return "min"
}

// LossSummary is the arguments by which a loss says how it makes one number, or one
// per neuron, of its values (batch, time, neurons).
type LossSummary struct {
	PerNeuron bool `yaml:"per_neuron"` // a mean for each neuron, which cannot be trained on
	Avg       bool `yaml:"avg"`        // the mean over all instead of the sum
}

func (o LossSummary) of(s *torch.Scope, values *torch.Tensor) *torch.Tensor {
	if o.PerNeuron {
		return s.Mean(s.Reshape(values, -1, s.Dim(values, -1)), 0)
	}
	return reduction(s, o.Avg)(values)
}

func (o LossSummary) severalNumbers() bool { return o.PerNeuron }

// checkLosses refuses losses that a training cannot use, as they give one number per
// neuron.
func checkLosses(model *config.Node) error {
	var problems config.Problems
	for _, key := range []string{"loss", "evaluation_loss", "validation_loss"} {
		n, ok := model.Get(key)
		if !ok {
			continue
		}
		built, err := lossOr(n, nil)
		if err != nil {
			continue // which is told where the model is built
		}
		if l, ok := built.(interface{ severalNumbers() bool }); ok && l.severalNumbers() {
			problems.AddAt(n, config.Refuse("per_neuron",
				"per_neuron: true gives a loss for each neuron, but a training needs one number: set it to false"))
		}
	}
	return problems.Err()
}

// lagged leaves out the target's first frames so that it is as long as output.
func lagged(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	lag := s.Dim(target, 1) - s.Dim(output, 1)
	if s.Err() == nil && lag < 0 {
		s.Fail(fmt.Errorf("the model gives %d frames, the responses have only %d", s.Dim(output, 1), s.Dim(target, 1)))
		return nil
	}
	return s.From(target, 1, lag)
}

// mseLoss is MSE3d: the sum of squared differences.
type mseLoss struct{}

func (mseLoss) Name() string { return "MSE3d" }

func (mseLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Sum(s.Square(s.Sub(output, lagged(s, output, target))))
}

func (l mseLoss) PerNeuronFrame(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return perValue(s, l.Forward(s, output, target), output)
}

// perValue divides a sum by the number of values that it went over.
func perValue(s *torch.Scope, sum, values *torch.Tensor) *torch.Tensor {
	shape, err := s.Shape(values)
	if err != nil {
		return nil
	}
	count := 1.0
	for _, n := range shape {
		count *= float64(n)
	}
	return s.MulScalar(sum, 1/count)
}

const defaultLossBias = 1e-16

// defaultLoss and defaultEvaluationLoss are what a model without others uses.
func defaultLoss() Loss { return defaultPoisson() }

func defaultEvaluationLoss() Loss {
	return CorrelationLoss{Bias: defaultLossBias, LossSummary: LossSummary{Avg: true}}
}

// loss gives the arguments of a loss as the loss.
func loss[L Loss](l L, _ struct{}) (Loss, error) { return l, nil }
