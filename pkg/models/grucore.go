package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// ConvGRUCoreConfig are the arguments of ConvGRUCore, and two of ours, which the
// Python class takes and ignores.
type ConvGRUCoreConfig struct {
	Channels            []int64        `yaml:"channels,runtime"`
	TemporalKernelSizes KernelSizes    `yaml:"temporal_kernel_sizes"`
	SpatialKernelSizes  KernelSizes    `yaml:"spatial_kernel_sizes"`
	GammaHidden         float64        `yaml:"gamma_hidden"`
	GammaInput          float64        `yaml:"gamma_input"`
	GammaInSparse       float64        `yaml:"gamma_in_sparse"`
	GammaTemporal       float64        `yaml:"gamma_temporal"`
	FinalNonlinearity   bool           `yaml:"final_nonlinearity"`
	Bias                bool           `yaml:"bias"`
	InputPadding        Truth          `yaml:"input_padding"`
	HiddenPadding       Truth          `yaml:"hidden_padding"`
	BatchNorm           bool           `yaml:"batch_norm"`
	BatchNormScale      bool           `yaml:"batch_norm_scale"`
	BatchNormMomentum   float64        `yaml:"batch_norm_momentum"`
	LaplacePadding      *int64         `yaml:"laplace_padding"`
	BatchAdaptation     bool           `yaml:"batch_adaptation"`
	UseAvgReg           bool           `yaml:"use_avg_reg"`
	Nonlinearity        string         `yaml:"nonlinearity"`
	ConvolutionType     string         `yaml:"convolution_type"`
	UseGRU              bool           `yaml:"use_gru"`
	UseProjections      bool           `yaml:"use_projections"`
	GRU                 *ConvGRUConfig `yaml:"gru_kwargs"`

	// UseLogSpeed makes batch_adaptation work: the convolutions of a session's movies
	// go at its learned speed. The Python package learns none, since its models do not
	// tell their core the session.
	UseLogSpeed bool `yaml:"use_log_speed"`
	// UseGammaRec adds the GRU's own penalty, which the Python package never asks for.
	UseGammaRec bool `yaml:"use_gamma_rec"`
}

func defaultConvGRUCore() ConvGRUCoreConfig {
	none := int64(0)
	return ConvGRUCoreConfig{
		TemporalKernelSizes: KernelSizes{Sizes: []int64{21}}, SpatialKernelSizes: KernelSizes{Sizes: []int64{14}},
		FinalNonlinearity: true, Bias: true, HiddenPadding: true,
		BatchNorm: true, BatchNormScale: true, BatchNormMomentum: normMomentum, LaplacePadding: &none,
		Nonlinearity: "ELU", ConvolutionType: "custom_separable",
	}
}

// Complete takes the channels that the model's hidden_channels give.
func (c *ConvGRUCoreConfig) Complete(d CoreDeps) {
	if d.Channels != nil {
		c.Channels = d.Channels
	}
}

// Validate refuses what the Python package refuses or fails with.
func (c *ConvGRUCoreConfig) Validate() error {
	refused := config.Refusals{checkConvolutionType(c.ConvolutionType), checkActivation(c.Nonlinearity)}
	layers := int64(len(c.Channels) - 1)
	if layers < 1 {
		return append(refused, config.Refuse("channels",
			"At least two channels required (input and output channel), channels=%v", c.Channels)).Err()
	}
	refused.Unless(slices.Min(c.Channels) >= 1, "channels", "channels must be at least 1, got %v", c.Channels)
	refused = append(refused, c.TemporalKernelSizes.check("temporal_kernel_sizes", layers),
		c.SpatialKernelSizes.check("spatial_kernel_sizes", layers))
	refused.Unless(c.BatchNormMomentum >= 0 && c.BatchNormMomentum <= 1, "batch_norm_momentum",
		"batch_norm_momentum must be between 0 and 1, got %v", c.BatchNormMomentum)
	refused.Unless(c.LaplacePadding == nil || *c.LaplacePadding >= 0, "laplace_padding", "laplace_padding must not be negative")
	refused.Unless(c.BatchAdaptation || !c.UseLogSpeed, "use_log_speed",
		"use_log_speed needs batch_adaptation: true, which gives each session a log speed")
	if !c.UseGRU {
		return refused.Err()
	}
	refused.Unless(c.GRU != nil, "gru_kwargs", "use_gru needs gru_kwargs: rec_channels, input_kern and rec_kern")
	if c.GRU != nil {
		refused = append(refused, c.GRU.check(c.Channels[layers]))
	}
	return refused.Err()
}

