package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Regularizer is Σ γ · penalty over the penalties whose γ is not zero.
func (c *simpleCore) Regularizer(s *torch.Scope) *torch.Tensor {
	return weighted(s, []gammaPenalty{
		{c.GammaInput, c.inputSmoothness},
		{c.GammaHidden, func(s *torch.Scope) *torch.Tensor { return c.groupSparsity(s, "gamma_hidden", c.layers[1:]) }},
		{c.GammaTemporal, c.temporalSmoothness},
		{c.GammaInSparse, func(s *torch.Scope) *torch.Tensor { return c.groupSparsity(s, "gamma_in_sparse", c.layers) }},
	})
}

// gammaPenalty is a penalty and its weight.
type gammaPenalty struct {
	gamma   float64
	penalty func(*torch.Scope) *torch.Tensor
}

// weighted is Σ γ · penalty; a penalty without weight is not computed.
func weighted(s *torch.Scope, penalties []gammaPenalty) *torch.Tensor {
	total := s.Zeros()
	for _, p := range penalties {
		if p.gamma != 0 {
			total = s.Add(total, s.MulScalar(p.penalty(s), p.gamma))
		}
	}
	return total
}

// inputSmoothness is the spatial Laplace penalty on the first layer.
func (c *simpleCore) inputSmoothness(s *torch.Scope) *torch.Tensor {
	defer s.Enter(c.layers[0].path)()
	conv, ok := c.layers[0].conv.(spatiallyFactored)
	if !ok {
		return c.unsupported(s, "gamma_input")
	}
	return c.laplace.penalty(s, conv.spatialWeight(s), false)
}

// groupSparsity is Σ_layers Σ_o [Σ_i ‖v_oi‖] / √(1e-8 + ‖v_o‖²).
func (c *simpleCore) groupSparsity(s *torch.Scope, gamma string, layers []*coreLayer) *torch.Tensor {
	total := s.Zeros()
	for _, l := range layers {
		conv, ok := l.conv.(spatiallyFactored)
		if !ok {
			return c.unsupported(s, gamma)
		}
		total = s.Add(total, sparsityOfInputs(s, conv.spatialWeight(s), sparsityEps))
	}
	return total
}

// sparsityEps keeps a kernel of zeros from a division by zero.
const sparsityEps = 1e-8

// sparsityOfInputs is Σ_o [Σ_i ‖v_oi‖] / √(eps + ‖v_o‖²) for kernels v (out, in, time,
// height, width): it is least where each output has one input.
func sparsityOfInputs(s *torch.Scope, kernels *torch.Tensor, eps float64) *torch.Tensor {
	squared := s.Square(kernels)
	norms := s.Sum(s.Sqrt(s.Sum(squared, 2, 3, 4)), 1)
	all := s.Sum(squared, 1, 2, 3, 4)
	if eps != 0 {
		all = s.AddScalar(all, eps)
	}
	return s.Sum(s.Div(norms, s.Sqrt(all)))
}

func (c *simpleCore) temporalSmoothness(s *torch.Scope) *torch.Tensor {
	switch c.ConvolutionType {
	case "custom_separable":
		total := s.Zeros()
		for _, l := range c.layers {
			conv := l.conv.(*stSeparableConv)
			total = s.Add(total, temporalSmoothing(s, conv.sin, conv.cos))
		}
		return total
	case "separable":
		return temporalLaplace(s, c.layers[0].conv.(*torchSeparableConv).temporal, c.corrected)
	}
	s.Fail(config.Refuse("gamma_temporal", "Temporal smoothness not supported for convolution_type=%s. "+
		"Set the temporal smoothness regularization weight to 0.0 to still use this conv type.", c.ConvolutionType))
	return nil
}

// temporalSmoothing is [Σ (l·a)² + Σ (l·b)²] / out for the sine and cosine
// weights a, b (out, in, k) with l from 0.1 to 0.9: fast waves cost more.
func temporalSmoothing(s *torch.Scope, sin, cos *torch.Tensor) *torch.Tensor {
	l := s.Linspace(0.1, 0.9, s.Dim(sin, 2))
	sum := s.Add(s.Sum(s.Square(s.Mul(l, sin))), s.Sum(s.Square(s.Mul(l, cos))))
	out := s.Dim(sin, 0)
	if s.Err() != nil {
		return nil
	}
	return s.MulScalar(sum, 1/float64(out))
}

// temporalLaplace is Laplace1d without padding of the kernel (out, in, time, 1, 1), whose
// filter the core does not keep in files.
func temporalLaplace(s *torch.Scope, kernel *torch.Tensor, corrected bool) *torch.Tensor {
	l := laplace1d{filter: s.FromFloat32(laplaceTime, 1, 1, int64(len(laplaceTime))), corrected: corrected}
	return l.penalty(s, kernel, false)
}

func (c *simpleCore) unsupported(s *torch.Scope, gamma string) *torch.Tensor {
	s.Fail(config.Refuse(gamma, "%s needs spatial kernels, which convolution_type=%s does not have: set it to 0", gamma, c.ConvolutionType))
	return nil
}
