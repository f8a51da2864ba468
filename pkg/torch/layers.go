package torch

import "github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"

// Conv3DOptions are those of torch.nn.functional.conv3d; entries are (time,
// height, width). The zero value is stride 1, no padding.
type Conv3DOptions struct {
	Stride   [3]int64 // 0 stands for 1
	Padding  [3]int64
	Same     bool // padding="same": the output has the input's size
	Dilation [3]int64
}

// Conv3D convolves x (batch, channels, time, height, width) with weight (out
// channels, channels, time, height, width); bias (out channels) may be nil.
func (s *Scope) Conv3D(x, weight, bias *Tensor, o Conv3DOptions) *Tensor {
	operands := []*Tensor{x, weight}
	var offset libtorch.Handle
	if bias != nil {
		operands, offset = append(operands, bias), bias.handle
	}
	padding := &o.Padding
	if o.Same {
		padding = nil
	}
	stride, dilation := atLeastOne(o.Stride), atLeastOne(o.Dilation)
	return s.op("conv3d", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Conv3D(grad, x.handle, weight.handle, offset, stride, padding, dilation)
	}, operands...)
}

func atLeastOne(v [3]int64) [3]int64 {
	for i := range v {
		v[i] = max(v[i], 1)
	}
	return v
}

// SeparableConv3D is Conv3D at stride 1 with the weight temporal (out channels,
// channels, time, 1, 1) times spatial (out channels, channels, 1, height, width).
// On the CPU it is evaluated in factors, which needs height·width + time instead
// of height·width·time multiply-adds for each position and pair of channels. The
// environment can force another way, for comparison: OPENRETINA_CONV=full,
// OPENRETINA_SIMD=generic|avx2.
func (s *Scope) SeparableConv3D(x, spatial, temporal *Tensor, padding [3]int64, same bool) *Tensor {
	sizes := &padding
	if same {
		sizes = nil
	}
	return s.op("separable conv3d", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.SeparableConv3D(grad, x.handle, spatial.handle, temporal.handle, sizes)
	}, x, spatial, temporal)
}

// SeparableKernels names the kernels that SeparableConv3D uses on this processor:
// avx512, avx2, generic, or full. Their roundings differ.
func SeparableKernels() string { return libtorch.SeparableVariant() }

// SeparableLayer is what SeparableConv3D is followed by in a layer of the core:
// BatchNorm over channels, as Scope.BatchNorm, then the addition of Shift, then ELU.
type SeparableLayer struct {
	Spatial, Temporal *Tensor // the kernel, as for SeparableConv3D
	Padding           [3]int64
	Same              bool
	// BatchNorm's, (out channels) each; training moves the running ones.
	NormWeight, NormBias, RunningMean, RunningVar *Tensor
	Momentum, Eps                                 float64
	Shift                                         *Tensor // (1, out channels, 1, 1, 1)
	// FramesFirst keeps all features of a frame together in memory, as a readout wants
	// them; the result's shape is the same.
	FramesFirst bool
}

// SeparableLayer computes a layer of the core in one pass over memory: on the CPU
// the convolution's kernels apply what follows while a result is still in a register
// (in evaluation) or in the nearest cache. Elsewhere it is composed of the
// operations that it names.
func (s *Scope) SeparableLayer(x *Tensor, l SeparableLayer) *Tensor {
	sizes := &l.Padding
	if l.Same {
		sizes = nil
	}
	operands := []*Tensor{x, l.Spatial, l.Temporal, l.NormWeight, l.NormBias, l.RunningMean, l.RunningVar, l.Shift}
	return s.op("separable layer", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.SeparableLayer(grad, x.handle, l.Spatial.handle, l.Temporal.handle, sizes, libtorch.BatchNormShift{
			Weight: l.NormWeight.handle, Bias: l.NormBias.handle, Mean: l.RunningMean.handle, Variance: l.RunningVar.handle,
			Shift: l.Shift.handle, Training: s.Training(), Momentum: l.Momentum, Eps: l.Eps,
		}, l.FramesFirst)
	}, operands...)
}

// GridSample reads images x (n, channels, height, width) at the points grid (n, rows,
// columns, 2), which gives (n, channels, rows, columns): bilinear between the pixels,
// zero outside, as torch.nn.functional.grid_sample. A point is (x, y), from -1 at the
// left and upper edge to 1 at the right and lower one. An edge is the middle of the
// outermost pixels where alignCorners is set, else their outer border.
func (s *Scope) GridSample(x, grid *Tensor, alignCorners bool) *Tensor {
	return s.op("grid_sample", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.GridSample(grad, x.handle, grid.handle, alignCorners)
	}, x, grid)
}

// AvgPool3D averages over blocks of the given size (time, height, width).
func (s *Scope) AvgPool3D(x *Tensor, kernel [3]int64) *Tensor {
	return s.op("avg_pool3d", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.AvgPool3D(grad, x.handle, kernel)
	}, x)
}

// MaxPool3D takes the maximum over blocks of the given size.
func (s *Scope) MaxPool3D(x *Tensor, kernel [3]int64) *Tensor {
	return s.op("max_pool3d", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.MaxPool3D(grad, x.handle, kernel)
	}, x)
}

// BatchNorm normalises x per channel. In training it uses the batch's statistics
// and moves the running ones (mean, variance) towards them by momentum.
func (s *Scope) BatchNorm(x, weight, bias, mean, variance *Tensor, momentum, eps float64) *Tensor {
	return s.op("batch_norm", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.BatchNorm(grad, x.handle, weight.handle, bias.handle, mean.handle, variance.handle,
			s.Training(), momentum, eps)
	}, x, weight, bias, mean, variance)
}

// GRUGate has the convolutions of one gate of a convolutional GRU: of the input and
// of the state, both (channels out, channels in / groups, height, width) and (channels
// out).
type GRUGate struct {
	Input, InputBias, Hidden, HiddenBias *Tensor
}

// ConvGRU are the weights of a convolutional GRU. Padding is that of the input's
// convolutions; the state's kernels are odd and keep its size.
type ConvGRU struct {
	Reset, Update, Out GRUGate
	Padding, Groups    int64
}

// ConvGRU goes over the frames of x (batch, channels, time, height, width) and gives
// the states (batch, channels out, time, height, width), in memory all of a frame
// together:
//
//	r, u = sigmoid(input(x) + hidden(h)),  h <- (1-u) h + u tanh(input(x) + hidden(r h)).
//
// state (batch, channels out, height, width) is the one before the first frame; nil is
// zero.
func (s *Scope) ConvGRU(x *Tensor, w ConvGRU, state *Tensor) *Tensor {
	operands := []*Tensor{x}
	for _, g := range []GRUGate{w.Reset, w.Update, w.Out} {
		operands = append(operands, g.Input, g.InputBias, g.Hidden, g.HiddenBias)
	}
	if state != nil {
		operands = append(operands, state)
	}
	return s.op("convolutional GRU", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		var weights libtorch.GRUWeights
		for i, g := range []GRUGate{w.Reset, w.Update, w.Out} {
			weights.Input[i], weights.InputBias[i] = g.Input.handle, g.InputBias.handle
			weights.Hidden[i], weights.HiddenBias[i] = g.Hidden.handle, g.HiddenBias.handle
		}
		var before libtorch.Handle
		if state != nil {
			before = state.handle
		}
		return libtorch.ConvGRU(grad, x.handle, weights, w.Padding, w.Groups, before)
	}, operands...)
}
