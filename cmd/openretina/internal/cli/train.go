package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
		opts.Overrides = continueWords(words)
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

// continueWords lets trainer.ckpt_path be set though the Python package's configs
// do not have that key.
func continueWords(words []string) []string {
	list := make([]string, len(words))
	for i, word := range words {
		if strings.HasPrefix(word, "trainer.ckpt_path=") {
			word = "++" + word
		}
		list[i] = word
	}
	return list
}

func runTrain(in Interrupts, opts *trainOptions) error {
	if !opts.DryRun {
		if swept, err := opts.Sweep(); swept || err != nil {
			return err
		}
	}
	f := opts.f
	composed, err := opts.Flags.compose(f, opts.Overrides)
	if err != nil {
		return err
	}
	if opts.Flags.sweep.goOn { // no override, since the directory may be named by those
		if err := composed.Root.Set("trainer.ckpt_path", "last"); err != nil {
			return err
		}
	}
	if !opts.DryRun { // which goes to no directory
		if err := startJob(composed); err != nil {
			return err
		}
	}
	plan, err := train.NewPlan(composed)
	if err != nil {
		return err
	}
	device, err := f.Device()
	if err != nil {
		return err
	}
	env := train.Environment{
		Device: device, Resolve: data.ResolveCached, Log: f.Log, Version: Version, Progress: &trainProgress{f: f},
	}
	if opts.DryRun {
		forecast, err := plan.Forecast(in.Soft, env)
		if err != nil {
			return err
		}
		return f.IO.printForecast(forecast, opts.JSON)
	}
	f.Log.Info("training", "device", device.String(), "threads", torch.Threads(), "seed", plan.Seed, "run", plan.OutputDir)
	result, err := plan.Run(in.Soft, in.Hard, env)
	if err != nil {
		return err
	}
	if result.StopReason != "" {
		f.Log.Info("stopped early: " + result.StopReason)
	}
	for _, t := range result.Tests {
		f.Log.Info("test", "data", t.Name, "correlation", fmt.Sprintf("%.4f", t.Evaluation), "loss", fmt.Sprintf("%.4f", t.Loss))
	}
	_, err = fmt.Fprintln(f.IO.Out, plan.OutputDir)
	return err
}

// trainProgress shows each epoch's batches.
type trainProgress struct {
	f       *Factory
	bar     *Progress
	epoch   string
	batches int
}

func (p *trainProgress) Epoch(epoch, epochs, batches int) {
	p.epoch = fmt.Sprintf("epoch %d", epoch)
	if epochs > 0 {
		p.epoch += fmt.Sprintf("/%d", epochs)
	}
	p.batches = batches
	p.bar = p.f.NewProgress(p.epoch, "batches")
	p.bar.Set(0, int64(batches))
}

func (p *trainProgress) Batch(done, _ int, m train.StepMetrics) {
	p.bar.Note(fmt.Sprintf("train_loss=%.1f", m.TrainLoss))
	p.bar.Set(int64(done), int64(p.batches))
}

func (p *trainProgress) Validated(_ int, metrics string, elapsed time.Duration) {
	p.bar.Close()
	p.f.Log.Info(p.epoch+metrics, "time", elapsed.Round(10*time.Millisecond).String())
}
