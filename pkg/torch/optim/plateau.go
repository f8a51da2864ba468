package optim

import (
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
)

// PlateauOptions are those of torch.optim.lr_scheduler.ReduceLROnPlateau.
type PlateauOptions struct {
	Mode          string  `yaml:"mode"` // "min" or "max"
	Factor        float64 `yaml:"factor"`
	Patience      int     `yaml:"patience"`
	Threshold     float64 `yaml:"threshold"`
	ThresholdMode string  `yaml:"threshold_mode"` // "rel" or "abs"
	Cooldown      int     `yaml:"cooldown"`
	MinLR         float64 `yaml:"min_lr"`
	Eps           float64 `yaml:"eps"`
}

// DefaultPlateau are PyTorch's defaults.
func DefaultPlateau() PlateauOptions {
	return PlateauOptions{Mode: "min", Factor: 0.1, Patience: 10, Threshold: 1e-4, ThresholdMode: "rel", Eps: 1e-8}
}

// Validate refuses what PyTorch refuses.
func (o PlateauOptions) Validate() error {
	var refused config.Refusals
	refused.Unless(o.Mode == "min" || o.Mode == "max", "mode", "ReduceLROnPlateau: mode %q is neither min nor max", o.Mode)
	refused.Unless(o.ThresholdMode == "rel" || o.ThresholdMode == "abs", "threshold_mode",
		"ReduceLROnPlateau: threshold_mode %q is neither rel nor abs", o.ThresholdMode)
	refused.Unless(o.Factor < 1, "factor", "ReduceLROnPlateau: factor %v should be < 1.0", o.Factor)
	return refused.Err()
}

// Plateau lowers the learning rate when a metric stops improving.
type Plateau struct {
	o         PlateauOptions
	optimizer Optimizer
	PlateauState
}

// PlateauState is what the schedule's next steps depend on, as its state_dict.
type PlateauState struct {
	Best      float64
	BadEpochs int
	Cooldown  int
	LastEpoch int
}

// NewPlateau makes the schedule of an optimizer.
func NewPlateau(optimizer Optimizer, o PlateauOptions) (*Plateau, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p := &Plateau{o: o, optimizer: optimizer}
	p.Best = p.worst()
	return p, nil
}

// Options are the schedule's settings.
func (p *Plateau) Options() PlateauOptions { return p.o }

// Step takes the metric of an epoch and lowers the learning rate where it has
// not improved for more than Patience epochs.
func (p *Plateau) Step(metric float64) {
	p.LastEpoch++
	if p.better(metric) {
		p.Best, p.BadEpochs = metric, 0
	} else {
		p.BadEpochs++
	}
	if p.Cooldown > 0 {
		p.Cooldown--
		p.BadEpochs = 0
	}
	if p.BadEpochs > p.o.Patience {
		old := p.optimizer.LR()
		if lr := math.Max(old*p.o.Factor, p.o.MinLR); old-lr > p.o.Eps {
			p.optimizer.SetLR(lr)
		}
		p.Cooldown, p.BadEpochs = p.o.Cooldown, 0
	}
}

func (p *Plateau) worst() float64 {
	if p.o.Mode == "min" {
		return math.Inf(1)
	}
	return math.Inf(-1)
}

func (p *Plateau) better(metric float64) bool {
	sign := 1.0
	if p.o.Mode == "min" {
		sign = -1
	}
	margin := p.o.Threshold
	if p.o.ThresholdMode == "rel" {
		return sign*metric > sign*(p.Best*(1+sign*margin))
	}
	return sign*metric > sign*p.Best+margin
}

// PlateauConfig is the schedule's node: its options and what Lightning wants to
// know (which metric to watch, how often to step).
type PlateauConfig struct {
	PlateauOptions `yaml:",inline"`

	Monitor   string `yaml:"monitor"`
	Interval  string `yaml:"interval"`
	Frequency int    `yaml:"frequency"`
	Strict    bool   `yaml:"strict"`

	// HasMinLR tells that the config sets min_lr; else the Python package stops
	// at the model's learning rate times factor³.
	HasMinLR bool `yaml:"-"`
}

func defaultPlateauConfig() PlateauConfig {
	return PlateauConfig{PlateauOptions: DefaultPlateau(), Interval: "epoch", Frequency: 1, Strict: true}
}

// Validate also refuses steps inside an epoch.
func (c PlateauConfig) Validate() error {
	refused := config.Refusals{c.PlateauOptions.Validate()}
	refused.Unless(c.Interval == "epoch", "interval", "lr_scheduler.interval must be epoch for ReduceLROnPlateau, got %q", c.Interval)
	return refused.Err()
}

func (c PlateauConfig) itself(struct{}) (PlateauConfig, error) { return c, nil }

// SchedulerFromConfig reads the schedule's node.
func SchedulerFromConfig(n *config.Node) (PlateauConfig, error) {
	c, err := Schedulers.Build(n, struct{}{})
	if n != nil {
		_, c.HasMinLR = n.Get("min_lr")
	}
	return c, err
}
