package data

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// buffers is how many batches a loader has: one in use, and the next one.
const buffers = 2

// Batch is some clips of one session.
type Batch struct {
	Session string
	// Inputs has shape (Clips, Channels, Frames, Height, Width) and Targets
	// (Clips, Frames, Neurons).
	Clips, Channels, Frames, Height, Width, Neurons int
	Inputs, Targets                                 []float32
	// Starts are the first frames of the clips in the split's movie.
	Starts []int
}

// Loader gives the batches of one split of a data set, epoch by epoch. It may be
// used by one goroutine at a time.
type Loader struct {
	sessions []*Session
	splits   []*Split
	plan     planner
	perEpoch int

	epoch, done int
	before      marks  // the generators before the epoch under way was drawn
	steps       []step // the epoch under way; nil until its first batch is asked for

	free chan *Batch // all of the loader's batches, when no loop runs
}

// State is a place in a loader's endless sequence of batches, for a file.
type State struct {
	// Epoch counts finished epochs, Batch the batches done in the one under way.
	Epoch int `json:"epoch"`
	Batch int `json:"batch"`
	// Sessions and Batches (per epoch) say which loader the state belongs to.
	Sessions []string `json:"sessions"`
	Batches  int      `json:"batches"`
	// NumPy and Python are the generators as they were before the first random
	// number of the epoch was drawn.
	NumPy  []byte `json:"numpy,omitempty"`
	Python []byte `json:"python,omitempty"`
}

// newLoader makes a loader over one split of each session.
func newLoader(sessions []*Session, splits []*Split, plan planner, perEpoch int) (*Loader, error) {
	before, err := plan.mark()
	l := &Loader{
		sessions: sessions, splits: splits, plan: plan, perEpoch: perEpoch, before: before,
		free: make(chan *Batch, buffers),
	}
	for range buffers {
		l.free <- &Batch{}
	}
	return l, err
}

// Batches is the number of batches of an epoch.
func (l *Loader) Batches() int { return l.perEpoch }

// Epoch gives the batches that are left of the epoch under way, all of them
// unless it was left early or restored. They are prepared in the background
// while the loop body runs; a batch is valid until the body ends. The loop may
// be left at any time: nothing stays behind, and the next call continues after
// the batch last given. When ctx is done, the error of its cause is given last.
func (l *Loader) Epoch(ctx context.Context) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		if l.steps == nil {
			l.steps = l.plan.epoch()
		}
		stopped, stop := context.WithCancel(ctx)
		batches := make(chan *Batch)
		var background sync.WaitGroup
		left := l.steps[l.done:]
		background.Go(func() { l.prepare(stopped, left, batches) })
		defer background.Wait()
		defer stop()
		for b := range batches {
			if ctx.Err() != nil {
				l.free <- b
				break
			}
			l.done++
			if !l.lend(b, yield) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(nil, fmt.Errorf("loading batches: %w", context.Cause(ctx)))
			return
		}
		if err := l.finish(); err != nil {
			yield(nil, err)
		}
	}
}

// lend gives a batch to the body of a loop and takes it back, however that ends.
func (l *Loader) lend(b *Batch, yield func(*Batch, error) bool) (more bool) {
	defer func() { l.free <- b }()
	return yield(b, nil)
}

// SkipRest ends the epoch under way without giving the batches that are left of
// it. Before the first batch it does nothing.
func (l *Loader) SkipRest() error {
	if l.done == 0 && l.steps == nil {
		return nil
	}
	if l.steps == nil { // restored: the epoch's random numbers are still to be drawn
		l.steps = l.plan.epoch()
	}
	return l.finish()
}

// finish goes to the next epoch.
func (l *Loader) finish() (err error) {
	l.epoch, l.done, l.steps = l.epoch+1, 0, nil
	l.before, err = l.plan.mark()
	return err
}

// prepare makes batches until the steps are done or ctx is.
func (l *Loader) prepare(ctx context.Context, steps []step, batches chan<- *Batch) {
	defer close(batches)
	for _, s := range steps {
		var b *Batch
		select {
		case b = <-l.free:
		case <-ctx.Done():
			return
		}
		l.fill(b, s)
		select {
		case batches <- b:
		case <-ctx.Done():
			l.free <- b
			return
		}
	}
}

// fill makes one batch in a batch that may be used again.
func (l *Loader) fill(b *Batch, s step) {
	split := l.splits[s.session]
	channels, _, height, width := split.Movie.Shape()
	neurons := split.Responses.Neurons
	in, out := channels*s.frames*height*width, s.frames*neurons
	*b = Batch{
		Session: l.sessions[s.session].Name,
		Clips:   len(s.starts), Channels: channels, Frames: s.frames, Height: height, Width: width, Neurons: neurons,
		Inputs:  resize(b.Inputs, len(s.starts)*in),
		Targets: resize(b.Targets, len(s.starts)*out),
		Starts:  s.starts,
	}
	for i, start := range s.starts {
		split.Movie.Copy(b.Inputs[i*in:(i+1)*in], start, s.frames)
		copy(b.Targets[i*out:(i+1)*out], split.Responses.Data[start*neurons:])
	}
}

// resize gives a slice of n values, in the old memory if it is large enough.
func resize(values []float32, n int) []float32 {
	if cap(values) < n {
		return make([]float32, n)
	}
	return values[:n]
}

// State is the place after the batch last given. Inside the body of a loop over
// Epoch, the batch in use counts as done.
func (l *Loader) State() State {
	state := State{Epoch: l.epoch, Batch: l.done, Batches: l.perEpoch, NumPy: l.before.numPy, Python: l.before.python}
	for _, s := range l.sessions {
		state.Sessions = append(state.Sessions, s.Name)
	}
	return state
}

// Restore goes to a place that State gave for a loader of the same sessions and
// settings. From there on the batches are the same ones in the same order.
func (l *Loader) Restore(state State) error {
	now := l.State()
	switch {
	case !slices.Equal(state.Sessions, now.Sessions):
		return fmt.Errorf("the saved loader had sessions %v, the data has %v", state.Sessions, now.Sessions)
	case state.Batches != now.Batches:
		return fmt.Errorf("the saved loader had %d batches an epoch, this one has %d "+
			"(batch_size, train_chunk_size and the data must be the same)", state.Batches, now.Batches)
	case state.Epoch < 0 || state.Batch < 0 || state.Batch > state.Batches:
		return fmt.Errorf("the saved loader was at epoch %d, batch %d of %d", state.Epoch, state.Batch, state.Batches)
	}
	before := marks{numPy: state.NumPy, python: state.Python}
	if err := l.plan.reset(before); err != nil {
		return fmt.Errorf("restoring the loader: %w", err)
	}
	l.epoch, l.done, l.steps, l.before = state.Epoch, state.Batch, nil, before
	return nil
}
