package torch

import "github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"

// PoissonLoss is Σ output - target · log(output + bias), for responses of one
// shape (batch, time, neurons); a tensor without dimensions.
func (s *Scope) PoissonLoss(output, target *Tensor, bias float64) *Tensor {
	return s.op("poisson loss", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.PoissonLoss(grad, output.handle, target.handle, bias)
	}, output, target)
}

// Correlations are those over time of each clip and neuron (batch, neurons), for
// responses of one shape (batch, time, neurons). bias is added to the variances.
func (s *Scope) Correlations(output, target *Tensor, bias float64) *Tensor {
	return s.op("correlations", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Correlations(grad, output.handle, target.handle, bias)
	}, output, target)
}
