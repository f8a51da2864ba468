package models

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// CorrelationLoss is CorrelationLoss3d: the correlation over time of each clip
// and neuron, averaged or summed, with a minus sign where Negate.
type CorrelationLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`
	Negate      bool `yaml:"negate"`
}

// defaultCorrelation are the arguments' defaults of all classes of correlations.
func defaultCorrelation() CorrelationLoss {
	return CorrelationLoss{Bias: defaultLossBias, Negate: true}
}

// Name is the Python class's name.
func (l CorrelationLoss) Name() string { return "CorrelationLoss3d" }

// HigherIsBetter tells that it is no loss to be lowered.
func (l CorrelationLoss) HigherIsBetter() bool { return !l.Negate }

// Forward is the correlation as a loss.
func (l CorrelationLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.summary(s, l.correlations(s, output, target))
}

// Correlations gives each neuron's correlation, averaged over the clips.
func (l CorrelationLoss) Correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Mean(l.correlations(s, output, target), 0)
}

// correlations are those of each clip and neuron (batch, neurons).
func (l CorrelationLoss) correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Correlations(output, lagged(s, output, target), l.Bias)
}

// summary makes the loss of correlations (batch, neurons).
func (l CorrelationLoss) summary(s *torch.Scope, correlations *torch.Tensor) *torch.Tensor {
	if l.Negate {
		correlations = s.Neg(correlations)
	}
	return l.of(s, correlations)
}

// turned are the correlations of each neuron with the sign that the Python classes
// other than CorrelationLoss3d keep them with.
func turned(s *torch.Scope, correlations *torch.Tensor) *torch.Tensor {
	return s.Neg(s.Mean(correlations, 0))
}

// scaledCorrelationLoss is ScaledCorrelationLoss3d: the mean of the correlations
// within stretches of scale frames, which slow changes do not enter; frames left over
// at the end are not looked at.
type scaledCorrelationLoss struct {
	CorrelationLoss `yaml:",inline"`
	// Scale is a number of frames. Python's own default, 30.0, fails there: it
	// cannot count by a float.
	Scale float64 `yaml:"scale"`
}

func defaultScaledCorrelation() scaledCorrelationLoss {
	return scaledCorrelationLoss{defaultCorrelation(), 30}
}

// Validate refuses stretches in which there is no correlation.
func (l *scaledCorrelationLoss) Validate() error {
	var refused config.Refusals
	refused.Unless(l.Scale >= 2 && l.Scale == math.Trunc(l.Scale), "scale", "scale must be a whole number of at least 2 frames, got %v", l.Scale)
	return refused.Err()
}

func (l scaledCorrelationLoss) Name() string { return "ScaledCorrelationLoss3d" }

func (l scaledCorrelationLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.summary(s, l.correlations(s, output, target))
}

func (l scaledCorrelationLoss) Correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return turned(s, l.correlations(s, output, target))
}

// correlations are the means over the stretches (batch, neurons).
func (l scaledCorrelationLoss) correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	target = lagged(s, output, target)
	frames, scale := s.Dim(output, 1), int64(l.Scale)
	if s.Err() == nil && frames < scale {
		s.Fail(fmt.Errorf("ScaledCorrelationLoss3d: %d predicted frames are fewer than one stretch of scale=%d: "+
			"give longer clips or a smaller scale", frames, scale))
	}
	var stretches []*torch.Tensor
	for start := int64(0); s.Err() == nil && start+scale <= frames; start += scale {
		stretches = append(stretches, s.Correlations(s.Narrow(output, 1, start, scale), s.Narrow(target, 1, start, scale), l.Bias))
	}
	if s.Err() != nil {
		return nil
	}
	return s.Mean(s.Stack(0, stretches...), 0)
}

// l1Gamma is the weight in L1CorrelationLoss3d, which has no argument for it.
const l1Gamma = 0.0002

// l1CorrelationLoss is L1CorrelationLoss3d: the correlation, and l1Gamma · |activity|
// for the activity that a model passes on to its model of calcium. The models here
// have no such model: their output is the activity. In Python the loss wants a model
// with two outputs, of which there is none, and fails.
type l1CorrelationLoss struct {
	CorrelationLoss `yaml:",inline"`
}

func (l l1CorrelationLoss) Name() string { return "L1CorrelationLoss3d" }

func (l l1CorrelationLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.forward(s, output, output, target)
}

// forward takes the activity (batch, time, neurons) apart. One value per neuron fails in
// Python, whose activity is (batch, neurons, time); here it is what it was meant to be.
func (l l1CorrelationLoss) forward(s *torch.Scope, output, activity, target *torch.Tensor) *torch.Tensor {
	size := l.of(s, s.Abs(activity))
	return s.Add(l.CorrelationLoss.Forward(s, output, target), s.MulScalar(size, l1Gamma))
}

func (l l1CorrelationLoss) Correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return turned(s, l.correlations(s, output, target))
}

// measureLoss are the arguments of the older classes of openretina.modules.measures,
// whose correlations are always negated.
type measureLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`
}

func (l measureLoss) negated() CorrelationLoss { return CorrelationLoss{l.Bias, l.LossSummary, true} }

// scaledMeasureLoss are those of its ScaledCorrelationLoss3d.
type scaledMeasureLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`
	Scale       float64 `yaml:"scale"`
}

func (l *scaledMeasureLoss) scaled() *scaledCorrelationLoss {
	return &scaledCorrelationLoss{measureLoss{l.Bias, l.LossSummary}.negated(), l.Scale}
}

// Validate is that of today's class.
func (l *scaledMeasureLoss) Validate() error { return l.scaled().Validate() }
