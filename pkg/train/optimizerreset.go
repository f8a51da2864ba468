package train

// optimizerResetConfig has no arguments.
type optimizerResetConfig struct{}

// optimizerReset is OptimizerResetCallback of the Python package: it lets the optimizer
// forget its moments when, after a validation, the learning rate is lower than after the
// validation before. There the schedule goes on changing the learning rate of the
// optimizer that was replaced, which has no effect any more; here it stays in charge.
type optimizerReset struct {
	// LR is the learning rate after the newest validation; nil before the first.
	LR *exactFloat `json:"prev_lr,omitempty"`
}

func (optimizerResetConfig) add(to *callbacks) (none struct{}, err error) {
	to.reset = &optimizerReset{}
	return none, nil
}

// optimizerReset looks at the learning rate after a validation.
func (f *fitter) optimizerReset() {
	c := f.callbacks.reset
	if c == nil {
		return
	}
	now := exactFloat(f.Optimizer.LR())
	if c.LR != nil && now < *c.LR {
		f.log.Info("the learning rate has fallen: the optimizer starts afresh", "from", float64(*c.LR), "to", float64(now))
		f.Optimizer.Reset()
	}
	c.LR = &now
}
