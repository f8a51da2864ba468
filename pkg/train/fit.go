package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

// validationPrefix starts the names of all metrics of a validation.
const validationPrefix = "val_"

// Progress is told how a training goes on. Calls come from the goroutine that
// trains.
type Progress interface {
	// Epoch starts an epoch (from 0) of at most epochs (-1: no limit).
	Epoch(epoch, epochs, batches int)
	// Batch is done; clips is its size.
	Batch(done, clips int, m StepMetrics)
	// EpochEnd ends an epoch.
	EpochEnd(r EpochReport)
}

// EpochReport is what people watch of an epoch.
type EpochReport struct {
	// Metrics are the training loss and, in epochs with a validation, its loss and its
	// evaluation loss (a correlation), under their names in the logs.
	Metrics []tracking.Metric
	// Evaluation is the last one of these; nil in epochs without a validation.
	Evaluation *float64
	// Elapsed is the time that the epoch took, validation and checkpoints included.
	Elapsed time.Duration
}

// Interrupted is the error of a training that was asked to stop and saved its
// state.
type Interrupted struct {
	// Checkpoint continues the training, with trainer.ckpt_path.
	Checkpoint string
	Cause      error
}

func (e *Interrupted) Error() string {
	return fmt.Sprintf("%v; trainer.ckpt_path=%s continues", e.Cause, e.Checkpoint)
}

// Unwrap is what asked to stop.
func (e *Interrupted) Unwrap() error { return e.Cause }

// fitter is a training under way.
type fitter struct {
	*Plan
	Stepper
	data       *data.Dataset
	info       *pickle.Dict // data_info
	train, val *data.Loader
	schedule   optim.Schedule
	progress   Progress
	log        *slog.Logger

	machine           machine
	epoch, globalStep int
	sums              *averages                  // of the epoch under way
	metrics           []metric                   // the newest values of all that was logged
	pending           *changes                   // what the newest last.ckpt promises
	stopReason        string                     // of early stopping
	timeIsUp          bool                       // trainer.max_time
	logStates         map[string]json.RawMessage // of the training that is continued
	loggedBest        string                     // the best checkpoint that the loggers know
	// settled is the batch of the epoch under way after which all was done that follows
	// it: validation, schedule, callbacks.
	settled    int
	validation []metric // the metrics of the epoch's newest validation
	clock      clock
	saved      bool // there is a last.ckpt of this training
}

// fit trains until the epochs are done, early stopping says so, or soft is
// cancelled; then it saves and the error is an *Interrupted. hard cancels between
// tensor operations and saves nothing.
func (f *fitter) fit(soft, hard context.Context) error {
	batches := f.trainBatches()
	if batches == 0 {
		return errNoData
	}
	if err := f.checkSanity(hard); err != nil {
		return err
	}
	f.clock.start()
	if f.clock.before > 0 {
		f.checkTime()
	}
	if !f.insideEpoch() {
		f.drawWeights(hard, beforeTraining)
	}
	for ; f.insideEpoch() || !f.done(); f.epoch++ {
		started := time.Now()
		f.progress.Epoch(f.epoch, f.trainer.maxEpochs(), batches)
		ch, err := f.trainEpoch(soft, hard, batches)
		if err != nil {
			return err
		}
		f.drawWeights(hard, afterTraining)
		if err := f.endEpoch(ch); err != nil {
			return err
		}
		f.progress.EpochEnd(f.report(f.validation, time.Since(started)))
		if soft.Err() != nil {
			return f.interrupted(soft)
		}
	}
	return f.trainEnd()
}

// insideEpoch tells that an epoch is under way, as after continuing from one of its
// steps: it is brought to its end even where the training is done.
func (f *fitter) insideEpoch() bool { return f.train.State().Batch > 0 }

