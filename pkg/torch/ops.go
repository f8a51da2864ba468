package torch

import (
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

func (s *Scope) unary(name string, op libtorch.Op, x *Tensor) *Tensor {
	return s.op(name, func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Unary(grad, op, x.handle)
	}, x)
}

func (s *Scope) binary(name string, op libtorch.Op, a, b *Tensor) *Tensor {
	return s.op(name, func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Binary(grad, op, a.handle, b.handle)
	}, a, b)
}

func (s *Scope) scalar(name string, op libtorch.Op, x *Tensor, value float64) *Tensor {
	return s.op(name, func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Scalar(grad, op, x.handle, value)
	}, x)
}

func (s *Scope) nonlinearity(name string, op libtorch.Op, x *Tensor, a, b float64) *Tensor {
	return s.op(name, func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Nonlinearity(grad, op, x.handle, a, b)
	}, x)
}

func (s *Scope) reduce(name string, op libtorch.Op, x *Tensor, keepDim bool, dims []int64) *Tensor {
	return s.op(name, func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Reduce(grad, op, x.handle, dims, keepDim)
	}, x)
}

// Neg is -x.
func (s *Scope) Neg(x *Tensor) *Tensor { return s.unary("neg", libtorch.Neg, x) }

// Exp is e^x.
func (s *Scope) Exp(x *Tensor) *Tensor { return s.unary("exp", libtorch.Exp, x) }

// Log is the natural logarithm.
func (s *Scope) Log(x *Tensor) *Tensor { return s.unary("log", libtorch.Log, x) }

// Sqrt is the square root.
func (s *Scope) Sqrt(x *Tensor) *Tensor { return s.unary("sqrt", libtorch.Sqrt, x) }

// Abs is the absolute value.
func (s *Scope) Abs(x *Tensor) *Tensor { return s.unary("abs", libtorch.Abs, x) }

// Sin is the sine.
func (s *Scope) Sin(x *Tensor) *Tensor { return s.unary("sin", libtorch.Sin, x) }

// Cos is the cosine.
func (s *Scope) Cos(x *Tensor) *Tensor { return s.unary("cos", libtorch.Cos, x) }

// Sigmoid is 1 / (1 + e^-x).
func (s *Scope) Sigmoid(x *Tensor) *Tensor { return s.unary("sigmoid", libtorch.Sigmoid, x) }

// Tanh is the hyperbolic tangent.
func (s *Scope) Tanh(x *Tensor) *Tensor { return s.unary("tanh", libtorch.Tanh, x) }

// ReLU is max(x, 0).
func (s *Scope) ReLU(x *Tensor) *Tensor { return s.unary("relu", libtorch.ReLU, x) }

// Softplus is log(1 + e^x), x itself above 20 as in PyTorch.
func (s *Scope) Softplus(x *Tensor) *Tensor { return s.unary("softplus", libtorch.Softplus, x) }

// ELU is x above zero, e^x - 1 below.
func (s *Scope) ELU(x *Tensor) *Tensor { return s.unary("elu", libtorch.ELU, x) }

// GELU is x times the normal distribution's cumulative function.
func (s *Scope) GELU(x *Tensor) *Tensor { return s.unary("gelu", libtorch.GELU, x) }

// LeakyReLU is x above zero, 0.01 x below.
func (s *Scope) LeakyReLU(x *Tensor) *Tensor { return s.unary("leaky_relu", libtorch.LeakyReLU, x) }

// Mish is x tanh(softplus(x)).
func (s *Scope) Mish(x *Tensor) *Tensor { return s.unary("mish", libtorch.Mish, x) }

// SELU is an ELU whose constants keep mean and variance.
func (s *Scope) SELU(x *Tensor) *Tensor { return s.unary("selu", libtorch.SELU, x) }

// SiLU is x sigmoid(x).
func (s *Scope) SiLU(x *Tensor) *Tensor { return s.unary("silu", libtorch.SiLU, x) }

// SoftplusOf is log(1 + e^(beta x)) / beta, x itself where beta x is above threshold.
func (s *Scope) SoftplusOf(x *Tensor, beta, threshold float64) *Tensor {
	return s.nonlinearity("softplus", libtorch.SoftplusOf, x, beta, threshold)
}

// ELUOf is x above zero, alpha (e^x - 1) below.
func (s *Scope) ELUOf(x *Tensor, alpha float64) *Tensor {
	return s.nonlinearity("elu", libtorch.ELUOf, x, alpha, 0)
}

// LeakyReLUOf is x above zero, slope x below.
func (s *Scope) LeakyReLUOf(x *Tensor, slope float64) *Tensor {
	return s.nonlinearity("leaky_relu", libtorch.LeakyReLUOf, x, slope, 0)
}

