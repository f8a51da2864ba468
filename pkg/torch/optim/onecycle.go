package optim

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// oneCycleArguments are the config of OneCycleLR (Smith & Topin 2017).
type oneCycleArguments struct {
	MaxLR          perGroup `yaml:"max_lr,required"`
	TotalSteps     *int     `yaml:"total_steps"` // nil: the training's
	Epochs         *int     `yaml:"epochs"`
	StepsPerEpoch  *int     `yaml:"steps_per_epoch"`
	PctStart       float64  `yaml:"pct_start"`
	AnnealStrategy string   `yaml:"anneal_strategy"` // cos or linear
	CycleMomentum  bool     `yaml:"cycle_momentum"`
	BaseMomentum   perGroup `yaml:"base_momentum"`
	MaxMomentum    perGroup `yaml:"max_momentum"`
	DivFactor      float64  `yaml:"div_factor"`
	FinalDivFactor float64  `yaml:"final_div_factor"`
	ThreePhase     bool     `yaml:"three_phase"`

	Counted counted `yaml:",inline"`
	Timing  Timing  `yaml:",inline"`
}

func defaultOneCycle() oneCycleArguments {
	return oneCycleArguments{
		PctStart: 0.3, AnnealStrategy: "cos", CycleMomentum: true, BaseMomentum: 0.85, MaxMomentum: 0.95, DivFactor: 25,
		FinalDivFactor: 1e4, Counted: counted{LastEpoch: -1}, Timing: defaultTiming(),
	}
}

// Validate refuses what PyTorch or Lightning refuses, and what divides by 0 there.
func (a oneCycleArguments) Validate() error {
	refused := append(a.Timing.refusals(), a.Counted.Validate())
	for _, c := range []struct {
		key   string
		value *int
	}{{"total_steps", a.TotalSteps}, {"epochs", a.Epochs}, {"steps_per_epoch", a.StepsPerEpoch}} {
		refused.Unless(c.value == nil || *c.value > 0, c.key, "OneCycleLR: %s must be positive", c.key)
	}
	refused.Unless((a.Epochs == nil) == (a.StepsPerEpoch == nil) || a.TotalSteps != nil, "steps_per_epoch",
		"OneCycleLR needs both epochs and steps_per_epoch, or total_steps, or neither: then it takes the steps of the training")
	refused.Unless(a.PctStart >= 0 && a.PctStart <= 1, "pct_start", "OneCycleLR: pct_start must be in [0, 1], got %v", a.PctStart)
	refused.Unless(a.AnnealStrategy == "cos" || a.AnnealStrategy == "linear", "anneal_strategy",
		"OneCycleLR: anneal_strategy must be cos or linear, got %q", a.AnnealStrategy)
	refused.Unless(a.DivFactor > 0, "div_factor", "OneCycleLR: div_factor must be positive, got %v", a.DivFactor)
	refused.Unless(a.FinalDivFactor > 0, "final_div_factor", "OneCycleLR: final_div_factor must be positive, got %v", a.FinalDivFactor)
	return refused.Err()
}

func (a oneCycleArguments) scheduler(struct{}) (*Scheduler, error) {
	steps := "the training's steps"
	total := a.totalSteps(0)
	if total > 0 {
		steps = fmt.Sprintf("%d %ss", total, a.Timing.Interval)
	}
	return &Scheduler{
		Timing: a.Timing, NeedsSteps: total == 0, New: a.schedule,
		Text: fmt.Sprintf("OneCycleLR up to %v and down again in %s", float64(a.MaxLR), steps),
	}, nil
}

func (a oneCycleArguments) totalSteps(training int) int {
	switch {
	case a.TotalSteps != nil:
		return *a.TotalSteps
	case a.Epochs != nil && a.StepsPerEpoch != nil:
		return *a.Epochs * *a.StepsPerEpoch
	}
	return training
}

