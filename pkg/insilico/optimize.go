package insilico

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Options are what a run needs beside its settings. The zero value is ready for
// use.
type Options struct {
	// Hard ends the run at the next tensor operation and drops the stimuli under
	// work; nil is never. (The context given to Optimize ends it after a step.)
	Hard context.Context
	// Progress is told after each step; nil is nobody.
	Progress func(Progress)
	// MemoryBudget bounds the bytes of the clips that are optimised side by side;
	// 0 stands for DefaultMemoryBudget. One clip is always taken.
	MemoryBudget int64
}

// DefaultMemoryBudget is enough for the number of clips at which larger batches
// of the low-resolution models gain nothing on a CPU.
const DefaultMemoryBudget = 512 << 20

// Progress tells how far a run is.
type Progress struct {
	// Done and Total count steps of single stimuli; the steps that a stopper saves
	// count as done.
	Done, Total int
	// Finished counts stimuli.
	Finished int
}

// InterruptedError is the end of a run whose context was cancelled.
type InterruptedError struct {
	// Finished stimuli have all their steps, Unfinished ones fewer; both are in the
	// result. Total is what was asked for.
	Finished, Unfinished, Total int
	Cause                       error
}

// Error says how far the run came.
func (e *InterruptedError) Error() string {
	return fmt.Sprintf("interrupted after %d of %d stimuli (%d more have fewer steps than asked for): %v",
		e.Finished, e.Total, e.Unfinished, e.Cause)
}

// Unwrap is the context's cause.
func (e *InterruptedError) Unwrap() error { return e.Cause }

// NonFiniteError ends a run whose objective is NaN or infinite.
type NonFiniteError struct {
	Target Neurons
	// Step is the number of steps made before; 0 is the start.
	Step  int
	Value float64
}

// Error names neuron and step.
func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("the objective of %v is %v after %d steps: lower mei.optimizer.lr, or check mei.init and the model's weights",
		e.Target, e.Value, e.Step)
}

// Optimize makes one stimulus for each target, with the model's layers in
// evaluation mode and its weights left alone. Each step is: the objective's
// negative plus the penalties, its gradient with respect to the stimulus, the
// optimizer, the postprocessors, the stopper (Python: optimize_stimulus).
//
// When ctx is cancelled the run ends after the step it is in: the error is an
// *InterruptedError and the result holds all stimuli that were begun. After
// another error the result holds those that were finished before; it is nil where
// there are none. A model is used by one run at a time.
func Optimize(ctx context.Context, m *models.CoreReadout, targets []Neurons, c *Settings, o Options) (*Result, error) {
	if err := check(m, targets, c); err != nil {
		return nil, err
	}
	if o.Hard == nil {
		o.Hard = context.WithoutCancel(ctx)
	}
	starts, err := newStarts(o.Hard, m, c, len(targets))
	if err != nil {
		return nil, err
	}
	result, err := newResult(m, c, len(targets))
	if err != nil {
		return nil, err
	}
	r := &run{soft: ctx, Options: o, model: m, settings: c, starts: starts, result: result}
	r.progress.Total = len(targets) * c.Steps()
	if err := frozen(m, func() error { return r.all(targets) }); err != nil {
		if len(result.Targets) == 0 {
			return nil, err
		}
		return result, err
	}
	return result, nil
}

// check refuses what can be told before a model runs.
func check(m *models.CoreReadout, targets []Neurons, c *Settings) error {
	if c.Reducer == nil || c.Optimizer == nil || c.Frames < 1 {
		return errors.New("the settings of stimuli need a reducer, an optimizer and a number of frames")
	}
	if len(targets) == 0 {
		return errors.New("no neurons to make stimuli for")
	}
	for _, t := range targets {
		if err := t.check(m); err != nil {
			return err
		}
	}
	if m.ResponseFrames(c.Frames) == 0 {
		return fmt.Errorf("mei.frames is %d, but the model responds only to stimuli of at least %d frames", c.Frames, m.MinFrames())
	}
	channels := m.StimulusShape(c.Frames)[1]
	for _, p := range c.Postprocessors {
		if err := p.Check(channels); err != nil {
			return fmt.Errorf("mei.postprocessors: %w", err)
		}
	}
	for _, r := range c.Regularizers {
		if err := r.Check(channels); err != nil {
			return fmt.Errorf("mei.regularizers: %w", err)
		}
	}
	return nil
}

// frozen calls f while the model's parameters collect no gradients.
func frozen(m *models.CoreReadout, f func() error) (err error) {
	if err := requireGrads(m, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, requireGrads(m, true)) }()
	return f()
}

// requireGrads says whether the model's parameters collect gradients, in one
// computation.
func requireGrads(m *models.CoreReadout, on bool) error {
	return torch.Do(context.Background(), torch.Inference, func(*torch.Scope) error {
		for _, store := range m.Stores() {
			for _, e := range store.Trainable() {
				store.Scope().RequireGrad(e.Tensor, on)
			}
			if err := store.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}
