package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// GaussianMaskConfig are the arguments of MultiGaussianMaskReadout. The older
// files that omit the regularization weights get the Python class's defaults.
type GaussianMaskConfig struct {
	InShape            []int64 `yaml:"in_shape,runtime"` // channels, time, height, width
	Scale              bool    `yaml:"scale,required"`
	Bias               bool    `yaml:"bias,required"`
	GaussianMeanScale  float64 `yaml:"gaussian_mean_scale,required"`
	GaussianVarScale   float64 `yaml:"gaussian_var_scale,required"`
	Positive           bool    `yaml:"positive,required"`
	MaskL1Reg          float64 `yaml:"mask_l1_reg"`
	FeatureWeightL1Reg float64 `yaml:"feature_weights_l1_reg"`
	ReadoutRegAvg      bool    `yaml:"readout_reg_avg"`
}

// gaussianMask is GaussianMaskReadout: each neuron weighs the features by a
// circular Gaussian over space and by one number per channel (Höfling et al.
// 2024).
type gaussianMask struct {
	GaussianMaskConfig
	path         string
	neurons      int
	mean, logVar *torch.Tensor // (neurons, 2), (neurons)
	features     *torch.Tensor // (1, channels, 1, neurons)
	scale, bias  *torch.Tensor // (neurons), or nil
	grid         *torch.Tensor // (neurons, height, width, 2)
}

func defaultGaussianMasks() GaussianMaskConfig {
	return GaussianMaskConfig{MaskL1Reg: 1, FeatureWeightL1Reg: 1}
}

// Complete takes the shape of the core's output.
func (c *GaussianMaskConfig) Complete(d ReadoutDeps) {
	if len(c.InShape) == 0 {
		c.InShape = d.InShape
	}
}

// Validate refuses shapes that are none.
func (c *GaussianMaskConfig) Validate() error {
	if !isFeatureShape(c.InShape) {
		return config.Refuse("in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	}
	return nil
}

func (c GaussianMaskConfig) builder(ReadoutDeps) (ReadoutBuilder, error) { return c.build, nil }

func (c GaussianMaskConfig) build(p nn.Path, session Session) (Readout, error) {
	n, channels := int64(session.Neurons), c.InShape[0]
	r := &gaussianMask{GaussianMaskConfig: c, path: p.String(), neurons: session.Neurons}
	r.mean = p.Param("mask_mean", nn.Zeros, n, 2)
	r.logVar = p.Param("mask_log_var", nn.Zeros, n)
	r.features = p.Param("features", nn.Normal(1/float64(channels), 0.01), 1, channels, 1, n)
	if c.Scale {
		r.scale = p.Param("scale_param", nn.Normal(1, 0.01), n)
	}
	biasInit, err := session.biasInit()
	if err != nil {
		return nil, err
	}
	if c.Bias {
		r.bias = p.Param("bias", biasInit, n)
	}
	// Buffers follow the parameters, as in PyTorch's state_dict.
	r.grid = p.Buffer("grid", maskGrid, n, c.InShape[2], c.InShape[3], 2)
	if !c.Scale {
		r.scale = p.Buffer("scale_param", nn.Ones, n)
	}
	if !c.Bias {
		r.bias = p.Buffer("bias", biasInit, n)
	}
	return r, p.Err()
}

// maskGrid gives the positions of the features: along each axis from -size/max
// to size/max, ends included, where max is the longer side's size.
func maskGrid(s *torch.Scope, _ *torch.Generator, shape []int64) *torch.Tensor {
	n, h, w := shape[0], shape[1], shape[2]
	longer := float64(max(h, w))
	axis := func(size int64) *torch.Tensor { return s.Linspace(-float64(size)/longer, float64(size)/longer, size) }
	rows := s.Expand(s.Reshape(axis(h), h, 1), h, w)
	columns := s.Expand(s.Reshape(axis(w), 1, w), h, w)
	grid := s.Stack(2, rows, columns)
	return s.Contiguous(s.Expand(s.Reshape(grid, 1, h, w, 2), n, h, w, 2))
}

// center moves all masks to the middle.
func (r *gaussianMask) center(s *torch.Scope) { s.CopyInto(r.mean, s.Zeros(int64(r.neurons), 2)) }

func (r *gaussianMask) NumNeurons() int { return r.neurons }

func (r *gaussianMask) averagesNeurons() bool { return r.ReadoutRegAvg }

// Forward is softplus(scale · Σ_c f_c Σ_xy mask · x + bias).
func (r *gaussianMask) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.Enter(r.path)()
	return r.Fixed(s, nil).Forward(s, x)
}

// Fixed weighs by scale · f · mask.
func (r *gaussianMask) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	defer s.Enter(r.path)()
	if r.Positive {
		zero := 0.0
		s.ClampInPlace(r.features, &zero, nil)
	}
	chosen := r
	if neurons != nil {
		chosen = r.only(s, neurons)
	}
	return chosen.linear(s)
}

