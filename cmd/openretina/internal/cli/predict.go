package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
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
	var all []float32
	var frames, neurons int64
	for start := 0; start < stimulus.clips; start += stimulus.clipsAtOnce() {
		if in.Soft.Err() != nil {
			return nil, context.Cause(in.Soft)
		}
		progress.Set(int64(start), int64(stimulus.clips))
		end := min(start+stimulus.clipsAtOnce(), stimulus.clips)
		values, err := stimulus.read(start, end)
		if err != nil {
			return nil, err
		}
		err = torch.DoOn(in.Hard, m.Device(), torch.Inference, func(s *torch.Scope) error {
			y := m.Forward(s, s.FromFloat32(values, stimulus.shape(end-start)...), o.Session)
			frames, neurons = s.Dim(y, 1), s.Dim(y, 2)
			part, err := s.Float32s(y)
			all = append(all, part...)
			return err
		})
		if err != nil {
			return nil, stimulus.explain(in.Hard, m, err)
		}
	}
	progress.Set(int64(stimulus.clips), int64(stimulus.clips))
	if frames == 0 {
		return nil, stimulus.explain(in.Hard, m, errors.New("the model gives no responses"))
	}
	shape := []int{stimulus.clips, int(frames), int(neurons)}
	if !stimulus.hasClips {
		shape = shape[1:]
	}
	return ndarray.FromFloat32(all, shape...)
}
