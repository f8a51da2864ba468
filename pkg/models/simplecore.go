package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// SimpleCoreConfig are the arguments of SimpleCoreWrapper.
type SimpleCoreConfig struct {
	Channels             []int64   `yaml:"channels,runtime"`
	TemporalKernelSizes  []int64   `yaml:"temporal_kernel_sizes,required"`
	SpatialKernelSizes   []int64   `yaml:"spatial_kernel_sizes,required"`
	GammaInput           float64   `yaml:"gamma_input,required"`
	GammaTemporal        float64   `yaml:"gamma_temporal,required"`
	GammaInSparse        float64   `yaml:"gamma_in_sparse,required"`
	GammaHidden          float64   `yaml:"gamma_hidden,required"`
	DropoutRate          float64   `yaml:"dropout_rate"`
	CutFirstNFrames      int64     `yaml:"cut_first_n_frames"`
	MaxPoolEveryNLayers  *int      `yaml:"maxpool_every_n_layers"`
	DownsampleKernelSize *[3]int64 `yaml:"downsample_input_kernel_size"`
	InputPadding         Padding   `yaml:"input_padding"`
	HiddenPadding        Padding   `yaml:"hidden_padding"`
	ColorSquashing       []float64 `yaml:"color_squashing_weights"`
	ConvolutionType      string    `yaml:"convolution_type"`
}

func defaultSimpleCore() SimpleCoreConfig {
	return SimpleCoreConfig{CutFirstNFrames: 30, HiddenPadding: Padding{Same: true}, ConvolutionType: "custom_separable"}
}

// Complete takes the channels that the model's hidden_channels give.
func (c *SimpleCoreConfig) Complete(d CoreDeps) {
	if d.Channels != nil {
		c.Channels = d.Channels
	}
}

// Validate refuses what the Python package refuses, in its words, and sizes that
// make no sense.
func (c *SimpleCoreConfig) Validate() error {
	refused := config.Refusals{c.validateLayers(), checkConvolutionType(c.ConvolutionType)}
	if c.ColorSquashing != nil && len(c.Channels) > 0 {
		refused.Unless(c.Channels[0] == 1, "color_squashing_weights",
			"Number of input channels (set to %d) must be 1 when squashing multi-channel (color) to single-channel (greyscale) input.",
			c.Channels[0])
	}
	refused.Unless(c.DropoutRate >= 0 && c.DropoutRate < 1, "dropout_rate", "dropout_rate must be at least 0 and below 1, got %v", c.DropoutRate)
	refused.Unless(c.CutFirstNFrames >= 0, "cut_first_n_frames", "cut_first_n_frames must not be negative, got %d", c.CutFirstNFrames)
	if n := c.MaxPoolEveryNLayers; n != nil {
		refused.Unless(*n >= 1, "maxpool_every_n_layers", "maxpool_every_n_layers must be at least 1, got %d", *n)
	}
	return append(refused, c.validateSizes()).Err()
}

// validateLayers refuses lists that are not about the same layers.
func (c *SimpleCoreConfig) validateLayers() error {
	layers := len(c.Channels) - 1
	switch {
	case layers < 1:
		return config.Refuse("channels", "At least two channels required (input and output channel), channels=%v", c.Channels)
	case len(c.TemporalKernelSizes) != layers:
		return config.Refuse("temporal_kernel_sizes", "%d layers, but only %d temporal kernel sizes. channels=%v temporal_kernel_sizes=%v",
			layers, len(c.TemporalKernelSizes), c.Channels, c.TemporalKernelSizes)
	case len(c.TemporalKernelSizes) != len(c.SpatialKernelSizes):
		return config.Refuse("spatial_kernel_sizes",
			"Temporal and spatial kernel sizes must have the same length. temporal_kernel_sizes=%v spatial_kernel_sizes=%v",
			c.TemporalKernelSizes, c.SpatialKernelSizes)
	}
	return nil
}

func (c *SimpleCoreConfig) validateSizes() error {
	var refused config.Refusals
	positive := func(key string, sizes []int64) {
		refused.Unless(len(sizes) == 0 || slices.Min(sizes) >= 1, key, "%s must be at least 1, got %v", key, sizes)
	}
	positive("channels", c.Channels)
	positive("temporal_kernel_sizes", c.TemporalKernelSizes)
	positive("spatial_kernel_sizes", c.SpatialKernelSizes)
	if c.DownsampleKernelSize != nil {
		positive("downsample_input_kernel_size", c.DownsampleKernelSize[:])
	}
	return refused.Err()
}