// trainEpoch makes the steps that are left of an epoch, with the validations between
// them. It gives what the callbacks decided after the last one.
func (f *fitter) trainEpoch(soft, hard context.Context, batches int) (ch *changes, err error) {
	done := f.train.State().Batch
	if done == 0 {
		f.sums, f.settled, f.validation = newAverages(), 0, nil
		if err := f.logLearningRate("epoch"); err != nil {
			return nil, err
		}
	} else if ch, err = f.afterBatch(hard, done, batches); err != nil || f.leavesEpoch(done, batches) {
		return ch, err // saved between a batch and what follows it
	}
	for b, err := range f.train.Epoch(hard) {
		if err != nil {
			return nil, err
		}
		done++
		if err := f.trainBatch(hard, b, done, batches); err != nil {
			return nil, err
		}
		if err := f.batchEnd(done, batches); err != nil {
			return nil, err
		}
		if ch, err = f.afterBatch(hard, done, batches); err != nil {
			return nil, err
		}
		if f.leavesEpoch(done, batches) {
			break
		}
		if soft.Err() != nil && f.accumulated == 0 {
			return nil, f.interrupted(soft)
		}
	}
	return ch, nil
}

// afterBatch does what follows the done-th batch of an epoch.
func (f *fitter) afterBatch(hard context.Context, done, batches int) (ch *changes, err error) {
	ch = &changes{}
	if f.settled == done {
		return ch, nil
	}
	if f.validatesAfter(done, batches) {
		if err := f.validate(hard, ch); err != nil {
			return nil, err
		}
	}
	if err := f.watchStep(done); err != nil {
		return nil, err
	}
	f.settled = done
	if f.leavesEpoch(done, batches) || len(ch.Write) == 0 {
		return ch, nil // endEpoch saves
	}
	return ch, f.commit(ch)
}

// validate logs the metrics of a validation, and asks the callbacks that look at it.
func (f *fitter) validate(hard context.Context, ch *changes) error {
	metrics, err := f.validateModel(hard, f.Model)
	if err != nil {
		return f.stopped(fmt.Errorf("validation in epoch %d, after step %d: %w", f.epoch, f.globalStep, err))
	}
	f.validation, f.metrics = metrics, update(f.metrics, metrics)
	if err := f.logRow(metrics, f.epoch, f.globalStep-1); err != nil {
		return err
	}
	f.drawWeights(hard, afterValidation)
	return f.afterValidation(ch)
}

func (f *fitter) trainBatch(hard context.Context, b *data.Batch, done, batches int) error {
	if err := f.logLearningRate("step"); err != nil {
		return err
	}
	m, err := f.Step(hard, b, done == batches)
	if err != nil {
		var bad *NonFiniteError
		if errors.As(err, &bad) {
			return f.stopped(fmt.Errorf("epoch %d, step %d: %w", f.epoch, f.globalStep, err))
		}
		return fmt.Errorf("epoch %d, step %d, session %s: %w", f.epoch, f.globalStep, b.Session, err)
	}
	for _, logged := range f.Model.Conventions.Train {
		f.sums.add(logged.Name, m.value(logged.Quantity), b.Clips)
	}
	if f.accumulated == 0 {
		f.globalStep++
		if err := f.stepSchedule("step", done); err != nil {
			return err
		}
	}
	if done == batches {
		if err := f.stepSchedule("epoch", f.epoch+1); err != nil {
			return err
		}
	}
	f.checkTime()
	f.progress.Batch(done, b.Clips, m)
	if f.leavesEpoch(done, batches) && !f.validatesAfter(done, batches) {
		return f.logGradients(hard)
	}
	return nil
}

// logGradients logs the norms of an epoch's last gradients. Lightning takes them away
// before a validation.
func (f *fitter) logGradients(ctx context.Context) error {
	if !f.Model.Conventions.GradientNorms {
		return nil
	}
	norms, err := f.gradientNorms(ctx)
	for _, n := range norms {
		f.sums.add(n.name, n.value, 1)
	}
	return err
}

// moment is what callbacks are told.
func (f *fitter) moment() moment {
	validated := slices.ContainsFunc(f.metrics, func(m metric) bool { return strings.HasPrefix(m.name, validationPrefix) })
	return moment{epoch: f.epoch, step: f.globalStep, metrics: f.metrics, validated: validated}
}

// batchEnd asks the callbacks that keep checkpoints, between two steps; where it is
// time for a checkpoint last.ckpt is written too.
func (f *fitter) batchEnd(done, batches int) error {
	if f.accumulated != 0 {
		return nil // half a step cannot be saved
	}
	ch, m, due := &changes{}, f.moment(), false
	m.beforeValidation = f.validatesAfter(done, batches)
	err := f.callbacks.each(func(c *modelCheckpoint) error {
		now, err := c.batchEnd(m, time.Now(), ch)
		due = due || now
		return err
	})
	if err != nil || !due {
		return err
	}
	return f.commit(ch)
}

