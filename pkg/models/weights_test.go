package models

import (
	"slices"
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