// simpleCore is SimpleCoreWrapper: layers of convolution, BatchNorm, bias, ELU,
// and optional dropout and pooling (Höfling et al. 2024).
type simpleCore struct {
	SimpleCoreConfig
	corrected  bool // of CoreDeps
	laplace    laplaceL2
	layers     []*coreLayer
	squash     *torch.Tensor
	squashedTo string // path of squash, for errors
}

func (c SimpleCoreConfig) build(d CoreDeps) (Core, error) {
	core, err := newSimpleCore(d, c)
	if err != nil {
		return nil, err
	}
	return core, nil
}

func newSimpleCore(d CoreDeps, c SimpleCoreConfig) (*simpleCore, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := d.Path
	smooth, err := newLaplaceL2(p.Sub("_input_weights_regularizer_spatial"), new(int64)) // without padding
	if err != nil {
		return nil, err
	}
	core := &simpleCore{SimpleCoreConfig: c, corrected: d.Corrected, laplace: smooth}
	for i := range c.TemporalKernelSizes {
		layer, err := c.newLayer(p.Sub("features").Subf("layer%d", i), i)
		if err != nil {
			return nil, err
		}
		core.layers = append(core.layers, layer)
	}
	if c.ColorSquashing != nil {
		at := p.Sub("color_squashing_layer")
		core.squashedTo = at.String()
		core.squash = at.Frozen("channel_weights", nn.Values(toFloat32(c.ColorSquashing)), int64(len(c.ColorSquashing)))
	}
	return core, p.Err()
}

func (c *SimpleCoreConfig) newLayer(p nn.Path, i int) (*coreLayer, error) {
	padding := c.HiddenPadding
	if i == 0 {
		padding = c.InputPadding
	}
	out := c.Channels[i+1]
	conv, err := newConvolution(p.Sub("conv"), c.ConvolutionType, convSettings{
		in: c.Channels[i], out: out, time: c.TemporalKernelSizes[i], space: c.SpatialKernelSizes[i], padding: padding,
	})
	if err != nil {
		return nil, err
	}
	return &coreLayer{
		path: p.String(), conv: conv,
		norm:       newBatchNorm(p.Sub("norm"), out, true, normMomentum),
		bias:       p.Sub("bias").Param("bias", nn.Zeros, 1, out, 1, 1, 1),
		activation: "ELU",
		dropout:    c.DropoutRate,
		pool:       c.MaxPoolEveryNLayers != nil && i%*c.MaxPoolEveryNLayers == 0,
		last:       i == len(c.TemporalKernelSizes)-1,
	}, nil
}

// Forward gives features (batch, channels, time, height, width).
func (c *simpleCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	stimulus := x
	x = c.squashColors(s, x)
	if c.DownsampleKernelSize != nil {
		x = s.AvgPool3D(x, *c.DownsampleKernelSize)
	}
	x = forwardLayers(s, c.layers, x, stimulus)
	if c.CutFirstNFrames == 0 {
		return x // even an empty cut would have a gradient to compute
	}
	return s.From(x, 2, c.CutFirstNFrames)
}

// Fixed works out the temporal kernels.
func (c *simpleCore) Fixed(s *torch.Scope) Core {
	fixed := *c
	fixed.layers = fixedLayers(s, c.layers)
	return &fixed
}

// colorsOfMovie are those that the core squashes, or the model's.
func (c *simpleCore) colorsOfMovie(inShape int64) int64 {
	if c.squash != nil {
		return int64(len(c.ColorSquashing))
	}
	return inShape
}

// squashColors is WeightedChannelSumLayer: a weighted sum of the channels, unless
// there is only one.
func (c *simpleCore) squashColors(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	if c.squash == nil || s.Dim(x, 1) == 1 {
		return x
	}
	defer s.Enter(c.squashedTo)()
	weighted := s.Mul(x, s.Reshape(c.squash, 1, -1, 1, 1, 1))
	return s.SumKeep(weighted, 1)
}

func toFloat32(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}