// convGRUCore is ConvGRUCore up to its GRU, which it need not have: layers of
// convolution, BatchNorm, bias or scale, and nonlinearity, with a projection, a
// convolution over channels alone, behind the first.
type convGRUCore struct {
	ConvGRUCoreConfig
	laplace laplaceL2
	layers  []*coreLayer // that make the features
	speeds  *logSpeeds   // nil unless batch_adaptation

	// penalised layers are those that regularizers look at, sparse those of gamma_hidden.
	penalised, sparse []*coreLayer
}

func (c ConvGRUCoreConfig) build(d CoreDeps) (Core, error) {
	core, err := newConvGRUCore(d, c)
	if err != nil {
		return nil, err
	}
	return core.withGRU(d.Path)
}

func newConvGRUCore(d CoreDeps, c ConvGRUCoreConfig) (*convGRUCore, error) {
	return newConvCore(d, c, c.padding)
}

// newConvCore makes the layers, each with its padding.
func newConvCore(d CoreDeps, c ConvGRUCoreConfig, padding func(layer int) Padding) (*convGRUCore, error) {
	core := &convGRUCore{ConvGRUCoreConfig: c}
	if c.BatchAdaptation {
		core.speeds = newLogSpeeds(d.Path, d.Sessions)
	}
	var err error
	if core.laplace, err = newLaplaceL2(d.Path.Sub("_input_weights_regularizer_spatial"), c.LaplacePadding); err != nil {
		return nil, err
	}
	newTimeLaplaceL2(d.Path.Sub("_input_weights_regularizer_temporal"), c.LaplacePadding, d.Corrected) // never used, but in files
	features := d.Path.Sub("features")
	for i := range len(c.Channels) - 1 {
		layer, err := core.newLayer(features.Subf("layer%d", i), i, padding(i))
		if err != nil {
			return nil, err
		}
		core.layers = append(core.layers, layer)
		if i == 0 && c.UseProjections {
			core.layers = append(core.layers, core.newProjection(features.Sub("projection")))
		}
	}
	core.penalised, core.sparse = core.layers, core.layers
	core.redraw(d.Path)
	return core, d.Path.Err()
}

// newLogSpeeds start at zero.
func newLogSpeeds(p nn.Path, sessions []string) *logSpeeds {
	speeds := &logSpeeds{sessions: sessions, values: map[string]*torch.Tensor{}}
	for _, session := range sessions {
		speeds.values[session] = p.Param("log_speed_"+session, nn.Zeros, 1)
	}
	return speeds
}

