package torch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
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

// randomSeparable is a case of any sizes, small enough that the full kernel is quick.
func randomSeparable(r *rand.Rand) separableCase {
	between := func(low, high int64) int64 { return low + r.Int64N(high-low+1) }
	c := separableCase{
		batch: between(1, 2), in: between(1, 4), out: between(1, 18),
		kt: between(1, 13), kh: between(1, 7), kw: between(1, 9), same: r.IntN(4) == 0,
	}
	if !c.same && r.IntN(2) == 0 {
		c.padding = [3]int64{between(0, 1), between(0, 4), between(0, 4)}
	}
	c.frames, c.height, c.width = c.kt+between(0, 4), c.kh+between(0, 5), c.kw+between(0, 9)
	if r.IntN(8) == 0 { // more channels than clips times parts
		c.in = between(6, 18)
	}
	return c
}

// TestSeparableOperationsEqualTheirParts compares values and all gradients with
// libtorch's own operations in double: conv3d of the assembled kernel, BatchNorm,
// addition, ELU.
func TestSeparableOperationsEqualTheirParts(t *testing.T) { compareSeparables(t, CPU, 500) }

func compareSeparables(t *testing.T, d Device, n int) {
	t.Helper()
	g := newGenerator(t, 1)
	shapes := rand.New(rand.NewPCG(1, 2))
	cases := slices.Clone(separableCases)
	for len(cases) < n {
		cases = append(cases, randomSeparable(shapes))
	}
	for _, c := range cases {
		if name := fmt.Sprint(c); !t.Run(name, func(t *testing.T) { compareSeparable(t, d, g, c) }) {
			t.Fatalf("stopped at %s", name)
		}
	}
}

func compareSeparable(t *testing.T, d Device, g *Generator, c separableCase) {
	t.Helper()
	doOn(t, d, Probe, func(s *Scope) error {
		x, spatial, temporal := c.operands(s, g)
		convolve := func(x, spatial, temporal *Tensor) *Tensor {
			return s.Conv3D(x, s.Mul(temporal, spatial), nil, Conv3DOptions{Padding: c.padding, Same: c.same})
		}
		compare(t, s, "convolution", []*Tensor{x, spatial, temporal}, func(o []*Tensor) *Tensor {
			return s.SeparableConv3D(o[0], o[1], o[2], c.padding, c.same)
		}, func(o []*Tensor) *Tensor { return convolve(o[0], o[1], o[2]) })
		n := c.norm(s, g)
		if s.Dim(convolve(x, spatial, temporal), 2) < 1 {
			return s.Err()
		}
		compare(t, s, "layer in evaluation", []*Tensor{x}, func(o []*Tensor) *Tensor {
			return s.SeparableLayer(o[0], n.layer(c, spatial, temporal))
		}, func(o []*Tensor) *Tensor {
			return n.in64(s).composed(s, convolve(o[0], inDouble(s, spatial), inDouble(s, temporal)))
		})
		return s.Err()
	})
	if c.in*c.kt == 1 || c.in*c.kh*c.kw == 1 {
		return // BatchNorm undoes the only weight: its gradient is nothing but rounding
	}
	doOn(t, d, Train, func(s *Scope) error {
		x, spatial, temporal := c.operands(s, g)
		n := c.norm(s, g)
		y := s.Detach(s.SeparableConv3D(x, spatial, temporal, c.padding, c.same))
		if s.Dim(y, 0)*s.Dim(y, 2)*s.Dim(y, 3)*s.Dim(y, 4) < 8 { // of two values BatchNorm leaves the sign alone
			return s.Err()
		}
		other := n.in64(s)
		compare(t, s, "layer in training", []*Tensor{x, spatial, temporal, n.weight, n.bias, n.shift}, func(o []*Tensor) *Tensor {
			return s.SeparableLayer(o[0], (&normCase{o[3], o[4], n.mean, n.variance, o[5]}).layer(c, o[1], o[2]))
		}, func(o []*Tensor) *Tensor {
			full := s.Conv3D(o[0], s.Mul(o[2], o[1]), nil, Conv3DOptions{Padding: c.padding, Same: c.same})
			return (&normCase{o[3], o[4], other.mean, other.variance, o[5]}).composed(s, full)
		})
		near(t, s, "running mean", n.mean, other.mean)
		near(t, s, "running variance", n.variance, other.variance)
		return s.Err()
	})
}