// only is the readout of some neurons.
func (r *gaussianMask) only(s *torch.Scope, neurons []int64) *gaussianMask {
	some := *r
	some.neurons = len(neurons)
	some.mean, some.logVar = s.IndexSelect(r.mean, 0, neurons), s.IndexSelect(r.logVar, 0, neurons)
	some.features = s.IndexSelect(r.features, 3, neurons)
	some.scale, some.bias = pick(s, r.scale, neurons), pick(s, r.bias, neurons)
	some.grid = s.IndexSelect(r.grid, 0, neurons)
	return &some
}

// pick is what some neurons have of a tensor (neurons), which there need not be.
func pick(s *torch.Scope, t *torch.Tensor, neurons []int64) *torch.Tensor {
	if t == nil {
		return nil
	}
	return s.IndexSelect(t, 0, neurons)
}

func (r *gaussianMask) linear(s *torch.Scope) *linearReadout {
	return maskedLinear(s, r.masks(s), r.features, r.scale, r.bias)
}

// maskedLinear is softplus(scale · Σ_c f_c Σ_xy mask · x + bias), of masks (neurons,
// height, width) and features (1, channels, 1, neurons); scale and bias may be nil.
func maskedLinear(s *torch.Scope, masks, features, scale, bias *torch.Tensor) *linearReadout {
	channels, n := s.Dim(features, 1), s.Dim(features, 3)
	features = s.Reshape(features, channels, n)
	if scale != nil {
		features = s.Mul(features, scale)
	}
	if bias == nil {
		bias = s.Zeros(n)
	}
	weights := s.Mul(s.Reshape(s.Permute(features, 1, 0), n, channels, 1), s.Reshape(masks, n, 1, -1))
	return &linearReadout{weights: s.Reshape(weights, n, -1), bias: bias, nonlinearity: (*torch.Scope).Softplus}
}

// masks are the Gaussians (neurons, height, width), each normalised to sum 1.
// The exponent stops at 20 standard deviations squared, the log variance at ±20.
func (r *gaussianMask) masks(s *torch.Scope) *torch.Tensor {
	low, high := -20.0, 20.0
	n := int64(r.neurons)
	variance := s.Exp(s.Clamp(s.MulScalar(r.logVar, r.GaussianVarScale), &low, &high))
	center := s.Reshape(s.MulScalar(r.mean, r.GaussianMeanScale), n, 1, 1, 2)
	distance := s.Sum(s.Square(s.Sub(r.grid, center)), -1)
	exponent := s.Clamp(s.Div(distance, s.AddScalar(s.Reshape(variance, n, 1, 1), 1e-8)), nil, &high)
	density := s.Exp(s.MulScalar(exponent, -0.5))
	return s.NaNToNum(s.Div(density, s.SumKeep(density, 1, 2)))
}

// Regularizer is mask_l1 · (Σσ² + Σμ²) + feature_l1 · Σ|f|, or of means.
func (r *gaussianMask) Regularizer(s *torch.Scope) *torch.Tensor {
	defer s.Enter(r.path)()
	reduce := s.Sum
	if r.ReadoutRegAvg {
		reduce = s.Mean
	}
	spread := reduce(s.Exp(s.MulScalar(r.logVar, r.GaussianVarScale)))
	offset := reduce(s.Square(s.MulScalar(r.mean, r.GaussianMeanScale)))
	mask := s.MulScalar(s.Add(spread, offset), r.MaskL1Reg)
	return s.Add(mask, s.MulScalar(reduce(s.Abs(r.features)), r.FeatureWeightL1Reg))
}
