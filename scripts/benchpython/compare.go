package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// tolerance says how far our output of a name may be from the Python package's.
type tolerance struct {
	name    string // of the output; a name that ends in * stands for all that begin so
	measure func(got, want []float64) float64
	limit   float64
	unit    string
}

// toleranceOf gives the tolerance for an output of a kind of case.
//
// Weights are compared as whole tensors: Adam's first steps move each weight by
// the learning rate, in the direction of its gradient's sign, so a weight whose
// gradient is rounding noise may go either way.
func toleranceOf(k kind, name string) tolerance {
	const ofLargest, ofEach, ofNorm = "of the largest value", "of the value", "of the norm"
	switch {
	case k == trainStep && name == "losses":
		return tolerance{name, largestRatio, 1e-4, ofEach}
	case k == trainStep:
		return tolerance{name, normDifference, 1e-3, ofNorm}
	case k == mei && name == "stimulus":
		return tolerance{name, largestDifference, 1e-3, ofLargest}
	}
	return tolerance{name, largestDifference, 1e-4, ofLargest}
}

// largestDifference is the largest difference, over the largest value.
func largestDifference(got, want []float64) float64 {
	difference, largest := 0.0, 0.0
	for i, v := range want {
		difference = math.Max(difference, math.Abs(got[i]-v))
		largest = math.Max(largest, math.Abs(v))
	}
	return over(difference, largest)
}

// largestRatio is the largest difference over its value.
func largestRatio(got, want []float64) float64 {
	ratio := 0.0
	for i, v := range want {
		ratio = math.Max(ratio, over(math.Abs(got[i]-v), math.Abs(v)))
	}
	return ratio
}

// normDifference is the 2-norm of the difference, over that of the values.
func normDifference(got, want []float64) float64 {
	difference, norm := 0.0, 0.0
	for i, v := range want {
		difference += (got[i] - v) * (got[i] - v)
		norm += v * v
	}
	return over(math.Sqrt(difference), math.Sqrt(norm))
}

// over divides; the difference of two zeros is none.
func over(difference, size float64) float64 {
	if difference == 0 {
		return 0
	}
	return difference / size
}

// compareOutputs checks that we give what the Python package gives. Of outputs in
// rows, such as stimuli, it may give fewer.
func compareOutputs(k kind, got, want []ndarray.Named) error {
	ours := map[string]*ndarray.Array{}
	for _, a := range got {
		ours[a.Name] = a.Array
	}
	if len(want) == 0 || len(got) != len(want) {
		return fmt.Errorf("%d outputs of ours, %d of the Python package", len(got), len(want))
	}
	var wrong []string
	for _, w := range want {
		g, ok := ours[w.Name]
		if !ok {
			return fmt.Errorf("we have no output %s", w.Name)
		}
		if text := compareArrays(toleranceOf(k, w.Name), g, w.Array); text != "" {
			wrong = append(wrong, text)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("outputs disagree: %s", strings.Join(wrong, "; "))
	}
	return nil
}

// compareArrays says what is wrong; empty is nothing.
func compareArrays(t tolerance, got, want *ndarray.Array) string {
	fewer := len(got.Shape) > 0 && len(got.Shape) == len(want.Shape) && got.Shape[0] > want.Shape[0] && slices.Equal(got.Shape[1:], want.Shape[1:])
	if !fewer && !slices.Equal(got.Shape, want.Shape) {
		return fmt.Sprintf("%s has shape %v, the Python package's %v", t.name, got.Shape, want.Shape)
	}
	theirs := want.Float64s()
	if d := t.measure(got.Float64s()[:len(theirs)], theirs); !(d <= t.limit) {
		return fmt.Sprintf("%s deviates by %.2g %s, allowed is %.2g", t.name, d, t.unit, t.limit)
	}
	return ""
}
