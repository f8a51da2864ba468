package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

type predictOptions struct {
	IO        *IOStreams
	LoadModel func(ctx context.Context, word string) (*models.CoreReadout, modelFiles, error)
	// LoadAutoencoder gives nil where the word is of no autoencoder.
	LoadAutoencoder func(ctx context.Context, word string) (*models.Autoencoder, error)
	Progress        func(label, unit string) *Progress
	Log             *slog.Logger

	Model, Stimulus, Output, Session string
	// Spread is where the spread over an ensemble's members goes; empty: nowhere.
	Spread string
	// Center moves the readouts to the middle of the features.
	Center bool
	// Hidden is where the hidden activations of an autoencoder go; empty: nowhere.
	Hidden string
}

func newCmdPredict(f *Factory, runF func(Interrupts, *predictOptions) error) *cobra.Command {
	if runF == nil {
		runF = runPredict
	}
	opts := &predictOptions{IO: f.IO, LoadModel: f.LoadModel, LoadAutoencoder: f.loadAutoencoder, Progress: f.NewProgress, Log: f.Log}
	flags := builtinSettings("predict")
	cmd := &cobra.Command{
		Use:   "predict --model M --stimulus IN --output OUT [--session S] [predict.key=value…]",
		Short: "Compute a model's responses to a stimulus",
		Long: long(`
			Compute a model's responses to a stimulus and print the path of the result.

			IN is an .npy or an HDF5 file with an array of shape (clips, channels, frames, height,
			width), or without clips, of floats or integers, in the units that the model was trained
			with. Of an HDF5 file with several such data sets, name one: movies.h5:/test/movie/stimulus.
			OUT is an .npy file of float32, (clips, frames', neurons) or (frames', neurons); frames' is
			less than frames by what the model needs of the past. Without --session the neurons of all
			sessions stand side by side, the sessions in sorted order.

			Clips may be of any length: they are read, computed and written piece by piece, with the
			responses of the whole. OUT is there once all of it is.

			Where M is an ensemble, the responses are the mean of its members'; --spread writes
			their standard deviation (divided by the number of members) into a file of the same
			shape, which takes as long again.

			Where M is a sparse autoencoder, IN has responses, an array of any shape whose last
			dimension is the neurons; OUT gets their reconstruction, of the same shape, and
			--hidden the hidden activations.

			What the flags leave out comes from the node predict of a config (predict.model,
			predict.stimulus, predict.output, predict.session, predict.center_readout), or from words of that name.`),
		Example: examples(`
			openretina predict --model hoefling_2024_base_low_res --stimulus movie.npy --output responses.npy
			openretina predict --model model.ckpt --session session_1_ventral1_20200226 --stimulus movie.npy --output responses.npy`),
	}
	addModelFlag(cmd, &opts.Model)
	cmd.Flags().StringVar(&opts.Stimulus, "stimulus", "", "the stimulus: an .npy file, or an HDF5 file, FILE:/DATASET if there are several in it")
	cmd.Flags().StringVar(&opts.Output, "output", "", "where the responses go, an .npy file")
	cmd.Flags().StringVar(&opts.Spread, "spread", "", "where the spread over an ensemble's members goes, an .npy file")
	cmd.Flags().StringVar(&opts.Hidden, "hidden", "", "where the hidden activations of a sparse autoencoder go, an .npy file")
	f.addSessionFlag(cmd, &opts.Session, &opts.Model, "give the responses of this session's neurons only")
	addCenterFlag(cmd, &opts.Center)
	flags.add(f, cmd)
	cmd.RunE = f.computing(func(words []string) error {
		if shown, err := flags.show(f, words); shown || err != nil {
			return err
		}
		composed, err := flags.compose(f, words)
		if err != nil {
			return err
		}
		if err := startJob(composed, false); err != nil {
			return err
		}
		if err := fillFlags(cmd, composed, "predict", "model", "stimulus", "output", "session", "center_readout"); err != nil {
			return err
		}
		if err := requireFlags(cmd, "model", "stimulus", "output"); err != nil {
			return err
		}
		return runF(f.Interrupts, opts)
	})
	return cmd
}

func runPredict(in Interrupts, opts *predictOptions) (err error) {
	if err := opts.checkOutputs(); err != nil {
		return err
	}
	a, err := opts.LoadAutoencoder(in.Soft, opts.Model)
	if err != nil {
		return err
	}
	if a != nil {
		defer a.Close()
		return opts.reconstruct(in, a)
	}
	if opts.Hidden != "" {
		return fmt.Errorf("--hidden is for sparse autoencoders: %s is none", opts.Model)
	}
	stimulus, err := openStimulus(opts.Stimulus, opts.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stimulus.Close()) }()
	m, _, err := loadCentered(in.Soft, opts.LoadModel, opts.Model, opts.Center)
	if err != nil {
		return err
	}
	defer m.Close()
	if opts.Spread != "" && m.Members() == 1 {
		return fmt.Errorf("--spread is for ensembles: %s is a single model", opts.Model)
	}
	if _, err := m.NumNeurons(opts.Session); err != nil {
		return err
	}
	if err := stimulus.checkFits(m); err != nil {
		return err
	}
	if err := opts.predict(in, m, stimulus, "predicting", opts.Output); err != nil {
		return err
	}
	if opts.Spread == "" {
		return nil
	}
	spread, err := m.Spread()
	if err != nil {
		return err
	}
	return opts.predict(in, spread, stimulus, "spread", opts.Spread)
}

func (o *predictOptions) checkOutputs() error {
	if err := checkOutput(o.Output); err != nil {
		return err
	}
	for _, further := range []struct{ flag, path string }{{"--spread", o.Spread}, {"--hidden", o.Hidden}} {
		if further.path == "" {
			continue
		}
		if further.path == o.Output {
			return flagErrorf("%s and --output are the same file", further.flag)
		}
		if err := checkOutput(further.path); err != nil {
			return err
		}
	}
	return nil
}

// predict writes the responses to a file, as they are computed, and prints its path.
func (o *predictOptions) predict(in Interrupts, m *models.CoreReadout, stimulus *stimulusFile, label, path string) error {
	shape, err := o.responseShape(m, stimulus)
	if err != nil {
		return err
	}
	err = npy.WritePartsFile(path, ndarray.Float32, shape, func(add func(*ndarray.Array) error) error {
		return o.respond(in, m, stimulus, label, add)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.IO.Out, path)
	return err
}

// responseShape is (clips, frames', neurons), without the first as the stimulus.
func (o *predictOptions) responseShape(m *models.CoreReadout, stimulus *stimulusFile) ([]int, error) {
	neurons, err := m.NumNeurons(o.Session)
	if err != nil {
		return nil, err
	}
	shape := []int{m.ResponseFrames(stimulus.frames), neurons}
	if stimulus.hasClips {
		shape = append([]int{stimulus.clips}, shape...)
	}
	return shape, nil
}

// respond hands out the responses as they are computed.
func (o *predictOptions) respond(
	in Interrupts, m *models.CoreReadout, stimulus *stimulusFile, label string, add func(*ndarray.Array) error,
) error {
	progress := o.Progress(label, "frames")
	defer progress.Close()
	done, total := 0, stimulus.clips*m.ResponseFrames(stimulus.frames)
	progress.Set(0, int64(total))
	return m.RespondStream(in.Hard, stimulus, o.Session, func(responses *ndarray.Array) error {
		if in.Soft.Err() != nil {
			return context.Cause(in.Soft)
		}
		done += responses.Shape[0] * responses.Shape[1]
		progress.Set(int64(done), int64(total))
		return add(responses)
	})
}
