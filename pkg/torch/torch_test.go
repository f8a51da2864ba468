package torch

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// do runs f in a computation that must not fail and must not leak.
func do(t *testing.T, mode Mode, f func(*Scope) error) {
	t.Helper()
	doOn(t, CPU, mode, f)
}

func doOn(t *testing.T, d Device, mode Mode, f func(*Scope) error) {
	t.Helper()
	before := LiveTensors()
	if err := DoOn(t.Context(), d, mode, f); err != nil {
		t.Fatal(err)
	}
	if after := LiveTensors(); after != before {
		t.Fatalf("%d tensors are left over", after-before)
	}
}

func values(t *testing.T, s *Scope, x *Tensor) []float32 {
	t.Helper()
	v, err := s.Float32s(x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestArithmeticAgreesWithMathematics(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		x := s.FromFloat32([]float32{-1, 0, 2, 3}, 2, 2)
		two := 2.0
		for _, c := range []struct {
			name string
			got  *Tensor
			want []float32
		}{
			{"add", s.Add(x, x), []float32{-2, 0, 4, 6}},
			{"sub with broadcast", s.Sub(x, s.FromFloat32([]float32{1, 2}, 2)), []float32{-2, -2, 1, 1}},
			{"mul", s.Mul(x, x), []float32{1, 0, 4, 9}},
			{"div", s.Div(x, s.Full(2, 2, 2)), []float32{-0.5, 0, 1, 1.5}},
			{"matmul", s.MatMul(x, x), []float32{1, 0, 4, 9}},
			{"relu", s.ReLU(x), []float32{0, 0, 2, 3}},
			{"clamp", s.Clamp(x, nil, &two), []float32{-1, 0, 2, 2}},
			{"sum over rows", s.Sum(x, 0), []float32{1, 3}},
			{"mean", s.Mean(x), []float32{1}},
			{"norm", s.Norm(x), []float32{float32(math.Sqrt(14))}},
			{"permute", s.Contiguous(s.Permute(x, 1, 0)), []float32{-1, 2, 0, 3}},
			{"narrow", s.Narrow(x, 1, 1, 1), []float32{0, 3}},
			{"index", s.IndexSelect(x, 0, []int64{1, 1}), []float32{2, 3, 2, 3}},
			{"cat", s.Cat(1, x, x), []float32{-1, 0, -1, 0, 2, 3, 2, 3}},
			{"stack", s.Stack(0, s.Sum(x), s.Mean(x)), []float32{4, 1}},
			{"einsum", s.Einsum("ij,jk->ik", x, x), []float32{1, 0, 4, 9}},
			{"elu", s.ELU(x), []float32{float32(math.Exp(-1) - 1), 0, 2, 3}},
			{"elu of 2", s.ELUOf(x, 2), []float32{float32(2*math.Exp(-1) - 2), 0, 2, 3}},
			{"leaky relu", s.LeakyReLUOf(x, 0.1), []float32{-0.1, 0, 2, 3}},
			{"softplus of 2", s.SoftplusOf(x, 2, 5), []float32{float32(math.Log1p(math.Exp(-2)) / 2), math.Ln2 / 2, float32(math.Log1p(math.Exp(4)) / 2), 3}},
			{"linspace", s.Linspace(0, 1, 3), []float32{0, 0.5, 1}},
			{"scalar full", s.FullOf(ndarray.Float32, 3), []float32{3}},
		} {
			got := values(t, s, c.got)
			if len(got) != len(c.want) {
				t.Errorf("%s has %d values, want %d", c.name, len(got), len(c.want))
				continue
			}
			for i := range got {
				if math.Abs(float64(got[i]-c.want[i])) > 1e-6 {
					t.Errorf("%s = %v, want %v", c.name, got, c.want)
					break
				}
			}
		}
		return nil
	})
}

func TestErrorsSayOperationLayerAndShapes(t *testing.T) {
	before := LiveTensors()
	err := Do(t.Context(), Inference, func(s *Scope) error {
		defer s.Enter("core.features.layer0")()
		y := s.MatMul(s.Zeros(2, 3), s.Zeros(4, 5))
		if y != nil {
			t.Error("a failed operation gave a tensor")
		}
		if z := s.Exp(y); z != nil {
			t.Error("an operation after the error gave a tensor")
		}
		_, err := s.Float32s(y)
		return err
	})
	var e *Error
	if !errors.As(err, &e) || e.Op != "matmul" || e.Layer != "core.features.layer0" || len(e.Shapes) != 2 {
		t.Fatalf("error is %#v", err)
	}
	if !errors.Is(err, ErrShape) {
		t.Errorf("%v is not a shape error", err)
	}
	if s := err.Error(); strings.Contains(s, "\n") || !strings.Contains(s, "[2×3] and [4×5]") {
		t.Errorf("message is %q", s)
	}
	if LiveTensors() != before {
		t.Error("the failed computation leaks")
	}
}

