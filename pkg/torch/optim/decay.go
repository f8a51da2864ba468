package optim

import (
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// stepRule is StepLR: the rate times gamma after every step_size epochs.
type stepRule struct {
	StepSize int     `yaml:"step_size,required"`
	Gamma    float64 `yaml:"gamma"`
}

func (r *stepRule) Validate() error {
	if r.StepSize < 1 {
		return config.Refuse("step_size", "StepLR: step_size must be at least 1, got %d", r.StepSize)
	}
	return nil
}

func (r *stepRule) rate(c *counting) float64 {
	if c.initial() || c.lastEpoch%r.StepSize != 0 {
		return c.optimizer.LR()
	}
	return c.optimizer.LR() * r.Gamma
}

func (r *stepRule) fields() []field { return []field{{"step_size", &r.StepSize}, {"gamma", &r.Gamma}} }

func (r *stepRule) text(interval string) string {
	return fmt.Sprintf("× %v every %d %ss", r.Gamma, r.StepSize, interval)
}

// multiStepRule is MultiStepLR: the rate times gamma after each milestone.
type multiStepRule struct {
	Milestones milestones `yaml:"milestones,required"`
	Gamma      float64    `yaml:"gamma"`
}

func (*multiStepRule) Validate() error { return nil }

func (r *multiStepRule) rate(c *counting) float64 {
	lr := c.optimizer.LR()
	if times := r.Milestones.count(c.lastEpoch); times > 0 {
		lr *= math.Pow(r.Gamma, float64(times))
	}
	return lr
}

func (r *multiStepRule) fields() []field {
	return []field{{"milestones", &r.Milestones}, {"gamma", &r.Gamma}}
}

func (r *multiStepRule) text(interval string) string {
	return fmt.Sprintf("× %v after the %ss %v", r.Gamma, interval, []int(r.Milestones))
}

// milestones are epochs, each as often as it counts.
type milestones []int

// Counter is how often each number occurs: collections.Counter of a state.
type Counter []Count

// Count is an entry of a Counter.
type Count struct{ Number, Times int }

func (m *milestones) count(epoch int) (times int) {
	for _, at := range *m {
		if at == epoch {
			times++
		}
	}
	return times
}

func (m *milestones) value() any {
	var c Counter
	for _, at := range *m {
		if !slices.ContainsFunc(c, func(known Count) bool { return known.Number == at }) {
			c = append(c, Count{at, m.count(at)})
		}
	}
	return c
}

const maxMilestones = 1 << 16

func (m *milestones) set(value any) error {
	c, ok := value.(Counter)
	if !ok {
		return fmt.Errorf("must be a Counter, got %v", value)
	}
	var list milestones
	for _, known := range c {
		if known.Times < 0 || known.Times > maxMilestones-len(list) {
			return fmt.Errorf("counts a milestone %d times", known.Times)
		}
		list = append(list, slices.Repeat([]int{known.Number}, known.Times)...)
	}
	*m = list
	return nil
}

// exponentialRule is ExponentialLR: the rate times gamma after each epoch.
type exponentialRule struct {
	Gamma float64 `yaml:"gamma,required"`
}

func (*exponentialRule) Validate() error { return nil }

func (r *exponentialRule) rate(c *counting) float64 {
	if c.initial() {
		return c.optimizer.LR()
	}
	return c.optimizer.LR() * r.Gamma
}

func (r *exponentialRule) fields() []field { return []field{{"gamma", &r.Gamma}} }

func (r *exponentialRule) text(interval string) string {
	return fmt.Sprintf("× %v each %s", r.Gamma, interval)
}

// constantRule is ConstantLR: the rate times factor for the first total_iters epochs.
type constantRule struct {
	Factor     float64 `yaml:"factor"`
	TotalIters int     `yaml:"total_iters"`
}

func (r *constantRule) Validate() error {
	if !(r.Factor > 0 && r.Factor <= 1) {
		return config.Refuse("factor", "ConstantLR: factor must be above 0 and at most 1, got %v", r.Factor)
	}
	return nil
}

func (r *constantRule) rate(c *counting) float64 {
	switch {
	case c.initial():
		return c.optimizer.LR() * r.Factor
	case c.lastEpoch != r.TotalIters:
		return c.optimizer.LR()
	}
	return c.optimizer.LR() * (1 / r.Factor)
}

func (r *constantRule) fields() []field {
	return []field{{"factor", &r.Factor}, {"total_iters", &r.TotalIters}}
}

func (r *constantRule) text(interval string) string {
	return fmt.Sprintf("× %v for %d %ss", r.Factor, r.TotalIters, interval)
}

// linearRule is LinearLR: a factor that goes from start_factor to end_factor in
// total_iters epochs.
type linearRule struct {
	StartFactor float64 `yaml:"start_factor"`
	EndFactor   float64 `yaml:"end_factor"`
	TotalIters  int     `yaml:"total_iters"`
}

func (r *linearRule) Validate() error {
	var refused config.Refusals
	refused.Unless(r.StartFactor > 0 && r.StartFactor <= 1, "start_factor",
		"LinearLR: start_factor must be above 0 and at most 1, got %v", r.StartFactor)
	refused.Unless(r.EndFactor >= 0 && r.EndFactor <= 1, "end_factor", "LinearLR: end_factor must be in [0, 1], got %v", r.EndFactor)
	return refused.Err()
}

func (r *linearRule) rate(c *counting) float64 {
	lr := c.optimizer.LR()
	switch {
	case c.initial():
		return lr * r.StartFactor
	case c.lastEpoch > r.TotalIters:
		return lr
	}
	total := float64(r.TotalIters)*r.StartFactor + float64(c.lastEpoch-1)*(r.EndFactor-r.StartFactor)
	return lr * (1 + (r.EndFactor-r.StartFactor)/total)
}

func (r *linearRule) fields() []field {
	return []field{{"start_factor", &r.StartFactor}, {"end_factor", &r.EndFactor}, {"total_iters", &r.TotalIters}}
}

func (r *linearRule) text(interval string) string {
	return fmt.Sprintf("× %v to × %v in %d %ss", r.StartFactor, r.EndFactor, r.TotalIters, interval)
}

// polynomialRule is PolynomialLR: down to 0 in total_iters epochs.
type polynomialRule struct {
	TotalIters int     `yaml:"total_iters"`
	Power      float64 `yaml:"power"`
}

func (r *polynomialRule) Validate() error {
	if r.TotalIters < 1 {
		return config.Refuse("total_iters", "PolynomialLR: total_iters must be at least 1, got %d", r.TotalIters)
	}
	return nil
}

func (r *polynomialRule) rate(c *counting) float64 {
	if c.initial() || c.lastEpoch > r.TotalIters {
		return c.optimizer.LR()
	}
	left := func(epoch int) float64 { return 1 - float64(epoch)/float64(r.TotalIters) }
	return c.optimizer.LR() * math.Pow(left(c.lastEpoch)/left(c.lastEpoch-1), r.Power)
}

func (r *polynomialRule) fields() []field {
	return []field{{"total_iters", &r.TotalIters}, {"power", &r.Power}}
}

func (r *polynomialRule) text(interval string) string {
	return fmt.Sprintf("to 0 in %d %ss, power %v", r.TotalIters, interval, r.Power)
}
