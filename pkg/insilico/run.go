package insilico

import (
	"context"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// run is one call of Optimize.
type run struct {
	Options
	soft     context.Context
	model    *models.CoreReadout
	settings *Settings
	starts   starts
	result   *Result
	progress Progress
}

// all goes over the targets in batches.
func (r *run) all(targets []Neurons) error {
	limit := batchLimit(r.model, r.settings.Frames, r.MemoryBudget)
	for first := 0; first < len(targets); first += limit {
		if r.soft.Err() != nil {
			return r.interrupted(first, 0, len(targets))
		}
		part := targets[first:min(first+limit, len(targets))]
		b, err := r.batch(first, part)
		if err != nil {
			return err
		}
		if unfinished := len(b.running); unfinished > 0 {
			return r.interrupted(first+len(part)-unfinished, unfinished, len(targets))
		}
	}
	return nil
}

func (r *run) interrupted(finished, unfinished, total int) error {
	return &InterruptedError{Finished: finished, Unfinished: unfinished, Total: total, Cause: context.Cause(r.soft)}
}

// batch optimises targets side by side and adds them to the result.
func (r *run) batch(first int, targets []Neurons) (*batch, error) {
	b := &batch{run: r, targets: targets}
	err := torch.DoOn(r.Hard, r.model.Device(), torch.Probe, func(s *torch.Scope) error {
		if err := b.begin(s, first); err != nil {
			return err
		}
		if err := b.optimize(s); err != nil {
			return err
		}
		return b.finish(s)
	})
	return b, err
}

// report tells how far the run is, given the steps and stimuli of this batch.
func (r *run) report(steps, finished int) {
	if r.Progress == nil {
		return
	}
	p := r.progress
	p.Done += steps
	p.Finished += finished
	r.Progress(p)
}

// batchLimit is the number of clips whose optimisation fits the budget. Each
// convolution of the core is taken to give feature maps of the stimulus' size
// and length, six of each: its output, those of normalisation, bias and
// nonlinearity, and the gradients of two at a time.
func batchLimit(m *models.CoreReadout, frames int, budget int64) int {
	if budget == 0 {
		budget = DefaultMemoryBudget
	}
	const mapsPerConvolution, copiesOfStimulus, bytes = 6, 4, 4
	shape := m.StimulusShape(frames)
	maps := mapsPerConvolution*convolutionMaps(m) + int64(copiesOfStimulus*shape[1])
	pixels := int64(shape[2] * shape[3] * shape[4])
	return int(max(1, budget/(bytes*maps*pixels)))
}

// convolutionMaps are the output channels of all convolutions of the core.
func convolutionMaps(m *models.CoreReadout) (maps int64) {
	_ = torch.Do(context.Background(), torch.Inference, func(*torch.Scope) error {
		for _, store := range m.Stores() {
			for _, e := range store.Trainable() {
				if sizes, err := store.Scope().Shape(e.Tensor); err == nil && len(sizes) == 5 {
					maps += sizes[0]
				}
			}
		}
		return nil
	})
	return maps
}
