package data

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Split is a part of a session's recording: a movie and the responses to it,
// frame by frame, and how clips are taken from it.
type Split struct {
	Movie     View
	Responses Responses
	// Repeats are the responses to each showing of a test movie, of which
	// Responses is the mean; nil where they are not known.
	Repeats []Responses

	sampler Sampler
	batch   int
}

// Test is a test movie under the name of its stimulus.
type Test struct {
	Name string
	Split
}

// Field is one fact known about a session, such as eye or group_assignment.
// Value is an *ndarray.Array, a string, a []string, an int64 or a float64.
type Field struct {
	Name  string
	Value any
}

// Session is one recording.
type Session struct {
	Name              string
	Neurons           int
	Train, Validation Split
	// Tests are sorted by name.
	Tests []Test
	// MeanActivity is the mean of each neuron over training and validation.
	MeanActivity []float32
	// Fields are the session's other facts, in the order in which the Python
	// package stores them as sessions_kwargs.
	Fields []Field
	// RoiCoords are the positions (y, x) of the neurons in the recording field,
	// each from -1 to 1; nil where they are not known.
	RoiCoords [][2]float32
}

// Test gives the test split of a stimulus.
func (s *Session) Test(name string) (*Test, error) {
	for i := range s.Tests {
		if s.Tests[i].Name == name {
			return &s.Tests[i], nil
		}
	}
	return nil, fmt.Errorf("session %s has no test stimulus %q", s.Name, name)
}

// Cells are cell_indices, the neurons' numbers in the recording; nil where they are
// not known.
func (s *Session) Cells() []int64 { return s.integers("cell_indices") }

// CellTypes are the types of the neurons, group_assignment among the session's facts;
// nil where it is not known.
func (s *Session) CellTypes() []int64 { return s.integers("group_assignment") }

// integers is a fact of each neuron; nil where there is none under this name.
func (s *Session) integers(name string) []int64 {
	for _, f := range s.Fields {
		if f.Name != name {
			continue
		}
		switch v := f.Value.(type) {
		case []int64:
			return v
		case *ndarray.Array:
			numbers := make([]int64, v.Len())
			for i := range numbers {
				numbers[i] = int64(v.At(i))
			}
			return numbers
		}
	}
	return nil
}
