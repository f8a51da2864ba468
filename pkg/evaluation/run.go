package evaluation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/models"
)

// AllTests is the split that stands for every test stimulus, unless one of them
// has that name.
const AllTests = "test"

// Options say what is evaluated and how it is reported. The zero value evaluates
// every test stimulus.
type Options struct {
	// Split is train, validation, the name of a test stimulus, or AllTests; empty
	// stands for AllTests.
	Split string
	// Summary describes the evaluation in its summary. Its Dataset is filled in
	// where Statistics is set.
	Summary eval.Options
	// Statistics counts the different frames of all parts of the data. Training
	// clips are placed at random, by Seed.
	Statistics bool
	Seed       uint32
	// Hard ends the run at the next tensor operation; nil is never. (The context
	// given to Run ends it after a batch.)
	Hard context.Context
	// Progress is told after each batch; nil is nobody.
	Progress func(done, total int)
}

// Result is the evaluation of one part of a data set.
type Result struct {
	Report *eval.Report
	// Sessions are what the model predicted and what was measured, in the order of
	// the report's sessions.
	Sessions []eval.SessionResult
}

// Run evaluates a model on a part of a data set: the predictions of each session
// to whole clips, compared with the mean responses and, where they are known, with
// each repeat (Python: openretina.cli.eval.evaluate_model). There is a result for
// each test stimulus that the split stands for.
//
// Training clips are taken in order. (The Python package takes them in random
// order, so that its numbers for that split compare predictions with responses to
// something else.)
func Run(ctx context.Context, m *models.CoreReadout, d *data.Dataset, o Options) ([]*Result, error) {
	if o.Hard == nil {
		o.Hard = context.Background()
	}
	if err := checkFits(m, d); err != nil {
		return nil, err
	}
	parts, err := selectParts(d, o.Split)
	if err != nil {
		return nil, err
	}
	r := &runner{Options: o, ctx: ctx, model: m, data: d}
	for _, part := range parts {
		r.total += part.Loader.Batches()
	}
	if o.Statistics {
		if r.Summary.Dataset, err = r.statistics(); err != nil {
			return nil, err
		}
	}
	results := make([]*Result, len(parts))
	for i, part := range parts {
		if results[i], err = r.part(part); err != nil {
			return nil, fmt.Errorf("evaluating %s: %w", part.Name, err)
		}
	}
	return results, nil
}

// checkFits compares the movies and sessions of the data with those of the model.
func checkFits(m *models.CoreReadout, d *data.Dataset) error {
	shape := m.StimulusShape(1)
	if want := [3]int{shape[1], shape[3], shape[4]}; d.Info.InputShape != want {
		return fmt.Errorf("the data has movies of %v (channels, height, width), the model expects %v", d.Info.InputShape, want)
	}
	if have := d.Info.Behavior; have != 0 && have != m.Behavior() {
		return fmt.Errorf("the data has %d signals of behaviour, the model expects %d", have, m.Behavior())
	}
	for _, s := range d.Sessions {
		neurons, err := m.NumNeurons(s.Name)
		if err != nil {
			return fmt.Errorf("the data is not the model's: %w", err)
		}
		if neurons != s.Neurons {
			return fmt.Errorf("session %s has %d neurons in the data and %d in the model", s.Name, s.Neurons, neurons)
		}
	}
	return nil
}

// selectParts are the parts that a split stands for.
func selectParts(d *data.Dataset, split string) ([]data.Part, error) {
	parts, err := d.Parts(nil)
	if err != nil {
		return nil, err
	}
	if split == "" {
		split = AllTests
	}
	var names []string
	for _, part := range parts {
		if part.Name == split {
			return []data.Part{part}, nil
		}
		names = append(names, part.Name)
	}
	if split == AllTests && len(parts) > 2 {
		return parts[2:], nil // behind train and validation
	}
	hint := "there are " + strings.Join(names, ", ")
	if near, ok := config.Nearest(split, append(slices.Clone(names), AllTests)); ok {
		hint = fmt.Sprintf("did you mean %q? ", near) + hint
	}
	return nil, fmt.Errorf("the data has no part %q: %s", split, hint)
}

// runner is one call of Run.
type runner struct {
	Options
	ctx         context.Context
	model       *models.CoreReadout
	data        *data.Dataset
	done, total int
}

// part evaluates one part of the data.
func (r *runner) part(part data.Part) (*Result, error) {
	var clips []*sessionClips
	for batch, err := range part.Loader.Epoch(r.ctx) {
		if err != nil {
			return nil, err
		}
		if len(clips) == 0 || clips[len(clips)-1].session != batch.Session {
			clips = append(clips, &sessionClips{session: batch.Session})
		}
		if err := clips[len(clips)-1].add(r.Hard, r.model, batch); err != nil {
			return nil, fmt.Errorf("session %s: %w", batch.Session, err)
		}
		r.done++
		if r.Progress != nil {
			r.Progress(r.done, r.total)
		}
	}
	if len(clips) == 0 {
		return nil, errors.New("there are no clips")
	}
	result := &Result{Sessions: make([]eval.SessionResult, len(clips))}
	for i, c := range clips {
		var err error
		if result.Sessions[i], err = r.sessionResult(part.Name, c); err != nil {
			return nil, fmt.Errorf("session %s: %w", c.session, err)
		}
	}
	var err error
	result.Report, err = eval.Evaluate(part.Name, result.Sessions, r.Summary)
	return result, err
}
