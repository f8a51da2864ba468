package train

import "github.com/open-retina/openretina-go/pkg/config"

// Schedules step when Lightning's training loop steps them
// (lightning.pytorch.loops.training_epoch_loop._update_learning_rates).

// stepSchedule steps a schedule that counts, after the count-th batch of an epoch or
// the count-th epoch.
func (f *fitter) stepSchedule(interval string, count int) error {
	if f.scheduler.Mode != "" || !f.scheduleIsDue(interval, count) {
		return nil
	}
	return f.schedule.Step(0)
}

// watchSchedule steps a schedule that looks at a metric.
func (f *fitter) watchSchedule(interval string, count int, metrics []metric) error {
	if f.scheduler.Mode == "" || !f.scheduleIsDue(interval, count) {
		return nil
	}
	watched, ok := lookup(metrics, *f.scheduler.Monitor)
	if !ok && f.scheduler.Strict {
		return unknownMetric("lr_scheduler", *f.scheduler.Monitor, metrics)
	}
	if !ok {
		return nil
	}
	return f.schedule.Step(watched)
}

// watchStep is watchSchedule after the done-th batch of an epoch, if that made a step.
func (f *fitter) watchStep(done int) error {
	if f.accumulated != 0 {
		return nil
	}
	return f.watchSchedule("step", done, f.metrics)
}

func (f *fitter) scheduleIsDue(interval string, count int) bool {
	return f.scheduler.Interval == interval && count%f.scheduler.Frequency == 0
}

// totalSteps is Lightning's estimated_stepping_batches: the steps of the optimizer in
// the whole training, for epochs of so many batches; 0 where nothing limits them.
func (t *trainerConfig) totalSteps(batches int) int {
	epochs := t.maxEpochs()
	if epochs == -1 {
		return max(t.MaxSteps, 0)
	}
	steps := (batches + t.AccumulateGradBatches - 1) / t.AccumulateGradBatches * max(epochs, 1)
	if t.MaxSteps >= 0 {
		steps = min(steps, t.MaxSteps)
	}
	return steps
}

// checkSteps refuses a schedule that needs to know how long the training is, where
// nothing says so.
func (p *Plan) checkSteps() error {
	if p.scheduler == nil || !p.scheduler.NeedsSteps || p.trainer.totalSteps(1) > 0 {
		return nil
	}
	n, _ := p.cfg.Root.At("model.lr_scheduler")
	return config.Errorf(n, "nothing limits the training, so lr_scheduler needs total_steps, or set trainer.max_epochs or trainer.max_steps")
}