func TestEveryKindOfMisuseIsAnError(t *testing.T) {
	closed := NewScope(CPU)
	orphan := closed.Zeros(2)
	closed.Close()
	for name, c := range map[string]struct {
		kind error
		f    func(*Scope) *Tensor
	}{
		"closed operand":  {ErrClosed, func(s *Scope) *Tensor { return s.Exp(orphan) }},
		"nil operand":     {ErrClosed, func(s *Scope) *Tensor { return s.Add(nil, s.Zeros(1)) }},
		"closed scope":    {ErrClosed, func(s *Scope) *Tensor { s.Close(); return s.Zeros(1) }},
		"values too few":  {ErrShape, func(s *Scope) *Tensor { return s.FromFloat32([]float32{1}, 2) }},
		"negative shape":  {ErrShape, func(s *Scope) *Tensor { return s.Zeros(-1) }},
		"bad reshape":     {ErrShape, func(s *Scope) *Tensor { return s.Reshape(s.Zeros(3), 2) }},
		"bad dimension":   {ErrShape, func(s *Scope) *Tensor { return s.Sum(s.Zeros(3), 4) }},
		"bad index":       {ErrShape, func(s *Scope) *Tensor { return s.IndexSelect(s.Zeros(3), 0, []int64{7}) }},
		"types differ":    {ErrDType, func(s *Scope) *Tensor { return s.MatMul(s.Zeros(1, 1), s.FullOf(ndarray.Float64, 1, 1, 1)) }},
		"no stack of one": {nil, func(s *Scope) *Tensor { return s.Stack(0) }},
		"huge":            {ErrOutOfMemory, func(s *Scope) *Tensor { return s.Zeros(1<<40, 1<<10) }},
		"einsum text":     {nil, func(s *Scope) *Tensor { return s.Einsum("??->", s.Zeros(1)) }},
		"no such GPU":     {ErrDevice, func(s *Scope) *Tensor { return s.ToDevice(s.Zeros(1), Device{cuda: true, index: 99}) }},
		"no generator":    {ErrClosed, func(s *Scope) *Tensor { return s.Randn(nil, 2) }},
		"grid of points":  {nil, func(s *Scope) *Tensor { return s.GridSample(s.Zeros(1, 1, 2, 2), s.Zeros(1, 1, 1, 3), true) }},
		"no images":       {nil, func(s *Scope) *Tensor { return s.GridSample(s.Zeros(1, 1, 2, 2, 2), s.Zeros(1, 1, 1, 1, 3), true) }},
		"conv rank":       {nil, func(s *Scope) *Tensor { return s.Conv3D(s.Zeros(2), s.Zeros(3), nil, Conv3DOptions{}) }},
	} {
		t.Run(name, func(t *testing.T) {
			err := Do(t.Context(), Inference, func(s *Scope) error {
				if c.f(s) != nil {
					t.Error("a tensor came out")
				}
				return nil
			})
			if err == nil || (c.kind != nil && !errors.Is(err, c.kind)) {
				t.Errorf("error is %v, want kind %v", err, c.kind)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
		})
	}
}

func TestGradientOutlivesTheScopesThatMadeIt(t *testing.T) {
	before := LiveTensors()
	root := NewScope(CPU)
	w := root.RequireGrad(root.FromFloat32([]float32{1, 2, 3}, 3), true)
	err := root.Do(t.Context(), Train, func(s *Scope) error {
		var loss *Tensor
		if err := s.Inner(func(in *Scope) error {
			loss = in.KeepGraph(in.Sum(in.Square(w)))
			return nil
		}); err != nil {
			return err
		}
		s.Backward(loss)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	grad, err := root.Float32s(root.Grad(w))
	if err != nil || grad[0] != 2 || grad[2] != 6 {
		t.Errorf("gradient is %v, %v", grad, err)
	}
	root.ClearGrad(w)
	if root.Grad(w) != nil {
		t.Error("cleared gradient is still there")
	}
	root.Close()
	if LiveTensors() != before {
		t.Errorf("%d tensors are left over", LiveTensors()-before)
	}
}

func TestModesDecideWhatIsRecorded(t *testing.T) {
	for mode, want := range map[Mode]bool{Inference: false, Probe: true, Train: true} {
		do(t, mode, func(s *Scope) error {
			w := s.RequireGrad(s.Ones(1), true)
			got, err := s.RequiresGrad(s.Exp(w))
			if got != want || s.Training() != (mode == Train) {
				t.Errorf("mode %v records %v, trains %v", mode, got, s.Training())
			}
			restore := s.NoGrad()
			if on, _ := s.RequiresGrad(s.Exp(w)); on {
				t.Error("NoGrad records")
			}
			restore()
			return err
		})
	}
}

func TestKeepHoldsTheValueNotTheGraph(t *testing.T) {
	root := NewScope(CPU)
	defer root.Close()
	var kept *Tensor
	err := root.Do(t.Context(), Train, func(s *Scope) error {
		kept = s.Keep(s.Exp(s.RequireGrad(s.Ones(2), true)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if on, err := root.RequiresGrad(kept); on || err != nil {
		t.Errorf("kept tensor requires grad: %v, %v", on, err)
	}
}

func TestCancelledComputationSaysWhy(t *testing.T) {
	why := errors.New("second Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := Do(ctx, Inference, func(s *Scope) error {
		s.Zeros(1)
		cancel(why)
		s.Zeros(1)
		return nil
	})
	if !errors.Is(err, why) {
		t.Errorf("error is %v", err)
	}
}

func TestPanicClosesTheScope(t *testing.T) {
	before := LiveTensors()
	func() {
		defer func() { _ = recover() }()
		_ = Do(t.Context(), Inference, func(s *Scope) error {
			s.Zeros(3)
			panic("programming error")
		})
	}()
	if LiveTensors() != before {
		t.Error("tensors survive the panic")
	}
}

func TestGeneratorDrawsWhatPyTorchDraws(t *testing.T) {
	// torch.randn(4, generator=torch.Generator().manual_seed(42))
	want := []float32{0.33669036626815796, 0.12880940735340118, 0.23446236550807953, 0.23033303022384644}
	g, err := NewGenerator(42, CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	state, err := g.State()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the restored state
		do(t, Inference, func(s *Scope) error {
			for i, v := range values(t, s, s.Randn(g, 4)) {
				if v != want[i] {
					t.Errorf("draw %d is %v, want %v", i, v, want[i])
				}
			}
			return nil
		})
		if err := g.SetState(state); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThreadsReachLibtorch(t *testing.T) {
	defer SetThreads(0)
	for _, n := range []int{1, 2} {
		SetThreads(n)
		do(t, Inference, func(*Scope) error {
			if got := libtorch.Threads(); got != n {
				t.Errorf("libtorch uses %d threads, want %d", got, n)
			}
			return nil
		})
	}
}

// TestResultsDoNotDependOnThreads: more threads share the work, nothing else.
func TestResultsDoNotDependOnThreads(t *testing.T) {
	defer SetThreads(0)
	var results [][]float32
	for _, n := range []int{1, 2, 3} {
		SetThreads(n)
		do(t, Train, func(s *Scope) error {
			g, err := NewGenerator(1, CPU)
			if err != nil {
				return err
			}
			defer g.Close()
			x := s.RequireGrad(s.Randn(g, 4, 3, 12, 16, 16), true)
			s.Backward(s.Sum(s.Square(s.Conv3D(x, s.Randn(g, 8, 3, 3, 5, 5), nil, Conv3DOptions{}))))
			results = append(results, values(t, s, s.Grad(x)))
			return s.Err()
		})
	}
	for i, r := range results[1:] {
		for j := range r {
			if math.Abs(float64(r[j]-results[0][j])) > 1e-4*(1+math.Abs(float64(r[j]))) {
				t.Fatalf("with %d threads gradient %d is %v, with one it is %v", i+2, j, r[j], results[0][j])
			}
		}
	}
}

func TestDeviceWords(t *testing.T) {
	for _, word := range []string{"gpu", "cuda:x", "cuda:-1"} {
		if _, _, err := SelectDevice(word); err == nil || !strings.Contains(err.Error(), "choose auto") {
			t.Errorf("%s: %v", word, err)
		}
	}
	if driverPresent() {
		t.Log("this machine has an NVIDIA driver: the words without one are not checked")
		return
	}
	if d, reason, err := SelectDevice("auto"); !d.IsCPU() || reason == "" || err != nil {
		t.Errorf("auto gives %v, %q, %v", d, reason, err)
	}
	if _, _, err := SelectDevice("cuda"); err == nil || !strings.Contains(err.Error(), "no NVIDIA driver") {
		t.Errorf("cuda: %v", err)
	}
}

func TestArraysPassUnchanged(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		in, err := ndarray.FromInt64([]int64{1, -2, math.MaxInt64}, 3)
		if err != nil {
			return err
		}
		out, err := s.Array(s.FromArray(in))
		if err != nil {
			return err
		}
		if out.DType != ndarray.Int64 || string(out.Data) != string(in.Data) {
			t.Errorf("came back as %v %v", out.DType, out.Data)
		}
		scalar, err := s.Array(s.Sum(s.Ones(2, 2)))
		if err == nil && (len(scalar.Shape) != 0 || scalar.At(0) != 4) {
			t.Errorf("scalar is %v", scalar)
		}
		return err
	})
}
