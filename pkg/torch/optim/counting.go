package optim

// rule is how a schedule that counts computes the learning rate.
type rule interface {
	// Validate refuses settings that PyTorch refuses, or fails with.
	Validate() error
	// rate is the learning rate after c.lastEpoch epochs (or steps).
	rate(c *counting) float64
	// fields are the settings and what the rule itself remembers, by their names in
	// PyTorch.
	fields() []field
	// text says how the rate goes, in few words.
	text(interval string) string
}

// counting is torch.optim.lr_scheduler.LRScheduler.
type counting struct {
	rule
	optimizer Optimizer
	baseLR    float64
	lastEpoch int
	stepCount int
}

func newCounting(o Optimizer, r rule) *counting {
	if _, set := o.Group().Get("initial_lr"); !set {
		o.Group().Set("initial_lr", o.LR())
	}
	c := &counting{rule: r, optimizer: o, baseLR: o.Group().Float("initial_lr"), lastEpoch: -1}
	c.count()
	return c
}

// initial tells that the optimizer has made no step yet.
func (c *counting) initial() bool { return c.lastEpoch == 0 }

func (c *counting) count() {
	c.lastEpoch++
	c.stepCount++
	c.optimizer.SetLR(c.rate(c))
}

// Step counts, and sets the rate.
func (c *counting) Step(float64) error {
	c.count()
	return nil
}

func (c *counting) allFields() []field {
	return append(c.fields(), field{"base_lrs", single{&c.baseLR}}, field{"last_epoch", &c.lastEpoch}, field{"_step_count", &c.stepCount})
}

// State is LRScheduler.state_dict().
func (c *counting) State() Group {
	return append(stateOf(c.allFields()),
		Setting{"_is_initial", false}, Setting{"_get_lr_called_within_step", false}, Setting{"_last_lr", []any{c.optimizer.LR()}})
}

// SetState is LRScheduler.load_state_dict.
func (c *counting) SetState(state Group) error {
	if err := restore(c.allFields(), state); err != nil {
		return err
	}
	return c.Validate()
}
