package data

import (
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data/pyrand"
)

// step is one batch to make: clips of a session, by the frames they start at.
type step struct {
	session, frames int
	starts          []int
}

// planner decides what the batches of an epoch are. The whole epoch is planned
// before its first batch is made, so that the generators' state at its beginning
// and the number of batches done say everything about the rest.
type planner interface {
	epoch() []step
	// mark gives the state of the generators, reset goes back to one.
	mark() (marks, error)
	reset(marks) error
}

// marks are states of the generators; both are nil where nothing is random.
type marks struct{ numPy, python []byte }

// longCycle takes a batch from each session in turn until the session with the
// most batches is through; the others start again with fresh draws. The order
// of the sessions is drawn for each epoch. (Python: LongCycler over DataLoaders
// that drop incomplete batches.)
type longCycle struct {
	splits  []*Split
	batches int // of the longest session
	numPy   *pyrand.NumPy
	python  *pyrand.Python
}

func (p *longCycle) epoch() []step {
	order := make([]int, len(p.splits))
	for i := range order {
		order[i] = i
	}
	p.python.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	waiting := make([][]int, len(p.splits)) // clips drawn and not used yet
	steps := make([]step, 0, len(p.splits)*p.batches)
	for range p.batches {
		for _, session := range order {
			split := p.splits[session]
			if len(waiting[session]) < split.batch {
				waiting[session] = split.sampler.Epoch(p.numPy)
			}
			steps = append(steps, step{session, split.sampler.ClipFrames, waiting[session][:split.batch]})
			waiting[session] = waiting[session][split.batch:]
		}
	}
	return steps
}

func (p *longCycle) mark() (marks, error) {
	numPy, err := p.numPy.MarshalBinary()
	python, err2 := p.python.MarshalBinary()
	return marks{numPy, python}, errors.Join(err, err2)
}

func (p *longCycle) reset(to marks) error {
	return errors.Join(p.numPy.UnmarshalBinary(to.numPy), p.python.UnmarshalBinary(to.python))
}

// shortCycle goes through the clips of each session once, in order. (Python:
// ShortCycler.) A clip that is cut off by the movie's end has a batch of its own.
type shortCycle struct {
	splits []*Split
}

func (p *shortCycle) epoch() []step {
	steps := []step{}
	for session, split := range p.splits {
		s := &split.sampler
		whole := 0
		for whole < len(s.Starts) && s.Starts[whole]+s.ClipFrames <= s.MovieFrames {
			whole++
		}
		for at := 0; at < whole; at += split.batch {
			steps = append(steps, step{session, s.ClipFrames, s.Starts[at:min(at+split.batch, whole)]})
		}
		for at := whole; at < len(s.Starts); at++ {
			steps = append(steps, step{session, s.MovieFrames - s.Starts[at], s.Starts[at : at+1]})
		}
	}
	return steps
}

func (p *shortCycle) mark() (marks, error) { return marks{}, nil }

func (p *shortCycle) reset(marks) error { return nil }

// TrainLoader gives random clips of all sessions in batches. The seed is what
// seeds Python's and NumPy's generators in the Python package; the same seed
// gives the same clips in the same order there and here.
func (d *Dataset) TrainLoader(seed uint32) (*Loader, error) {
	plan := &longCycle{numPy: pyrand.NewNumPy(seed), python: pyrand.NewPython(uint64(seed))}
	for _, s := range d.Sessions {
		split := &s.Train
		n := len(split.sampler.Starts) / split.batch
		if n == 0 {
			return nil, fmt.Errorf("session %s has %d training clips of %d frames, fewer than batch_size %d",
				s.Name, len(split.sampler.Starts), split.sampler.ClipFrames, split.batch)
		}
		plan.splits, plan.batches = append(plan.splits, split), max(plan.batches, n)
	}
	return newLoader(d.Sessions, plan.splits, plan, len(plan.splits)*plan.batches)
}

// ValidationLoader gives the validation clips of all sessions, in order.
func (d *Dataset) ValidationLoader() (*Loader, error) {
	return d.ordered(func(s *Session) *Split { return &s.Validation })
}

// TestLoader gives the test stimulus of a name for all sessions that have it, in
// order.
func (d *Dataset) TestLoader(name string) (*Loader, error) {
	l, err := d.ordered(func(s *Session) *Split {
		if test, err := s.Test(name); err == nil {
			return &test.Split
		}
		return nil
	})
	if err == nil && len(l.sessions) == 0 {
		return nil, fmt.Errorf("no test stimulus %q in the data, which has %v", name, d.TestNames())
	}
	return l, err
}

// ordered is a loader over one split of each session that has it.
func (d *Dataset) ordered(pick func(*Session) *Split) (*Loader, error) {
	var sessions []*Session
	plan := &shortCycle{}
	for _, s := range d.Sessions {
		if split := pick(s); split != nil {
			sessions, plan.splits = append(sessions, s), append(plan.splits, split)
		}
	}
	return newLoader(sessions, plan.splits, plan, len(plan.epoch()))
}
