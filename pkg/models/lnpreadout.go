package models

import (
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// LNPConfig are the arguments of MultipleLNPReadout.
type LNPConfig struct {
	InShape           []int64 `yaml:"in_shape,runtime"` // channels, time, height, width
	SmoothWeight      float64 `yaml:"smooth_weight"`
	SparseWeight      float64 `yaml:"sparse_weight"`
	SmoothRegularizer string  `yaml:"smooth_regularizer"` // LaplaceL2norm or GaussianLaplaceL2
	LaplacePadding    *int64  `yaml:"laplace_padding"`    // null: as much as keeps the size
	Nonlinearity      string  `yaml:"nonlinearity"`       // exp, or a function of torch.nn.functional
	Bias              bool    `yaml:"bias"`
	CloneReadout      bool    `yaml:"clone_readout"`
	ReadoutRegAvg     bool    `yaml:"readout_reg_avg"` // without effect, as in the Python package
}

// lnpReadout is LNPReadout: each neuron weighs all features of a frame, and a
// nonlinearity follows.
type lnpReadout struct {
	LNPConfig
	path         string
	neurons      int
	kernel, bias *torch.Tensor // (neurons, channels, 1, height, width), (neurons); bias nil without
	smooth       smoothness
	nonlinearity Nonlinearity
}

func defaultLNP() LNPConfig {
	return LNPConfig{SmoothRegularizer: "LaplaceL2norm", Nonlinearity: "exp"}
}

// Complete takes the shape of the core's output.
func (c *LNPConfig) Complete(d ReadoutDeps) {
	if len(c.InShape) == 0 {
		c.InShape = d.InShape
	}
}

// lnpRegularizers are those that can take a kernel without time.
var lnpRegularizers = []string{"LaplaceL2norm", "GaussianLaplaceL2"}

// Validate refuses what LNPReadout fails with.
func (c *LNPConfig) Validate() error {
	var bad config.Refusals
	bad.Unless(isFeatureShape(c.InShape), "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	bad.Unless(slices.Contains(lnpRegularizers, c.SmoothRegularizer), "smooth_regularizer",
		"smooth_regularizer must be %s, got %q", strings.Join(lnpRegularizers, " or "), c.SmoothRegularizer)
	bad.Unless(c.LaplacePadding == nil || *c.LaplacePadding >= 0, "laplace_padding", "laplace_padding must not be negative")
	bad.Unless(c.SmoothRegularizer != "GaussianLaplaceL2" || c.LaplacePadding == nil || *c.LaplacePadding == 1, "laplace_padding",
		"laplace_padding must be null or 1 for GaussianLaplaceL2, whose Gaussian has the kernel's size")
	bad.Unless(functionals[c.Nonlinearity] != nil, "nonlinearity", "nonlinearity %q is none of %s",
		c.Nonlinearity, functionalNames())
	return bad.Err()
}

func (c LNPConfig) builder(ReadoutDeps) (ReadoutBuilder, error) {
	if c.CloneReadout {
		return cloning(c.build), nil
	}
	return c.build, nil
}

// build draws the kernel twice, first as Conv3d does.
func (c LNPConfig) build(p nn.Path, session Session) (Readout, error) {
	n, channels, height, width := int64(session.Neurons), c.InShape[0], c.InShape[2], c.InShape[3]
	r := &lnpReadout{LNPConfig: c, path: p.String(), neurons: session.Neurons, nonlinearity: functionals[c.Nonlinearity]}
	biasInit, err := session.biasInit()
	if err != nil {
		return nil, err
	}
	conv, seen := p.Sub("inner_product_kernel"), channels*height*width
	r.kernel = conv.Param("weight", nn.ConvUniform(seen), n, channels, 1, height, width)
	if c.Bias {
		r.bias = conv.Param("bias", nn.ConvUniform(seen), n)
		if session.MeanActivity != nil {
			conv.Redraw(r.bias, biasInit)
		}
	}
	conv.Redraw(r.kernel, nn.XavierNormal)
	r.smooth, err = newSpaceSmoothness(p.Sub("_smooth_reg_fn"), "smooth_regularizer", c.SmoothRegularizer,
		[2]int64{height, width}, c.LaplacePadding)
	if err != nil {
		return nil, err
	}
	return r, p.Err()
}

func (r *lnpReadout) NumNeurons() int { return r.neurons }

// Forward is nonlinearity(Σ_cxy kernel · x + bias).
func (r *lnpReadout) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.Enter(r.path)()
	return r.Fixed(s, nil).Forward(s, x)
}

// Fixed weighs by the kernel.
func (r *lnpReadout) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	defer s.Enter(r.path)()
	kernel, bias, n := r.kernel, r.bias, int64(r.neurons)
	if bias == nil {
		bias = s.Zeros(n)
	}
	if neurons != nil {
		n = int64(len(neurons))
		kernel, bias = s.IndexSelect(kernel, 0, neurons), s.IndexSelect(bias, 0, neurons)
	}
	return &linearReadout{weights: s.Reshape(kernel, n, -1), bias: bias, nonlinearity: r.nonlinearity}
}

// Regularizer is smooth_weight · smoothness(kernel) + sparse_weight · mean |kernel|.
func (r *lnpReadout) Regularizer(s *torch.Scope) *torch.Tensor {
	defer s.Enter(r.path)()
	total := s.MulScalar(s.Mean(s.Abs(r.kernel)), r.SparseWeight)
	if r.SmoothWeight == 0 {
		return total
	}
	return s.Add(total, s.MulScalar(r.smooth.penalty(s, r.kernel, false), r.SmoothWeight))
}

// averagesNeurons: the terms are a ratio and a mean.
func (r *lnpReadout) averagesNeurons() bool { return true }

func (r *lnpReadout) class() string { return "LNPReadout" }
