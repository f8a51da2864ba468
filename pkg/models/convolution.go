package models

import (
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// convolution is a layer's convolution over time and space.
type convolution interface {
	Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor
	// channels are those of what Forward makes.
	channels() int64
	// outSize is that of what Forward makes of an input of size in.
	outSize(in size) (size, error)
	// sees is how many frames before and after its own an output frame depends on.
	sees() (before, after int64)
}

// ofConv3d convolutions are made of PyTorch's Conv3d, which some cores initialise anew.
type ofConv3d interface {
	// kernels are the weights of the Conv3d, in their order.
	kernels() []*torch.Tensor
}

// spatiallyFactored convolutions have a spatial kernel (out, in, 1, height,
// width) that regularizers look at; without gradient for those classes of the
// Python package that give out its .data.
type spatiallyFactored interface {
	spatialWeight(s *torch.Scope) *torch.Tensor
}

// convSettings are the arguments that all convolution classes share.
type convSettings struct {
	in, out, time, space int64
	padding              Padding
	speeds               *logSpeeds // nil: the session makes no difference
}

// logSpeeds are a parameter (1) for each session, all convolutions': by e to the power
// of it a session's movies go through the temporal kernels faster.
type logSpeeds struct {
	sessions []string
	values   map[string]*torch.Tensor
}

// paced convolutions compute with a log speed.
type paced interface {
	convolution
	// at is the convolution at a log speed (1).
	at(logSpeed *torch.Tensor) convolution
}

// newLogSpeed makes the log speed that convolutions keep for stimuli of no session in
// particular. It is zero; none of the Python package's models ever moves it. The
// sessions' own are listed before it.
func (c convSettings) newLogSpeed(p nn.Path) *torch.Tensor {
	c.shareLogSpeeds(p)
	return p.Buffer("_log_speed_default", nn.Zeros, 1)
}

// shareLogSpeeds lists the sessions' log speeds among the convolution's parameters.
func (c convSettings) shareLogSpeeds(p nn.Path) {
	if c.speeds == nil {
		return
	}
	for _, session := range c.speeds.sessions {
		p.Alias("log_speed_"+session, c.speeds.values[session])
	}
}

func (c convSettings) channels() int64 { return c.out }

func (c convSettings) outSize(in size) (size, error) {
	return in.after(size{c.time, c.space, c.space}, size{1, 1, 1}, c.padding)
}

func (c convSettings) options() torch.Conv3DOptions {
	return torch.Conv3DOptions{Padding: c.padding.Size, Same: c.padding.Same}
}

// newConvolution makes the class that convolution_type names, as the Python
// package's get_conv_class.
func newConvolution(p nn.Path, kind string, c convSettings) (convolution, error) {
	switch kind {
	case "custom_separable":
		return newSTSeparableConv(p, c)
	case "separable":
		return newTorchSeparableConv(p, c), nil
	case "full":
		return newFullConv(p, c), nil
	case "time_independent":
		return newTimeIndependentConv(p, c), nil
	}
	return nil, checkConvolutionType(kind)
}

func checkConvolutionType(kind string) error {
	if slices.Contains([]string{"custom_separable", "separable", "full", "time_independent"}, kind) {
		return nil
	}
	return config.Refuse("convolution_type",
		"Un-implemented conv_type %s: choose custom_separable, separable, full or time_independent", kind)
}

// subsampling is how many frames of a temporal kernel share one sine and one
// cosine, which keeps the kernel below the Nyquist limit (Höfling et al. 2024).
const subsampling = 3

// stSeparableConv is STSeparableBatchConv3d: its kernel is a temporal kernel, a
// sum of sines and cosines, times a spatial one for each pair of channels.
type stSeparableConv struct {
	convSettings
	sin, cos, spatial, logSpeed *torch.Tensor
	fixed                       *torch.Tensor // the temporal kernel where it has been worked out
}

func newSTSeparableConv(p nn.Path, c convSettings) (*stSeparableConv, error) {
	if c.time < subsampling {
		return nil, config.Refuse("temporal_kernel_sizes",
			"Length cannot be smaller than subsampling factor: length=%d subsampling_factor=%d", c.time, subsampling)
	}
	k := c.time / subsampling
	return &stSeparableConv{
		convSettings: c,
		sin:          p.Param("sin_weights", nn.ScaledNormal(0.01), c.out, c.in, k),
		cos:          p.Param("cos_weights", nn.ScaledNormal(0.01), c.out, c.in, k),
		spatial:      p.Param("weight_spatial", nn.ScaledNormal(0.01), c.out, c.in, 1, c.space, c.space),
		logSpeed:     c.newLogSpeed(p),
	}, nil
}

func (c *stSeparableConv) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	return s.SeparableConv3D(x, c.spatial, c.temporalKernel(s), c.padding.Size, c.padding.Same)
}

func (c *stSeparableConv) spatialWeight(*torch.Scope) *torch.Tensor { return c.spatial }

func (c *stSeparableConv) at(logSpeed *torch.Tensor) convolution {
	other := *c
	other.logSpeed, other.fixed = logSpeed, nil
	return &other
}

