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
	sums              *averages // of the epoch under way
	metrics           []metric  // the newest values of all that was logged
	pending           *changes  // what the newest last.ckpt promises
	// unsettled tells that pending may not have been done by the training that is
	// continued, lastIsGone that its last.ckpt is missing or damaged.
	unsettled, lastIsGone bool
	stopReason            string
	logStates             map[string]json.RawMessage // of the training that is continued
	loggedBest            string                     // the best checkpoint that the loggers know
}

// fit trains until the epochs are done, early stopping says so, or soft is
// cancelled; then it saves and the error is an *Interrupted. hard cancels between
// tensor operations and saves nothing.
func (f *fitter) fit(soft, hard context.Context) error {
	batches := f.trainer.LimitTrainBatches.of(f.train.Batches())
	if batches == 0 {
		return errNoData
	}
	for ; f.insideEpoch() || !f.done(); f.epoch++ {
		started := time.Now()
		f.progress.Epoch(f.epoch, f.trainer.maxEpochs(), batches)
		if err := f.trainEpoch(soft, hard, batches); err != nil {
			return err
		}
		metrics, err := f.validate(hard)
		if err != nil {
			return err
		}
		if err := f.endEpoch(metrics); err != nil {
			return err
		}
		f.progress.EpochEnd(f.report(metrics, time.Since(started)))
		if soft.Err() != nil {
			return f.interrupted(soft)
		}
	}
	return f.trainEnd()
}

// insideEpoch tells that an epoch is under way, as after continuing from one of its
// steps: it is brought to its end even where the training is done.
func (f *fitter) insideEpoch() bool { return f.train.State().Batch > 0 }

// done tells whether the training has ended, by its limits or by a callback.
func (f *fitter) done() bool {
	limit := f.trainer.maxEpochs()
	return f.stopReason != "" || f.stepsDone() || (limit >= 0 && f.epoch >= limit)
}

func (f *fitter) stepsDone() bool {
	return f.trainer.MaxSteps >= 0 && f.globalStep >= f.trainer.MaxSteps
}

// trainEpoch makes the steps that are left of an epoch.
func (f *fitter) trainEpoch(soft, hard context.Context, batches int) error {
	done := f.train.State().Batch
	if done == 0 {
		if err := f.logLearningRate(); err != nil {
			return err
		}
		f.sums = newAverages()
	}
	if done >= batches || done > 0 && f.stepsDone() {
		return nil // saved between the last batch and the end of the epoch
	}
	for b, err := range f.train.Epoch(hard) {
		if err != nil {
			return err
		}
		done++
		if err := f.trainBatch(hard, b, done, batches); err != nil {
			return err
		}
		last := done == batches || f.stepsDone()
		if err := f.batchEnd(last); err != nil {
			return err
		}
		if last {
			break
		}
		if soft.Err() != nil && f.accumulated == 0 {
			return f.interrupted(soft)
		}
	}
	return nil
}

