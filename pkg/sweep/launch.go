package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// launch runs jobs, at most as many at a time as the launcher says. A job that
// fails does not stop the others. When the context is cancelled no further job
// starts; its cause is returned once the running ones have ended.
func (s *Sweep) launch(ctx context.Context, jobs []*JobState) error {
	l := launch{Sweep: s, queue: jobs, parallel: min(s.parallel, len(jobs))}
	var workers sync.WaitGroup
	for range l.parallel {
		workers.Go(func() { l.work(ctx) })
	}
	workers.Wait()
	if l.err == nil && ctx.Err() != nil && count(jobs, Done)+count(jobs, Failed) < len(jobs) {
		return context.Cause(ctx)
	}
	return l.err
}

type launch struct {
	*Sweep
	parallel int

	mu    sync.Mutex // guards what follows, and the record
	queue []*JobState
	err   error // the first failure to write the record
}

func (l *launch) work(ctx context.Context) {
	for {
		state, job := l.take(ctx)
		if state == nil {
			return
		}
		start := time.Now()
		outcome, err := l.attempt(ctx, job)
		l.finish(state, outcome, err, elapsed(start))
	}
}

// attempt runs a job; a panic of the runner is a failure of the job.
func (l *launch) attempt(ctx context.Context, job Job) (outcome Outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
		}
	}()
	return l.Runner(ctx, job)
}

// take starts the next job, if there is one and the sweep goes on.
func (l *launch) take(ctx context.Context) (*JobState, Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || ctx.Err() != nil || l.err != nil {
		return nil, Job{}
	}
	state := l.queue[0]
	l.queue = l.queue[1:]
	job := Job{
		Number: state.Number, Overrides: slices.Concat(l.shared, state.Overrides), Dir: l.absolute(state.Dir), Name: l.master.JobName, Parallel: l.parallel,
		Continue: state.Status == Running || state.Status == Interrupted,
	}
	state.Status, state.Error, state.Outcome = Running, "", nil
	l.save()
	l.Log.Info(fmt.Sprintf("job %d starts", job.Number), "dir", job.Dir, "overrides", strings.Join(state.Overrides, " "))
	return state, job
}

func (l *launch) finish(state *JobState, outcome Outcome, err error, seconds float64) {
	if err == nil && outcome.Metric == "" && l.Searches() {
		err = errors.New("it gave no value to judge it by")
	}
	if err == nil && (math.IsNaN(outcome.Value) || math.IsInf(outcome.Value, 0)) {
		err = fmt.Errorf("%s is %v", outcome.Metric, outcome.Value)
	}
	if l.Searches() {
		outcome.Maximize = l.Maximizes()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	state.Seconds += seconds // of an earlier try too
	switch {
	case err == nil:
		state.Status = Done
		if outcome.Metric != "" {
			state.Outcome = &outcome
		}
		l.Log.Info(fmt.Sprintf("job %d is done", state.Number), l.facts(outcome)...)
	case errors.Is(err, ErrInterrupted):
		state.Status = Interrupted
	default:
		state.Status, state.Error = Failed, err.Error()
		l.Log.Warn(fmt.Sprintf("job %d failed: %v", state.Number, err))
	}
	l.save()
}

// facts are what the log says of a job that is done.
func (l *launch) facts(o Outcome) []any {
	facts := []any{"done", fmt.Sprintf("%d of %d", l.Record.Count(Done), len(l.Record.Jobs))}
	if o.Metric != "" {
		facts = append(facts, o.Metric, o.Value)
	}
	return facts
}

func (l *launch) save() {
	if err := l.Record.write(l.Dir); err != nil && l.err == nil {
		l.err = err
	}
}
