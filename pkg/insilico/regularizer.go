package insilico

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// Regularizer is a penalty on stimuli that is added to the loss.
type Regularizer interface {
	// Check refuses a number of channels that the penalty is not made for.
	Check(channels int) error
	// Loss is the penalty (batch) of each stimulus (batch, channels, time, height,
	// width).
	Loss(s *torch.Scope, x *torch.Tensor) *torch.Tensor
}

// RangeRegularizationLoss is Factor times how far all pixels together are outside
// the range of their channel, plus how far the stimulus' 2-norm is above MaxNorm.
type RangeRegularizationLoss struct {
	// MinMaxValues may leave out the last channels.
	MinMaxValues Ranges `yaml:"min_max_values,required"`
	// MaxNorm is nil where the norm costs nothing.
	MaxNorm *float64 `yaml:"max_norm,required"`
	Factor  float64  `yaml:"factor"`
}

// Check wants a channel for each range.
func (r RangeRegularizationLoss) Check(channels int) error {
	if len(r.MinMaxValues) > channels {
		return fmt.Errorf("RangeRegularizationLoss has %d min_max_values, but the model's stimulus has only %d channels", len(r.MinMaxValues), channels)
	}
	return nil
}

// Loss is the penalty of each stimulus.
func (r RangeRegularizationLoss) Loss(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	// What lies outside is the distance to the nearest value inside, whose own
	// gradient is zero.
	loss := s.Sum(flat(s, s.Abs(s.Sub(x, r.inside(s, x)))), 1)
	if r.MaxNorm != nil {
		excess := s.AddScalar(s.Norm(flat(s, x), 1), -*r.MaxNorm)
		loss = s.Add(loss, s.ReLU(excess))
	}
	return s.MulScalar(loss, r.Factor)
}

// inside is the stimulus clipped to the ranges, a constant.
func (r RangeRegularizationLoss) inside(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.NoGrad()()
	return r.MinMaxValues.clip(s, x)
}

// Validate refuses ranges that end before they start.
func (r RangeRegularizationLoss) Validate() error { return r.MinMaxValues.validate() }
