package evaluation

import (
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
)

// trainEpochs is how often the training clips are drawn anew to count their frames.
const trainEpochs = 10

// statistics counts the different frames and transitions of all parts of the data
// (Python: compute_dataloader_statistics).
func (r *runner) statistics() (eval.DatasetStatistics, error) {
	parts, err := r.data.Parts(nil)
	if err != nil {
		return eval.DatasetStatistics{}, err
	}
	var train, validation eval.FrameCounter
	var tests []eval.TestCounter
	drawn, err := r.data.TrainLoader(r.Seed)
	if err != nil {
		return eval.DatasetStatistics{}, err
	}
	for range trainEpochs {
		if err := r.count(drawn, &train); err != nil {
			return eval.DatasetStatistics{}, err
		}
	}
	if err := r.count(parts[1].Loader, &validation); err != nil {
		return eval.DatasetStatistics{}, err
	}
	for _, part := range parts[2:] {
		tests = append(tests, eval.TestCounter{Name: part.Name})
		if err := r.count(part.Loader, &tests[len(tests)-1].FrameCounter); err != nil {
			return eval.DatasetStatistics{}, err
		}
	}
	return eval.Statistics(len(r.data.Sessions), &train, &validation, tests), nil
}

// count adds the frames of one epoch.
func (r *runner) count(l *data.Loader, to *eval.FrameCounter) error {
	for b, err := range l.Epoch(r.ctx) {
		if err != nil {
			return err
		}
		size := len(b.Inputs) / b.Clips
		for i := range b.Clips {
			if err := to.Add(b.Inputs[i*size:(i+1)*size], b.Channels, b.Frames, b.Height, b.Width); err != nil {
				return err
			}
		}
	}
	return nil
}
