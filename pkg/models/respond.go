package models

import (
	"context"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Respond computes the responses of a session's neurons to a stimulus, or those of
// all sessions side by side, sorted by name, where session is empty. The stimulus
// has the shape (batch, channels, time, height, width), the responses (batch, time,
// neurons) and float32; both may lack the batch. Responses are shorter than the
// stimulus by what the model needs of the past. The model is in evaluation mode.
func (m *CoreReadout) Respond(ctx context.Context, stimulus *ndarray.Array, session string) (*ndarray.Array, error) {
	shape := stimulus.Shape
	single := len(shape) == 4
	if single {
		shape = append([]int{1}, shape...)
	}
	if err := m.checkStimulus(shape); err != nil {
		return nil, err
	}
	clips := &ndarray.Array{DType: stimulus.DType, Shape: shape, Data: stimulus.Data}
	responses, err := m.compute(ctx, clips, func(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
		return m.Forward(s, x, session)
	})
	if err != nil {
		return nil, err
	}
	if single {
		responses.Shape = responses.Shape[1:]
	}
	return responses, nil
}

// compute runs a forward pass over clips (batch, channels, time, height, width) in
// evaluation mode.
func (m *CoreReadout) compute(
	ctx context.Context, clips *ndarray.Array, forward func(s *torch.Scope, x *torch.Tensor) *torch.Tensor,
) (responses *ndarray.Array, err error) {
	err = torch.DoOn(ctx, m.device, torch.Inference, func(s *torch.Scope) error {
		var err error
		responses, err = s.Array(forward(s, s.As(s.FromArray(clips), ndarray.Float32)))
		return err
	})
	return responses, err
}

// checkStimulus compares (batch, channels, time, height, width) with what the model
// takes.
func (m *CoreReadout) checkStimulus(shape []int) error {
	if len(shape) != 5 {
		return fmt.Errorf("a stimulus has the shape (batch, channels, time, height, width), not %s", torch.FormatShape(shape))
	}
	want := m.StimulusShape(shape[2])
	channels := shape[1] == want[1] || shape[1] == int(m.InShape[0]) || // squashed already
		shape[1] == want[1]+m.Behavior()
	if !channels || !m.TakesPixels(shape[3], shape[4]) {
		return fmt.Errorf("a stimulus of shape %s does not fit: the model expects %d channels%s of %d × %d pixels",
			torch.FormatShape(shape), want[1], m.behaviorInWords(), want[3], want[4])
	}
	if need := m.MinFrames(); shape[2] < need {
		return fmt.Errorf("a stimulus of shape %s is too short: the model needs at least %d frames for one response",
			torch.FormatShape(shape), need)
	}
	return nil
}

func (m *CoreReadout) behaviorInWords() string {
	if m.Behavior() == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d of behaviour, or none)", m.Behavior())
}

// TakesPixels says whether frames of a size are those of the model's stimulus, or what
// the model cuts out of them.
func (m *CoreReadout) TakesPixels(height, width int) bool {
	if core, ok := m.plain().Core.(interface{ cutsTo() (height, width int) }); ok {
		if h, w := core.cutsTo(); height == h && width == w {
			return true
		}
	}
	return height == int(m.InShape[2]) && width == int(m.InShape[3])
}

// MinFrames is the length of the shortest stimulus to which the model responds,
// with one frame; that of InShape where it does not respond to that either.
func (m *CoreReadout) MinFrames() int {
	n := 1
	for n < int(m.InShape[1])+int(m.history()) && m.ResponseFrames(n) == 0 {
		n++
	}
	return n
}
