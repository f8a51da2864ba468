package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

type predictOptions struct {
	IO        *IOStreams
	LoadModel func(ctx context.Context, word string) (*models.CoreReadout, string, error)
	Progress  func(label, unit string) *Progress

	Model, Stimulus, Output, Session string
}

func newCmdPredict(f *Factory, runF func(Interrupts, *predictOptions) error) *cobra.Command {
	if runF == nil {
		runF = runPredict
	}
	opts := &predictOptions{IO: f.IO, LoadModel: f.LoadModel, Progress: f.NewProgress}
	cmd := &cobra.Command{
		Use:   "predict --model M --stimulus IN --output OUT [--session S]",
		Short: "Compute a model's responses to a stimulus",
		Long: long(`
			Compute a model's responses to a stimulus and print the path of the result.

			IN is an .npy file of shape (clips, channels, frames, height, width), or without
			clips, of floats or integers, in the units that the model was trained with. OUT is an
			.npy file of float32, (clips, frames', neurons) or (frames', neurons); frames' is less
			than frames by what the model needs of the past. Without --session the neurons of all
			sessions stand side by side, the sessions in sorted order.`),
		Example: examples(`
			openretina predict --model hoefling_2024_base_low_res --stimulus movie.npy --output responses.npy
			openretina predict --model model.ckpt --session session_1_ventral1_20200226 --stimulus movie.npy --output responses.npy`),
	}
	addModelFlag(cmd, &opts.Model)
	cmd.Flags().StringVar(&opts.Stimulus, "stimulus", "", "the stimulus, an .npy file")
	cmd.Flags().StringVar(&opts.Output, "output", "", "where the responses go, an .npy file")
	f.addSessionFlag(cmd, &opts.Session, &opts.Model, "give the responses of this session's neurons only")
	cmd.RunE = f.computing(func(words []string) error {
		if err := errors.Join(noWords(words), requireFlags(cmd, "model", "stimulus", "output")); err != nil {
			return err
		}
		return runF(f.Interrupts, opts)
	})
	return cmd
}

func runPredict(in Interrupts, opts *predictOptions) (err error) {
	if err := checkOutput(opts.Output); err != nil {
		return err
	}
	stimulus, err := openStimulus(opts.Stimulus)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stimulus.Close()) }()
	m, _, err := opts.LoadModel(in.Soft, opts.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	if _, err := m.NumNeurons(opts.Session); err != nil {
		return err
	}
	if err := stimulus.checkFits(m); err != nil {
		return err
	}
	responses, err := opts.predict(in, m, stimulus)
	if err != nil {
		return err
	}
	if err := npy.WriteFile(opts.Output, responses); err != nil {
		return err
	}
	_, err = fmt.Fprintln(opts.IO.Out, opts.Output)
	return err
}

// predict runs the model on a few clips at a time, so that memory is bounded.
func (o *predictOptions) predict(in Interrupts, m *models.CoreReadout, stimulus *stimulusFile) (*ndarray.Array, error) {
	progress := o.Progress("predicting", "clips")
	defer progress.Close()
	all := &ndarray.Array{DType: ndarray.Float32}
	for start := 0; start < stimulus.clips; start += stimulus.clipsAtOnce() {
		if in.Soft.Err() != nil {
			return nil, context.Cause(in.Soft)
		}
		progress.Set(int64(start), int64(stimulus.clips))
		clips, err := stimulus.read(start, min(start+stimulus.clipsAtOnce(), stimulus.clips))
		if err != nil {
			return nil, err
		}
		part, err := m.Respond(in.Hard, clips, o.Session)
		if err != nil {
			return nil, fmt.Errorf("stimulus %s: %w", stimulus.path, err)
		}
		all.Shape = part.Shape
		all.Data = append(all.Data, part.Data...)
	}
	progress.Set(int64(stimulus.clips), int64(stimulus.clips))
	all.Shape[0] = stimulus.clips
	if !stimulus.hasClips {
		all.Shape = all.Shape[1:]
	}
	return all, nil
}
