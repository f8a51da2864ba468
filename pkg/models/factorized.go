package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// FactorizedConfig are the arguments of MultiFactorizedReadout.
type FactorizedConfig struct {
	InShape           []int64      `yaml:"in_shape,runtime"` // channels, time, height, width
	MaskL1Reg         float64      `yaml:"mask_l1_reg,required"`
	WeightsL1Reg      float64      `yaml:"weights_l1_reg,required"`
	LaplaceMaskReg    float64      `yaml:"laplace_mask_reg,required"`
	ReadoutBias       bool         `yaml:"readout_bias"`
	WeightsConstraint *string      `yaml:"weights_constraint"` // abs, norm or absnorm; null: none
	MaskConstraint    *string      `yaml:"mask_constraint"`    // abs; null: none
	InitMask          *givenTensor `yaml:"init_mask"`          // (neurons, 1, height, width), of which the middle is taken
	InitWeights       *givenTensor `yaml:"init_weights"`       // (channels, neurons)
	InitScales        [][2]float64 `yaml:"init_scales"`        // mean and standard deviation of masks, then of weights
	ReadoutRegAvg     bool         `yaml:"readout_reg_avg"`

	corrected bool
}

// factorized is FactorizedReadout: each neuron weighs the features by a mask over space
// of any form and by one number per channel (Klindt et al. 2017).
type factorized struct {
	FactorizedConfig
	path     string
	neurons  int
	masks    *torch.Tensor // (height · width, neurons)
	features *torch.Tensor // (channels, neurons)
	bias     *torch.Tensor // (neurons); read where there is readout_bias
	laplace  laplaceL2
}

// Complete takes the shape of the core's output.
func (c *FactorizedConfig) Complete(d ReadoutDeps) {
	if len(c.InShape) == 0 {
		c.InShape = d.InShape
	}
	c.corrected = d.Corrected
}

// Validate refuses what FactorizedReadout refuses, and constraints that it passes over.
func (c *FactorizedConfig) Validate() error {
	var bad config.Refusals
	bad.Unless(isFeatureShape(c.InShape), "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	bad.Unless(c.WeightsConstraint == nil || slices.Contains([]string{"abs", "norm", "absnorm"}, *c.WeightsConstraint),
		"weights_constraint", "weights_constraint must be abs, norm, absnorm or null")
	bad.Unless(c.MaskConstraint == nil || *c.MaskConstraint == "abs", "mask_constraint", "mask_constraint must be abs or null")
	const masksAndWeights = 2
	bad.Unless(len(c.InitScales) == 0 || len(c.InitScales) == masksAndWeights,
		"init_scales", "init_scales must be [[mean, std], [mean, std]], of masks and of weights")
	bad.Unless(c.InitMask != nil || len(c.InitScales) > 0, "init_scales", "Either init_mask or init_scales must be provided")
	bad.Unless(c.InitMask == nil || c.InitWeights != nil || len(c.InitScales) > 0,
		"init_scales", "init_mask without init_weights needs init_scales, for the weights")
	for _, scale := range c.InitScales {
		bad.Unless(scale[1] >= 0, "init_scales", "init_scales must have no negative standard deviation, got %v", scale[1])
	}
	return bad.Err()
}

func (c FactorizedConfig) builder(ReadoutDeps) (ReadoutBuilder, error) { return c.build, nil }

func (c FactorizedConfig) build(p nn.Path, session Session) (Readout, error) {
	n, channels, height, width := int64(session.Neurons), c.InShape[0], c.InShape[2], c.InShape[3]
	maskInit, err := c.maskInit(session)
	if err != nil {
		return nil, err
	}
	featureInit, err := c.featureInit(session)
	if err != nil {
		return nil, err
	}
	biasInit, err := session.biasInit()
	if err != nil {
		return nil, err
	}
	r := &factorized{FactorizedConfig: c, path: p.String(), neurons: session.Neurons}
	r.masks = p.Param("mask_weights", maskInit, height*width, n)
	r.features = p.Param("feature_weights", featureInit, channels, n)
	if c.ReadoutBias {
		r.bias = p.Param("bias", biasInit, n)
	} else {
		r.bias = p.Buffer("bias", biasInit, n)
	}
	noPadding := int64(0)
	if r.laplace, err = newLaplaceL2(p.Sub("_input_weights_regularizer_spatial"), &noPadding); err != nil {
		return nil, err
	}
	return r, p.Err()
}

