package insilico

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// longestLookBack bounds the search for the shortest stimulus that a model
// responds to; the models of the field look back over 20 to 60 frames.
const longestLookBack = 512

// tooShort explains an error that comes from a stimulus shorter than what the
// model looks back over.
func tooShort(ctx context.Context, m *models.CoreReadout, c *Settings, err error) error {
	if !errors.Is(err, torch.ErrShape) && !errors.Is(err, errNoResponse) || responds(ctx, m, c.Frames) {
		return err
	}
	silent, enough := c.Frames, longestLookBack
	if !responds(ctx, m, enough) {
		return fmt.Errorf("mei.frames is %d, too few for the model: %w", c.Frames, err)
	}
	for enough-silent > 1 {
		if middle := (silent + enough) / 2; responds(ctx, m, middle) {
			enough = middle
		} else {
			silent = middle
		}
	}
	return fmt.Errorf("mei.frames is %d, but the model responds only to stimuli of at least %d frames", c.Frames, enough)
}

// responds tells whether the model's core gives any frame for a stimulus of that
// length.
func responds(ctx context.Context, m *models.CoreReadout, frames int) bool {
	err := torch.DoOn(ctx, m.Device(), torch.Inference, func(s *torch.Scope) error {
		stimulus := s.Zeros(toInt64(m.StimulusShape(frames))...)
		if s.Dim(m.Core.Forward(s, stimulus), 2) == 0 {
			return errNoResponse
		}
		return s.Err()
	})
	return err == nil
}
