package torch

import (
	"math"
	"testing"
)

// The question for a GPU comes first in the process: libtorch remembers the answer.
var firstGPU, _, errFirstGPU = SelectDevice("cuda")

// gpu is the first GPU; without one it skips the test.
func gpu(t *testing.T) Device {
	t.Helper()
	if errFirstGPU != nil {
		t.Skip("needs a GPU: ", errFirstGPU)
	}
	return firstGPU
}

// TestSeparableOperationsOnAGPU compares with the GPU's own double precision.
func TestSeparableOperationsOnAGPU(t *testing.T) { compareSeparables(t, gpu(t), 60) }

// gpuDeviation is a layer's largest deviation on the GPU from the CPU's values, as a
// part of the largest value.
func gpuDeviation(t *testing.T, d Device, c separableCase) float64 {
	t.Helper()
	respond := func(d Device) (out []float32) {
		g := seededGenerator(t, 3)
		doOn(t, d, Inference, func(s *Scope) error {
			x, spatial, temporal := c.operands(s, g)
			out = values(t, s, s.SeparableLayer(x, c.norm(s, g).layer(c, spatial, temporal)))
			return nil
		})
		return out
	}
	largest, worst := 0.0, 0.0
	there := respond(d)
	for i, v := range respond(CPU) {
		largest = math.Max(largest, math.Abs(float64(v)))
		worst = math.Max(worst, math.Abs(float64(there[i]-v)))
	}
	return worst / largest
}

// TestPrecisionOfAGPU: float32 unless something else is asked for, and then not.
func TestPrecisionOfAGPU(t *testing.T) {
	d := gpu(t)
	t.Cleanup(func() { _ = SetPrecision(d, Precision{}) }) // it worked before
	for _, c := range []struct {
		name     string
		p        Precision
		from, to float64
	}{
		{"float32", Precision{}, 0, tolerance},
		{"TF32", Precision{TF32: true}, 0, 5e-3}, // may: cuDNN has kernels without
		{"bfloat16", Precision{BFloat16Convolutions: true}, 1e-4, 5e-2},
	} {
		if err := SetPrecision(d, c.p); err != nil {
			t.Fatal(err)
		}
		for _, layer := range separableCases[:2] {
			deviation := gpuDeviation(t, d, layer)
			t.Logf("%s, %v: deviates by %.2g of the largest value", c.name, layer, deviation)
			if deviation < c.from || deviation > c.to {
				t.Errorf("%s: deviates by %g of the largest value, want %g to %g", c.name, deviation, c.from, c.to)
			}
		}
	}
}

// TestGeneratorOnAGPU: a generator of the CPU gives the same numbers on any device.
func TestGeneratorOnAGPU(t *testing.T) {
	d := gpu(t)
	draw := func(d Device) (out []float32) {
		g := seededGenerator(t, 9)
		doOn(t, d, Inference, func(s *Scope) error {
			out = append(values(t, s, s.Randn(g, 1000)), values(t, s, s.Bernoulli(g, 0.3, 1000))...)
			return nil
		})
		return out
	}
	there := draw(d)
	for i, v := range draw(CPU) {
		if there[i] != v {
			t.Fatalf("draw %d is %v, on the CPU %v", i, there[i], v)
		}
	}
}