// maskInit draws masks, or cuts the middle out of those that are given.
func (c FactorizedConfig) maskInit(session Session) (nn.Init, error) {
	if c.InitMask == nil || session.sample {
		return c.drawn(0), nil
	}
	given, n, height, width := c.InitMask, session.Neurons, int(c.InShape[2]), int(c.InShape[3])
	shape := given.Shape
	if len(shape) != 4 || shape[0] != n || shape[1] != 1 || shape[2] < height || shape[3] < width {
		return nil, config.Refuse("init_mask", "init_mask has the shape %s, but session %s has %d neurons, and masks are %d × %d: want [%d×1×%d×%d] or larger",
			torch.FormatShape(shape), session.Name, n, height, width, n, height, width)
	}
	top, left := (shape[2]-height)/2, (shape[3]-width)/2
	values := make([]float32, 0, height*width*n)
	for row := range height {
		for column := range width {
			for neuron := range n {
				at := (neuron*shape[2]+top+row)*shape[3] + left + column
				values = append(values, float32(given.At(at)))
			}
		}
	}
	return nn.Values(values), nil
}

func (c FactorizedConfig) featureInit(session Session) (nn.Init, error) {
	if c.InitWeights == nil || session.sample {
		return c.drawn(1), nil
	}
	return c.InitWeights.init("init_weights", c.InShape[0], int64(session.Neurons))
}

// drawn draws masks (0) or weights (1); zeros for what init_scales leaves out.
func (c FactorizedConfig) drawn(which int) nn.Init {
	if which >= len(c.InitScales) {
		return nn.Zeros
	}
	return nn.Normal(c.InitScales[which][0], c.InitScales[which][1])
}

func (r *factorized) NumNeurons() int { return r.neurons }

// Forward is softplus(Σ_c f_c Σ_xy mask · x + bias).
func (r *factorized) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.Enter(r.path)()
	return r.Fixed(s, nil).Forward(s, x)
}

// Fixed weighs by f · mask.
func (r *factorized) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	defer s.Enter(r.path)()
	r.constrain(s)
	masks, features, bias, n := r.masks, r.features, r.bias, int64(r.neurons)
	if !r.ReadoutBias {
		bias = s.Zeros(n)
	}
	if neurons != nil {
		n = int64(len(neurons))
		masks, features, bias = s.IndexSelect(masks, 1, neurons), s.IndexSelect(features, 1, neurons), s.IndexSelect(bias, 0, neurons)
	}
	byChannel, byPosition := s.Reshape(s.Permute(features, 1, 0), n, -1, 1), s.Reshape(s.Permute(masks, 1, 0), n, 1, -1)
	return &linearReadout{
		weights: s.Reshape(s.Mul(byChannel, byPosition), n, -1), bias: bias, nonlinearity: (*torch.Scope).Softplus,
	}
}

// constrain changes masks and weights themselves, at each forward pass, so that they
// are as the constraints want them.
func (r *factorized) constrain(s *torch.Scope) {
	defer s.NoGrad()()
	if r.MaskConstraint != nil {
		s.CopyInto(r.masks, s.Abs(r.masks))
	}
	if r.WeightsConstraint == nil {
		return
	}
	features := r.features
	if *r.WeightsConstraint != "norm" {
		features = s.Abs(features)
	}
	if *r.WeightsConstraint != "abs" {
		const eps = 1e-5
		features = s.Div(features, s.Sqrt(s.AddScalar(s.SumKeep(s.Square(features), 0), eps)))
	}
	s.CopyInto(r.features, features)
}

// Regularizer is mask_l1 · mean_n Σ|mask| + weights_l1 · mean_n Σ|f| + laplace · what
// FlatLaplaceL23dnorm makes of the masks, whereof readout_reg_avg leaves a third.
func (r *factorized) Regularizer(s *torch.Scope) *torch.Tensor {
	defer s.Enter(r.path)()
	l1 := func(weights *torch.Tensor) *torch.Tensor { return s.Mean(s.Sum(s.Abs(weights), 0)) }
	total := s.Add(s.MulScalar(l1(r.masks), r.MaskL1Reg), s.MulScalar(l1(r.features), r.WeightsL1Reg))
	if r.LaplaceMaskReg == 0 {
		return total
	}
	weight := r.LaplaceMaskReg
	if r.ReadoutRegAvg {
		weight /= 3
	}
	return s.Add(total, s.MulScalar(r.laplace.penalty(s, r.kernels(s), false), weight))
}

// averagesNeurons: all terms are means over neurons, or a ratio.
func (r *factorized) averagesNeurons() bool { return true }

// kernels are the masks (neurons, 1, 1, height, width). Release 1.1.1 cuts them from
// the weights (height · width, neurons) without putting neurons first, so that each
// holds numbers of several neurons.
func (r *factorized) kernels(s *torch.Scope) *torch.Tensor {
	masks := r.masks
	if r.corrected {
		masks = s.Permute(masks, 1, 0)
	}
	return s.Reshape(masks, -1, 1, 1, r.InShape[2], r.InShape[3])
}

func (r *factorized) class() string { return "FactorizedReadout" }
