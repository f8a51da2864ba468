package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
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
	return fileio.MkdirAll(f.checkpointDir())
}
