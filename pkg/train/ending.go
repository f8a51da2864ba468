package train

import (
	"errors"
	"fmt"
	"time"
)

// A training ends by its limits, or when a callback wants it to and it has come as far
// as min_epochs and min_steps say (lightning.pytorch.loops.fit_loop).

// done tells whether the training has ended, between two epochs.
func (f *fitter) done() bool {
	limit := f.trainer.maxEpochs()
	return f.stepsDone() || limit >= 0 && f.epoch >= limit || f.wantsToStop() && f.mayStop()
}

// leavesEpoch tells whether the done-th batch of an epoch is the last to be trained on.
func (f *fitter) leavesEpoch(done, batches int) bool {
	return done >= batches || f.stepsDone() || f.wantsToStop() && f.mayStop()
}

func (f *fitter) stepsDone() bool {
	return f.trainer.MaxSteps >= 0 && f.globalStep >= f.trainer.MaxSteps
}

func (f *fitter) wantsToStop() bool { return f.stopReason != "" || f.timeIsUp }

// endReason says why a training ended early; empty where it did not.
func (f *fitter) endReason() string {
	if f.stopReason == "" && f.timeIsUp {
		return fmt.Sprintf("it has run for trainer.max_time, %v", f.trainer.MaxTime.Duration)
	}
	return f.stopReason
}

func (f *fitter) mayStop() bool {
	return f.epoch >= orElse(f.trainer.MinEpochs, 0) && f.globalStep >= orElse(f.trainer.MinSteps, 0)
}

// clock measures how long a training has run, with what it ran before it was continued.
type clock struct {
	started time.Time
	before  time.Duration
}

func (c *clock) start() { c.started = time.Now() }

func (c *clock) elapsed() time.Duration {
	if c.started.IsZero() {
		return c.before
	}
	return c.before + time.Since(c.started)
}

// checkTime stops a training that has run for max_time. Unlike what early stopping finds
// this is not part of the state: a training that is continued may be given more time.
func (f *fitter) checkTime() {
	if most := f.trainer.MaxTime; most != nil {
		f.timeIsUp = f.timeIsUp || f.clock.elapsed() >= most.Duration
	}
}

// stopped is the error of a training that cannot go on, with the checkpoint from which
// it can.
func (f *fitter) stopped(err error) error {
	var bad *NonFiniteError
	if !errors.As(err, &bad) {
		return err
	}
	if !f.saved {
		return fmt.Errorf("%w; nothing was saved before", err)
	}
	return fmt.Errorf("%w; trainer.ckpt_path=%s continues from the last good checkpoint", err, f.lastPath())
}
