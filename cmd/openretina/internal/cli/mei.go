package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
)

type meiOptions struct {
	IO        *IOStreams
	Settings  func() (*insilico.Settings, error)
	LoadModel func(ctx context.Context, word string) (*models.CoreReadout, modelFiles, error)
	Progress  func(label, unit string) *Progress
	Warn      func(text string)

	Model, Session, Output string
	// Neurons are places among the neurons of the session, or of all sessions;
	// All stands for every one.
	Neurons []int
	All     bool
	// Center moves the readouts to the middle of the features.
	Center bool
}

func newCmdMEI(f *Factory, runF func(Interrupts, *meiOptions) error) *cobra.Command {
	if runF == nil {
		runF = runMEI
	}
	opts := &meiOptions{
		IO: f.IO, LoadModel: f.LoadModel, Progress: f.NewProgress, Warn: func(text string) { f.Log.Warn(text) },
	}
	flags := builtinSettings("mei")
	var neurons string
	cmd := &cobra.Command{
		Use:   "mei --model M --neuron N [--session S] [--output DIR] [mei.key=value…]",
		Short: "Find the stimuli that excite neurons most",
		Long: long(`
			Find the stimuli that excite neurons of a model most, by gradient ascent, and print
			the directory of the result: the stimuli and the course of the objective (mei.npz),
			what they are (mei.json), and a picture and a moving picture of each.

			N is a neuron, several with commas between them, or all; neurons count from 0, inside
			the session S, or without one over all sessions in sorted order, as the neurons of
			openretina predict. Each gets a stimulus of its own; mei.objective.group=true makes
			one for their mean.

			The settings are the node mei of the config: the built-in ones (mei=default), which suit
			models of hoefling_2024, then those of --config, then the words mei.key=value.`),
		Example: examples(`
			openretina mei --model hoefling_2024_base_low_res --neuron 12
			openretina mei --model model.ckpt --session session_1_ventral1_20200226 --neuron 0,2,3 --output meis
			openretina mei --model model.ckpt --neuron all mei.max_steps=50 mei.optimizer.lr=10`),
	}
	addModelFlag(cmd, &opts.Model)
	cmd.Flags().StringVar(&neurons, "neuron", "", "neurons, counted from 0: 12, or 0,2,12, or all")
	f.addSessionFlag(cmd, &opts.Session, &opts.Model, "count neurons inside this session")
	addCenterFlag(cmd, &opts.Center)
	cmd.Flags().StringVar(&opts.Output, "output", "", "directory of the result (default mei_MODEL)")
	flags.add(f, cmd)
	cmd.RunE = f.computing(func(words []string) (err error) {
		if shown, err := flags.show(f, words); shown || err != nil {
			return err
		}
		if err := requireFlags(cmd, "model", "neuron"); err != nil {
			return err
		}
		if opts.Neurons, opts.All, err = parseNeurons(neurons); err != nil {
			return err
		}
		if opts.Output == "" {
			opts.Output = "mei_" + modelName(opts.Model)
		}
		opts.Settings = func() (*insilico.Settings, error) { return meiSettings(f, flags, words) }
		return runF(f.Interrupts, opts)
	})
	return cmd
}

// parseNeurons reads 3, 0,2,12 or all.
func parseNeurons(text string) (neurons []int, all bool, err error) {
	if text == "all" {
		return nil, true, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 {
			return nil, false, flagErrorf("--neuron %q: want a number from 0, several with commas, or all", text)
		}
		neurons = append(neurons, n)
	}
	return neurons, false, nil
}

// modelName is what a model's word calls it, for the names of results.
func modelName(word string) string {
	base := filepath.Base(filepath.Clean(word))
	return strings.TrimSuffix(strings.TrimSuffix(base, ".ckpt"), ".safetensors")
}

func runMEI(in Interrupts, opts *meiOptions) (err error) {
	settings, err := opts.Settings()
	if err != nil {
		return err
	}
	m, files, err := loadCentered(in.Soft, opts.LoadModel, opts.Model, opts.Center)
	if err != nil {
		return err
	}
	defer m.Close()
	neurons, err := opts.neurons(m)
	if err != nil {
		return err
	}
	digest, err := files.digest()
	if err != nil {
		return err
	}
	if err := makeOutputDirectory(opts.Output); err != nil {
		return err
	}
	result, err := opts.optimize(in, m, settings.Objective.Targets(neurons), settings)
	if result == nil {
		return err
	}
	// After an interrupt, or a failure of one neuron, the others' stimuli are kept.
	meta := insilico.Meta{Model: opts.Model, ModelDigest: digest, CenterReadout: opts.Center}
	return errors.Join(err, opts.write(in, m, result, settings, meta))
}

func (o *meiOptions) neurons(m *models.CoreReadout) ([]insilico.Neuron, error) {
	if o.All {
		return insilico.AllNeurons(m, o.Session)
	}
	return insilico.FindNeurons(m, o.Session, o.Neurons)
}

func (o *meiOptions) optimize(in Interrupts, m *models.CoreReadout, targets []insilico.Neurons, settings *insilico.Settings) (*insilico.Result, error) {
	progress := o.Progress("optimizing", "steps")
	defer progress.Close()
	return insilico.Optimize(in.Soft, m, targets, settings, insilico.Options{
		Hard: in.Hard,
		Progress: func(p insilico.Progress) {
			progress.Note(fmt.Sprintf("%d/%d stimuli", p.Finished, len(targets)))
			progress.Set(int64(p.Done), int64(p.Total))
		},
	})
}

func (o *meiOptions) write(in Interrupts, m *models.CoreReadout, result *insilico.Result, settings *insilico.Settings, meta insilico.Meta) error {
	for _, warning := range result.Warnings {
		o.Warn(warning)
	}
	if err := result.Write(o.Output, meta); err != nil {
		return err
	}
	if err := drawMEIs(in, o.Progress("drawing", "pictures"), o.Output, m, result, settings); err != nil {
		return err
	}
	_, err := fmt.Fprintln(o.IO.Out, o.Output)
	return err
}

// makeOutputDirectory makes the directory of a result and checks that it takes
// files.
func makeOutputDirectory(dir string) error {
	if err := fileio.MkdirAll(dir); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return checkDirectory(dir)
}
