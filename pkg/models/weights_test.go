package models

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// TestFactorsOfASeparableKernel gives back space and time of their product.
func TestFactorsOfASeparableKernel(t *testing.T) {
	space, time := []float32{1, -4, 2}, []float32{0.5, -2}
	var product []float32
	for _, a := range time {
		for _, b := range space {
			product = append(product, a*b)
		}
	}
	row, column := factors(product, len(time), len(space))
	if !slices.Equal(row, []float64{-2, 8, -4}) || !slices.Equal(column, []float64{-2, 8}) {
		t.Errorf("factors are %v, %v", row, column)
	}
}

// TestWeightMapsOfEveryReadout: each neuron of a readout that is linear in the features
// has a map of their size, also where it weighs few positions of them.
func TestWeightMapsOfEveryReadout(t *testing.T) {
	for _, family := range []string{"hoefling_low_res", "point_gaussian", "klindt", "lnp"} {
		t.Run(family, func(t *testing.T) {
			m := load(t, family, "checkpoint.ckpt")
			features, err := m.Core.OutShape(m.InShape)
			if err != nil {
				t.Fatal(err)
			}
			neurons := 0
			err = m.EachWeightMap(t.Context(), func(w WeightMap) error {
				if !strings.HasPrefix(w.Dir, "weights_readout/") {
					return nil
				}
				neurons++
				largest := 0.0
				for _, v := range w.Space {
					largest = max(largest, math.Abs(v))
				}
				if len(w.Space) != int(features[2]*features[3]) || len(w.Course) != int(features[0]) || largest == 0 {
					t.Errorf("%s/%s: %d positions, %d features, up to %v", w.Dir, w.Name, len(w.Space), len(w.Course), largest)
				}
				return nil
			})
			if want, _ := m.NumNeurons(""); err != nil || neurons != want {
				t.Errorf("maps of %d neurons, want %d: %v", neurons, want, err)
			}
		})
	}
}
