package torch

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// TestClipGradNormScalesToTheLimit goes both ways: plain loops for float32, and
// libtorch's operations.
func TestClipGradNormScalesToTheLimit(t *testing.T) {
	for _, dtype := range []ndarray.DType{ndarray.Float32, ndarray.Float64} {
		for _, c := range []struct {
			maximum float64
			want    []float32
		}{{10, []float32{3, 0, 4}}, {2.5, []float32{1.5, 0, 2}}} {
			do(t, Train, func(s *Scope) error {
				a, b, without := s.FullOf(dtype, 1, 2), s.FullOf(dtype, 1), s.FullOf(dtype, 1, 3)
				for _, p := range []*Tensor{a, b, without} {
					s.RequireGrad(p, true)
				}
				s.Backward(s.Add(s.Sum(s.Mul(a, s.As(s.FromFloat32([]float32{3, 0}, 2), dtype))), s.MulScalar(b, 4)))
				norm, err := s.Item(s.ClipGradNorm([]*Tensor{a, without, b}, c.maximum))
				if err != nil || math.Abs(norm-5) > 1e-6 {
					t.Errorf("norm is %v, want 5: %v", norm, err)
				}
				for i, got := range slices.Concat(values(t, s, s.Grad(a)), values(t, s, s.Grad(b))) {
					if math.Abs(float64(got-c.want[i])) > 1e-5 {
						t.Errorf("%v, at most %v: gradient %d is %v, want %v", dtype, c.maximum, i, got, c.want[i])
					}
				}
				return s.Err()
			})
		}
	}
}

func TestClipGradNormOfWhatIsNoNumber(t *testing.T) {
	do(t, Train, func(s *Scope) error {
		p := s.RequireGrad(s.Ones(4), true)
		if norm, err := s.Item(s.ClipGradNorm([]*Tensor{p}, 1)); norm != 0 || err != nil {
			t.Errorf("norm without gradients is %v, %v", norm, err)
		}
		s.BackwardWith(p, s.FromFloat32([]float32{1, float32(math.NaN()), 2, 3}, 4))
		if norm, err := s.Item(s.ClipGradNorm([]*Tensor{p}, 1)); !math.IsNaN(norm) || err != nil {
			t.Errorf("norm is %v, %v", norm, err)
		}
		s.ClearGrad(p)
		s.BackwardWith(p, s.Full(3e38, 4))
		if norm, err := s.Item(s.ClipGradNorm([]*Tensor{p}, 1)); !math.IsInf(norm, 1) || err != nil {
			t.Errorf("norm beyond float32 is %v, %v", norm, err)
		}
		return s.Err()
	})
}

// TestUpdatesRefuseWhatDoesNotFit looks at the errors that reach people.
func TestUpdatesRefuseWhatDoesNotFit(t *testing.T) {
	err := Do(t.Context(), Train, func(s *Scope) error {
		p := s.RequireGrad(s.Ones(4), true)
		s.Backward(s.Sum(p))
		s.AdamStep(AdamUpdate{Params: []*Tensor{p}, ExpAvg: []*Tensor{s.Ones(4)}, ExpAvgSq: []*Tensor{s.Ones(3)}, Steps: []float64{1}})
		return s.Err()
	})
	if !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), "adam step of [4] and [4] and [3]: ") {
		t.Errorf("error is %v", err)
	}
	err = Do(t.Context(), Train, func(s *Scope) error {
		p := s.RequireGrad(s.Ones(4), true)
		s.SGDStep(SGDUpdate{Params: []*Tensor{p}, First: []bool{true}, LR: 1})
		return s.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "parameter 0 has no gradient") {
		t.Errorf("error is %v", err)
	}
}
