package torch

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// separableCase is a convolution of the kinds that cores use, and some at the
// edges of the kernels' blocks.
type separableCase struct {
	batch, in, out, frames, height, width, kt, kh, kw int64
	padding                                           [3]int64
	same                                              bool
}

var separableCases = []separableCase{
	{2, 2, 16, 50, 18, 16, 21, 11, 11, [3]int64{}, false},     // Höfling, first layer
	{2, 16, 16, 30, 8, 6, 11, 5, 5, [3]int64{0, 2, 2}, false}, // second layer
	{1, 1, 1, 3, 3, 3, 3, 3, 3, [3]int64{}, false},            // one output value
	{3, 3, 5, 12, 9, 7, 4, 3, 5, [3]int64{1, 0, 2}, false},    // a tail of channels
	{1, 4, 33, 9, 6, 13, 3, 1, 1, [3]int64{}, false},          // three blocks of channels
	{2, 2, 16, 10, 8, 9, 6, 4, 3, [3]int64{}, true},           // "same", even kernels
	{1, 2, 17, 30, 40, 41, 5, 3, 3, [3]int64{}, false},        // several strips of rows
	{2, 3, 4, 5, 4, 4, 1, 2, 2, [3]int64{0, 1, 1}, false},     // no time
}

// TestSeparableConvEqualsTheFullKernel compares values and all gradients with
// conv3d of the assembled kernel.
func TestSeparableConvEqualsTheFullKernel(t *testing.T) {
	g, err := NewGenerator(1, CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, c := range separableCases {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			do(t, Probe, func(s *Scope) error {
				operands := []*Tensor{
					s.Randn(g, c.batch, c.in, c.frames, c.height, c.width), s.Randn(g, c.out, c.in, 1, c.kh, c.kw),
					s.Randn(g, c.out, c.in, c.kt, 1, 1),
				}
				for _, o := range operands {
					s.RequireGrad(o, true)
				}
				x, spatial, temporal := operands[0], operands[1], operands[2]
				full := s.Conv3D(x, s.Mul(temporal, spatial), nil, Conv3DOptions{Padding: c.padding, Same: c.same})
				fused := s.SeparableConv3D(x, spatial, temporal, c.padding, c.same)
				near(t, s, "output", fused, full)
				seed := s.Clone(s.Detach(s.Sin(full)))
				want := gradients(s, full, seed, operands)
				for i, got := range gradients(s, fused, seed, operands) {
					near(t, s, []string{"input", "spatial", "temporal"}[i]+" gradient", got, want[i])
				}
				return s.Err()
			})
		})
	}
}

// gradients are those of operands for a gradient of y; theirs are cleared.
func gradients(s *Scope, y, seed *Tensor, operands []*Tensor) []*Tensor {
	s.BackwardWith(y, seed)
	list := make([]*Tensor, len(operands))
	for i, o := range operands {
		list[i] = s.Clone(s.Grad(o))
		s.ClearGrad(o)
	}
	return list
}

// near wants values within 1e-5 of the largest.
func near(t *testing.T, s *Scope, what string, got, want *Tensor) {
	t.Helper()
	a, b := values(t, s, got), values(t, s, want)
	if len(a) != len(b) {
		t.Fatalf("%s has %d values, want %d", what, len(a), len(b))
	}
	largest, worst := 0.0, 0.0
	for i := range b {
		largest = math.Max(largest, math.Abs(float64(b[i])))
		worst = math.Max(worst, math.Abs(float64(a[i]-b[i])))
	}
	if !(worst <= 1e-5*largest) {
		t.Errorf("%s deviates by %g, largest value %g", what, worst, largest)
	}
}

// TestEveryVariantOfTheSeparableConv runs the comparison for the kernels of older
// processors, each in a process of its own: the choice is made once.
func TestEveryVariantOfTheSeparableConv(t *testing.T) {
	const marker = "OPENRETINA_TEST_VARIANT"
	if want := os.Getenv(marker); want != "" {
		if got := libtorch.SeparableVariant(); got != want {
			t.Skipf("this processor computes with %s", got)
		}
		TestSeparableConvEqualsTheFullKernel(t)
		return
	}
	for _, variant := range []string{"generic", "avx2", "avx512", "full"} {
		t.Run(variant, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEveryVariantOfTheSeparableConv$", "-test.v")
			cmd.Env = append(os.Environ(), marker+"="+variant, "OPENRETINA_SIMD="+variant)
			if variant == "full" {
				cmd.Env = append(cmd.Env, "OPENRETINA_CONV=full")
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestSeparableConvIsTheSameOnAnyNumberOfThreads: parts are added in the order of
// the clips, not of the threads.
func TestSeparableConvIsTheSameOnAnyNumberOfThreads(t *testing.T) {
	defer SetThreads(0)
	c := separableCases[0]
	var first [][]float32
	for _, n := range []int{1, 2, 3} {
		SetThreads(n)
		g, err := NewGenerator(3, CPU)
		if err != nil {
			t.Fatal(err)
		}
		do(t, Probe, func(s *Scope) error {
			x := s.RequireGrad(s.Randn(g, c.batch, c.in, c.frames, c.height, c.width), true)
			v := s.RequireGrad(s.Randn(g, c.out, c.in, 1, c.kh, c.kw), true)
			w := s.RequireGrad(s.Randn(g, c.out, c.in, c.kt, 1, 1), true)
			y := s.SeparableConv3D(x, v, w, c.padding, c.same)
			s.Backward(s.Sum(s.Square(y)))
			var all [][]float32
			for _, t2 := range []*Tensor{y, s.Grad(x), s.Grad(v), s.Grad(w)} {
				all = append(all, values(t, s, t2))
			}
			if first == nil {
				first = all
			}
			for i := range all {
				for j := range all[i] {
					if all[i][j] != first[i][j] {
						t.Fatalf("%d threads: value %d of result %d differs", n, j, i)
					}
				}
			}
			return nil
		})
		g.Close()
	}
}

func BenchmarkSeparableConv(b *testing.B) {
	c := separableCases[0]
	c.batch = 16
	for _, fused := range []bool{true, false} {
		b.Run(map[bool]string{true: libtorch.SeparableVariant(), false: "conv3d"}[fused], func(b *testing.B) {
			g, err := NewGenerator(1, CPU)
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			err = Do(b.Context(), Inference, func(s *Scope) error {
				x := s.Randn(g, c.batch, c.in, c.frames, c.height, c.width)
				v, w := s.Randn(g, c.out, c.in, 1, c.kh, c.kw), s.Randn(g, c.out, c.in, c.kt, 1, 1)
				for b.Loop() {
					if fused {
						s.Free(s.SeparableConv3D(x, v, w, c.padding, c.same))
					} else {
						s.Free(s.Conv3D(x, s.Mul(w, v), nil, Conv3DOptions{}))
					}
				}
				return s.Err()
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
