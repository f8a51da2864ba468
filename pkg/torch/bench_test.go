package torch

import (
	"fmt"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// BenchmarkDo is the price of a computation that does nothing: the way to the
// worker's thread and back.
func BenchmarkDo(b *testing.B) {
	for b.Loop() {
		_ = Do(b.Context(), Inference, func(*Scope) error { return nil })
	}
}

// BenchmarkOperation is the price of an operation on one number.
func BenchmarkOperation(b *testing.B) {
	err := Do(b.Context(), Inference, func(s *Scope) error {
		x := s.Ones(1)
		for b.Loop() {
			s.Free(s.Exp(x))
		}
		return s.Err()
	})
	if err != nil {
		b.Fatal(err)
	}
}

// benchCases are the layers of the core at the low resolution, 16 clips of 50
// frames, and the first layer of the core at a high one, 2 clips.
var benchCases = []struct {
	name string
	separableCase
}{
	{"low_res_first", separableCase{16, 2, 16, 50, 18, 16, 21, 11, 11, [3]int64{}, false}},
	{"low_res_second", separableCase{16, 16, 16, 30, 8, 6, 11, 5, 5, [3]int64{0, 2, 2}, false}},
	{"high_res_first", separableCase{2, 2, 16, 50, 72, 64, 21, 21, 21, [3]int64{}, false}},
}

// benchmarkCases calls body for each case and number of threads.
func benchmarkCases(b *testing.B, mode Mode, body func(b *testing.B, s *Scope, g *Generator, c separableCase)) {
	b.Helper()
	defer SetThreads(0)
	for _, c := range benchCases {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", c.name, threads), func(b *testing.B) {
				SetThreads(threads)
				g := newGenerator(b, 1)
				err := Do(b.Context(), mode, func(s *Scope) error {
					body(b, s, g, c.separableCase)
					return s.Err()
				})
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkSeparableConv is the convolution alone, by our kernels and by libtorch.
func BenchmarkSeparableConv(b *testing.B) {
	b.Run(libtorch.SeparableVariant(), func(b *testing.B) {
		benchmarkCases(b, Inference, func(b *testing.B, s *Scope, g *Generator, c separableCase) {
			b.Helper()
			x, spatial, temporal := c.operands(s, g)
			for b.Loop() {
				s.Free(s.SeparableConv3D(x, spatial, temporal, c.padding, c.same))
			}
		})
	})
	b.Run("conv3d", func(b *testing.B) {
		benchmarkCases(b, Inference, func(b *testing.B, s *Scope, g *Generator, c separableCase) {
			b.Helper()
			x, spatial, temporal := c.operands(s, g)
			for b.Loop() {
				full := s.Mul(temporal, spatial)
				s.Free(s.Conv3D(x, full, nil, Conv3DOptions{Padding: c.padding}))
				s.Free(full)
			}
		})
	})
}

// BenchmarkSeparableConvBackward is a convolution with the gradients of its input and
// weights.
func BenchmarkSeparableConvBackward(b *testing.B) {
	benchmarkCases(b, Probe, func(b *testing.B, s *Scope, g *Generator, c separableCase) {
		b.Helper()
		x, spatial, temporal := c.operands(s, g)
		operands := []*Tensor{s.RequireGrad(x, true), s.RequireGrad(spatial, true), s.RequireGrad(temporal, true)}
		for b.Loop() {
			backwardOnce(s, s.SeparableConv3D(x, spatial, temporal, c.padding, c.same), operands)
		}
	})
}

// backwardOnce makes the gradients of operands for y's own value as its gradient, and
// frees them and y.
func backwardOnce(s *Scope, y *Tensor, operands []*Tensor) {
	seed := s.Detach(y)
	s.BackwardWith(y, seed)
	for _, o := range operands {
		s.ClearGrad(o)
	}
	s.Free(seed, y)
}

// BenchmarkSeparableLayerEval is a layer of the core in evaluation.
func BenchmarkSeparableLayerEval(b *testing.B) {
	benchmarkCases(b, Inference, func(b *testing.B, s *Scope, g *Generator, c separableCase) {
		b.Helper()
		x, spatial, temporal := c.operands(s, g)
		layer := c.norm(s, g).layer(c, spatial, temporal)
		for b.Loop() {
			s.Free(s.SeparableLayer(x, layer))
		}
	})
}

// BenchmarkSeparableLayerTrain is a layer of the core in training, with the gradients
// of everything but its input, as the first layer has them.
func BenchmarkSeparableLayerTrain(b *testing.B) {
	benchmarkCases(b, Train, func(b *testing.B, s *Scope, g *Generator, c separableCase) {
		b.Helper()
		x, spatial, temporal := c.operands(s, g)
		n := c.norm(s, g)
		operands := []*Tensor{spatial, temporal, n.weight, n.bias, n.shift}
		for _, o := range operands {
			s.RequireGrad(o, true)
		}
		layer := n.layer(c, spatial, temporal)
		for b.Loop() {
			backwardOnce(s, s.SeparableLayer(x, layer), operands)
		}
	})
}