func (c *convGRUCore) newLayer(p nn.Path, i int, padding Padding) (*coreLayer, error) {
	out := c.Channels[i+1]
	conv, err := newConvolution(p.Sub("conv"), c.ConvolutionType, convSettings{
		in: c.Channels[i], out: out, time: c.TemporalKernelSizes.of(i), space: c.SpatialKernelSizes.of(i),
		padding: padding, speeds: c.speeds,
	})
	if err != nil {
		return nil, err
	}
	last := i == len(c.Channels)-2
	l := &coreLayer{path: p.String(), conv: conv, last: last}
	if c.BatchNorm {
		l.norm = newBatchNorm(p.Sub("norm"), out, c.Bias && c.BatchNormScale, c.BatchNormMomentum)
		switch {
		case c.Bias && !c.BatchNormScale:
			l.bias = p.Sub("bias").Param("bias", nn.Zeros, 1, out, 1, 1, 1)
		case !c.Bias && c.BatchNormScale:
			// Release 1.1.1 makes a Scale2DLayer of all but the first, which fails.
			l.scale = p.Sub("scale").Param("scale", nn.Ones, 1, out, 1, 1, 1)
		}
	}
	// The first layer of several has one only if the last has.
	if c.FinalNonlinearity || i > 0 && !last {
		l.activation = c.Nonlinearity
	}
	return l, nil
}

// padding of a layer over space, half of a kernel. Hidden layers get that of the layer
// before them, and the second none at all: the Python package counts wrongly.
func (c *ConvGRUCoreConfig) padding(i int) Padding {
	half := int64(0)
	switch {
	case i == 0 && bool(c.InputPadding):
		half = c.SpatialKernelSizes.of(0) / 2
	case i > 1 && bool(c.HiddenPadding):
		half = c.SpatialKernelSizes.of(i-1) / 2
	}
	return Padding{Size: [3]int64{0, half, half}}
}

func (c *convGRUCore) newProjection(p nn.Path) *coreLayer {
	channels := c.Channels[1]
	conv := newFullConv(p.Sub("0"), convSettings{in: channels, out: channels, time: 1, space: 1, speeds: c.speeds})
	return &coreLayer{path: p.String(), conv: conv, activation: c.Nonlinearity, numbered: true}
}

// redraw initialises the kernels of PyTorch's Conv3d anew, as Core3d.init_conv.
func (c *convGRUCore) redraw(p nn.Path) {
	for _, l := range c.layers {
		if conv, ok := l.conv.(ofConv3d); ok {
			for _, kernel := range conv.kernels() {
				p.Redraw(kernel, nn.XavierNormal)
			}
		}
	}
}

// withGRU puts the GRU behind the convolutions, where there is one.
func (c *convGRUCore) withGRU(p nn.Path) (Core, error) {
	if !c.UseGRU {
		return c, nil
	}
	gru := newConvGRU(p.Sub("features").Sub("gru"), c.Channels[len(c.Channels)-1], *c.GRU)
	return &recurrentCore{convs: c, gru: gru}, p.Err()
}

// Forward gives features (batch, channels, time, height, width).
func (c *convGRUCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	return forwardLayers(s, c.layers, x, x)
}

// ForSession is the core at a session's log speed, where that is used.
func (c *convGRUCore) ForSession(session string) Core { return c.forSession(session) }

func (c *convGRUCore) forSession(session string) *convGRUCore {
	speed := c.logSpeed(session)
	if speed == nil {
		return c
	}
	other := *c
	other.layers = slices.Clone(c.layers)
	for i, l := range c.layers {
		if conv, ok := l.conv.(paced); ok {
			other.layers[i] = l.with(conv.at(speed))
		}
	}
	return &other
}

// logSpeed is nil where the session makes no difference.
func (c *convGRUCore) logSpeed(session string) *torch.Tensor {
	if c.speeds == nil || !c.UseLogSpeed {
		return nil
	}
	return c.speeds.values[session]
}

// Fixed works out the temporal kernels.
func (c *convGRUCore) Fixed(s *torch.Scope) Core { return c.fixed(s) }

func (c *convGRUCore) fixed(s *torch.Scope) *convGRUCore {
	fixed := *c
	fixed.layers = fixedLayers(s, c.layers)
	return &fixed
}

// OutShape is the features' shape for a stimulus of shape in.
func (c *convGRUCore) OutShape(in []int64) ([]int64, error) {
	if len(in) != 4 || in[0] != c.Channels[0] {
		return nil, config.Refuse("channels", "the core takes a stimulus of %d channels, time, height and width, not %s",
			c.Channels[0], torch.FormatShape(in))
	}
	s, err := sizeAfter(c.layers, size{in[1], in[2], in[3]})
	return []int64{c.Channels[len(c.Channels)-1], s[0], s[1], s[2]}, err
}

