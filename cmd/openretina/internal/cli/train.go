package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/train"
)

type trainOptions struct {
	f         *Factory
	Flags     configFlags
	Overrides []string
	// Sweep trains many times instead, if the command line or the config says so.
	Sweep func() (swept bool, err error)
	// DryRun prints what the training would do, JSON for programs.
	DryRun, JSON bool
}

func newCmdTrain(f *Factory, runF func(Interrupts, *trainOptions) error) *cobra.Command {
	if runF == nil {
		runF = runTrain
	}
	opts := &trainOptions{f: f, Flags: configFlags{cacheDefault: true}}
	cmd := &cobra.Command{
		Use:   "train --config FILE [flags] [key=value…]",
		Short: "Fit a model to recordings",
		Long: long(`
			Fit a core and the readouts of all sessions, as the config says. The run directory
			(paths.output_dir, the last line of stdout) holds the checkpoints, the metrics of
			each epoch (csv/metrics.csv), the composed config (.hydra) and run.json.

			trainer.ckpt_path=last continues a run that was interrupted, where paths.output_dir
			is its directory; trainer.ckpt_path=FILE continues from any checkpoint.

			ensemble_seeds=[0,1,2] trains one model for each seed, one after the other, in the run
			directories seed_0, seed_1, … below paths.output_dir, which is then a model itself:
			its response is the mean of theirs. trainer.ckpt_path=last goes on with it.

			A config whose model is a sparse autoencoder (sparse_autoencoder) trains it on the
			responses in the .npy files activations=[FILE,…], such as openretina predict writes.

			--multirun trains once for each combination of the values given, or searches where
			the config chooses a sweeper that does. It prints a table of the jobs and, in the
			last line, the directory of the sweep. The same command with hydra.sweep.dir=DIR
			goes on with what is not done.

			--dry-run only checks the config and prints what would be trained on what: data,
			layers, steps, and about how much memory and time it takes; never a sweep.`),
		Example: examples(`
			openretina train --config simulated_retina paths.data_dir=demo-data
			openretina train --config simulated_retina paths.data_dir=demo-data --dry-run
			openretina train --config hoefling_2024 model.learning_rate=0.005 trainer.max_epochs=20
			openretina train --config simulated_retina paths.data_dir=demo-data paths.output_dir=run trainer.ckpt_path=last
			openretina train --config simulated_retina paths.data_dir=demo-data --multirun model.learning_rate=0.01,0.001 seed=1,2`),
	}
	opts.Flags.add(f, cmd)
	opts.Flags.sweep.add(cmd)
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "check everything, print what would be done, and write nothing")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "with --dry-run: print JSON")
	cmd.RunE = f.computing(func(words []string) error {
		opts.Overrides = orAdd(orAdd(words, "trainer.ckpt_path="), "ensemble_seeds=") // which the Python package's configs lack
		if shown, err := opts.Flags.show(f, opts.Overrides); shown || err != nil {
			return err
		}
		if opts.JSON && !opts.DryRun {
			return flagErrorf("--json is for --dry-run")
		}
		if err := opts.Flags.sweep.checkDryRun(opts.DryRun); err != nil {
			return err
		}
		opts.Sweep = func() (bool, error) { return f.sweep(sweptTrain(cmd, &opts.Flags), opts.Overrides) }
		return runF(f.Interrupts, opts)
	})
	return cmd
}

func runTrain(in Interrupts, opts *trainOptions) error {
	if !opts.DryRun {
		if swept, err := opts.Sweep(); swept || err != nil {
			return err
		}
	}
	composed, err := opts.compose()
	if err != nil {
		return err
	}
	if train.IsAutoencoder(composed) {
		return opts.trainAutoencoder(in, composed)
	}
	plan, ensemble, err := newPlan(composed)
	if err != nil {
		return err
	}
	env, done, err := opts.environment(plan.Device())
	if err != nil {
		return err
	}
	defer done()
	if opts.DryRun {
		forecast, err := plan.Forecast(in.Soft, env)
		if err != nil {
			return err
		}
		if ensemble != nil {
			forecast.Notes = append(forecast.Notes, fmt.Sprintf("%d trainings like this one, one after the other", ensemble.Len()))
		}
		return opts.f.IO.printForecast(forecast, opts.JSON)
	}
	if ensemble != nil {
		return opts.trainEnsemble(in, ensemble, env)
	}
	return opts.train(in, plan, env)
}

