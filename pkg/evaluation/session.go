package evaluation

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// sessionClips are the predictions and targets of one session, clip after clip.
// All clips have the length of the first; a shorter one, cut off by the end of the
// movie, is left out.
type sessionClips struct {
	session                           string
	clips, frames, predicted, neurons int
	predictions, targets              []float64
}

// add runs the model on a batch.
func (c *sessionClips) add(ctx context.Context, m *models.CoreReadout, b *data.Batch) error {
	if c.clips > 0 && b.Frames != c.frames {
		return nil
	}
	return torch.DoOn(ctx, m.Device(), torch.Inference, func(s *torch.Scope) error {
		stimulus := s.FromFloat32(b.Inputs, int64(b.Clips), int64(b.Channels), int64(b.Frames), int64(b.Height), int64(b.Width))
		output := m.Forward(s, stimulus, b.Session)
		shape, err := s.Shape(output)
		if err != nil {
			return fmt.Errorf("clips of %d frames: %w", b.Frames, err)
		}
		values, err := s.Float32s(output)
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return fmt.Errorf("the model gives no response to clips of %d frames: they are too short", b.Frames)
		}
		if shape[2] != int64(b.Neurons) {
			return fmt.Errorf("the model gives %d responses for %d neurons", shape[2], b.Neurons)
		}
		c.clips += b.Clips
		c.frames, c.predicted, c.neurons = b.Frames, int(shape[1]), b.Neurons
		c.predictions, c.targets = appendWide(c.predictions, values), appendWide(c.targets, b.Targets)
		return nil
	})
}

func appendWide(to []float64, values []float32) []float64 {
	for _, v := range values {
		to = append(to, float64(v))
	}
	return to
}

// sessionResult is what package eval wants to know of a session.
func (r *runner) sessionResult(part string, c *sessionClips) (eval.SessionResult, error) {
	s, err := r.data.Session(c.session)
	if err != nil {
		return eval.SessionResult{}, err
	}
	result := eval.SessionResult{
		Name: c.session, Clips: c.clips,
		Predictions: eval.Matrix{Frames: c.clips * c.predicted, Neurons: c.neurons, Values: c.predictions},
		Targets:     eval.Matrix{Frames: c.clips * c.frames, Neurons: c.neurons, Values: c.targets},
		Fields:      fields(s),
	}
	if test, err := s.Test(part); err == nil {
		if result.Trials, err = trials(test.Repeats, result.Targets.Frames); err != nil {
			return result, err
		}
	}
	return result, nil
}

// trials reorders the repeats of a test movie as (frames, repeats, neurons), as
// far as its clips go.
func trials(repeats []data.Responses, frames int) (eval.Responses, error) {
	if len(repeats) == 0 {
		return eval.Responses{}, nil
	}
	neurons := repeats[0].Neurons
	for _, repeat := range repeats {
		if repeat.Neurons != neurons || repeat.Frames < frames {
			return eval.Responses{}, errors.New("the repeats of the test movie differ in their shapes")
		}
	}
	out := eval.Responses{Frames: frames, Repeats: len(repeats), Neurons: neurons}
	for frame := range frames {
		for _, repeat := range repeats {
			out.Values = appendWide(out.Values, repeat.Data[frame*neurons:(frame+1)*neurons])
		}
	}
	return out, nil
}
