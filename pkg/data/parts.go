package data

import "github.com/open-retina/openretina-go/pkg/data/pyrand"

// Part is a part of a data set under the name that the Python package's
// dataloaders have: train, validation, or a test stimulus.
type Part struct {
	Name   string
	Loader *Loader
}

// Parts gives loaders that go once over all parts of the data: training,
// validation, then the test stimuli. The clips come in order; with draw, those for
// training are drawn at random with that state's generators, batches that are not
// full left out, as the Python package's test after a training does.
func (d *Dataset) Parts(draw *State) ([]Part, error) {
	train, err := d.ordered(func(s *Session) *Split { return &s.Train })
	if draw != nil {
		train, err = d.drawnOnce(*draw)
	}
	if err != nil {
		return nil, err
	}
	validation, err := d.ValidationLoader()
	if err != nil {
		return nil, err
	}
	parts := []Part{{"train", train}, {"validation", validation}}
	for _, name := range d.TestNames() {
		l, err := d.TestLoader(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{name, l})
	}
	return parts, nil
}

// drawnOnce goes over freshly drawn training clips of each session in turn.
func (d *Dataset) drawnOnce(draw State) (*Loader, error) {
	plan := &drawnCycle{numPy: pyrand.NewNumPy(0)}
	if err := plan.reset(marks{numPy: draw.NumPy}); err != nil {
		return nil, err
	}
	batches := 0
	for _, s := range d.Sessions {
		plan.splits = append(plan.splits, &s.Train)
		batches += len(s.Train.sampler.Starts) / s.Train.batch
	}
	return newLoader(d.Sessions, plan.splits, plan, batches)
}

// drawnCycle is the planner of drawnOnce. (Python: ShortCycler over the training
// DataLoaders.)
type drawnCycle struct {
	splits []*Split
	numPy  *pyrand.NumPy
}

func (p *drawnCycle) epoch() []step {
	steps := []step{}
	for session, split := range p.splits {
		starts := split.sampler.Epoch(p.numPy)
		for ; len(starts) >= split.batch; starts = starts[split.batch:] {
			steps = append(steps, step{session, split.sampler.ClipFrames, starts[:split.batch]})
		}
	}
	return steps
}

func (p *drawnCycle) mark() (marks, error) {
	numPy, err := p.numPy.MarshalBinary()
	return marks{numPy: numPy}, err
}

func (p *drawnCycle) reset(to marks) error { return p.numPy.UnmarshalBinary(to.numPy) }
