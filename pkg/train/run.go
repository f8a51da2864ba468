package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

// Environment is what a training depends on besides its config.
type Environment struct {
	Device  torch.Device
	Resolve data.Resolver // finds data files; nil: local paths and the cache
	// ResolveModel finds the model of paths.load_model_path; nil: files and run
	// directories.
	ResolveModel ModelResolver
	Progress     Progress
	Log          *slog.Logger
	// Version of the program, for run.json.
	Version string
}

// Run trains. Cancelling soft ends after the batch under way, saves and gives an
// *Interrupted; cancelling hard ends at the next tensor operation.
func (p *Plan) Run(soft, hard context.Context, env Environment) (*Result, error) {
	for _, note := range p.Notes {
		env.Log.Info(note)
	}
	release, err := p.claimDirectory(env.Log)
	if err != nil {
		return nil, err
	}
	defer release()
	record, err := p.startRecord(&env)
	if err != nil {
		return nil, err
	}
	env.Log.Info("loading data")
	dataset, err := p.source.Load(soft, data.Options{Resolve: record.resolver(env.Resolve), Log: env.Log})
	if err != nil {
		return nil, err
	}
	env.Log.Info("data loaded", "sessions", len(dataset.Sessions), "neurons", dataset.Neurons())
	f, err := p.newFitter(soft, dataset, env)
	if err != nil {
		return nil, err
	}
	defer f.Model.Close()
	if err := f.addFiles(); err != nil {
		return nil, err
	}
	if err := record.write(p.OutputDir); err != nil {
		return nil, err
	}
	if err := f.resume(); err != nil {
		return nil, err
	}
	return f.logged(hard, func() (*Result, error) {
		if err := f.fit(soft, hard); err != nil {
			return nil, err
		}
		result, err := f.finish(hard)
		if err != nil {
			return nil, err
		}
		return result, result.write(p.OutputDir)
	})
}

// newFitter builds the model and what trains it.
func (p *Plan) newFitter(ctx context.Context, dataset *data.Dataset, env Environment) (f *fitter, err error) {
	f = &fitter{Plan: p, data: dataset, progress: env.Progress, log: env.Log, pending: &changes{}, machine: newMachine(env.Device)}
	if f.info, err = dataInfo(dataset); err != nil {
		return nil, err
	}
	if f.train, err = dataset.TrainLoader(uint32(p.Seed)); err != nil { // NumPy's seeds have 32 bits
		return nil, err
	}
	if f.val, err = dataset.ValidationLoader(); err != nil {
		return nil, err
	}
	if err := p.trainer.checkBatches(f.train.Batches(), f.val.Batches()); err != nil {
		return nil, err
	}
	if f.Model, err = p.newModel(ctx, dataset, env); err != nil {
		return nil, err
	}
	if p.startFrom != "" {
		err = mergeInfo(f.info, f.Model)
	}
	if err := errors.Join(err, p.fits(f.Model, dataset), f.addTraining(f.trainBatches())); err != nil {
		f.Model.Close()
		return nil, err
	}
	return f, nil
}

func (p *Plan) newModel(ctx context.Context, dataset *data.Dataset, env Environment) (*models.CoreReadout, error) {
	sessions, o := modelSessions(dataset), models.Options{Device: env.Device, Seed: p.Seed, Corrected: p.corrected}
	if err := torch.SetPrecision(env.Device, p.precision); err != nil {
		return nil, err
	}
	if p.startFrom != "" {
		return p.startModel(ctx, sessions, env, o)
	}
	return models.New(p.model, sessions, o)
}

// fits checks the movies' channels and size against the model's.
func (p *Plan) fits(m *models.CoreReadout, dataset *data.Dataset) error {
	want := m.StimulusShape(1)
	have := dataset.Info.InputShape
	if want[1] != have[0] || want[3] != have[1] || want[4] != have[2] {
		return fmt.Errorf("the movies have shape %v (channels, height, width), model.in_shape is %v (channels, time, height, width)",
			have, m.InShape)
	}
	if signals := dataset.Info.Behavior; signals != m.Behavior() {
		return fmt.Errorf("the data has %d signals of behaviour (data_io.stimuli.behavior), model.behavior.channels is %d", signals, m.Behavior())
	}
	return nil
}