func (c separableCase) operands(s *Scope, g *Generator) (x, spatial, temporal *Tensor) {
	return s.Randn(g, c.batch, c.in, c.frames, c.height, c.width), s.Randn(g, c.out, c.in, 1, c.kh, c.kw),
		s.Randn(g, c.out, c.in, c.kt, 1, 1)
}

// normCase is what follows the convolution in a layer.
type normCase struct{ weight, bias, mean, variance, shift *Tensor }

func (c separableCase) norm(s *Scope, g *Generator) *normCase {
	return &normCase{
		s.Randn(g, c.out), s.Randn(g, c.out), s.Randn(g, c.out), s.AddScalar(s.Square(s.Randn(g, c.out)), 0.1),
		s.Randn(g, 1, c.out, 1, 1, 1),
	}
}

func (n *normCase) layer(c separableCase, spatial, temporal *Tensor) SeparableLayer {
	return SeparableLayer{
		Spatial: spatial, Temporal: temporal, Padding: c.padding, Same: c.same, NormWeight: n.weight, NormBias: n.bias,
		RunningMean: n.mean, RunningVar: n.variance, Momentum: 0.1, Eps: 1e-5, Shift: n.shift,
		FramesFirst: c.out%2 == 1,
	}
}

func (n *normCase) composed(s *Scope, y *Tensor) *Tensor {
	return s.ELU(s.Add(s.BatchNorm(y, n.weight, n.bias, n.mean, n.variance, 0.1, 1e-5), n.shift))
}

func (n *normCase) in64(s *Scope) *normCase {
	return &normCase{inDouble(s, n.weight), inDouble(s, n.bias), inDouble(s, n.mean), inDouble(s, n.variance), inDouble(s, n.shift)}
}

func inDouble(s *Scope, x *Tensor) *Tensor { return s.Clone(s.As(s.Detach(x), ndarray.Float64)) }

// compare wants the value and the gradients of a computation in float32 near those of
// another in double.
func compare(t *testing.T, s *Scope, what string, operands []*Tensor, fused, parts func([]*Tensor) *Tensor) {
	t.Helper()
	doubles := make([]*Tensor, len(operands))
	for i, o := range operands {
		doubles[i] = s.RequireGrad(inDouble(s, o), true)
		operands[i] = s.RequireGrad(o, true)
	}
	got, want := fused(operands), parts(doubles)
	near(t, s, what, got, want)
	seed := s.Detach(s.Sin(s.MulScalar(want, 1000))) // about random
	expected := gradients(s, want, seed, doubles)
	for i, g := range gradients(s, got, s.Clone(s.As(seed, ndarray.Float32)), operands) {
		near(t, s, fmt.Sprintf("%s: gradient %d", what, i), g, expected[i])
		s.RequireGrad(operands[i], false)
	}
}

// TestSeparableOperationsOfNoClips: what the kernels cannot compute, libtorch does.
func TestSeparableOperationsOfNoClips(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		y := s.SeparableConv3D(s.Zeros(0, 2, 6, 5, 5), s.Ones(3, 2, 1, 2, 2), s.Ones(3, 2, 4, 1, 1), [3]int64{}, false)
		shape, err := s.Shape(y)
		if err == nil && !slices.Equal(shape, []int64{0, 3, 3, 4, 4}) {
			t.Errorf("shape is %v", shape)
		}
		return err
	})
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

// tolerance is that of near, relative to the largest value.
const tolerance = 3e-5

// near wants values that equal others up to rounding.
func near(t *testing.T, s *Scope, what string, got, want *Tensor) {
	t.Helper()
	a, b := values(t, s, got), values(t, s, want)
	if len(a) != len(b) {
		t.Fatalf("%s has %d values, want %d", what, len(a), len(b))
	}
	largest, worst := 1.0, 0.0 // what should be zero is a sum of numbers of this size
	for i := range b {
		largest = math.Max(largest, math.Abs(float64(b[i])))
		worst = math.Max(worst, math.Abs(float64(a[i]-b[i])))
	}
	if !(worst <= tolerance*largest) {
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
		compareSeparables(t, CPU, 50)
		return
	}
	for _, variant := range []string{"generic", "avx2", "avx512", "full"} {
		t.Run(variant, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEveryVariantOfTheSeparableConv$")
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
