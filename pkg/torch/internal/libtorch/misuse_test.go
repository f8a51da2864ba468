package libtorch

import (
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// calls are all entries that take tensors. Each draws its other arguments from
// r, sensible ones and others, and gives what it made.
var calls = map[string]func(r *random) (Handle, *Error){
	"Unary": func(r *random) (Handle, *Error) { return Unary(r.bool(), Op(r.between(-1, 25)), r.tensor()) },
	"Binary": func(r *random) (Handle, *Error) {
		return Binary(r.bool(), Op(r.between(-1, 6)), r.tensor(), r.tensor())
	},
	"Scalar": func(r *random) (Handle, *Error) {
		return Scalar(r.bool(), Op(r.between(-1, 4)), r.tensor(), r.number())
	},
	"Nonlinearity": func(r *random) (Handle, *Error) {
		return Nonlinearity(r.bool(), Op(r.between(-1, 4)), r.tensor(), r.number(), r.number())
	},
	"Clamp": func(r *random) (Handle, *Error) { return Clamp(r.bool(), r.tensor(), r.maybe(), r.maybe()) },
	"Reduce": func(r *random) (Handle, *Error) {
		return Reduce(r.bool(), Op(r.between(-1, 6)), r.tensor(), r.sizes(), r.bool())
	},
	"Reshape":         func(r *random) (Handle, *Error) { return Reshape(r.bool(), r.tensor(), r.sizes()) },
	"Permute":         func(r *random) (Handle, *Error) { return Permute(r.bool(), r.tensor(), r.sizes()) },
	"Expand":          func(r *random) (Handle, *Error) { return Expand(r.bool(), r.tensor(), r.sizes()) },
	"Narrow":          func(r *random) (Handle, *Error) { return Narrow(r.bool(), r.tensor(), r.size(), r.size(), r.size()) },
	"IndexSelect":     func(r *random) (Handle, *Error) { return IndexSelect(r.bool(), r.tensor(), r.size(), r.sizes()) },
	"Cat":             func(r *random) (Handle, *Error) { return Cat(r.bool(), r.tensors(), r.size()) },
	"Stack":           func(r *random) (Handle, *Error) { return Stack(r.bool(), r.tensors(), r.size()) },
	"Einsum":          func(r *random) (Handle, *Error) { return Einsum(r.bool(), r.equation(), r.tensors()) },
	"Conv3D":          func(r *random) (Handle, *Error) { return conv3D(r) },
	"SeparableConv3D": separableConv3D,
	"SeparableLayer":  separableLayer,
	"ComposedConv3D":  composedConv3D,
	"ConvGRU":         convGRU,
	"GridSample":      gridSample,
	"AvgPool3D":       func(r *random) (Handle, *Error) { return AvgPool3D(r.bool(), r.tensor(), r.three()) },
	"MaxPool3D":       func(r *random) (Handle, *Error) { return MaxPool3D(r.bool(), r.tensor(), r.three()) },
	"BatchNorm":       func(r *random) (Handle, *Error) { return batchNorm(r) },
	"To":              func(r *random) (Handle, *Error) { return To(r.bool(), r.tensor(), r.dtype(), r.device()) },
	"Shape":           func(r *random) (Handle, *Error) { _, err := Shape(r.tensor()); return nil, err },
	"DType":           func(r *random) (Handle, *Error) { _, err := DType(r.tensor()); return nil, err },
	"Item":            func(r *random) (Handle, *Error) { _, err := Item(r.tensor()); return nil, err },
	"CopyOut":         func(r *random) (Handle, *Error) { return nil, copyOut(r) },
	"CopyOut32": func(r *random) (Handle, *Error) {
		return nil, CopyOutFloat32(r.tensor(), make([]float32, r.between(0, 50)))
	},
	"RequireGrad":  func(r *random) (Handle, *Error) { return nil, SetRequiresGrad(r.tensor(), r.bool()) },
	"RequiresGrad": func(r *random) (Handle, *Error) { _, err := RequiresGrad(r.tensor()); return nil, err },
	"Backward":     func(r *random) (Handle, *Error) { return nil, Backward(r.tensor()) },
	"BackwardWith": func(r *random) (Handle, *Error) { return nil, BackwardWith(r.tensor(), r.tensor()) },
	"Grad":         func(r *random) (Handle, *Error) { return Grad(r.tensor()) },
	"PoissonLoss": func(r *random) (Handle, *Error) {
		output, target := r.responses()
		return PoissonLoss(r.bool(), output, target, r.number())
	},
	"Correlations": func(r *random) (Handle, *Error) {
		output, target := r.responses()
		return Correlations(r.bool(), output, target, r.number())
	},
	"HaveGrad":     func(r *random) (Handle, *Error) { _, err := HaveGrad(r.tensors()); return nil, err },
	"ClearGrads":   func(r *random) (Handle, *Error) { return nil, ClearGrads(r.tensors()) },
	"CopyInto":     func(r *random) (Handle, *Error) { return nil, CopyInto(r.tensor(), r.tensor()) },
	"ClampInPlace": func(r *random) (Handle, *Error) { return nil, ClampInPlace(r.tensor(), r.maybe(), r.maybe()) },
	"AddInPlace":   func(r *random) (Handle, *Error) { return nil, AddInPlace(r.tensor(), r.number()) },
	"ClipGradNorm": func(r *random) (Handle, *Error) { return ClipGradNorm(r.tensors(), r.number()) },
	"AdamStep":     func(r *random) (Handle, *Error) { return nil, adamStep(r) },
	"SGDStep":      func(r *random) (Handle, *Error) { return nil, sgdStep(r) },
	"SetState":     func(r *random) (Handle, *Error) { return nil, SetGeneratorState(r.generator, r.tensor()) },
}

// lent is memory that outlives every tensor of the tests.
var (
	lent   = make([]float32, 50)
	pinner runtime.Pinner
)

func init() { pinner.Pin(&lent[0]) }

func conv3D(r *random) (Handle, *Error) {
	x, weight, bias := r.tensor(), r.tensor(), r.tensor()
	if !r.missing && r.bool() { // shapes that fit, now and then
		channels := int64(r.between(1, 2))
		x, weight = r.newTensor(1, channels, 3, 4, 4), r.newTensor(2, channels, 2, 2, int64(r.between(1, 5)))
	}
	if r.bool() {
		bias = nil
	}
	padding, some := r.three(), &[3]int64{}
	switch r.IntN(3) {
	case 0:
		some = nil
	case 1:
		some = &padding
	}
	return Conv3D(r.bool(), x, weight, bias, r.three(), some, r.three())
}

func separableConv3D(r *random) (Handle, *Error) {
	x, spatial, temporal, _ := r.separable()
	return SeparableConv3D(r.bool(), x, spatial, temporal, r.padding())
}

func gridSample(r *random) (Handle, *Error) {
	x, grid := r.tensor(), r.tensor()
	if !r.missing && r.bool() { // shapes that fit, now and then
		images := int64(r.between(1, 2))
		x, grid = r.newTensor(images, 2, 3, 4), r.newTensor(images, 3, 1, 2)
	}
	return GridSample(r.bool(), x, grid, r.bool())
}

func convGRU(r *random) (Handle, *Error) {
	var w GRUWeights
	var x, state Handle
	if groups := int64(r.between(1, 2)); !r.missing && r.bool() { // shapes that fit, now and then
		x = r.newTensor(2, 2*groups, 3, 4, 5)
		for i := range 3 {
			w.Input[i], w.InputBias[i] = r.newTensor(2*groups, 2, 3, 3), r.newTensor(2*groups)
			w.Hidden[i], w.HiddenBias[i] = r.newTensor(2*groups, 2, 3, 3), r.newTensor(2*groups)
		}
		if r.bool() {
			state = r.newTensor(2, 2*groups, 4, 5)
		}
		return ConvGRU(r.bool(), x, w, 1, groups, state)
	}
	for i := range 3 {
		w.Input[i], w.InputBias[i], w.Hidden[i], w.HiddenBias[i] = r.tensor(), r.tensor(), r.tensor(), r.tensor()
	}
	if r.bool() {
		state = r.tensor()
	}
	return ConvGRU(r.bool(), r.tensor(), w, r.size(), r.size(), state)
}

func composedConv3D(r *random) (Handle, *Error) {
	x, spatial, temporal, _ := r.separable()
	return ComposedConv3D(r.bool(), Op(r.between(-1, 4)), x, spatial, temporal, r.padding())
}

func separableLayer(r *random) (Handle, *Error) {
	x, spatial, temporal, out := r.separable()
	n := BatchNormShift{
		Weight: r.tensor(), Bias: r.tensor(), Mean: r.tensor(), Variance: r.tensor(), Shift: r.tensor(),
		Training: r.bool(), Momentum: r.number(), Eps: r.number(),
	}
	if out > 0 && r.bool() {
		n.Weight, n.Bias, n.Mean = r.newTensor(out), r.newTensor(out), r.newTensor(out)
		n.Variance, n.Shift = r.newTensor(out), r.newTensor(1, out, 1, 1, 1)
	}
	return SeparableLayer(r.bool(), x, spatial, temporal, r.padding(), n, r.bool())
}

// separable are the operands of a separable convolution, of shapes that fit now and
// then: out is then the number of output channels.
func (r *random) separable() (x, spatial, temporal Handle, out int64) {
	if r.missing || r.IntN(4) == 0 {
		return r.tensor(), r.tensor(), r.tensor(), 0
	}
	in, out := int64(r.between(1, 2)), int64(r.between(1, 20))
	x = r.newTensor(int64(r.between(0, 2)), in, 4, 5, 5)
	return x, r.newTensor(out, in, 1, 3, 2), r.newTensor(out, in, int64(r.between(1, 6)), 1, 1), out
}

func (r *random) padding() *[3]int64 {
	if r.bool() {
		return nil
	}
	return &[3]int64{r.size(), r.size(), r.size()}
}

func copyOut(r *random) *Error {
	x := r.tensor()
	size := r.between(0, 200)
	if dtype, err := DType(x); err == nil && r.bool() {
		shape, _ := Shape(x) // it has a type, so it has a shape
		size = dtype.Size()
		for _, n := range shape {
			size *= int(n)
		}
	}
	return CopyOut(x, make([]byte, size))
}

func fromArray(r *random) (Handle, *Error) {
	a := &ndarray.Array{DType: r.dtype(), Data: make([]byte, r.between(0, 200))}
	shape := r.sizes()
	if r.bool() {
		shape = []int64{int64(len(a.Data) / max(a.DType.Size(), 1))}
	}
	return FromArray(a, shape, r.device())
}

func batchNorm(r *random) (Handle, *Error) {
	return BatchNorm(r.bool(), r.tensor(), r.tensor(), r.tensor(), r.tensor(), r.tensor(), r.bool(), r.number(), r.number())
}

// responses are two tensors of three dimensions that fit, mostly.
func (r *random) responses() (output, target Handle) {
	if r.missing || r.IntN(4) == 0 {
		return r.tensor(), r.tensor()
	}
	shape := []int64{int64(r.between(0, 3)), int64(r.between(0, 3)), int64(r.between(0, 40))}
	return r.newTensor(shape...), r.newTensor(shape...)
}

// updated are lists for the updates, of parameters with gradients and tensors that
// fit them, mostly.
func (r *random) updated() (params, state, more []Handle) {
	if r.IntN(4) == 0 {
		return r.tensors(), r.tensors(), r.tensors()
	}
	for range r.between(0, 3) {
		shape := []int64{int64(r.between(0, 3)), int64(r.between(0, 40))}
		p := r.newTensor(shape...)
		if r.IntN(8) > 0 {
			_ = SetRequiresGrad(p, true)
			_ = BackwardWith(p, r.newTensor(shape...))
		}
		params, state, more = append(params, p), append(state, r.newTensor(shape...)), append(more, r.newTensor(shape...))
	}
	return params, state, more
}

func adamStep(r *random) *Error {
	params, state, more := r.updated()
	steps := make([]float64, len(params))
	for i := range steps {
		steps[i] = r.number()
	}
	var guards []Handle
	if r.bool() {
		guards = r.tensors()
	}
	return AdamStep(params, state, more, more, steps, guards, AdamOptions{
		LR: r.number(), Beta1: r.number(), Beta2: r.number(), Eps: r.number(), WeightDecay: r.number(),
		Decoupled: r.bool(), AMSGrad: r.bool(), Maximize: r.bool(),
	})
}

func sgdStep(r *random) *Error {
	params, state, _ := r.updated()
	var guards []Handle
	if r.bool() {
		guards = r.tensors()
	}
	first := make([]bool, len(params))
	for i := range first {
		first[i] = r.bool()
	}
	return SGDStep(params, state, first, guards, SGDOptions{
		LR: r.number(), Momentum: r.number(), Dampening: r.number(), WeightDecay: r.number(),
		Nesterov: r.bool(), Maximize: r.bool(),
	})
}

// creations are the entries that make tensors from nothing.
var creations = map[string]func(r *random) (Handle, *Error){
	"FromArray": fromArray,
	"LendFloat32": func(r *random) (Handle, *Error) {
		return LendFloat32(lent[:r.between(0, len(lent))], r.sizes())
	},
	"FromFloat32": func(r *random) (Handle, *Error) {
		return FromFloat32(make([]float32, r.between(0, 50)), r.sizes(), r.device())
	},
	"Full":     func(r *random) (Handle, *Error) { return Full(r.number(), r.dtype(), r.sizes(), r.device()) },
	"Linspace": func(r *random) (Handle, *Error) { return Linspace(r.number(), r.number(), r.size(), r.device()) },
	"Normal": func(r *random) (Handle, *Error) {
		return Normal(r.generator, r.number(), r.number(), r.sizes(), r.device())
	},
	"Uniform": func(r *random) (Handle, *Error) {
		return Uniform(r.generator, r.number(), r.number(), r.sizes(), r.device())
	},
	"Bernoulli": func(r *random) (Handle, *Error) { return Bernoulli(r.generator, r.number(), r.sizes(), r.device()) },
	"State":     func(r *random) (Handle, *Error) { return GeneratorState(r.generator) },
	"Generator": func(r *random) (Handle, *Error) {
		g, err := NewGenerator(1, r.device())
		FreeGenerator(g)
		return nil, err
	},
}

// random draws arguments, most of them reasonable.
type random struct {
	*rand.Rand
	live      []Handle
	missing   bool // all tensors and the generator are nil
	generator Generator
}

func newRandom(t testing.TB, seed uint64) *random {
	t.Helper()
	runtime.LockOSThread() // the test's goroutine, to its end
	MarkThread(1)
	g, err := NewGenerator(seed, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	r := &random{Rand: rand.New(rand.NewPCG(seed, 0)), generator: g}
	t.Cleanup(func() {
		Free(r.live)
		FreeGenerator(g)
	})
	return r
}

func (r *random) bool() bool           { return r.IntN(2) == 0 }
func (r *random) between(a, b int) int { return a + r.IntN(b-a+1) }
func (r *random) size() int64          { return int64(r.between(-2, 5)) }

// three are ones, mostly.
func (r *random) three() [3]int64 {
	if r.IntN(4) > 0 {
		return [3]int64{1, 1, 1}
	}
	return [3]int64{r.size(), r.size(), r.size()}
}

func (r *random) number() float64 {
	return []float64{0, 0.5, 1, -1, 2, 1e30, math.NaN(), math.Inf(1)}[r.IntN(8)]
}

func (r *random) device() string {
	return []string{"cpu", "cpu", "cpu", "cuda:0", "nowhere", ""}[r.IntN(6)]
}
func (r *random) dtype() ndarray.DType { return ndarray.DType(r.between(0, 14)) }
func (r *random) equation() string {
	return []string{"ij,jk->ik", "ncthw,dhw->nctd", "i,i", "ii->i", "->", "", "i j", "ij->ijk", "..., ...", "é,a->b", "a,b,c,d"}[r.IntN(11)]
}

func (r *random) maybe() *float64 {
	if r.bool() {
		return nil
	}
	v := r.number()
	return &v
}

func (r *random) sizes() []int64 {
	list := make([]int64, r.between(0, 5))
	for i := range list {
		list[i] = r.size()
	}
	return list
}

func (r *random) tensors() []Handle {
	list := make([]Handle, r.between(0, 3))
	for i := range list {
		list[i] = r.tensor()
	}
	return list
}

// tensor is an old tensor or a new one, of float32 mostly, with or without
// gradient; now and then none.
func (r *random) tensor() Handle {
	if r.missing || r.IntN(20) == 0 {
		return nil
	}
	if len(r.live) > 0 && r.IntN(3) > 0 {
		return r.live[r.IntN(len(r.live))]
	}
	shape := make([]int64, []int{5, 5, 4, 3, 2, 1, 0}[r.IntN(7)])
	for i := range shape {
		shape[i] = int64(r.between(0, 4))
	}
	return r.newTensor(shape...)
}

func (r *random) newTensor(shape ...int64) Handle {
	dtype := ndarray.Float32
	if r.IntN(4) == 0 {
		dtype = r.dtype()
	}
	h, err := Full(float64(r.between(-2, 2)), dtype, shape, "cpu")
	if err != nil {
		return nil
	}
	if r.bool() {
		_ = SetRequiresGrad(h, true) // integers refuse
	}
	r.keep(h)
	return h
}

func (r *random) keep(h Handle) { r.live = append(r.live, h) }

// forget frees all but a few tensors. Not while a call has them.
func (r *random) forget() {
	for len(r.live) > 30 {
		i := r.IntN(len(r.live))
		Free(r.live[i : i+1])
		r.live = slices.Delete(r.live, i, i+1)
	}
}

func checkError(t *testing.T, name string, err *Error) {
	t.Helper()
	if err != nil && (err.Msg == "" || strings.Contains(err.Msg, "\n")) {
		t.Fatalf("%s: error is %q", name, err.Msg)
	}
}

// ofLists are the calls that take any number of tensors, none too.
var ofLists = []string{"Cat", "Stack", "Einsum", "HaveGrad", "ClearGrads", "ClipGradNorm", "AdamStep", "SGDStep"}

func TestMissingTensorsAreErrors(t *testing.T) {
	r := newRandom(t, 1)
	r.missing, r.generator = true, nil
	for name, call := range calls {
		if slices.Contains(ofLists, name) {
			continue // below
		}
		for range 20 {
			h, err := call(r)
			if err == nil || h != nil {
				t.Errorf("%s of nothing gives %v, %v", name, h, err)
			}
			checkError(t, name, err)
		}
	}
	none := []Handle{nil}
	_, cat := Cat(true, none, 0)
	_, stack := Stack(true, none, 0)
	_, einsum := Einsum(true, "i->", none)
	_, clip := ClipGradNorm(none, 1)
	_, have := HaveGrad(none)
	for name, err := range map[string]*Error{
		"Cat": cat, "Stack": stack, "Einsum": einsum, "ClipGradNorm": clip, "HaveGrad": have, "ClearGrads": ClearGrads(none),
		"AdamStep": AdamStep(none, none, none, nil, []float64{1}, nil, AdamOptions{}),
		"SGDStep":  SGDStep(none, none, []bool{true}, nil, SGDOptions{}),
		"Free":     {Code: Closed, Msg: "takes them"},
	} {
		if err == nil || err.Code != Closed {
			t.Errorf("%s of nothing gives %v", name, err)
		}
	}
	Free(none)
	Free(nil)
}

// TestNothingCrashes draws calls with random arguments: each must give a tensor
// or an error of one line. A crash ends the process, and with it the test.
func TestNothingCrashes(t *testing.T) {
	before := Live()
	t.Run("calls", func(t *testing.T) {
		r := newRandom(t, 2)
		fine := map[string]int{}
		for range 1000 {
			for _, table := range []map[string]func(*random) (Handle, *Error){calls, creations} {
				for _, name := range slices.Sorted(maps.Keys(table)) { // the same draws each time
					h, err := table[name](r)
					if h != nil && err != nil {
						t.Fatalf("%s gives a tensor and %v", name, err)
					}
					checkError(t, name, err)
					if err == nil {
						fine[name]++
					}
					if h != nil {
						r.keep(h)
					}
					r.forget()
				}
			}
		}
		for _, table := range []map[string]func(*random) (Handle, *Error){calls, creations} {
			for name := range table {
				if fine[name] == 0 && name != "SetState" {
					t.Errorf("%s never worked: its arguments are too random to test anything", name)
				}
			}
		}
	})
	if left := Live() - before; left != 0 {
		t.Errorf("%d tensors are left over", left)
	}
}

func TestOptimizersCheckTheirLists(t *testing.T) {
	r := newRandom(t, 3)
	two, one := []Handle{r.tensor(), r.tensor()}, []Handle{r.tensor()}
	for name, err := range map[string]*Error{
		"moments":  AdamStep(two, one, two, nil, []float64{1, 1}, nil, AdamOptions{}),
		"steps":    AdamStep(two, two, two, nil, []float64{1}, nil, AdamOptions{}),
		"amsgrad":  AdamStep(two, two, two, one, []float64{1, 1}, nil, AdamOptions{AMSGrad: true}),
		"first":    SGDStep(two, two, []bool{true}, nil, SGDOptions{}),
		"momentum": SGDStep(two, nil, []bool{true, true}, nil, SGDOptions{Momentum: 0.9}),
	} {
		if err != differentLengths {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUpdatesCheckTheirTensors: the fused updates themselves would write past the
// end of a moment that is too small.
func TestUpdatesCheckTheirTensors(t *testing.T) {
	r := newRandom(t, 4)
	full := func(dtype ndarray.DType, shape ...int64) Handle {
		h, err := Full(1, dtype, shape, "cpu")
		if err != nil {
			t.Fatal(err)
		}
		r.keep(h)
		return h
	}
	trained := func(dtype ndarray.DType, shape ...int64) Handle {
		h := full(dtype, shape...)
		if err := SetRequiresGrad(h, true); err != nil {
			t.Fatal(err)
		}
		if err := BackwardWith(h, full(dtype, shape...)); err != nil {
			t.Fatal(err)
		}
		return h
	}
	turned, err := Permute(false, full(ndarray.Float32, 3, 4), []int64{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	r.keep(turned)
	float, double := trained(ndarray.Float32, 4, 3), trained(ndarray.Float64, 4, 3)
	moment, other := full(ndarray.Float32, 4, 3), full(ndarray.Float64, 4, 3)
	for _, c := range []struct {
		name          string
		params, state []Handle
		want          string
	}{
		{"fitting", []Handle{float}, []Handle{moment}, ""},
		{"fitting doubles", []Handle{double}, []Handle{other}, ""},
		{"no gradient", []Handle{moment}, []Handle{moment}, "parameter 0 has no gradient"},
		{"whole numbers", []Handle{full(ndarray.Int32, 4, 3)}, []Handle{moment}, "parameter 0 has no dtype to be trained in"},
		{"small moment", []Handle{float}, []Handle{full(ndarray.Float32, 4, 2)}, "parameter 0 of shape [4, 3] cannot be updated with a tensor of shape [4, 2]"},
		{"type of the moment", []Handle{float}, []Handle{other}, "to have the same dtype"},
		{"types of parameters", []Handle{float, double}, []Handle{moment, other}, "parameter 1: expected all tensors to have the same dtype"},
		{"turned moment", []Handle{float}, []Handle{turned}, "must be contiguous"},
	} {
		first, steps := make([]bool, len(c.params)), make([]float64, len(c.params))
		for name, err := range map[string]*Error{
			"Adam": AdamStep(c.params, c.state, c.state, nil, steps, nil, AdamOptions{}),
			"SGD":  SGDStep(c.params, c.state, first, nil, SGDOptions{Momentum: 0.9}),
		} {
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Msg, c.want)):
				t.Errorf("%s, %s: error is %v, want %q", name, c.name, err, c.want)
			}
		}
	}
}

func TestSettingsOfTheProcess(t *testing.T) {
	if err := SetThreads(0); err == nil {
		t.Error("no threads are accepted")
	}
	if err := LoadCUDA("/nowhere/libtorch_cuda.so"); err == nil || !strings.Contains(err.Msg, "/nowhere") {
		t.Errorf("loading nothing: %v", err)
	}
	if _, err := NewGenerator(1, "nowhere"); err == nil {
		t.Error("a generator of an unknown device")
	}
	if Version() == "" {
		t.Error("no version")
	}
}

// TestShimReadsNoForeignBytes: files are parsed in Go; libtorch's own loaders
// execute what they read.
func TestShimReadsNoForeignBytes(t *testing.T) {
	files, err := filepath.Glob("../shim/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"torch::load", "jit", "pickle", "from_file", "fstream", "fopen"} {
			if strings.Contains(strings.ToLower(string(text)), word) {
				t.Errorf("%s mentions %s", path, word)
			}
		}
	}
}