func (f *fitter) trainBatch(hard context.Context, b *data.Batch, done, batches int) error {
	m, err := f.Step(hard, b, done == batches)
	if err != nil {
		var bad *NonFiniteError
		if errors.As(err, &bad) {
			return fmt.Errorf("epoch %d, step %d: %w", f.epoch, f.globalStep, err)
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
	f.progress.Batch(done, b.Clips, m)
	return nil
}

// logLearningRate is LearningRateMonitor at the start of an epoch.
func (f *fitter) logLearningRate() error {
	c := f.callbacks.lrMonitor
	if c == nil {
		return nil
	}
	name := "lr-" + f.optimName
	row := []metric{{name, f.Optimizer.LR()}}
	if c.LogMomentum {
		row = append(row, metric{name + "-momentum", f.Optimizer.Momentum()})
	}
	if c.LogWeightDecay {
		row = append(row, metric{name + "-weight_decay", f.Optimizer.WeightDecay()})
	}
	return f.logRow(row, tracking.NoEpoch, f.globalStep)
}

// validate runs the model on the validation clips; nil in epochs without.
func (f *fitter) validate(hard context.Context) ([]metric, error) {
	if !f.validatesAfter(f.epoch) {
		return nil, nil
	}
	metrics, err := f.validateModel(hard, f.Model)
	if err != nil {
		return nil, fmt.Errorf("validation after epoch %d: %w", f.epoch, err)
	}
	return metrics, nil
}

func (f *fitter) validatesAfter(epoch int) bool { return (epoch+1)%f.trainer.CheckValEveryNEpoch == 0 }

// meanLossMetric is the mean loss over all neurons and frames of the validation data,
// which val_loss is not.
const meanLossMetric = "val_loss_per_neuron_frame"

func (f *fitter) validateModel(hard context.Context, m *models.CoreReadout) ([]metric, error) {
	sums := newAverages()
	err := heldOut(hard, f.val, f.trainer.LimitValBatches.of(f.val.Batches()), func(b *data.Batch) error {
		v, err := evaluateBatch(hard, m, b)
		if err != nil {
			return err
		}
		for _, logged := range m.Conventions.Validation {
			sums.add(logged.Name, v.value(logged.Quantity), b.Clips)
		}
		if v.Values > 0 {
			sums.add(meanLossMetric, v.PerNeuronFrame, v.Values)
		}
		return nil
	})
	return sums.values(), err
}

// heldOut goes over at most limit batches of a loader, from its start.
func heldOut(ctx context.Context, l *data.Loader, limit int, f func(*data.Batch) error) error {
	done := 0
	for b, err := range l.Epoch(ctx) {
		if err != nil {
			return err
		}
		if done == limit {
			return l.SkipRest()
		}
		if err := f(b); err != nil {
			return err
		}
		done++
	}
	return nil
}

// moment is what callbacks are told.
func (f *fitter) moment() moment {
	validated := slices.ContainsFunc(f.metrics, func(m metric) bool { return strings.HasPrefix(m.name, validationPrefix) })
	return moment{epoch: f.epoch, step: f.globalStep, metrics: f.metrics, validated: validated}
}

// batchEnd asks the callbacks that keep checkpoints, between two steps; where it is
// time for a checkpoint last.ckpt is written too.
func (f *fitter) batchEnd(last bool) error {
	if f.accumulated != 0 {
		return nil // half a step cannot be saved
	}
	ch, m, due := &changes{}, f.moment(), false
	m.beforeValidation = last && f.validatesAfter(f.epoch)
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

// endEpoch logs, runs the schedule and the callbacks, and saves. The checkpoints
// stand at the start of the next epoch, so that nothing is left to do for this
// one when they are continued.
func (f *fitter) endEpoch(validation []metric) error {
	training := f.sums.values()
	if validation != nil {
		if err := f.logRow(validation, f.epoch, f.globalStep-1); err != nil {
			return err
		}
	}
	if err := f.logRow(training, f.epoch, f.globalStep-1); err != nil {
		return err
	}
	if err := f.train.SkipRest(); err != nil {
		return err
	}
	ch := &changes{}
	if validation != nil {
		f.metrics = update(f.metrics, validation)
		if err := f.afterValidation(ch); err != nil {
			return err
		}
	}
	f.metrics = update(f.metrics, training)
	if err := f.afterEpoch(validation != nil, ch); err != nil {
		return err
	}
	return f.commit(ch)
}

// afterValidation asks the callbacks that look at validations.
func (f *fitter) afterValidation(ch *changes) error {
	m := f.moment()
	if err := f.stopEarly(m, ch, func(e *earlyStopping) bool { return !e.checksOnEpochEnd() }); err != nil {
		return err
	}
	return f.callbacks.each(func(c *modelCheckpoint) error { return c.validationEnd(m, ch) })
}

// afterEpoch asks the callbacks that look at whole epochs, and the schedule.
func (f *fitter) afterEpoch(validated bool, ch *changes) error {
	m := f.moment()
	if err := f.stopEarly(m, ch, (*earlyStopping).checksOnEpochEnd); err != nil {
		return err
	}
	if validated {
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
