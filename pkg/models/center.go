package models

import (
	"context"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// centered is a readout that looks at a place of its own, which can be moved.
type centered interface {
	// center moves it to the middle of the features for all neurons.
	center(s *torch.Scope)
}

// Center moves all readouts to the middle of the features, so that what their neurons
// like can be compared without where they look: mask_mean, or _mu, becomes zero. It is
// the Python package's Center. A readout without a place is an error, and then nothing
// is changed. Of an ensemble all members are centred.
func (m *CoreReadout) Center() error {
	for _, member := range m.members { // of one architecture: the first fails, or none
		if err := member.Center(); err != nil {
			return err
		}
	}
	if len(m.members) > 0 {
		return nil
	}
	for _, name := range m.Sessions() {
		if _, ok := readoutAs[centered](m.readouts[name]); !ok {
			return fmt.Errorf("readout of session %s: a %s has no position that could be centred (center_readout)",
				name, className(m.readouts[name]))
		}
	}
	return m.store.Scope().Do(context.Background(), torch.Inference, func(s *torch.Scope) error {
		for _, r := range m.readouts {
			c, _ := readoutAs[centered](r)
			c.center(s)
		}
		return s.Err()
	})
}
