package models

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// These tests hold single layers against values and gradients that the Python
// package gave (testdata/layers/README.md).

const layers = "testdata/layers"

// recorded are the arrays of a case by name.
type recorded map[string]*ndarray.Array

func readLayer(t *testing.T, name string) recorded {
	t.Helper()
	return readRecorded(t, layers, name)
}

func readRecorded(t *testing.T, dir, name string) recorded {
	t.Helper()
	arrays, err := npy.ReadZipFile(filepath.Join(dir, name+".npz"))
	if err != nil {
		t.Fatal(err)
	}
	r := recorded{}
	for _, a := range arrays {
		r[a.Name] = a.Array
	}
	return r
}

// layerIndex is index.json: how the cases were made, and the penalties.
type layerIndex struct{ root *config.Node }

func readLayerIndex(t *testing.T) layerIndex {
	t.Helper()
	return readIndex(t, layers)
}

func readIndex(t *testing.T, dir string) layerIndex {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := config.FromYAML("index.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return layerIndex{root}
}

// settings are the arguments of a case's class, over defaults.
func (i layerIndex) settings(t *testing.T, name string, defaults config.Object) *config.Node {
	t.Helper()
	n, err := config.FromValue(defaults)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := i.root.Get(name)
	given, _ := c.Get("settings")
	for key, value := range given.Fields() {
		if err := n.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// number is the value at a path.
func (i layerIndex) number(t *testing.T, path string) (v float64) {
	t.Helper()
	n, ok := i.root.At(path)
	if !ok || n.Decode(&v) != nil {
		t.Fatalf("no number at %s", path)
	}
	return v
}

// newLayer makes a layer and gives it the recorded parameters and buffers.
func newLayer[L any](t *testing.T, d torch.Device, r recorded, make func(nn.Path) (L, error)) (L, *nn.Store) {
	t.Helper()
	rng, err := torch.NewGenerator(0, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	store := nn.NewStore(d, rng)
	t.Cleanup(func() {
		store.Close()
		rng.Close()
	})
	layer, err := make(store.Root())
	if err != nil {
		t.Fatal(err)
	}
	var state []ndarray.Named
	for _, e := range store.Entries() {
		name := e.Name
		if e.Alias && r["params/"+name] == nil && r["buffers/"+name] == nil { // recorded once, under the core's name for it
			name = name[strings.LastIndexByte(name, '.')+1:]
		}
		for _, kind := range []string{"params/", "buffers/"} {
			if a, ok := r[kind+name]; ok {
				state = append(state, ndarray.Named{Name: e.Name, Array: a})
			}
		}
	}
	if err := store.Load(state); err != nil {
		t.Fatal(err)
	}
	return layer, store
}

// forward runs a layer on the recorded input, compares, and sends the recorded
// gradient back.
func (r recorded) forward(t *testing.T, s *torch.Scope, store *nn.Store, f func(*torch.Scope, *torch.Tensor) *torch.Tensor) error {
	t.Helper()
	x := s.RequireGrad(s.FromArray(r["input"]), true)
	y := f(s, x)
	if bias, ok := r["params/bias"]; ok && s.Dim(y, 1) != s.Dim(x, 1) && len(r["output"].Shape) == 5 {
		// No config makes a convolution with a bias, which is but added to its output.
		y = s.Add(y, s.Reshape(s.FromArray(bias), 1, -1, 1, 1, 1))
	}
	got, err := s.Float32s(y)
	if err != nil {
		return err
	}
	agree(t, "output", got, r["output"])
	s.BackwardWith(y, s.FromArray(r["grad_output"]))
	gradient, err := s.Array(s.Grad(x))
	if err != nil {
		return err
	}
	agreeWithLargest(t, "grad_input", gradient, r["grad_input"])
	return r.gradients(t, s, store, "grad/")
}

// has tells that arrays of a kind were recorded.
func (r recorded) has(kind string) bool {
	for name := range r {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

// gradients compares those of all parameters; the recording has none where there
// is none, or it is a bias that the layer lacks.
func (r recorded) gradients(t *testing.T, s *torch.Scope, store *nn.Store, prefix string) error {
	t.Helper()
	for _, e := range store.Entries() {
		if e.Alias {
			continue
		}
		g, want := s.Grad(e.Tensor), r[prefix+e.Name]
		if (g == nil) != (want == nil) {
			t.Errorf("%s%s: there is %v, want %v", prefix, e.Name, g != nil, want != nil)
			continue
		}
		if g == nil {
			continue
		}
		got, err := s.Array(g)
		if err != nil {
			return err
		}
		agreeWithLargest(t, prefix+e.Name, got, want)
	}
	return s.Err()
}

// agreeWithLargest checks an absolute tolerance of 1e-4 of the largest entry, as
// the recording's README asks for gradients.
func agreeWithLargest(t *testing.T, name string, got, want *ndarray.Array) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Errorf("%s has shape %v, want %v", name, got.Shape, want.Shape)
		return
	}
	largest, worst := 0.0, 0.0
	for i := range want.Len() {
		largest = math.Max(largest, math.Abs(want.At(i)))
		worst = math.Max(worst, math.Abs(got.At(i)-want.At(i)))
	}
	// Gradients that are zero but for rounding differ from one device to the next.
	const rounding = 1e-11
	if !(worst <= 1e-4*largest+rounding) {
		t.Errorf("%s deviates by %v, largest value %v", name, worst, largest)
	}
}

// convolutionCase are the arguments under which a convolution was recorded.
type convolutionCase struct {
	kind        string
	time, space int64
	padding     string
}

func TestConvolutionsEqualThePythonPackages(t *testing.T) {
	for name, c := range map[string]convolutionCase{
		"st_separable_batch_plain":             {"custom_separable", 9, 5, "0"},
		"st_separable_batch_padding_tuple":     {"custom_separable", 9, 5, "[0, 2, 2]"},
		"st_separable_batch_padding_int":       {"custom_separable", 9, 5, "1"},
		"st_separable_batch_padding_same":      {"custom_separable", 9, 5, "same"},
		"st_separable_batch_padding_same_even": {"custom_separable", 8, 4, "true"},
		"st_separable_batch_log_speed_a":       {"custom_separable", 9, 5, "valid"},
		"torch_full_plain":                     {"full", 9, 5, "false"},
		"torch_full_bias_padding":              {"full", 9, 5, "1"},
		"torch_st_separable_plain":             {"separable", 9, 5, "0"},
		"time_independent_plain":               {"time_independent", 9, 5, "0"},
		"time_independent_bias_padding":        {"time_independent", 9, 5, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range torchtest.Devices {
				t.Run(d, func(t *testing.T) { testConvolution(t, torchtest.Device(t, d), name, c) })
			}
		})
	}
}

func testConvolution(t *testing.T, d torch.Device, name string, c convolutionCase) {
	t.Helper()
	r := readLayer(t, name)
	if speed, ok := r["params/log_speed_a"]; ok { // one session's, kept under its own name
		r["buffers/_log_speed_default"] = speed
	}
	if bias, ok := r["params/conv.bias"]; ok {
		r["params/bias"] = bias
	}
	var padding Padding
	n, err := config.FromYAML("padding.yaml", []byte("p: "+c.padding))
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := n.Get("p"); p.Decode(&padding) != nil {
		t.Fatalf("padding %s is refused", c.padding)
	}
	conv, store := newLayer(t, d, r, func(p nn.Path) (convolution, error) {
		return newConvolution(p, c.kind, convSettings{in: 2, out: 3, time: c.time, space: c.space, padding: padding})
	})
	err = torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		if separable, ok := conv.(*stSeparableConv); ok {
			kernel, err := s.Float32s(separable.temporalKernel(s))
			if err != nil {
				return err
			}
			agree(t, "temporal kernel", kernel, r["weight_temporal"])
		}
		return r.forward(t, s, store, conv.Forward)
	})
	if err != nil {
		t.Fatal(err)
	}
	in, out := r["input"].Shape, r["output"].Shape
	got, err := conv.outSize(size{int64(in[2]), int64(in[3]), int64(in[4])})
	if want := (size{int64(out[2]), int64(out[3]), int64(out[4])}); got != want || err != nil {
		t.Errorf("size of the output is %v, want %v, %v", got, want, err)
	}
}

func TestTemporalBasisEqualsThePythonPackages(t *testing.T) {
	r := readLayer(t, "temporal_basis")
	for name, c := range map[string]struct {
		length   int64
		logSpeed float64
	}{
		"length_21_factor_3_logspeed_0.0": {21, 0}, "length_11_factor_3_logspeed_0.0": {11, 0},
		"length_5_factor_3_logspeed_0.0": {5, 0}, "length_21_factor_3_logspeed_-0.3": {21, -0.3},
	} {
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			sines, cosines := temporalBasis(s, s.Exp(s.Full(c.logSpeed, 1)), c.length)
			for wave, x := range map[string]*torch.Tensor{"sines": sines, "cosines": cosines} {
				got, err := s.Float32s(x)
				if err != nil {
					return err
				}
				agree(t, name+"/"+wave, got, r[name+"/"+wave])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSimpleCoresEqualThePythonPackages(t *testing.T) {
	index := readLayerIndex(t)
	for _, name := range []string{"simple", "simple_same_pool_cut", "simple_downsample"} {
		for _, mode := range []string{"train", "eval"} {
			t.Run(name+"_"+mode, func(t *testing.T) {
				for _, d := range torchtest.Devices {
					t.Run(d, func(t *testing.T) {
						device := torchtest.Device(t, d)
						r := readLayer(t, name+"_"+mode)
						core, store := newLayer(t, device, r, func(p nn.Path) (Core, error) {
							c := defaultSimpleCore()
							if err := index.settings(t, name+"_"+mode, nil).Read(&c); err != nil {
								return nil, err
							}
							return c.build(CoreDeps{Path: p})
						})
						testCore(t, device, r, core, store, mode, index.number(t, "regularizers."+name+".regularizer"))
					})
				}
			})
		}
	}
}

func testCore(t *testing.T, d torch.Device, r recorded, core Core, store *nn.Store, mode string, penalty float64) {
	t.Helper()
	computation := map[string]torch.Mode{"train": torch.Train, "eval": torch.Probe}[mode]
	err := torch.DoOn(t.Context(), d, computation, func(s *torch.Scope) error {
		if err := r.forward(t, s, store, core.Forward); err != nil {
			return err
		}
		if mode == "train" {
			return nil
		}
		return nothingChanged(t, s, r, store)
	})
	if err != nil {
		t.Fatal(err)
	}
	shape, err := core.OutShape(toInt64(r["input"].Shape[1:]))
	if want := toInt64(r["output"].Shape[1:]); err != nil || !slices.Equal(shape, want) {
		t.Errorf("features have shape %v, want %v, %v", shape, want, err)
	}
	compareBuffers(t, r, store)
	if mode != "train" {
		return
	}
	if err := store.ZeroGrad(); err != nil {
		t.Fatal(err)
	}
	err = torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		total := core.Regularizer(s)
		value, err := s.Item(total)
		if math.Abs(value-penalty) > 1e-4*penalty {
			t.Errorf("regularizer is %v, want %v", value, penalty)
		}
		s.Backward(total)
		if err != nil || !r.has("regularizer_grad/") {
			return err
		}
		return r.gradients(t, s, store, "regularizer_grad/")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compareBuffers checks the buffers that the forward pass changed, in training
// mode, to all bits but the last ones.
func compareBuffers(t *testing.T, r recorded, store *nn.Store) {
	t.Helper()
	state, err := store.StateDict()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range state {
		if want, ok := r["buffers_after/"+n.Name]; ok {
			agreeWithLargest(t, n.Name, n.Array, want)
		}
	}
}

// nothingChanged checks that a forward pass in evaluation mode leaves buffers as
// they were.
func nothingChanged(t *testing.T, s *torch.Scope, r recorded, store *nn.Store) error {
	t.Helper()
	for _, e := range store.Entries() {
		want, ok := r["buffers/"+e.Name]
		if !ok {
			continue
		}
		got, err := s.Array(e.Tensor)
		if err != nil {
			return err
		}
		if string(got.Data) != string(want.Data) {
			t.Errorf("%s was changed", e.Name)
		}
	}
	return nil
}

func TestGaussianMasksEqualThePythonPackages(t *testing.T) {
	index := readLayerIndex(t)
	for _, name := range []string{"gaussian_mask_plain", "gaussian_mask_scaled", "gaussian_mask_positive", "gaussian_mask_no_bias"} {
		t.Run(name, func(t *testing.T) {
			r := readLayer(t, name)
			for _, reduction := range []string{"sum", "mean"} {
				// Defaults of GaussianMaskReadout, under which the cases were recorded.
				settings := index.settings(t, name, config.Object{
					{Key: "in_shape", Value: toInt64(r["input"].Shape[1:])},
					{Key: "gaussian_mean_scale", Value: 1.0},
					{Key: "gaussian_var_scale", Value: 1.0},
					{Key: "positive", Value: false},
					{Key: "scale", Value: false},
					{Key: "bias", Value: true},
					{Key: "readout_reg_avg", Value: reduction == "mean"},
				})
				for _, d := range torchtest.Devices {
					t.Run(d, func(t *testing.T) {
						device := torchtest.Device(t, d)
						readout, store := newLayer(t, device, r, func(p nn.Path) (Readout, error) {
							c := defaultGaussianMasks()
							if err := settings.Read(&c); err != nil {
								return nil, err
							}
							return c.build(p, Session{Neurons: r["output"].Shape[2]})
						})
						testMask(t, device, r, readout, store, index.number(t, "readout_regularizer."+name+"."+reduction))
					})
				}
			}
		})
	}
}

func testMask(t *testing.T, d torch.Device, r recorded, readout Readout, store *nn.Store, penalty float64) {
	t.Helper()
	err := torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		value, err := s.Item(readout.Regularizer(s))
		if math.Abs(value-penalty) > 1e-4*penalty {
			t.Errorf("regularizer is %v, want %v", value, penalty)
		}
		if err != nil {
			return err
		}
		masks, err := s.Float32s(readout.(*gaussianMask).masks(s))
		if err != nil {
			return err
		}
		agree(t, "masks", masks, r["masks"])
		if err := r.forward(t, s, store, readout.Forward); err != nil {
			return err
		}
		if want, ok := r["params_after/features"]; ok {
			e, _ := store.Lookup("features")
			features, err := s.Float32s(e.Tensor)
			if err != nil {
				return err
			}
			agree(t, "clamped features", features, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTemporalLaplaceOfACoreEqualsThePythonPackages(t *testing.T) {
	kernel := readLayer(t, "separable_weights")["features.layer0.conv.time_conv.weight"]
	want := readLayerIndex(t).number(t, "regularizers.separable.temporal_smoothness")
	err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		got, err := s.Item(temporalLaplace(s, s.FromArray(kernel), false))
		if math.Abs(got-want) > 1e-5+1e-4*math.Abs(want) {
			t.Errorf("penalty is %v, want %v", got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func toInt64(v []int) []int64 {
	out := make([]int64, len(v))
	for i, n := range v {
		out[i] = int64(n)
	}
	return out
}
