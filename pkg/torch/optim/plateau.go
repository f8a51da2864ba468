package optim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
)

// PlateauOptions are those of torch.optim.lr_scheduler.ReduceLROnPlateau.
type PlateauOptions struct {
	Mode          string // "min" or "max"
	Factor        float64
	Patience      int
	Threshold     float64
	ThresholdMode string // "rel" or "abs"
	Cooldown      int
	MinLR         float64
	Eps           float64
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

// plateau lowers the learning rate when a metric stops improving.
type plateau struct {
	o         PlateauOptions
	optimizer Optimizer
	best      float64
	bad       int // epochs without improvement
	cooldown  int // epochs that are left of it
	lastEpoch int
}

// NewPlateau makes the schedule of an optimizer.
func NewPlateau(optimizer Optimizer, o PlateauOptions) (Schedule, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p := &plateau{o: o, optimizer: optimizer}
	p.best = p.worst()
	return p, nil
}

// Step takes the metric of an epoch and lowers the learning rate where it has
// not improved for more than Patience epochs.
func (p *plateau) Step(metric float64) error {
	p.lastEpoch++
	if p.better(metric) {
		p.best, p.bad = metric, 0
	} else {
		p.bad++
	}
	if p.cooldown > 0 {
		p.cooldown--
		p.bad = 0
	}
	if p.bad > p.o.Patience {
		old := p.optimizer.LR()
		if lr := math.Max(old*p.o.Factor, p.o.MinLR); old-lr > p.o.Eps {
			p.optimizer.SetLR(lr)
		}
		p.cooldown, p.bad = p.o.Cooldown, 0
	}
	return nil
}

func (p *plateau) worst() float64 {
	if p.o.Mode == "min" {
		return math.Inf(1)
	}
	return math.Inf(-1)
}

func (p *plateau) better(metric float64) bool {
	sign := 1.0
	if p.o.Mode == "min" {
		sign = -1
	}
	margin := p.o.Threshold
	if p.o.ThresholdMode == "rel" {
		return sign*metric > sign*(p.best*(1+sign*margin))
	}
	return sign*metric > sign*p.best+margin
}

func (p *plateau) fields() []field {
	o := &p.o
	return []field{
		{"factor", &o.Factor},
		{"default_min_lr", &o.MinLR},
		{"min_lrs", single{&o.MinLR}},
		{"patience", &o.Patience},
		{"cooldown", &o.Cooldown},
		{"eps", &o.Eps},
		{"last_epoch", &p.lastEpoch},
		{"mode", &o.Mode},
		{"threshold", &o.Threshold},
		{"threshold_mode", &o.ThresholdMode},
		{"best", &p.best},
		{"cooldown_counter", &p.cooldown},
		{"num_bad_epochs", &p.bad},
	}
}

// State is ReduceLROnPlateau.state_dict().
func (p *plateau) State() Group {
	return append(stateOf(p.fields()), Setting{"_last_lr", []any{p.optimizer.LR()}}, Setting{"mode_worse", p.worst()})
}

// SetState is ReduceLROnPlateau.load_state_dict.
func (p *plateau) SetState(state Group) error {
	fields := slices.DeleteFunc(p.fields(), func(f field) bool { return f.name == "default_min_lr" }) // None where min_lr was a list
	if err := restore(fields, state); err != nil {
		return err
	}
	return p.o.Validate()
}

// plateauArguments are the config of ReduceLROnPlateau.
type plateauArguments struct {
	Mode          string    `yaml:"mode"`   // "min" or "max"
	Factor        *float64  `yaml:"factor"` // nil: 0.1
	Patience      int       `yaml:"patience"`
	Threshold     float64   `yaml:"threshold"`
	ThresholdMode string    `yaml:"threshold_mode"` // "rel" or "abs"
	Cooldown      int       `yaml:"cooldown"`
	MinLR         *perGroup `yaml:"min_lr"` // nil: the model's learning rate times factor³
	Eps           float64   `yaml:"eps"`

	Timing Timing `yaml:",inline"`
}

func defaultPlateauArguments() plateauArguments {
	o := DefaultPlateau()
	return plateauArguments{
		Mode: o.Mode, Patience: o.Patience, Threshold: o.Threshold, ThresholdMode: o.ThresholdMode, Eps: o.Eps,
		Timing: defaultTiming(),
	}
}

func (a plateauArguments) options() PlateauOptions {
	o := DefaultPlateau()
	o.Mode, o.Patience, o.Threshold, o.ThresholdMode, o.Cooldown, o.Eps = a.Mode, a.Patience, a.Threshold, a.ThresholdMode, a.Cooldown, a.Eps
	if a.Factor != nil {
		o.Factor = *a.Factor
	}
	return o
}

// Validate refuses what PyTorch or Lightning refuses.
func (a plateauArguments) Validate() error {
	return append(a.Timing.refusals(), a.options().Validate()).Err()
}

func (a plateauArguments) scheduler(struct{}) (*Scheduler, error) {
	o := a.options()
	text := fmt.Sprintf("ReduceLROnPlateau × %v when the metric has not improved for %d %ss", o.Factor, o.Patience, a.Timing.Interval)
	if a.Timing.Monitor != nil {
		text = strings.Replace(text, "the metric", *a.Timing.Monitor, 1)
	}
	return &Scheduler{
		Timing: a.Timing, Mode: o.Mode, Text: text,
		New: func(optimizer Optimizer, given Given) (Schedule, error) {
			o.MinLR = a.minLR(given.LearningRate)
			return NewPlateau(optimizer, o)
		},
	}, nil
}

// minLR is the lowest rate. The Python package's default knows a factor of its own,
// 0.3, for configs that leave it to PyTorch, whose is 0.1.
func (a plateauArguments) minLR(learningRate float64) float64 {
	if a.MinLR != nil {
		return float64(*a.MinLR)
	}
	factor := 0.3
	if a.Factor != nil {
		factor = *a.Factor
	}
	return learningRate * (factor * factor * factor)
}

// DefaultScheduler is the Python package's for configs without lr_scheduler, with
// another metric: theirs is never logged. mode is min or max, whichever values of it are
// better.
func DefaultScheduler(monitor, mode string) (*Scheduler, error) {
	a, factor := defaultPlateauArguments(), 0.3
	a.Mode, a.Factor, a.Patience, a.Threshold, a.ThresholdMode = mode, &factor, 5, 0.0005, "abs"
	a.Timing.Monitor = &monitor
	return a.scheduler(struct{}{})
}
