package torch

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// composedConv is the convolution as a GPU computes it.
func composedConv(s *Scope, form libtorch.Op, o []*Tensor, padding *[3]int64) *Tensor {
	return s.op("composed conv3d", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.ComposedConv3D(grad, form, o[0].handle, o[1].handle, o[2].handle, padding)
	}, o...)
}

func seededGenerator(t *testing.T, seed uint64) *Generator {
	t.Helper()
	g, err := NewGenerator(seed, CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// TestComposedConvInFactors compares value and gradients with the full kernel's.
func TestComposedConvInFactors(t *testing.T) {
	for i, c := range []struct {
		clips, in, out, frames, side int64
		taps, height, width          int64
		padding                      *[3]int64
	}{
		{2, 2, 3, 9, 7, 4, 3, 3, &[3]int64{}},
		{1, 1, 5, 8, 6, 3, 5, 2, &[3]int64{1, 2, 0}},
		{3, 4, 1, 6, 5, 6, 1, 1, &[3]int64{0, 0, 3}},
		{2, 3, 4, 6, 6, 5, 3, 3, nil},
		{2, 3, 2, 6, 6, 4, 2, 3, nil}, // "same" with more zeros after than before
		{1, 2, 2, 1, 5, 1, 3, 3, &[3]int64{}},
	} {
		do(t, Train, func(s *Scope) error {
			g := seededGenerator(t, uint64(i))
			operands := []*Tensor{
				s.Randn(g, c.clips, c.in, c.frames, c.side, c.side),
				s.Randn(g, c.out, c.in, 1, c.height, c.width), s.Randn(g, c.out, c.in, c.taps, 1, 1),
			}
			form := func(form libtorch.Op) func([]*Tensor) *Tensor {
				return func(o []*Tensor) *Tensor { return composedConv(s, form, o, c.padding) }
			}
			what := fmt.Sprintf("case %d", i)
			compare(t, s, what, operands, form(libtorch.InFactors), form(libtorch.FullKernel))
			compare(t, s, what+", measured", operands, form(libtorch.FasterForm), form(libtorch.FullKernel))
			return s.Err()
		})
	}
}

// TestComposedConvRemembersItsForm: the same shape gives the same bits.
func TestComposedConvRemembersItsForm(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		g := seededGenerator(t, 1)
		operands := []*Tensor{s.Randn(g, 2, 2, 12, 9, 9), s.Randn(g, 4, 2, 1, 3, 3), s.Randn(g, 4, 2, 5, 1, 1)}
		first := values(t, s, composedConv(s, libtorch.FasterForm, operands, nil))
		for range 3 {
			again := values(t, s, composedConv(s, libtorch.FasterForm, operands, nil))
			for i := range first {
				if again[i] != first[i] {
					t.Fatalf("value %d is %v, was %v", i, again[i], first[i])
				}
			}
		}
		return s.Err()
	})
}

func TestComposedConvRefuses(t *testing.T) {
	for _, form := range []libtorch.Op{libtorch.InFactors, libtorch.FasterForm, 9} {
		err := Do(t.Context(), Inference, func(s *Scope) error {
			composedConv(s, form, []*Tensor{s.Ones(1, 2, 4, 4, 4), s.Ones(3, 1, 1, 2, 2), s.Ones(3, 2, 2, 1, 1)}, nil)
			return s.Err()
		})
		if err == nil {
			t.Errorf("form %d takes spatial weights of another number of channels", form)
		}
	}
}

// TestComposedConvInBFloat16: values are float32 again, and near within bfloat16's
// eight bits.
func TestComposedConvInBFloat16(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		g := seededGenerator(t, 5)
		operands := []*Tensor{s.Randn(g, 2, 2, 9, 7, 7), s.Randn(g, 3, 2, 1, 3, 3), s.Randn(g, 3, 2, 4, 1, 1)}
		got := values(t, s, composedConv(s, libtorch.InBFloat16, operands, &[3]int64{}))
		want := values(t, s, composedConv(s, libtorch.FullKernel, operands, &[3]int64{}))
		largest, worst := 0.0, 0.0
		for i, v := range want {
			largest = math.Max(largest, math.Abs(float64(v)))
			worst = math.Max(worst, math.Abs(float64(got[i]-v)))
		}
		if worst == 0 || worst > 0.02*largest {
			t.Errorf("deviates by %v, largest value %v", worst, largest)
		}
		return nil
	})
}

// TestGPUPrecisionLeavesTheCPUAlone: the CPU computes the same bits.
func TestGPUPrecisionLeavesTheCPUAlone(t *testing.T) {
	respond := func() (out []float32) {
		do(t, Inference, func(s *Scope) error {
			g := seededGenerator(t, 6)
			x, w := s.Randn(g, 2, 2, 9, 7, 7), s.Randn(g, 3, 2, 1, 3, 3)
			y := s.SeparableConv3D(x, w, s.Randn(g, 3, 2, 4, 1, 1), [3]int64{}, false)
			out = append(values(t, s, y), values(t, s, s.MatMul(s.Randn(g, 40, 50), s.Randn(g, 50, 60)))...)
			return nil
		})
		return out
	}
	before := respond()
	if err := SetPrecision(CPU, Precision{TF32: true, BFloat16Convolutions: true}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, respond()) {
		t.Error("results on the CPU changed")
	}
}
