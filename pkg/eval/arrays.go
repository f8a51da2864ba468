// Package eval measures how well predictions of a model fit recorded responses:
// the metrics and oracles of the field, and the tables and reports of an
// evaluation. It knows plain numbers only; models and data sets are elsewhere.
//
// Every number that the Python package openretina 1.1.1 reports has its name
// there and its value, also where the definition is open to question. The
// number that should be read instead stands beside it under a name of its own:
// see FEVEUnclipped, FEVUnclipped and Aligned.
package eval

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Float is the element type of predictions and responses. All computations are
// done in float64.
type Float interface{ ~float32 | ~float64 }

// Matrix has one value for each frame and neuron, frame by frame.
type Matrix struct {
	Frames, Neurons int
	Values          []float64
}

// Responses has one value for each frame, repeat and neuron, frame by frame and
// in a frame repeat by repeat.
type Responses struct {
	Frames, Repeats, Neurons int
	Values                   []float64
}

// NewMatrix copies values of shape (frames, neurons).
func NewMatrix[F Float](values []F, frames, neurons int) (Matrix, error) {
	if err := checkShape(len(values), frames, neurons); err != nil {
		return Matrix{}, err
	}
	return Matrix{frames, neurons, widen(values)}, nil
}

// NewResponses copies values of shape (frames, repeats, neurons).
func NewResponses[F Float](values []F, frames, repeats, neurons int) (Responses, error) {
	if err := checkShape(len(values), frames, repeats, neurons); err != nil {
		return Responses{}, err
	}
	return Responses{frames, repeats, neurons, widen(values)}, nil
}

func checkShape(have int, shape ...int) error {
	want, err := ndarray.NumElements(shape)
	if err != nil {
		return err
	}
	if want != have {
		return fmt.Errorf("%d values do not fill shape %v (%d elements)", have, shape, want)
	}
	return nil
}

func widen[F Float](values []F) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// rows is the matrix of the frames lo to hi, sharing the values.
func (m Matrix) rows(lo, hi int) Matrix {
	return Matrix{hi - lo, m.Neurons, m.Values[lo*m.Neurons : hi*m.Neurons]}
}

// column copies the trace of one neuron into out, which has a value per frame.
func (m Matrix) column(neuron int, out []float64) {
	for t := range out {
		out[t] = m.Values[t*m.Neurons+neuron]
	}
}

// Cut is the responses without their first n frames.
func (r Responses) Cut(n int) Responses {
	n = max(0, min(n, r.Frames))
	return r.frames(n, r.Frames)
}

func (r Responses) frames(lo, hi int) Responses {
	perFrame := r.Repeats * r.Neurons
	return Responses{hi - lo, r.Repeats, r.Neurons, r.Values[lo*perFrame : hi*perFrame]}
}

// at is the value of a frame, repeat and neuron.
func (r Responses) at(frame, repeat, neuron int) float64 {
	return r.Values[(frame*r.Repeats+repeat)*r.Neurons+neuron]
}

// neuron copies all values of one neuron, repeat by repeat in each frame.
func (r Responses) neuron(neuron int, out []float64) {
	for i := range out {
		out[i] = r.Values[i*r.Neurons+neuron]
	}
}

// Repeat is the responses of one repeat.
func (r Responses) Repeat(repeat int) Matrix {
	out := Matrix{r.Frames, r.Neurons, make([]float64, r.Frames*r.Neurons)}
	for t := range r.Frames {
		from := (t*r.Repeats + repeat) * r.Neurons
		copy(out.Values[t*r.Neurons:(t+1)*r.Neurons], r.Values[from:from+r.Neurons])
	}
	return out
}

// Mean is the average over the repeats.
func (r Responses) Mean() Matrix {
	out := Matrix{r.Frames, r.Neurons, make([]float64, r.Frames*r.Neurons)}
	for t := range r.Frames {
		for n := range r.Neurons {
			var sum float64
			for k := range r.Repeats {
				sum += r.at(t, k, n)
			}
			out.Values[t*r.Neurons+n] = sum / float64(r.Repeats)
		}
	}
	return out
}

// asRepeat is a matrix as the only repeat.
func (m Matrix) asRepeat() Responses { return Responses{m.Frames, 1, m.Neurons, m.Values} }

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// variance is the sum of the squared deviations over n-ddof: NaN for one value
// and ddof 1, as in NumPy.
func variance(values []float64, ddof int) float64 {
	m := mean(values)
	var sum float64
	for _, v := range values {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(values)-ddof)
}

// nanMean is the mean of the values that are numbers, NaN where none is.
func nanMean(values []float64) float64 { return mean(numbers(values)) }

// nanStd is the population standard deviation of the values that are numbers.
func nanStd(values []float64) float64 { return math.Sqrt(variance(numbers(values), 0)) }

func numbers(values []float64) []float64 {
	var out []float64
	for _, v := range values {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}
