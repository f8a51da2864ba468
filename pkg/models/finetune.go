package models

import (
	"context"
	"errors"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// AddSessions adds readouts for further sessions to a model, as add_sessions of the
// Python package's readouts does: their weights are drawn by Rand, their biases start at
// the mean activity. The hyperparameters know of them.
func (m *CoreReadout) AddSessions(sessions []Session) error {
	if m.builder == nil || m.singleCell || m.members != nil {
		return errors.New("this class of models takes no further sessions")
	}
	err := torch.Do(context.Background(), torch.Inference, func(*torch.Scope) error {
		if err := m.addReadouts(m.builder, sessions); err != nil {
			return err
		}
		return m.moveTo(m.device)
	})
	if err != nil {
		return err
	}
	return m.SetHyper(config.Object{{Key: "n_neurons_dict", Value: neuronsOf(m)}})
}

// SetHyper replaces hyperparameters; those that the model's class does not have are left
// out.
func (m *CoreReadout) SetHyper(values config.Object) error {
	var object config.Object
	for name, n := range m.Hyper.Fields() {
		pair := config.Pair{Key: name, Value: n}
		for _, v := range values {
			if v.Key == name {
				pair.Value = v.Value
			}
		}
		object = append(object, pair)
	}
	hyper, err := config.FromValue(object)
	if err == nil {
		m.Hyper = hyper
	}
	return err
}