// Timing adds up what the layers see.
func (c *convGRUCore) Timing() Timing {
	t := Timing{Stride: 1}
	t.Before, t.After = seen(c.layers)
	return t
}

// Memory counts the tensors of a forward pass.
func (c *convGRUCore) Memory(in []int64) int64 {
	return floatBytes * mostLive(c.layers, size{in[1], in[2], in[3]}, elements(in), 0)
}

// Regularizer is Σ γ · penalty over the penalties whose γ is not zero. Those of other
// convolutions than custom_separable are left out, as in the Python package.
func (c *convGRUCore) Regularizer(s *torch.Scope) *torch.Tensor {
	if c.ConvolutionType != "custom_separable" {
		return s.Zeros()
	}
	return weighted(s, []gammaPenalty{
		{c.GammaHidden, c.groupSparsity},
		{c.GammaInput, c.inputSmoothness},
		{c.GammaTemporal, c.temporalSmoothness},
		{c.GammaInSparse, c.kernelSparsity},
	})
}

// separable calls f for the layers' separable convolutions and adds up what it gives.
func separable(s *torch.Scope, layers []*coreLayer, f func(*stSeparableConv) *torch.Tensor) *torch.Tensor {
	total := s.Zeros()
	for _, l := range layers {
		if conv, ok := l.conv.(*stSeparableConv); ok {
			total = s.Add(total, f(conv))
		}
	}
	return total
}

// groupSparsity is Σ_layers Σ_o [Σ_i ‖v_oi‖] / ‖v_o‖ over the spatial kernels v of the
// sparse layers: of a ConvGRUCore all, the first too.
func (c *convGRUCore) groupSparsity(s *torch.Scope) *torch.Tensor {
	return separable(s, c.sparse, func(conv *stSeparableConv) *torch.Tensor {
		return sparsityOfInputs(s, conv.spatial, 0)
	})
}

// inputSmoothness is the spatial Laplace penalty on the first layer.
func (c *convGRUCore) inputSmoothness(s *torch.Scope) *torch.Tensor {
	return c.laplace.penalty(s, c.layers[0].conv.(*stSeparableConv).spatial, c.UseAvgReg)
}

// temporalSmoothness is the penalty on high temporal frequencies of all layers.
func (c *convGRUCore) temporalSmoothness(s *torch.Scope) *torch.Tensor {
	return separable(s, c.penalised, func(conv *stSeparableConv) *torch.Tensor { return temporalSmoothing(s, conv.sin, conv.cos) })
}

// kernelSparsity is Σ_o [Σ_i ‖w_oi‖] / √(1e-8 + ‖w_o‖²) over the whole kernels w =
// temporal · spatial of the first layer at log speed zero, whose norm is the product of
// its factors' norms.
func (c *convGRUCore) kernelSparsity(s *torch.Scope) *torch.Tensor {
	conv := c.layers[0].conv.(*stSeparableConv)
	temporal := conv.at(s.Zeros(1)).(*stSeparableConv).temporalKernel(s)
	squared := s.Mul(s.Sum(s.Square(temporal), 2, 3, 4), s.Sum(s.Square(conv.spatial), 2, 3, 4)) // (out, in)
	return s.Sum(s.Div(s.Sum(s.Sqrt(squared), 1), s.Sqrt(s.AddScalar(s.Sum(squared, 1), sparsityEps))))
}

func (*convGRUCore) class() string { return "ConvGRUCore" }

func (c *convGRUCore) summary(in []int64) ([]Layer, error) {
	layers, _, err := summaryOfLayers(c.layers, size{in[1], in[2], in[3]})
	return layers, err
}
