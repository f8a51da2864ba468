package retina

import (
	"math"
	"testing"
)

func TestElementaryFunctions(t *testing.T) {
	for i := -6000; i <= 6000; i++ {
		x := float64(i) / 10
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 4e-16*want*max(1, math.Abs(x)/50) {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
		y := math.Exp(x / 2)
		if got, want := log(y), math.Log(y); math.Abs(got-want) > 1e-15*max(1, math.Abs(want)) {
			t.Fatalf("log(%v) = %v, want %v", y, got, want)
		}
		if got, want := softplus(x), max(x, 0)+math.Log1p(math.Exp(-math.Abs(x))); math.Abs(got-want) > 1e-14*max(1, want) {
			t.Fatalf("softplus(%v) = %v, want %v", x, got, want)
		}
	}
	for _, d := range []int{5, 32, 360} {
		for n := range 2 * d {
			sin, cos := sinCosTurn(n, d)
			wantSin, wantCos := math.Sincos(2 * math.Pi * float64(n) / float64(d))
			if math.Abs(sin-wantSin) > 2e-15 || math.Abs(cos-wantCos) > 2e-15 {
				t.Fatalf("%d/%d turns: %v, %v, want %v, %v", n, d, sin, cos, wantSin, wantCos)
			}
		}
	}
	if exp(800) != math.Inf(1) || exp(-800) != 0 {
		t.Error("exp does not saturate")
	}
}

func TestStreams(t *testing.T) {
	const n = 200000
	s := NewStream(1, "test", 0)
	values := make([]float64, n)
	for i := range values {
		values[i] = s.Normal()
	}
	if mean, deviation := moments(values); math.Abs(mean) > 0.01 || math.Abs(deviation-1) > 0.01 {
		t.Errorf("normal numbers have mean %v and deviation %v", mean, deviation)
	}
	for _, rate := range []float64{0, 0.3, 4, 40} {
		for i := range values {
			values[i] = float64(s.Poisson(rate))
		}
		mean, deviation := moments(values)
		if math.Abs(mean-rate) > 0.01*(1+rate) || math.Abs(deviation*deviation-rate) > 0.02*(1+rate) {
			t.Errorf("counts of mean %v have mean %v and variance %v", rate, mean, deviation*deviation)
		}
	}
	for range 1000 {
		if k := s.IntN(7); k < 0 || k > 6 {
			t.Fatalf("IntN(7) = %d", k)
		}
	}
	if NewStream(1, "test", 0).Uniform() == NewStream(1, "test", 1).Uniform() {
		t.Error("streams of different index are equal")
	}
}
