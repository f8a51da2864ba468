package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// How PoissonLoss3d makes one number of its values.
const (
	reduceSum            = "sum"
	reducePerNeuronFrame = "per_neuron_frame"
)

// poissonLoss is PoissonLoss3d: y - r log(y + bias) for a prediction y and a response
// r, summed over clips, frames and neurons. That sum grows with each of them, while
// the penalties beside it do not (open-retina PR 190); as a mean per neuron and frame
// it stays, and the penalties are weighed so that they stay as well.
type poissonLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`

	// Reduction is "sum", as in Python, or "per_neuron_frame".
	Reduction string `yaml:"reduction"`
	// GammaReference are the clips, predicted frames and neurons of a training step at
	// which gammas weigh as with "sum", for "per_neuron_frame". [1, 1, 1] takes them as
	// weights of a neuron's frame.
	GammaReference [3]int64 `yaml:"gamma_reference"`
}

// defaultPoisson has as reference a step of the configs that the gammas come from:
// 64 clips of 50 frames, the first 30 without prediction, 47 neurons a session
// (Höfling et al. 2024: 3144 neurons in 67 sessions).
func defaultPoisson() poissonLoss {
	return poissonLoss{Bias: defaultLossBias, Reduction: reduceSum, GammaReference: [3]int64{64, 20, 47}}
}

// Validate refuses what cannot be reduced.
func (l *poissonLoss) Validate() error {
	var refused config.Refusals
	refused.Unless(l.Reduction == reduceSum || l.Reduction == reducePerNeuronFrame, "reduction",
		"reduction must be %s or %s, got %q", reduceSum, reducePerNeuronFrame, l.Reduction)
	refused.Unless(l.Reduction == reduceSum || (!l.PerNeuron && !l.Avg), "reduction",
		"reduction: %s replaces per_neuron and avg: leave both false", l.Reduction)
	refused.Unless(slices.Min(l.GammaReference[:]) >= 1, "gamma_reference",
		"gamma_reference must be [clips, frames, neurons], each at least 1, got %v", l.GammaReference)
	return refused.Err()
}

func (l poissonLoss) Name() string { return "PoissonLoss3d" }

func (l poissonLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	switch {
	case l.Reduction == reducePerNeuronFrame:
		return l.PerNeuronFrame(s, output, target)
	case l.PerNeuron || l.Avg:
		return l.of(s, poissonValues(s, output, target, l.Bias))
	}
	return s.PoissonLoss(output, lagged(s, output, target), l.Bias)
}

func (l poissonLoss) PerNeuronFrame(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return perValue(s, s.PoissonLoss(output, lagged(s, output, target), l.Bias), output)
}

// poissonValues are the values (batch, time, neurons) that Poisson losses sum.
func poissonValues(s *torch.Scope, output, target *torch.Tensor, bias float64) *torch.Tensor {
	return s.Sub(output, s.Mul(lagged(s, output, target), s.Log(s.AddScalar(output, bias))))
}

// l1PoissonLoss is L1PoissonLoss3d: it adds gamma_l1 · |y| to each value, for sparse
// responses.
type l1PoissonLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`
	GammaL1     float64 `yaml:"gamma_l1"`
}

func (l l1PoissonLoss) Name() string { return "L1PoissonLoss3d" }

func (l l1PoissonLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.of(s, l.values(s, output, target))
}

func (l l1PoissonLoss) PerNeuronFrame(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Mean(l.values(s, output, target))
}

func (l l1PoissonLoss) values(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Add(poissonValues(s, output, target, l.Bias), s.MulScalar(s.Abs(output), l.GammaL1))
}

// standardPoissonLoss is StandardPoissonLoss3d, PoissonLoss3d for loaders that also
// give cell types.
type standardPoissonLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`
}

func (l standardPoissonLoss) Name() string { return "StandardPoissonLoss3d" }

func (l standardPoissonLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.of(s, poissonValues(s, output, target, l.Bias))
}

func (l standardPoissonLoss) PerNeuronFrame(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Mean(poissonValues(s, output, target, l.Bias))
}
