package insilico

import (
	"errors"
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Postprocessor changes stimuli after each step, each stimulus by itself.
type Postprocessor interface {
	// Check refuses a number of channels that the postprocessor is not made for.
	Check(channels int) error
	// Process takes and gives stimuli (batch, channels, time, height, width).
	Process(s *torch.Scope, x *torch.Tensor) *torch.Tensor
}

// Range is the smallest and the largest value of a channel; a nil bound is none.
type Range [2]*float64

// Ranges are one Range for each channel.
type Ranges []Range

func (r Ranges) validate() error {
	for i, bounds := range r {
		if low, high := bounds[0], bounds[1]; low != nil && high != nil && (*low > *high || math.IsNaN(*low-*high)) {
			return config.Refuse("min_max_values", "min_max_values: the range of channel %d starts at %v, above its end %v", i, *low, *high)
		}
	}
	return nil
}

// clip is x (batch, channels, …) with each channel clipped to its range; channels
// beyond the last range stay as they are.
func (r Ranges) clip(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	channels := make([]*torch.Tensor, s.Dim(x, 1))
	for i := range channels {
		channels[i] = s.Narrow(x, 1, int64(i), 1)
		if i < len(r) && r[i] != (Range{}) {
			channels[i] = s.Clamp(channels[i], r[i][0], r[i][1])
		}
	}
	return s.Cat(1, channels...)
}

// ChangeNormJointlyClipRangeSeparately scales each stimulus to a 2-norm, also
// upwards, then clips each channel to its range. So the norm of the result is at
// most Norm.
type ChangeNormJointlyClipRangeSeparately struct {
	MinMaxValues Ranges `yaml:"min_max_values,required"`
	// Norm is nil where the norm is left as it is.
	Norm *float64 `yaml:"norm,required"`
}

// Check wants one range for each channel.
func (c ChangeNormJointlyClipRangeSeparately) Check(channels int) error {
	if len(c.MinMaxValues) != channels {
		return fmt.Errorf("ChangeNormJointlyClipRangeSeparately has %d min_max_values, but the model's stimulus has %d channels: "+
			"give one [min, max] for each, or mei.postprocessors=null", len(c.MinMaxValues), channels)
	}
	return nil
}

// Process scales and clips.
func (c ChangeNormJointlyClipRangeSeparately) Process(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	if c.Norm != nil {
		norm := s.NormKeep(flat(s, x), 1)
		factor := s.MulScalar(s.PowScalar(norm, -1), *c.Norm)
		x = s.Mul(x, s.Reshape(factor, -1, 1, 1, 1, 1))
	}
	return c.MinMaxValues.clip(s, x)
}

// positive tells whether v is a number above zero, and finite.
func positive(v float64) bool { return v > 0 && !math.IsInf(v, 0) }

// flat is x (batch, …) as (batch, all else).
func flat(s *torch.Scope, x *torch.Tensor) *torch.Tensor { return s.Reshape(x, s.Dim(x, 0), -1) }

// Validate refuses norms and ranges that are none.
func (c ChangeNormJointlyClipRangeSeparately) Validate() error {
	err := c.MinMaxValues.validate()
	if c.Norm != nil && !positive(*c.Norm) {
		err = errors.Join(config.Refuse("norm", "norm %v is not a positive number", *c.Norm), err)
	}
	return err
}

// TemporalGaussianLowPassFilterProcessor smooths each pixel over time with a
// Gaussian of Sigma frames, cut off to KernelSize frames; beyond its first and
// last frame a stimulus counts as zero.
type TemporalGaussianLowPassFilterProcessor struct {
	Sigma      float64 `yaml:"sigma,required"`
	KernelSize int64   `yaml:"kernel_size,required"`
}

// Check takes any number of channels.
func (TemporalGaussianLowPassFilterProcessor) Check(int) error { return nil }

// Process smooths.
func (l TemporalGaussianLowPassFilterProcessor) Process(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	shape, err := s.Shape(x)
	if err != nil {
		return nil
	}
	kernel := s.FromFloat32(l.kernel(), 1, 1, l.KernelSize, 1, 1)
	each := s.Reshape(x, shape[0]*shape[1], 1, shape[2], shape[3], shape[4])
	each = s.Conv3D(each, kernel, nil, torch.Conv3DOptions{Padding: [3]int64{l.KernelSize / 2, 0, 0}})
	if l.KernelSize%2 == 0 {
		each = s.From(each, 2, 1) // an even kernel reaches further into the future, as PyTorch's "same" does
	}
	return s.Reshape(each, shape...)
}

// kernel has the sum 1 and, where its size is odd, its peak in the middle.
func (l TemporalGaussianLowPassFilterProcessor) kernel() []float32 {
	weights := make([]float64, l.KernelSize)
	sum := 0.0
	for i := range weights {
		frames := float64(int64(i) - l.KernelSize/2)
		weights[i] = math.Exp(-frames * frames / (2 * l.Sigma * l.Sigma))
		sum += weights[i]
	}
	kernel := make([]float32, len(weights))
	for i, w := range weights {
		kernel[i] = float32(w / sum)
	}
	return kernel
}

// maxKernelSize bounds the filter's length in frames; stimuli are far shorter.
const maxKernelSize = 100_000

type lowPassArguments struct {
	TemporalGaussianLowPassFilterProcessor `yaml:",inline"`

	// Device is the Python class's argument; the filter is always where the
	// stimulus is.
	Device string `yaml:"device"`
}

// Validate refuses filters without a width.
func (a lowPassArguments) Validate() error {
	var refused config.Refusals
	refused.Unless(positive(a.Sigma), "sigma", "sigma %v is not a positive number of frames", a.Sigma)
	refused.Unless(a.KernelSize >= 1 && a.KernelSize <= maxKernelSize, "kernel_size",
		"kernel_size %d is not a number of frames from 1 to %d", a.KernelSize, maxKernelSize)
	return refused.Err()
}

func (a lowPassArguments) filter(struct{}) (Postprocessor, error) {
	return a.TemporalGaussianLowPassFilterProcessor, nil
}
