package data

import (
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Dataset is what a model is trained and evaluated on.
type Dataset struct {
	// Sessions are sorted by name. All have movies of the same channels, height
	// and width.
	Sessions []*Session
	// Info is what a checkpoint keeps about the data.
	Info Info
}

// Info describes a data set as the data_info of a checkpoint does, together
// with what each Session holds (neurons, mean activity, fields).
type Info struct {
	// InputShape is channels, height and width of the movies.
	InputShape [3]int
	// Behavior is how many signals of behaviour follow the movies' channels.
	Behavior int
	// StimMean and StimStd are the statistics by which the movies were
	// normalised.
	StimMean, StimStd float64
	// Extra are the entries of data_io.data_info in the config, in order.
	Extra config.Object
}

// Session gives the session of a name.
func (d *Dataset) Session(name string) (*Session, error) {
	names := make([]string, len(d.Sessions))
	for i, s := range d.Sessions {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	if near, ok := config.Nearest(name, names); ok {
		return nil, fmt.Errorf("no session %q in the data; did you mean %q?", name, near)
	}
	return nil, fmt.Errorf("no session %q among the %d of the data", name, len(names))
}

// TestNames are the names of all test stimuli, sorted.
func (d *Dataset) TestNames() []string {
	var names []string
	for _, s := range d.Sessions {
		for _, test := range s.Tests {
			if !slices.Contains(names, test.Name) {
				names = append(names, test.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Neurons is the number of neurons of all sessions together.
func (d *Dataset) Neurons() int {
	n := 0
	for _, s := range d.Sessions {
		n += s.Neurons
	}
	return n
}