// endEpoch logs, runs the schedule and the callbacks, and saves, with what was decided
// after the last validation. The checkpoints stand at the start of the next epoch, so
// that nothing is left to do for this one when they are continued.
func (f *fitter) endEpoch(ch *changes) error {
	whole := f.train.State().Batch >= f.trainBatches()
	training := f.sums.values()
	if err := f.logRow(training, f.epoch, f.globalStep-1); err != nil {
		return err
	}
	if err := f.train.SkipRest(); err != nil {
		return err
	}
	f.metrics = update(f.metrics, training)
	if err := f.afterEpoch(whole, ch); err != nil {
		return err
	}
	return f.commit(ch)
}

// afterValidation asks the callbacks that look at validations.
func (f *fitter) afterValidation(ch *changes) error {
	f.optimizerReset()
	m := f.moment()
	if err := f.stopEarly(m, ch, func(e *earlyStopping) bool { return !e.checksOnEpochEnd() }); err != nil {
		return err
	}
	return f.callbacks.each(func(c *modelCheckpoint) error { return c.validationEnd(m, ch) })
}

// afterEpoch asks the callbacks that look at epochs, and the schedule where the epoch
// was a whole one.
func (f *fitter) afterEpoch(whole bool, ch *changes) error {
	m := f.moment()
	if err := f.stopEarly(m, ch, (*earlyStopping).checksOnEpochEnd); err != nil {
		return err
	}
	if whole {
		if err := f.watchSchedule("epoch", f.epoch+1, f.metrics); err != nil {
			return err
		}
	}
	return f.callbacks.each(func(c *modelCheckpoint) error { return c.trainEpochEnd(m, ch) })
}

// stopEarly asks those who may end the training, and who look at this moment.
func (f *fitter) stopEarly(m moment, ch *changes, looks func(*earlyStopping) bool) error {
	for _, e := range f.callbacks.early {
		if !looks(e) {
			continue
		}
		reason, err := e.check(m)
		if err != nil {
			return err
		}
		ch.say(e.Verbose && reason == "", "%s: best score %.3f, %d checks without a better one", e.Monitor, float64(e.Best), e.Wait)
		if f.stopReason == "" {
			f.stopReason = reason
		}
	}
	return nil
}

// trainEnd lets callbacks save that promised to and did not.
func (f *fitter) trainEnd() error {
	ch, m := &changes{}, f.moment()
	if err := f.callbacks.each(func(c *modelCheckpoint) error { return c.trainEnd(m, ch) }); err != nil {
		return err
	}
	if len(ch.Write) == 0 {
		return nil
	}
	return f.commit(ch)
}

func (f *fitter) interrupted(soft context.Context) error {
	if f.trainer.FastDevRun > 0 {
		return context.Cause(soft)
	}
	ch, m := &changes{}, f.moment()
	err := f.callbacks.each(func(c *modelCheckpoint) error { return c.interrupted(m, ch) })
	if err := errors.Join(err, f.commit(ch)); err != nil {
		return fmt.Errorf("interrupted, and the state could not be saved: %w", err)
	}
	return &Interrupted{Checkpoint: f.lastPath(), Cause: context.Cause(soft)}
}

// report tells of an epoch and its validation, if there was one.
func (f *fitter) report(validation []metric, elapsed time.Duration) EpochReport {
	r := EpochReport{Elapsed: elapsed}
	add := func(values []metric, logged []models.Metric, watched func(models.Quantity) bool) {
		for _, l := range logged {
			if v, ok := lookup(values, l.Name); ok && watched(l.Quantity) {
				r.Metrics = append(r.Metrics, tracking.Metric{Name: l.Name, Value: v})
				if l.Quantity.Judges() {
					r.Evaluation = &v
				}
			}
		}
	}
	isLoss := func(q models.Quantity) bool { return q == models.DataLoss }
	c := f.Model.Conventions
	add(f.sums.values(), c.Train, isLoss)
	add(validation, c.Validation, isLoss)
	add(validation, c.Validation, models.Quantity.Judges)
	return r
}
