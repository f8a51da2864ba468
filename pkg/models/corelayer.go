package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// coreLayer is a convolution and what follows it, in the order of the fields. All but
// the convolution may be absent.
type coreLayer struct {
	path        string
	conv        convolution
	norm        *batchNorm
	bias, scale *torch.Tensor // (1, channels, 1, 1, 1); at most one of them
	activation  string        // a name in activations
	dropout     float64
	pool        bool
	film        *film
	last        bool
	numbered    bool // its parts are named 0 and 1 in files
}

// batchNorm is BatchNorm3d. Where it is not affine it has no weight and no bias.
type batchNorm struct {
	weight, bias, runningMean, runningVar, batches *torch.Tensor
	channels                                       int64
	momentum                                       float64
}

// BatchNorm3d's defaults, as the Python package leaves them.
const (
	normMomentum = 0.1
	normEps      = 1e-5
)

func newBatchNorm(p nn.Path, channels int64, affine bool, momentum float64) *batchNorm {
	n := &batchNorm{channels: channels, momentum: momentum}
	if affine {
		n.weight, n.bias = p.Param("weight", nn.Ones, channels), p.Param("bias", nn.Zeros, channels)
	}
	n.runningMean, n.runningVar = p.Buffer("running_mean", nn.Zeros, channels), p.Buffer("running_var", nn.Ones, channels)
	n.batches = p.Buffer("num_batches_tracked", nn.ZeroCount)
	return n
}

// affine are weight and bias, of the identity where there are none.
func (n *batchNorm) affine(s *torch.Scope) (weight, bias *torch.Tensor) {
	if n.weight == nil {
		return s.Ones(n.channels), s.Zeros(n.channels)
	}
	return n.weight, n.bias
}

// poolKernel is that of the layers' MaxPool3d.
var poolKernel = [3]int64{1, 2, 2}

// forwardLayers goes through layers from x on. What lies between them is freed, unless
// it is keep.
func forwardLayers(s *torch.Scope, layers []*coreLayer, x, keep *torch.Tensor) *torch.Tensor {
	for _, l := range layers {
		in := x
		x = l.forward(s, in)
		if in != keep {
			s.Free(in) // the layer keeps what its gradient needs
		}
	}
	return x
}

// fixedLayers are layers with their temporal kernels worked out.
func fixedLayers(s *torch.Scope, layers []*coreLayer) []*coreLayer {
	fixed := slices.Clone(layers)
	for i, l := range layers {
		if conv, ok := l.conv.(*stSeparableConv); ok {
			fixed[i] = l.with(conv.fix(s))
		}
	}
	return fixed
}

// with is the layer with another convolution.
func (l *coreLayer) with(c convolution) *coreLayer {
	other := *l
	other.conv = c
	return &other
}

func (l *coreLayer) forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.Enter(l.path)()
	if l.fused() {
		x = l.asOne(s, x)
	} else {
		x = l.inParts(s, x)
	}
	if l.norm != nil && s.Training() {
		s.AddInPlace(l.norm.batches, 1)
	}
	if l.dropout > 0 && s.Training() {
		x = dropChannels(s, x, l.dropout)
	}
	if l.pool {
		x = s.MaxPool3D(x, poolKernel)
	}
	if l.film != nil {
		x = l.film.forward(s, x)
	}
	return x
}

// fused tells that convolution, BatchNorm, bias and ELU are one operation.
func (l *coreLayer) fused() bool {
	_, separable := l.conv.(*stSeparableConv)
	return separable && l.norm != nil && l.scale == nil && l.activation == "ELU"
}

func (l *coreLayer) asOne(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	conv := l.conv.(*stSeparableConv)
	weight, bias := l.norm.affine(s)
	shift := l.bias
	if shift == nil {
		shift = s.Zeros(1, conv.out, 1, 1, 1)
	}
	return s.SeparableLayer(x, torch.SeparableLayer{
		Spatial: conv.spatial, Temporal: conv.temporalKernel(s), Padding: conv.padding.Size, Same: conv.padding.Same,
		NormWeight: weight, NormBias: bias, RunningMean: l.norm.runningMean, RunningVar: l.norm.runningVar,
		Momentum: l.norm.momentum, Eps: normEps, Shift: shift,
		FramesFirst: l.last,
	})
}

func (l *coreLayer) inParts(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	x = l.conv.Forward(s, x)
	if l.norm != nil {
		weight, bias := l.norm.affine(s)
		x = s.BatchNorm(x, weight, bias, l.norm.runningMean, l.norm.runningVar, l.norm.momentum, normEps)
	}
	if l.bias != nil {
		x = s.Add(x, l.bias)
	}
	if l.scale != nil {
		x = s.Mul(x, l.scale)
	}
	if l.activation != "" {
		x = activations[l.activation](s, x)
	}
	return x
}

// dropChannels is Dropout3d: it zeroes whole channels of each clip.
func dropChannels(s *torch.Scope, x *torch.Tensor, rate float64) *torch.Tensor {
	kept := s.Bernoulli(s.Rand(), 1-rate, s.Dim(x, 0), s.Dim(x, 1), 1, 1, 1)
	return s.Mul(x, s.MulScalar(kept, 1/(1-rate)))
}

// tensors is how many of a layer's size it makes: one for each part that there is,
// unless they are one operation.
func (l *coreLayer) tensors() int64 {
	n := int64(1)
	if l.film != nil {
		n += 2
	}
	if l.fused() {
		return n
	}
	for _, part := range []bool{l.norm != nil, l.bias != nil, l.scale != nil, l.activation != ""} {
		if part {
			n++
		}
	}
	return n
}

// kept is how many tensors of the size of a layer's output a training step holds.
func (l *coreLayer) kept() int64 {
	if l.fused() {
		return keptByFusedLayer
	}
	return keptByComposedLayer
}
