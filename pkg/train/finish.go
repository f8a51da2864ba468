package train

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

// finish tests the best model and writes its final checkpoint.
func (f *fitter) finish(ctx context.Context) (result *Result, err error) {
	result = &Result{Epochs: f.epoch, StopReason: f.endReason()}
	keeper := f.callbacks.best()
	if keeper == nil { // the model as it is now is what there is
		if result.Tests, err = f.test(ctx, f.Model); err != nil {
			return nil, err
		}
		return result, f.addObjective(ctx, result, f.Model)
	}
	result.addBest(keeper)
	best, err := models.Load(result.Best, models.Options{Device: f.Model.Device()})
	if err != nil {
		return nil, err
	}
	defer best.Close()
	if result.Tests, err = f.test(ctx, best); err != nil {
		return nil, err
	}
	if err := f.addObjective(ctx, result, best); err != nil {
		return nil, err
	}
	content, err := modelContent(best, f.info)
	if err != nil {
		return nil, err
	}
	content.Epoch, content.GlobalStep = int64(f.epoch), int64(f.globalStep)
	result.Final = finalPath(result.Best)
	if err := writeFinal(result.Final, content); err != nil {
		return nil, err
	}
	final := tracking.File{Name: "model/" + filepath.Base(result.Final), Path: result.Final, Kind: tracking.FinalCheckpoint}
	if err := f.loggers.File(final); err != nil {
		return nil, err
	}
	f.log.Info("tested the best model", "checkpoint", result.Best)
	return result, nil
}

// addObjective validates the best model for what a search judges it by.
func (f *fitter) addObjective(ctx context.Context, r *Result, m *models.CoreReadout) error {
	if f.objective == "" {
		return nil
	}
	metrics, err := f.validateModel(ctx, m)
	if err != nil {
		return fmt.Errorf("validation of the best model: %w", err)
	}
	value, ok := lookup(metrics, f.objective)
	if !ok {
		return unknownMetric("objective_target", f.objective, metrics)
	}
	r.Objective = &Score{Metric: f.objective, Value: finite(value)}
	return f.logRow(metrics, f.epoch, f.globalStep)
}

// test evaluates a model on every part of the data, as the Python package does
// after training; the results go to the log and into data_info.
func (f *fitter) test(ctx context.Context, m *models.CoreReadout) ([]TestScore, error) {
	state := f.train.State()
	parts, err := f.data.Parts(&state)
	if err != nil {
		return nil, err
	}
	row := []metric{}
	var scores []TestScore
	performance := pickle.NewDict()
	f.info.SetString("pretrained_performance_metric", "test "+m.EvaluationLoss.Name())
	f.info.SetString("pretrained_performance", performance)
	f.info.SetString("model_cut_frames", int64(0)) // testOn knows
	for i, part := range parts {
		values, err := f.testOn(ctx, m, part.Loader, performance)
		if err != nil {
			return nil, fmt.Errorf("testing on %s: %w", part.Name, err)
		}
		for at, v := range values { // Lightning logs the last part first
			row = slices.Insert(row, at, metric{fmt.Sprintf("%s/dataloader_idx_%d", v.name, i), v.value})
		}
		score := TestScore{Name: part.Name}
		score.Loss, _ = lookup(values, m.Loss.Name())
		score.Evaluation, _ = lookup(values, m.EvaluationLoss.Name())
		scores = append(scores, score)
	}
	return scores, f.logRow(row, f.epoch, f.globalStep)
}

// testOn gives the metrics of a part of the data, and puts what each session achieves
// into performance.
func (f *fitter) testOn(ctx context.Context, m *models.CoreReadout, l *data.Loader, performance *pickle.Dict) ([]metric, error) {
	if err := f.trainer.LimitTestBatches.check("limit_test_batches", l.Batches()); err != nil {
		return nil, err
	}
	sums := newAverages()
	err := heldOut(ctx, l, f.trainer.LimitTestBatches.of(l.Batches()), func(b *data.Batch) error {
		v, err := evaluateBatch(ctx, m, b)
		if err != nil {
			return err
		}
		sums.add(m.Loss.Name(), v.TrainLoss, b.Clips)
		sums.add(m.EvaluationLoss.Name(), v.Evaluation, b.Clips)
		if v.Values > 0 {
			sums.add(m.Loss.Name()+"_per_neuron_frame", v.PerNeuronFrame, v.Values)
		}
		f.info.SetString("model_cut_frames", int64(v.CutFrames))
		performance.SetString(b.Session, sessionPerformance(v))
		return nil
	})
	return sums.values(), err
}

// sessionPerformance is what test_step keeps of a session: each neuron's
// correlation, or the evaluation loss where that is another.
func sessionPerformance(v heldOutMetrics) any {
	if v.PerNeuron == nil {
		return scalar(v.Evaluation)
	}
	a, _ := ndarray.FromFloat32(v.PerNeuron, len(v.PerNeuron)) // a vector fits its length
	return &checkpoint.Tensor{Array: a}
}

// writeFinal writes a checkpoint of a model that is not trained any more.
func writeFinal(path string, c *checkpoint.Checkpoint) error {
	c.OptimizerStates, c.LRSchedulers = []any{}, []any{}
	c.Callbacks, c.Loops = pickle.NewDict(), loopsTree(int(c.Epoch), int(c.GlobalStep), 0, 0)
	return checkpoint.Write(path, c)
}