// environment is what trainings depend on besides their config; done ends what shows
// their progress. named is the device of the config.
func (o *trainOptions) environment(named string) (env train.Environment, done func(), err error) {
	device, err := o.f.DeviceOr(named)
	progress := &trainProgress{f: o.f}
	return train.Environment{
		Device: device, Resolve: data.ResolveCached, Log: o.f.Log, Version: Version, ResolveModel: o.f.ResolveModel,
		Progress: progress,
	}, progress.Close, err
}

// compose composes the config of a job and starts the job.
func (o *trainOptions) compose() (*config.Config, error) {
	composed, err := o.Flags.compose(o.f, o.Overrides)
	if err != nil {
		return nil, err
	}
	if o.Flags.sweep.goOn { // no override, since the directory may be named by those
		if err := composed.Root.Set("trainer.ckpt_path", "last"); err != nil {
			return nil, err
		}
	}
	return composed, startJob(composed, o.DryRun)
}

// trainAutoencoder trains a sparse autoencoder on responses. A dry run checks the config.
func (o *trainOptions) trainAutoencoder(in Interrupts, composed *config.Config) error {
	plan, err := train.NewAutoencoderPlan(composed)
	if err != nil {
		return err
	}
	if o.DryRun {
		if o.JSON {
			return flagErrorf("--json has nothing to print for a sparse autoencoder: its dry run only checks the config")
		}
		_, err := fmt.Fprintln(o.f.IO.Out, "the config is in order; run directory: "+plan.OutputDir)
		return err
	}
	env, done, err := o.environment(autoDevice)
	if err != nil {
		return err
	}
	defer done()
	o.f.Log.Info("training a sparse autoencoder", "device", env.Device.String(), "seed", plan.Seed, "run", plan.OutputDir)
	if _, err := plan.Run(in.Soft, in.Hard, env); err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.f.IO.Out, plan.OutputDir)
	return err
}

// newPlan checks the config. ensemble is nil where it is of one training; else plan is
// that of the first member.
func newPlan(composed *config.Config) (plan *train.Plan, ensemble *train.Ensemble, err error) {
	if ensemble, err = train.NewEnsemble(composed); err != nil {
		return nil, nil, err
	}
	if ensemble != nil {
		return ensemble.First(), ensemble, nil
	}
	plan, err = train.NewPlan(composed)
	return plan, nil, err
}

func (o *trainOptions) train(in Interrupts, plan *train.Plan, env train.Environment) error {
	log := o.f.Log
	log.Info("training", "device", env.Device.String(), "threads", torch.Threads(), "seed", plan.Seed, "run", plan.OutputDir)
	result, err := plan.Run(in.Soft, in.Hard, env)
	if err != nil {
		return err
	}
	if result.StopReason != "" {
		log.Info("stopped early: " + result.StopReason)
	}
	for _, t := range result.Tests {
		log.Info("test", "data", t.Name, "correlation", fmt.Sprintf("%.4f", t.Evaluation), "loss", fmt.Sprintf("%.4f", t.Loss))
	}
	_, err = fmt.Fprintln(o.f.IO.Out, plan.OutputDir)
	return err
}

func (o *trainOptions) trainEnsemble(in Interrupts, e *train.Ensemble, env train.Environment) error {
	log := o.f.Log
	log.Info("training an ensemble", "members", e.Len(), "device", env.Device.String(), "threads", torch.Threads(), "directory", e.OutputDir)
	result, err := e.Run(in.Soft, in.Hard, env)
	if err != nil {
		return err
	}
	for _, t := range result.Tests {
		log.Info("test", "data", t.Name, "correlation", meanAndSpread(t.Evaluation, t.EvaluationStd), "loss", meanAndSpread(t.Loss, t.LossStd))
	}
	_, err = fmt.Fprintln(o.f.IO.Out, e.OutputDir)
	return err
}

func meanAndSpread(mean, std *float64) string {
	if mean == nil || std == nil {
		return "not a number"
	}
	return fmt.Sprintf("%.4f ± %.4f", *mean, *std)
}