// temporalKernel is w(t) = Σ_k m(t) [a_k sin(2πkτs/T) + b_k cos(2πkτs/T)] with
// τ = t - T and s = exp(log speed), of shape (out, in, time, 1, 1).
func (c *stSeparableConv) temporalKernel(s *torch.Scope) *torch.Tensor {
	if c.fixed != nil {
		return c.fixed
	}
	sines, cosines := temporalBasis(s, s.Exp(c.logSpeed), c.time)
	kernel := s.MatMul(s.Cat(2, c.sin, c.cos), s.Cat(0, sines, cosines))
	return s.Reshape(kernel, c.out, c.in, c.time, 1, 1)
}

// fix is the convolution with its temporal kernel worked out.
func (c *stSeparableConv) fix(s *torch.Scope) *stSeparableConv {
	f := *c
	f.fixed = c.temporalKernel(s)
	return &f
}

// temporalBasis are the sines and cosines (k, time) at a stretch of time (1),
// under the mask m(t) = sigmoid(τ + int(0.95 T) / stretch) that fades out the
// frames furthest in the past. Its constants are made where it computes: a copy from
// the host would hold up a GPU.
func temporalBasis(s *torch.Scope, stretch *torch.Tensor, length int64) (sines, cosines *torch.Tensor) {
	waves := length / subsampling
	tau := s.Reshape(s.Linspace(float64(-length), -1, length), 1, length)
	wave := s.Reshape(s.Linspace(0, float64(waves-1), waves), waves, 1)
	frequency := s.MulScalar(s.MulScalar(s.Mul(stretch, tau), 2*math.Pi), 1/float64(length))
	phase := s.Mul(wave, frequency)
	delay := s.Div(s.Full(math.Floor(float64(length)*0.95), 1), stretch)
	mask := s.Sigmoid(s.Add(tau, delay))
	return s.Mul(mask, s.Sin(phase)), s.Mul(mask, s.Cos(phase))
}

// fullConv is TorchFullConv3D: an ordinary convolution. Its log speed is kept
// in files and has no effect.
type fullConv struct {
	convSettings
	weight *torch.Tensor
}

func newFullConv(p nn.Path, c convSettings) *fullConv {
	c.newLogSpeed(p)
	fanIn := c.in * c.time * c.space * c.space
	return &fullConv{c, p.Sub("conv").Param("weight", nn.ConvUniform(fanIn), c.out, c.in, c.time, c.space, c.space)}
}

func (c *fullConv) kernels() []*torch.Tensor { return []*torch.Tensor{c.weight} }

func (c *fullConv) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	return s.Conv3D(x, c.weight, nil, c.options())
}

// torchSeparableConv is TorchSTSeparableConv3D: a convolution over space, then
// one over time. Both get the same padding, as in the Python package.
type torchSeparableConv struct {
	convSettings
	logSpeed, spatial, temporal *torch.Tensor
}

func newTorchSeparableConv(p nn.Path, c convSettings) *torchSeparableConv {
	return &torchSeparableConv{
		convSettings: c,
		logSpeed:     c.newLogSpeed(p),
		spatial: p.Sub("space_conv").Param("weight", nn.ConvUniform(c.in*c.space*c.space),
			c.out, c.in, 1, c.space, c.space),
		temporal: p.Sub("time_conv").Param("weight", nn.ConvUniform(c.out*c.time), c.out, c.out, c.time, 1, 1),
	}
}

func (c *torchSeparableConv) outSize(in size) (size, error) {
	s, err := in.after(size{1, c.space, c.space}, size{1, 1, 1}, c.padding)
	if err != nil {
		return s, err
	}
	return s.after(size{c.time, 1, 1}, size{1, 1, 1}, c.padding)
}

func (c *torchSeparableConv) kernels() []*torch.Tensor { return []*torch.Tensor{c.spatial, c.temporal} }

func (c *torchSeparableConv) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	y := s.Conv3D(s.Conv3D(x, c.spatial, nil, c.options()), c.temporal, nil, c.options())
	return s.Mul(s.Exp(c.logSpeed), y)
}

func (c *torchSeparableConv) at(logSpeed *torch.Tensor) convolution {
	other := *c
	other.logSpeed = logSpeed
	return &other
}

// timeIndependentConv is TimeIndependentConv3D: a convolution over space alone.
type timeIndependentConv struct {
	convSettings
	weight *torch.Tensor
}

func newTimeIndependentConv(p nn.Path, c convSettings) *timeIndependentConv {
	c.shareLogSpeeds(p)
	fanIn := c.in * c.space * c.space
	return &timeIndependentConv{c, p.Sub("conv").Param("weight", nn.ConvUniform(fanIn), c.out, c.in, 1, c.space, c.space)}
}

func (c *timeIndependentConv) outSize(in size) (size, error) {
	return in.after(size{1, c.space, c.space}, size{1, 1, 1}, c.padding)
}

func (c *timeIndependentConv) kernels() []*torch.Tensor { return []*torch.Tensor{c.weight} }

func (c *timeIndependentConv) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	return s.Conv3D(x, c.weight, nil, c.options())
}

func (c *timeIndependentConv) spatialWeight(s *torch.Scope) *torch.Tensor { return s.Detach(c.weight) }