func (a oneCycleArguments) schedule(o Optimizer, given Given) (Schedule, error) {
	total := a.totalSteps(given.TotalSteps)
	if total <= 0 {
		return nil, errors.New("OneCycleLR needs total_steps: nothing limits the steps of the training")
	}
	g := o.Group()
	lowest := float64(a.MaxLR) / a.DivFactor
	g.Set("initial_lr", lowest)
	g.Set("max_lr", float64(a.MaxLR))
	g.Set("min_lr", lowest/a.FinalDivFactor)
	if a.CycleMomentum {
		g.Set("max_momentum", float64(a.MaxMomentum))
		g.Set("base_momentum", float64(a.BaseMomentum))
	}
	_, beta1 := g.Get("betas")
	r := &oneCycleRule{
		totalSteps: total, phases: a.phases(float64(total)), anneal: a.AnnealStrategy, cycleMomentum: a.CycleMomentum, beta1: beta1,
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return &oneCycle{newCounting(o, r), r}, nil
}

// phases are up and down, or (three_phase) up, down as steeply, and down to the end.
func (a oneCycleArguments) phases(total float64) phases {
	up := phase{a.PctStart*total - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"}
	if !a.ThreePhase {
		return phases{up, {total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"}}
	}
	return phases{
		up,
		{2*a.PctStart*total - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"},
		{total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"},
	}
}

// oneCycle is OneCycleLR as it runs.
type oneCycle struct {
	*counting
	rule *oneCycleRule
}

// Step refuses to go on after the last step.
func (o *oneCycle) Step(float64) error {
	if o.lastEpoch >= o.rule.totalSteps {
		return fmt.Errorf("OneCycleLR: step %d is beyond its total_steps, %d", o.lastEpoch+1, o.rule.totalSteps)
	}
	o.count()
	return nil
}

// oneCycleRule is how it computes. Its rates are in the optimizer's Group.
type oneCycleRule struct {
	totalSteps    int
	phases        phases
	anneal        string
	cycleMomentum bool
	beta1         bool
}

// Validate refuses phases without length, with which PyTorch divides by 0.
func (r *oneCycleRule) Validate() error {
	if len(r.phases) == 0 {
		return errors.New("OneCycleLR: there are no phases")
	}
	start := 0.
	for _, p := range r.phases {
		if p.end == start {
			return fmt.Errorf("OneCycleLR: with %d total_steps a phase begins and ends at step %v: set another pct_start", r.totalSteps, start)
		}
		start = p.end
	}
	return nil
}

func (r *oneCycleRule) rate(c *counting) float64 {
	step, start, last := float64(c.lastEpoch), 0., len(r.phases)-1
	i := slices.IndexFunc(r.phases[:last], func(p phase) bool { return step <= p.end })
	if i < 0 {
		i = last
	}
	if i > 0 {
		start = r.phases[i-1].end
	}
	now := r.phases[i]
	part := (step - start) / (now.end - start)
	g := c.optimizer.Group()
	if r.cycleMomentum {
		c.optimizer.SetMomentum(r.between(g.Float(now.startMomentum), g.Float(now.endMomentum), part))
	}
	return r.between(g.Float(now.startLR), g.Float(now.endLR), part)
}

// between goes from start to end as part goes from 0 to 1.
func (r *oneCycleRule) between(start, end, part float64) float64 {
	if r.anneal == "linear" {
		return (end-start)*part + start
	}
	return end + (start-end)/2*(math.Cos(math.Pi*part)+1)
}

func (r *oneCycleRule) fields() []field {
	fields := []field{
		{"total_steps", &r.totalSteps},
		{"_schedule_phases", &r.phases},
		{"_anneal_func_type", &r.anneal},
		{"cycle_momentum", &r.cycleMomentum},
	}
	if r.cycleMomentum {
		fields = append(fields, field{"use_beta1", &r.beta1})
	}
	return fields
}

func (*oneCycleRule) text(string) string { return "" } // its config tells

// phase goes from one rate and momentum to others, named as in the optimizer's Group.
type phase struct {
	end                                        float64 // its last step
	startLR, endLR, startMomentum, endMomentum string
}

func (p *phase) fields() []field {
	return []field{
		{"end_step", &p.end},
		{"start_lr", &p.startLR},
		{"end_lr", &p.endLR},
		{"start_momentum", &p.startMomentum},
		{"end_momentum", &p.endMomentum},
	}
}

type phases []phase

func (l *phases) value() any {
	list := make([]any, len(*l))
	for i := range *l {
		list[i] = stateOf((*l)[i].fields())
	}
	return list
}

func (l *phases) set(value any) error {
	list, ok := value.([]any)
	if !ok || len(list) > 3 {
		return fmt.Errorf("must be a list of phases, got %v", value)
	}
	read := make(phases, len(list))
	for i, item := range list {
		state, ok := item.(Group)
		if !ok {
			return fmt.Errorf("has a phase %v", item)
		}
		if err := restore(read[i].fields(), state); err != nil {
			return err
		}
	}
	*l = read
	return nil
}

// perGroup is a number for the one group of parameters: a number, or a list of one.
type perGroup float64

// Forms are those of the comment.
func (perGroup) Forms() []any { return []any{float64(0), []float64{}} }

// UnmarshalNode reads either.
func (p *perGroup) UnmarshalNode(n *config.Node) error {
	if n.Kind() != config.List {
		return n.Decode((*float64)(p))
	}
	var list []float64
	if err := n.Decode(&list); err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("%s must have one value, for the one group of parameters, got %d", n.Path(), len(list))
	}
	*p = perGroup(list[0])
	return nil
}
