package models

import (
	"fmt"

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

// lagged leaves out the target's first frames so that it is as long as output.
func lagged(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	lag := s.Dim(target, 1) - s.Dim(output, 1)
	if s.Err() == nil && lag < 0 {
		s.Fail(fmt.Errorf("the model gives %d frames, the responses have only %d", s.Dim(output, 1), s.Dim(target, 1)))
		return nil
	}
	return s.From(target, 1, lag)
}

// poissonLoss is PoissonLoss3d: Σ y - r log(y + bias).
type poissonLoss struct {
	Bias      float64 `yaml:"bias"`
	PerNeuron bool    `yaml:"per_neuron"`
	Avg       bool    `yaml:"avg"`
}

func (l poissonLoss) Name() string { return "PoissonLoss3d" }

func (l poissonLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	target = lagged(s, output, target)
	if !l.PerNeuron && !l.Avg {
		return s.PoissonLoss(output, target, l.Bias)
	}
	loss := s.Sub(output, s.Mul(target, s.Log(s.AddScalar(output, l.Bias))))
	if l.PerNeuron {
		return s.Mean(s.Reshape(loss, -1, s.Dim(loss, -1)), 0)
	}
	return s.Mean(loss)
}

// mseLoss is MSE3d: the sum of squared differences.
type mseLoss struct{}

func (mseLoss) Name() string { return "MSE3d" }

func (mseLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Sum(s.Square(s.Sub(output, lagged(s, output, target))))
}

// CorrelationLoss is CorrelationLoss3d: the correlation over time of each clip
// and neuron, averaged or summed, with a minus sign where Negate.
type CorrelationLoss struct {
	Bias      float64 `yaml:"bias"`
	PerNeuron bool    `yaml:"per_neuron"`
	Avg       bool    `yaml:"avg"`
	Negate    bool    `yaml:"negate"`
}

// Name is the Python class's name.
func (l CorrelationLoss) Name() string { return "CorrelationLoss3d" }

// Forward is the correlation as a loss.
func (l CorrelationLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	corrs := l.correlations(s, output, target)
	if l.Negate {
		corrs = s.Neg(corrs)
	}
	switch {
	case l.PerNeuron:
		return s.Mean(corrs, 0)
	case l.Avg:
		return s.Mean(corrs)
	}
	return s.Sum(corrs)
}

// Correlations gives each neuron's correlation, averaged over the clips.
func (l CorrelationLoss) Correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Mean(l.correlations(s, output, target), 0)
}

// correlations are those of each clip and neuron (batch, neurons).
func (l CorrelationLoss) correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Correlations(output, lagged(s, output, target), l.Bias)
}

const defaultLossBias = 1e-16

// defaultLoss and defaultEvaluationLoss are what a model without others uses.
func defaultLoss() Loss { return poissonLoss{Bias: defaultLossBias} }

func defaultEvaluationLoss() Loss { return CorrelationLoss{Bias: defaultLossBias, Avg: true} }

// loss gives the arguments of a loss as the loss.
func loss[L Loss](l L, _ struct{}) (Loss, error) { return l, nil }
