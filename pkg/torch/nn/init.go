package nn

import (
	"math"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Init makes the first value of a tensor. Draws come in the order in which
// PyTorch's constructors make them, so that a seed gives the same weights.
type Init func(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor

// Constant fills with one value.
func Constant(value float64) Init {
	return func(s *torch.Scope, _ *torch.Generator, shape []int64) *torch.Tensor {
		return s.FullOf(ndarray.Float32, value, shape...)
	}
}

// Zeros and Ones fill with 0 and 1.
var (
	Zeros = Constant(0)
	Ones  = Constant(1)
)

// ZeroCount is an int64 zero, for counters such as num_batches_tracked.
func ZeroCount(s *torch.Scope, _ *torch.Generator, shape []int64) *torch.Tensor {
	return s.FullOf(ndarray.Int64, 0, shape...)
}

// Normal draws from a normal distribution, as nn.init.normal_.
func Normal(mean, std float64) Init {
	return func(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor {
		return s.Normal(rng, mean, std, shape...)
	}
}

// ScaledNormal is torch.randn(shape) * std.
func ScaledNormal(std float64) Init {
	return func(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor {
		return s.MulScalar(s.Randn(rng, shape...), std)
	}
}

// Uniform draws from [from, to), as nn.init.uniform_.
func Uniform(from, to float64) Init {
	return func(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor {
		return s.Uniform(rng, from, to, shape...)
	}
}

// ConvUniform draws from ±1/sqrt(fanIn): what nn.Conv3d's reset_parameters does
// for weights (kaiming_uniform_ with a = sqrt 5) and bias alike.
func ConvUniform(fanIn int64) Init {
	bound := 1 / math.Sqrt(float64(fanIn))
	return func(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor {
		return s.Uniform(rng, -bound, bound, shape...)
	}
}

// XavierNormal draws from a normal distribution of variance 2 / (fan in + fan out), as
// nn.init.xavier_normal_, for a convolution's weight (out, in / groups, kernel...).
func XavierNormal(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor {
	positions := int64(1)
	for _, n := range shape[2:] {
		positions *= n
	}
	return s.Normal(rng, 0, math.Sqrt(2/float64((shape[0]+shape[1])*positions)), shape...)
}

// Indexes are given integers, as int64.
func Indexes(values []int64) Init {
	return func(s *torch.Scope, _ *torch.Generator, shape []int64) *torch.Tensor {
		a, err := ndarray.FromInt64(values, toInt(shape)...)
		if err != nil {
			s.Fail(err)
			return nil
		}
		return s.FromArray(a)
	}
}

func toInt(shape []int64) []int {
	out := make([]int, len(shape))
	for i, n := range shape {
		out[i] = int(n)
	}
	return out
}

// Values are given numbers.
func Values(values []float32) Init {
	return func(s *torch.Scope, _ *torch.Generator, shape []int64) *torch.Tensor {
		return s.FromFloat32(values, shape...)
	}
}
