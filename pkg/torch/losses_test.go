package torch

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// composedPoisson and composedCorrelations are the losses in single operations.
func composedPoisson(s *Scope, output, target *Tensor, bias float64) *Tensor {
	return s.Sum(s.Sub(output, s.Mul(target, s.Log(s.AddScalar(output, bias)))))
}

func composedCorrelations(s *Scope, output, target *Tensor, bias float64) *Tensor {
	a, b := s.Sub(output, s.MeanKeep(output, 1)), s.Sub(target, s.MeanKeep(target, 1))
	variance := func(delta *Tensor) *Tensor { return s.AddScalar(s.Mean(s.Square(delta), 1), bias) }
	return s.Div(s.Mean(s.Mul(a, b), 1), s.Sqrt(s.Mul(variance(a), variance(b))))
}

// responses are random ones (batch, time, neurons), the target the end of a longer
// one.
func responses(s *Scope, g *Generator, dtype ndarray.DType, shape [3]int64) (output, target *Tensor) {
	output = s.As(s.Uniform(g, 0.1, 2, shape[:]...), dtype)
	longer := s.As(s.Uniform(g, 0, 2, shape[0], shape[1]+7, shape[2]), dtype)
	return s.RequireGrad(s.Clone(s.Detach(output)), true), s.From(longer, 1, 7)
}

func TestLossesEqualTheirCompositions(t *testing.T) {
	g, err := NewGenerator(1, CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, dtype := range []ndarray.DType{ndarray.Float32, ndarray.Float64} {
		for _, shape := range [][3]int64{{3, 20, 5}, {1, 30, 1}, {40, 7, 130}, {2, 9, 3000}, {1, 1, 3}, {0, 20, 5}, {3, 20, 0}} {
			t.Run(fmt.Sprint(dtype, shape), func(t *testing.T) {
				do(t, Probe, func(s *Scope) error {
					output, target := responses(s, g, dtype, shape)
					fused, composed := s.PoissonLoss(output, target, 0.01), composedPoisson(s, output, target, 0.01)
					near(t, s, "Poisson loss", fused, composed)
					scale := s.As(s.Full(0.3), dtype)
					want := gradients(s, composed, scale, []*Tensor{output})
					near(t, s, "gradient", gradients(s, fused, scale, []*Tensor{output})[0], want[0])

					wanted := composedCorrelations(s, output, target, 0.01)
					recorded := s.Correlations(output, target, 0.01)
					near(t, s, "recorded correlations", recorded, wanted)
					s.BackwardWith(recorded, wanted)
					defer s.NoGrad()()
					near(t, s, "correlations", s.Correlations(output, target, 0.01), wanted)
					return s.Err()
				})
			})
		}
	}
}

// TestPoissonLossHasTheGradientOfDifferences compares with (f(x+h) - f(x-h)) / 2h.
func TestPoissonLossHasTheGradientOfDifferences(t *testing.T) {
	const h = 1e-6
	do(t, Probe, func(s *Scope) error {
		at := func(x float64) *Tensor {
			x1 := s.FullOf(ndarray.Float64, x, 1, 1, 1)
			return s.Cat(2, x1, s.FullOf(ndarray.Float64, 0.7, 1, 1, 2))
		}
		target := s.FullOf(ndarray.Float64, 1.3, 1, 1, 3)
		x := s.RequireGrad(at(0.4), true)
		s.Backward(s.PoissonLoss(x, target, 1e-16))
		got, err := s.Float32s(s.Grad(x))
		if err != nil {
			return err
		}
		above, _ := s.Item(s.PoissonLoss(at(0.4+h), target, 1e-16))
		below, err := s.Item(s.PoissonLoss(at(0.4-h), target, 1e-16))
		if want := (above - below) / (2 * h); math.Abs(float64(got[0])-want) > 1e-6 {
			t.Errorf("gradient is %v, want %v", got[0], want)
		}
		return err
	})
}

func TestLossesAreTheSameOnAnyNumberOfThreads(t *testing.T) {
	defer SetThreads(0)
	g, err := NewGenerator(1, CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	do(t, Probe, func(root *Scope) error {
		output, target := responses(root, g, ndarray.Float32, [3]int64{37, 20, 400})
		var first [][]float32
		for _, threads := range []int{1, 2, 3} {
			SetThreads(threads)
			do(t, Probe, func(s *Scope) error {
				poisson := s.PoissonLoss(output, target, 1e-16)
				found := [][]float32{values(t, s, poisson)}
				found = append(found, values(t, s, gradients(s, poisson, s.Ones(), []*Tensor{output})[0]))
				s.NoGrad()
				found = append(found, values(t, s, s.Correlations(output, target, 1e-16)))
				if first == nil {
					first = found
				}
				if !slices.EqualFunc(first, found, slices.Equal) {
					t.Errorf("%d threads give other values", threads)
				}
				return s.Err()
			})
		}
		return nil
	})
}

func TestPoissonLossBeyondFloat32IsInfinite(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		loss, err := s.Item(s.PoissonLoss(s.Full(3e38, 1, 2, 3), s.Zeros(1, 2, 3), 0))
		if !math.IsInf(loss, 1) {
			t.Errorf("loss is %v", loss)
		}
		return err
	})
}

func TestLossesRefuseShapesThatDoNotFit(t *testing.T) {
	for name, f := range map[string]func(s *Scope, a, b *Tensor) *Tensor{
		"poisson loss": func(s *Scope, a, b *Tensor) *Tensor { return s.PoissonLoss(a, b, 0) },
		"correlations": func(s *Scope, a, b *Tensor) *Tensor { return s.Correlations(a, b, 0) },
	} {
		err := Do(t.Context(), Inference, func(s *Scope) error {
			f(s, s.Ones(2, 3, 4), s.Ones(2, 3, 5))
			return s.Err()
		})
		if !errors.Is(err, ErrShape) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
