package optim

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
)

// cosineRule is CosineAnnealingLR (Loshchilov & Hutter 2017): from the first rate to
// eta_min along a cosine, in T_max epochs; then up again.
type cosineRule struct {
	TMax   int     `yaml:"T_max,required"`
	EtaMin float64 `yaml:"eta_min"`
}

func (r *cosineRule) Validate() error {
	if r.TMax < 1 || r.TMax > math.MaxInt32 {
		return config.Refuse("T_max", "CosineAnnealingLR: T_max must be at least 1, got %d", r.TMax)
	}
	return nil
}

// rate is PyTorch's recursion, which follows a rate that was changed by hand.
func (r *cosineRule) rate(c *counting) float64 {
	lr := c.optimizer.LR()
	if c.initial() {
		return lr
	}
	angle := func(epoch int) float64 { return math.Pi * float64(epoch) / float64(r.TMax) }
	if (c.lastEpoch-1-r.TMax)%(2*r.TMax) == 0 { // from the lowest point the quotient below would be 0/0
		return lr + (c.baseLR-r.EtaMin)*(1-math.Cos(math.Pi/float64(r.TMax)))/2
	}
	return (1+math.Cos(angle(c.lastEpoch)))/(1+math.Cos(angle(c.lastEpoch-1)))*(lr-r.EtaMin) + r.EtaMin
}

func (r *cosineRule) fields() []field { return []field{{"T_max", &r.TMax}, {"eta_min", &r.EtaMin}} }

func (r *cosineRule) text(interval string) string {
	return fmt.Sprintf("down to %v in %d %ss", r.EtaMin, r.TMax, interval)
}

// restartsRule is CosineAnnealingWarmRestarts (Loshchilov & Hutter 2017): a cosine
// that starts again after T_0 epochs, then T_mult times as many, and so on.
type restartsRule struct {
	T0     int     `yaml:"T_0,required"`
	TMult  int     `yaml:"T_mult"`
	EtaMin float64 `yaml:"eta_min"`

	period  int // T_i; 0 stands for T_0
	current int // T_cur: epochs of it that have passed
}

func (r *restartsRule) Validate() error {
	var refused config.Refusals
	refused.Unless(r.T0 >= 1, "T_0", "CosineAnnealingWarmRestarts: T_0 must be at least 1, got %d", r.T0)
	refused.Unless(r.TMult >= 1, "T_mult", "CosineAnnealingWarmRestarts: T_mult must be at least 1, got %d", r.TMult)
	return refused.Err()
}

func (r *restartsRule) rate(c *counting) float64 {
	if r.period < 1 {
		r.period = r.T0
	}
	c.stepCount = 0 // PyTorch's does not count them either
	if !c.initial() {
		r.current++
	}
	if r.current >= r.period {
		r.current %= r.period
		r.period = min(r.period, math.MaxInt32/r.TMult) * r.TMult
	}
	return r.EtaMin + (c.baseLR-r.EtaMin)*(1+math.Cos(math.Pi*float64(r.current)/float64(r.period)))/2
}

func (r *restartsRule) fields() []field {
	return []field{{"T_0", &r.T0}, {"T_i", &r.period}, {"T_mult", &r.TMult}, {"eta_min", &r.EtaMin}, {"T_cur", &r.current}}
}

func (r *restartsRule) text(interval string) string {
	return fmt.Sprintf("down to %v in %d %ss, again and again", r.EtaMin, r.T0, interval)
}