// trainBatches are those of an epoch.
func (f *fitter) trainBatches() int { return f.trainer.LimitTrainBatches.of(f.train.Batches()) }

// addTraining makes the optimizer, and the schedule for epochs of so many batches.
func (f *fitter) addTraining(batches int) (err error) {
	if err := f.freezeParts(f.Model); err != nil {
		return err
	}
	root, params := f.Model.Store().Scope(), f.Model.Store().Parameters()
	if f.optimizer != nil {
		f.Optimizer = f.optimizer(root, params)
	} else {
		o := optim.DefaultAdam(true)
		o.LR = f.Model.LearningRate
		f.Optimizer = optim.NewAdamW(root, params, o)
	}
	f.ClipNorm, f.ClipValue = f.trainer.clipping()
	f.Accumulate, f.FindAnomaly = f.trainer.AccumulateGradBatches, f.trainer.DetectAnomaly
	given := optim.Given{LearningRate: f.Model.LearningRate, TotalSteps: f.trainer.totalSteps(batches)}
	f.schedule, err = f.scheduler.New(f.Optimizer, given)
	return err
}

// addFiles makes the directory of checkpoints.
func (f *fitter) addFiles() error {
	if !orElse(f.trainer.EnableCheckpointing, true) {
		f.callbacks.checkpoints = nil // last.ckpt is written all the same
	}
	f.callbacks.prepare(f.checkpointDir(), f.trainer.validatesAtEpochEnds())
	return os.MkdirAll(f.checkpointDir(), 0o777)
}

// finish tests the best model and writes its final checkpoint.
func (f *fitter) finish(ctx context.Context) (result *Result, err error) {
	result = &Result{Epochs: f.epoch, StopReason: f.stopReason}
	if f.callbacks.best() == "" { // the model as it is now is what there is
		if result.Tests, err = f.test(ctx, f.Model); err != nil {
			return nil, err
		}
		return result, f.addObjective(ctx, result, f.Model)
	}
	result.addBest(f.callbacks.checkpoints[0])
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
	if err := writeCheckpoint(result.Final, content); err != nil {
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
	cut := 0
	for i, part := range parts {
		if err := f.trainer.LimitTestBatches.check("limit_test_batches", part.Loader.Batches()); err != nil {
			return nil, err
		}
		sums := newAverages()
		err := heldOut(ctx, part.Loader, f.trainer.LimitTestBatches.of(part.Loader.Batches()), func(b *data.Batch) error {
			v, err := evaluateBatch(ctx, m, b)
			if err != nil {
				return err
			}
			sums.add(m.Loss.Name(), v.TrainLoss, b.Clips)
			sums.add(m.EvaluationLoss.Name(), v.Evaluation, b.Clips)
			if v.Values > 0 {
				sums.add(m.Loss.Name()+"_per_neuron_frame", v.PerNeuronFrame, v.Values)
			}
			cut = v.CutFrames
			performance.SetString(b.Session, sessionPerformance(v))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("testing on %s: %w", part.Name, err)
		}
		score := TestScore{Name: part.Name}
		for at, v := range sums.values() { // Lightning logs the last part first
			row = slices.Insert(row, at, metric{fmt.Sprintf("%s/dataloader_idx_%d", v.name, i), v.value})
		}
		score.Loss, _ = lookup(sums.values(), m.Loss.Name())
		score.Evaluation, _ = lookup(sums.values(), m.EvaluationLoss.Name())
		scores = append(scores, score)
	}
	if err := f.logRow(row, f.epoch, f.globalStep); err != nil {
		return nil, err
	}
	f.info.SetString("pretrained_performance_metric", "test "+m.EvaluationLoss.Name())
	f.info.SetString("pretrained_performance", performance)
	f.info.SetString("model_cut_frames", int64(cut))
	return scores, nil
}

// randomSeed is for configs with seed: null; run.json records it.
func randomSeed() uint64 { return uint64(rand.Uint32()) }