// Square is x².
func (s *Scope) Square(x *Tensor) *Tensor { return s.unary("square", libtorch.Square, x) }

// NaNToNum replaces NaN by 0 and infinities by the largest finite values.
func (s *Scope) NaNToNum(x *Tensor) *Tensor { return s.unary("nan_to_num", libtorch.NaNToNum, x) }

// Contiguous is x laid out in C order.
func (s *Scope) Contiguous(x *Tensor) *Tensor { return s.unary("contiguous", libtorch.Contiguous, x) }

// Clone is a copy with storage of its own.
func (s *Scope) Clone(x *Tensor) *Tensor { return s.unary("clone", libtorch.Clone, x) }

// Detach is x without its graph; the storage is shared.
func (s *Scope) Detach(x *Tensor) *Tensor { return s.unary("detach", libtorch.Detach, x) }

// Add is a + b, with broadcasting as in all operations of two tensors.
func (s *Scope) Add(a, b *Tensor) *Tensor { return s.binary("add", libtorch.Add, a, b) }

// Sub is a - b.
func (s *Scope) Sub(a, b *Tensor) *Tensor { return s.binary("sub", libtorch.Sub, a, b) }

// Mul is a * b, element by element.
func (s *Scope) Mul(a, b *Tensor) *Tensor { return s.binary("mul", libtorch.Mul, a, b) }

// Div is a / b.
func (s *Scope) Div(a, b *Tensor) *Tensor { return s.binary("div", libtorch.Div, a, b) }

// MatMul is the matrix product over the last two dimensions.
func (s *Scope) MatMul(a, b *Tensor) *Tensor { return s.binary("matmul", libtorch.MatMul, a, b) }

// AddScalar is x + value.
func (s *Scope) AddScalar(x *Tensor, value float64) *Tensor {
	return s.scalar("add", libtorch.AddScalar, x, value)
}

// MulScalar is x * value.
func (s *Scope) MulScalar(x *Tensor, value float64) *Tensor {
	return s.scalar("mul", libtorch.MulScalar, x, value)
}

// PowScalar is x^exponent.
func (s *Scope) PowScalar(x *Tensor, exponent float64) *Tensor {
	return s.scalar("pow", libtorch.PowScalar, x, exponent)
}

// Clamp limits x to [minimum, maximum]; a nil bound is none.
func (s *Scope) Clamp(x *Tensor, minimum, maximum *float64) *Tensor {
	return s.op("clamp", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Clamp(grad, x.handle, minimum, maximum)
	}, x)
}

// Sum adds up over dims, over all dimensions where none is given.
func (s *Scope) Sum(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("sum", libtorch.Sum, x, false, dims)
}

// SumKeep is Sum that leaves the dimensions with size one.
func (s *Scope) SumKeep(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("sum", libtorch.Sum, x, true, dims)
}

// Mean averages over dims, over all dimensions where none is given.
func (s *Scope) Mean(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("mean", libtorch.Mean, x, false, dims)
}

// MeanKeep is Mean that leaves the dimensions with size one.
func (s *Scope) MeanKeep(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("mean", libtorch.Mean, x, true, dims)
}

// Norm is the 2-norm over dims, over all dimensions where none is given.
func (s *Scope) Norm(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("norm", libtorch.Norm, x, false, dims)
}

// NormKeep is Norm that leaves the dimensions with size one.
func (s *Scope) NormKeep(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("norm", libtorch.Norm, x, true, dims)
}

// LogSumExp is log(sum(e^x)) over dims.
func (s *Scope) LogSumExp(x *Tensor, dims ...int64) *Tensor {
	return s.reduce("logsumexp", libtorch.LogSumExp, x, false, dims)
}

// Einsum sums products in Einstein's notation, as torch.einsum.
func (s *Scope) Einsum(equation string, operands ...*Tensor) *Tensor {
	return s.op("einsum "+equation, func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Einsum(grad, equation, rawHandles(operands))
	}, operands...)
}

// As converts the element type; x itself where it fits already.
func (s *Scope) As(x *Tensor, dtype ndarray.DType) *Tensor { return s.to(x, dtype, s.device) }

// ToDevice moves x to a device.
func (s *Scope) ToDevice(x *Tensor, device Device) *Tensor {
	dtype, err := s.DType(x)
	if err != nil {
		return nil
	}
	return s.to(x, dtype, device)
}

func (s *Scope) to(x *Tensor, dtype ndarray.DType, device Device) *Tensor {
	return s.op("to", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.To(grad, x.handle, dtype, device.String())
	}, x)
}

func rawHandles(tensors []*Tensor) []libtorch.Handle {
	handles := make([]libtorch.Handle, len(tensors))
	for i, t := range tensors {
		if t != nil {
			handles[i] = t.handle
		}
	}
	return handles
}
