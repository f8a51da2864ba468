package optim

import (
	"github.com/open-retina/openretina-go/pkg/config"
)

// Schedule changes an optimizer's learning rate, and perhaps its momentum, as
// training goes on. It is made for an optimizer before that makes its first step,
// and may set the first learning rate.
type Schedule interface {
	// Step ends an epoch, or a step of the optimizer: whichever the schedule counts.
	// metric is what it monitors, which most do not look at.
	Step(metric float64) error
	// State is what the next steps depend on, as state_dict() gives it. What a
	// schedule keeps in the optimizer's Group is in that one's state.
	State() Group
	// SetState restores a State, settings included, as load_state_dict does: the
	// optimizer's is to be restored before.
	SetState(state Group) error
}

// Timing is what Lightning wants to know of a schedule: which metric it monitors,
// and when it steps.
type Timing struct {
	// Monitor matters to ReduceLROnPlateau only.
	Monitor *string `yaml:"monitor"`
	// Interval is epoch or step.
	Interval string `yaml:"interval"`
	// Frequency is the number of epochs from one step to the next. Where Interval is
	// step, it steps after the batches of an epoch whose number it divides.
	Frequency int `yaml:"frequency"`
	// Strict refuses a monitored metric that is not there.
	Strict bool `yaml:"strict"`
	// Name is what the learning rate is logged as; nil: lr- and the optimizer's.
	Name *string `yaml:"name"`
}

func defaultTiming() Timing { return Timing{Interval: "epoch", Frequency: 1, Strict: true} }

func (t Timing) refusals() config.Refusals {
	var refused config.Refusals
	refused.Unless(t.Interval == "epoch" || t.Interval == "step", "interval", "interval must be epoch or step, got %q", t.Interval)
	refused.Unless(t.Frequency >= 1, "frequency", "frequency must be at least 1, got %d", t.Frequency)
	return refused
}

// Given is what a schedule takes from the training where its config leaves it out.
type Given struct {
	// LearningRate is the model's.
	LearningRate float64
	// TotalSteps are those of the optimizer in the whole training; 0 where nothing
	// limits them.
	TotalSteps int
}

// Scheduler is a schedule's config, checked.
type Scheduler struct {
	Timing
	// Mode is min or max where the schedule looks at the monitored metric, else empty.
	Mode string
	// NeedsSteps tells that New uses Given.TotalSteps.
	NeedsSteps bool
	// Text says how the learning rate goes.
	Text string
	// New makes the schedule.
	New func(o Optimizer, given Given) (Schedule, error)
}

// Schedulers are the _target_ names of torch.optim.lr_scheduler.
var Schedulers = &config.Registry[struct{}, *Scheduler]{What: "lr_scheduler"}

// SchedulerFromConfig reads a schedule's node.
func SchedulerFromConfig(n *config.Node) (*Scheduler, error) { return Schedulers.Build(n, struct{}{}) }

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	register("StepLR", stepRule{Gamma: 0.1})
	register("MultiStepLR", multiStepRule{Gamma: 0.1})
	register("ExponentialLR", exponentialRule{})
	register("ConstantLR", constantRule{Factor: 1. / 3, TotalIters: 5})
	register("LinearLR", linearRule{StartFactor: 1. / 3, EndFactor: 1, TotalIters: 5})
	register("PolynomialLR", polynomialRule{TotalIters: 5, Power: 1})
	register("CosineAnnealingLR", cosineRule{})
	register("CosineAnnealingWarmRestarts", restartsRule{TMult: 1})
	config.Register(Schedulers, schedulerModule+"OneCycleLR", defaultOneCycle(), oneCycleArguments.scheduler)
	config.Register(Schedulers, schedulerModule+"ReduceLROnPlateau", defaultPlateauArguments(), plateauArguments.scheduler)
}

const schedulerModule = "torch.optim.lr_scheduler."

// register adds a schedule that counts.
func register[R any, P interface {
	*R
	rule
}](name string, defaults R) {
	arguments := ruleArguments[R, P]{Rule: defaults, Counted: counted{LastEpoch: -1}, Timing: defaultTiming()}
	config.Register(Schedulers, schedulerModule+name, arguments, func(a ruleArguments[R, P], _ struct{}) (*Scheduler, error) {
		return &Scheduler{
			Timing: a.Timing, Text: name + " " + P(&a.Rule).text(a.Timing.Interval),
			New: func(o Optimizer, _ Given) (Schedule, error) {
				r := a.Rule
				return newCounting(o, P(&r)), nil
			},
		}, nil
	})
}

// ruleArguments are the config of a schedule that counts.
type ruleArguments[R any, P interface {
	*R
	rule
}] struct {
	Rule    R       `yaml:",inline"`
	Counted counted `yaml:",inline"`
	Timing  Timing  `yaml:",inline"`
}

// Validate refuses what PyTorch or Lightning refuses.
func (a *ruleArguments[R, P]) Validate() error {
	return append(append(a.Timing.refusals(), a.Counted.Validate()), P(&a.Rule).Validate()).Err()
}

// counted is an argument of all schedules that count.
type counted struct {
	LastEpoch int `yaml:"last_epoch"`
}

// Validate refuses what fails in PyTorch too, for an optimizer without a history.
func (c counted) Validate() error {
	if c.LastEpoch != -1 {
		return config.Refuse("last_epoch", "last_epoch must be -1, got %d: trainer.ckpt_path continues a training", c.LastEpoch)
	}
	return nil
}
