package torch

import (
	"runtime"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/internal/gotorch"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// FromFloat32 copies values in C order into a tensor of the given shape.
func (s *Scope) FromFloat32(values []float32, shape ...int64) *Tensor {
	return s.op("from float32", func(bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.FromFloat32(values, shape, s.device.String())
	})
}

// Lend makes a tensor of values in C order without a copy where the scope computes on
// the CPU. Until the scope is closed they must not change, and the tensor and what
// shares its memory (Reshape, Narrow, Detach of it) must not be kept beyond.
func (s *Scope) Lend(values []float32, shape ...int64) *Tensor {
	if !s.device.IsCPU() || len(values) == 0 {
		return s.FromFloat32(values, shape...)
	}
	return s.op("lend", func(bool) (libtorch.Handle, *libtorch.Error) {
		s.owned.lent.Pin(&values[0])
		return libtorch.LendFloat32(values, shape)
	})
}

// FromArray copies an array into a tensor.
func (s *Scope) FromArray(a *ndarray.Array) *Tensor {
	return s.op("from array", func(bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.FromArray(a, toInt64(a.Shape), s.device.String())
	})
}

// Full is a float32 tensor of one value.
func (s *Scope) Full(value float64, shape ...int64) *Tensor {
	return s.op("full", func(bool) (libtorch.Handle, *libtorch.Error) {
		if s.device.IsCPU() && len(shape) > 0 {
			return gotorch.Full(shape, float32(value))
		}
		return libtorch.Full(value, ndarray.Float32, shape, s.device.String())
	})
}

// FullOf is Full of any element type.
func (s *Scope) FullOf(dtype ndarray.DType, value float64, shape ...int64) *Tensor {
	return s.op("full", func(bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Full(value, dtype, shape, s.device.String())
	})
}

// Zeros is a float32 tensor of zeros.
func (s *Scope) Zeros(shape ...int64) *Tensor { return s.Full(0, shape...) }

// Ones is a float32 tensor of ones.
func (s *Scope) Ones(shape ...int64) *Tensor { return s.Full(1, shape...) }

// Linspace is n float32 values from start to end, both included.
func (s *Scope) Linspace(start, end float64, n int64) *Tensor {
	return s.op("linspace", func(bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Linspace(start, end, n, s.device.String())
	})
}

// Randn draws float32 values from the standard normal distribution, the same as
// torch.randn with a generator of that seed.
func (s *Scope) Randn(g *Generator, shape ...int64) *Tensor { return s.Normal(g, 0, 1, shape...) }

// Normal draws float32 values from a normal distribution, as Tensor.normal_.
func (s *Scope) Normal(g *Generator, mean, std float64, shape ...int64) *Tensor {
	return s.draw("normal", g, func(device string) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Normal(g.raw(), mean, std, shape, device)
	})
}

// Uniform draws float32 values from [from, to), as Tensor.uniform_.
func (s *Scope) Uniform(g *Generator, from, to float64, shape ...int64) *Tensor {
	return s.draw("uniform", g, func(device string) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Uniform(g.raw(), from, to, shape, device)
	})
}

// Bernoulli draws ones with probability p, else zeros, as float32.
func (s *Scope) Bernoulli(g *Generator, p float64, shape ...int64) *Tensor {
	return s.draw("bernoulli", g, func(device string) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Bernoulli(g.raw(), p, shape, device)
	})
}

// draw draws where the generator is and takes the result to the scope's device: a
// generator of the CPU gives the same numbers for every device.
func (s *Scope) draw(name string, g *Generator, call func(device string) (libtorch.Handle, *libtorch.Error)) *Tensor {
	if g.raw() == nil {
		s.Fail(&Error{Op: name, Layer: s.currentLayer(), Kind: ErrClosed, Msg: "the generator is closed or missing"})
		return nil
	}
	drawn := s.op(name, func(bool) (libtorch.Handle, *libtorch.Error) { return call(g.device.String()) })
	runtime.KeepAlive(g)
	if g.device == s.device {
		return drawn
	}
	defer s.Free(drawn)
	return s.to(drawn, ndarray.Float32, s.device)
}
