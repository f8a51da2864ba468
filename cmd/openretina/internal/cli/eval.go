package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/evaluation"
	"github.com/open-retina/openretina-go/pkg/models"
)

type evalOptions struct {
	IO        *IOStreams
	Compose   func() (*config.Config, error)
	LoadModel func(ctx context.Context, word string) (*models.CoreReadout, modelFiles, error)
	Progress  func(label, unit string) *Progress
	Data      data.Options
	Warn      func(text string)
	// Sweep evaluates many times instead, if the command line or the config says so.
	Sweep func() (swept bool, err error)

	// Model is a model's word; empty where the config names the model. Run is the
	// directory of the run whose stored config is used, if it is.
	Model, Run string
	// Output is the directory of the results and MEI that of most exciting inputs;
	// both may be empty.
	Output, MEI string
	// DryRun prints what would be evaluated.
	DryRun bool
}

func newCmdEval(f *Factory, runF func(Interrupts, *evalOptions) error) *cobra.Command {
	if runF == nil {
		runF = runEval
	}
	opts := &evalOptions{
		IO: f.IO, LoadModel: f.LoadModel, Progress: f.NewProgress, Warn: func(text string) { f.Log.Warn(text) },
	}
	flags := configFlags{cacheDefault: true}
	cmd := &cobra.Command{
		Use:   "eval --model M [--config FILE] [flags] [key=value…]",
		Short: "Measure how well a model predicts recordings",
		Long: long(`
			Compare a model's predictions with recorded responses, neuron by neuron, and print
			the report and the paths of the results:

			results_PART.csv and summary_PART.json have the names and numbers of the Python
			package, aligned_PART.csv and aligned_summary_PART.json those to be preferred where
			its own are open to question; report.html shows all of them. PART is the part of the
			data that evaluation.data_split names: train, validation, a test stimulus, or test,
			which stands for every test stimulus.

			The config says what the data is. Without --config it is the one that the training
			left in the directory of the run. Results go to --output, else into the directory of
			the run, else into eval_MODEL. Where the data is a simulated retina, the model is
			compared with the truth. Most exciting inputs are those of --mei, else those in the
			folder mei of the run.

			--multirun evaluates once for each combination of the values given; the results go
			to the directories of the jobs.`),
		Example: examples(`
			openretina eval --model run
			openretina eval --model run evaluation.data_split=validation evaluation.var_ratio_cutoff=0.3
			openretina eval --model model.ckpt --config simulated_retina paths.data_dir=demo-data --output results`),
	}
	addModelFlag(cmd, &opts.Model)
	flags.add(f, cmd)
	flags.sweep.add(cmd)
	cmd.Flags().StringVar(&opts.Output, "output", "", "directory of the results (default the run's, or eval_MODEL)")
	cmd.Flags().StringVar(&opts.MEI, "mei", "", "directory of most exciting inputs to show (default RUN/mei)")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "check the config, print what would be evaluated, and write nothing")
	for _, flag := range []string{"output", "mei"} {
		if err := cmd.MarkFlagDirname(flag); err != nil {
			panic(err) // the flags are those above
		}
	}
	cmd.RunE = f.computing(func(words []string) (err error) {
		if opts.Run, err = opts.findConfig(&flags); err != nil {
			return err
		}
		words = orAdd(words, "evaluation.") // a node that the config of a training lacks
		if shown, err := flags.show(f, words); shown || err != nil {
			return err
		}
		if err := flags.sweep.checkDryRun(opts.DryRun); err != nil {
			return err
		}
		opts.Sweep = func() (bool, error) { return f.sweep(sweptEval(cmd, &flags), words) }
		opts.Data = data.Options{Resolve: data.ResolveCached, Log: f.Log}
		opts.Compose = func() (*config.Config, error) { return flags.compose(f, words) }
		return runF(f.Interrupts, opts)
	})
	return cmd
}

// findConfig takes the config stored in the model's run where no flag names one,
// and returns the directory of the run.
func (o *evalOptions) findConfig(flags *configFlags) (run string, err error) {
	if flags.Config != "" || flags.Name != "" {
		return "", nil
	}
	if o.Model == "" {
		return "", flagErrorf("--model is missing")
	}
	if run = runDirectory(o.Model); run == "" {
		return "", flagErrorf("--config is missing: %s is not in the directory of a run with a stored config", o.Model)
	}
	flags.Path, flags.Name = filepath.Join(run, ".hydra"), "config"
	return run, nil
}

// runDirectory is the directory of the run that a model's word means or lies in;
// empty where there is none.
func runDirectory(model string) string {
	if isHubModel(model) {
		return ""
	}
	dirs := []string{model}
	if folder := filepath.Dir(model); filepath.Base(folder) == "checkpoints" {
		dirs = append(dirs, filepath.Dir(folder))
	}
	for _, dir := range dirs {
		if isFile(filepath.Join(dir, ".hydra", "config.yaml")) {
			return dir
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func runEval(in Interrupts, opts *evalOptions) error {
	if !opts.DryRun {
		if swept, err := opts.Sweep(); swept || err != nil {
			return err
		}
	}
	settings, err := readEvalSettings(opts)
	if err != nil {
		return err
	}
	if opts.DryRun {
		opts.IO.printSections(settings.describe(in.Soft, opts.Data))
		return nil
	}
	if err := settings.checkOutputs(); err != nil {
		return err
	}
	m, files, err := opts.LoadModel(in.Soft, settings.model)
	if err != nil {
		return err
	}
	defer m.Close()
	d, err := settings.source.Load(in.Soft, opts.Data)
	if err != nil {
		return err
	}
	results, err := opts.evaluate(in, m, d, settings.options(files))
	if err != nil {
		return err
	}
	out := evalOutput{evalOptions: opts, settings: settings, files: files, results: results}
	return out.publish(m)
}

func (o *evalOptions) evaluate(in Interrupts, m *models.CoreReadout, d *data.Dataset, options evaluation.Options) ([]*evaluation.Result, error) {
	progress := o.Progress("evaluating", "batches")
	defer progress.Close()
	options.Hard = in.Hard
	options.Progress = func(done, total int) { progress.Set(int64(done), int64(total)) }
	return evaluation.Run(in.Soft, m, d, options)
}
