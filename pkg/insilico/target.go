package insilico

import (
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/models"
)

// Neuron is one output of a model: a session and a place in it, from 0.
type Neuron struct {
	Session string
	Index   int
}

// String names the neuron in messages.
func (n Neuron) String() string { return fmt.Sprintf("neuron %d of session %s", n.Index, n.Session) }

// Neurons is what one stimulus is made for: the mean of their responses is
// driven up. They may belong to several sessions.
type Neurons []Neuron

// String names the neurons in messages, the first few where they are many.
func (t Neurons) String() string {
	const shown = 3
	names := make([]string, 0, shown)
	for _, n := range t[:min(shown, len(t))] {
		names = append(names, n.String())
	}
	text := strings.Join(names, ", ")
	if len(t) > shown {
		text += fmt.Sprintf(" and %d more", len(t)-shown)
	}
	return text
}

// check refuses neurons that the model does not have.
func (t Neurons) check(m *models.CoreReadout) error {
	if len(t) == 0 {
		return fmt.Errorf("a stimulus needs at least one neuron")
	}
	for _, n := range t {
		size, err := neuronsOf(m, n.Session)
		if err != nil {
			return err
		}
		if n.Index < 0 || n.Index >= size {
			return fmt.Errorf("no neuron %d in session %s: it has the neurons 0 to %d", n.Index, n.Session, size-1)
		}
	}
	return nil
}

// neuronsOf is the number of neurons of one session, whose name is not empty.
func neuronsOf(m *models.CoreReadout, session string) (int, error) {
	r, err := m.Readout(session)
	if err != nil {
		return 0, err
	}
	return r.NumNeurons(), nil
}

// AllNeurons are the neurons of a session in order, or of all sessions, sorted
// by name, where session is empty: the order of a forward pass without a
// session.
func AllNeurons(m *models.CoreReadout, session string) ([]Neuron, error) {
	sessions := m.Sessions()
	if session != "" {
		sessions = []string{session}
	}
	var all []Neuron
	for _, name := range sessions {
		size, err := neuronsOf(m, name)
		if err != nil {
			return nil, err
		}
		for i := range size {
			all = append(all, Neuron{name, i})
		}
	}
	return all, nil
}

// FindNeurons gives the neurons at places of AllNeurons(m, session).
func FindNeurons(m *models.CoreReadout, session string, places []int) ([]Neuron, error) {
	all, err := AllNeurons(m, session)
	if err != nil {
		return nil, err
	}
	where := "session " + session
	if session == "" {
		where = "the model's sessions together"
	}
	found := make([]Neuron, len(places))
	for i, place := range places {
		if place < 0 || place >= len(all) {
			return nil, fmt.Errorf("no neuron %d in %s: choose from 0 to %d", place, where, len(all)-1)
		}
		found[i] = all[place]
	}
	return found, nil
}

// IncreaseObjective drives up the mean response of neurons.
type IncreaseObjective struct {
	// Group makes one stimulus for the mean of all neurons instead of one for each.
	Group bool `yaml:"group"`
}

// Targets are the stimuli to make for a list of neurons.
func (o IncreaseObjective) Targets(neurons []Neuron) []Neurons {
	if o.Group && len(neurons) > 0 {
		return []Neurons{neurons}
	}
	targets := make([]Neurons, len(neurons))
	for i, n := range neurons {
		targets[i] = Neurons{n}
	}
	return targets
}
