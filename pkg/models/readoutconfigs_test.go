package models

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// initialCases are those of initial.json: a readout's config, and what the Python
// package makes of it with a seed.
func initialCases(t *testing.T) *config.Node {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(readouts, "initial.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := config.FromYAML("initial.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// withReadout is the tiny model with another readout.
func withReadout(t *testing.T, readout string) *config.Node {
	t.Helper()
	before, after, _ := strings.Cut(tinyModel, "readout:")
	_, after, _ = strings.Cut(after, "learning_rate:")
	n, err := config.FromYAML("tiny.yaml", []byte(before+"learning_rate:"+after+"readout:\n"+readout))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var threeNeurons = []Session{
	{Name: "b", Neurons: 3, MeanActivity: []float32{0, 0, 0}}, {Name: "a", Neurons: 3, MeanActivity: []float32{1, 2, 3}},
}

// newWithReadout is a model whose readout has the config of a case.
func newWithReadout(t *testing.T, c *config.Node, o Options) *CoreReadout {
	t.Helper()
	n := withReadout(t, "  _target_: none\n")
	readout, _ := c.Get("readout")
	if err := n.Set("readout", readout.Value()); err != nil {
		t.Fatal(err)
	}
	m, err := New(n, threeNeurons, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestSeedGivesThePythonPackagesReadouts(t *testing.T) {
	for name, c := range initialCases(t).Fields() {
		t.Run(name, func(t *testing.T) {
			m := newWithReadout(t, c, Options{Seed: 7})
			state, err := m.Store().StateDict()
			if err != nil {
				t.Fatal(err)
			}
			state = slices.DeleteFunc(state, func(n ndarray.Named) bool { return !strings.HasPrefix(n.Name, "readout.") })
			want, _ := c.Get("state")
			for i, key := range want.Keys() {
				if i >= len(state) || state[i].Name != key {
					t.Fatalf("the state is %v, want %v", names(state), want.Keys())
				}
				if name == "init_grid" && strings.HasPrefix(key, "readout.b._mu") {
					continue // the Python package lets both sessions share the tensor
				}
				value, _ := want.Get(key)
				agree(t, key, state[i].Array.Float32s(), numbers(t, value))
			}
			t.Run("responses", func(t *testing.T) { respondAsInitial(t, m, c) })
		})
	}
}

func names(state []ndarray.Named) (list []string) {
	for _, n := range state {
		list = append(list, n.Name)
	}
	return list
}

// numbers are those of lists of lists.
func numbers(t *testing.T, n *config.Node) *ndarray.Array {
	t.Helper()
	tensor, err := tensorArguments{Data: n}.build(struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return tensor.Array
}

// respondAsInitial compares the model's responses in evaluation mode, then the
// readout's in training mode, and its penalty.
func respondAsInitial(t *testing.T, m *CoreReadout, c *config.Node) {
	t.Helper()
	ramp := func(s *torch.Scope, shape ...int64) *torch.Tensor {
		return s.Reshape(s.Linspace(-1, 1, elements(shape)), shape...)
	}
	compare := func(mode torch.Mode, key string, f func(s *torch.Scope) *torch.Tensor) {
		err := torch.Do(t.Context(), mode, func(s *torch.Scope) error {
			got, err := s.Float32s(f(s))
			want, _ := c.Get(key)
			agree(t, key, got, numbers(t, want))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	readout, err := m.Readout("a")
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []torch.Mode{torch.Inference, torch.Probe} {
		compare(mode, "responses", func(s *torch.Scope) *torch.Tensor { return m.Forward(s, ramp(s, 1, 2, 12, 6, 5), "a") })
	}
	compare(torch.Inference, "regularizer", readout.Regularizer)
	g, err := torch.NewGenerator(3, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var shape []int64
	if n, ok := c.Get("in_shape"); !ok || n.Decode(&shape) != nil {
		t.Fatal("no in_shape")
	}
	compare(torch.Train, "sampled", func(s *torch.Scope) *torch.Tensor {
		s.SetRand(g)
		return readout.Forward(s, ramp(s, append([]int64{2}, shape...)...))
	})
}

// TestReadoutsComeBackFromTheirHyperparameters: what is saved rebuilds the model.
func TestReadoutsComeBackFromTheirHyperparameters(t *testing.T) {
	for name, c := range initialCases(t).Fields() {
		t.Run(name, func(t *testing.T) {
			m := newWithReadout(t, c, Options{Seed: 7})
			state, err := m.Store().StateDict()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Restore(m.Hyper, state, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			respondAsInitial(t, again, c)
		})
	}
}

// TestInitGridIsKeptWhereNumbersAreCorrected: else the Python package draws over it.
func TestInitGridIsKeptWhereNumbersAreCorrected(t *testing.T) {
	c, _ := initialCases(t).Get("init_grid")
	m := newWithReadout(t, c, Options{Seed: 7, Corrected: true})
	for _, session := range []string{"a", "b"} {
		e, _ := m.Store().Lookup("readout." + session + "._mu")
		got, err := m.Store().Scope().Float32s(e.Tensor)
		if err != nil || !slices.Equal(got, make([]float32, 6)) {
			t.Errorf("positions are %v, want zeros, %v", got, err)
		}
	}
}

const (
	pointReadout = `
  _target_: openretina.modules.readout.multi_readout.MultiSampledGaussianReadout
  bias: true
  init_mu_range: 0.1
  init_sigma_range: 0.1
`
	factorizedReadout = `
  _target_: openretina.modules.readout.multi_readout.MultiFactorizedReadout
  mask_l1_reg: 1.0
  weights_l1_reg: 1.0
  laplace_mask_reg: 1.0
`
	lnpReadouts = `
  _target_: openretina.modules.readout.multi_readout.MultipleLNPReadout
`
)

// TestBadReadoutConfigsAreRefused: before there is data, or when the numbers of neurons
// are known.
func TestBadReadoutConfigsAreRefused(t *testing.T) {
	scales := "  init_scales: [[0.0, 0.1], [0.0, 0.1]]\n"
	for _, c := range []struct{ readout, line, want string }{
		{pointReadout, "gauss_type: iso", `gauss_type "iso" not known: choose full, uncorrelated or isotropic`},
		{pointReadout, "init_mu_range: 1.5", "init_mu_range must be above 0 and at most 1, got 1.5"},
		{pointReadout, "init_sigma_range: 0", "init_sigma_range must be above 0"},
		{pointReadout, "grid_mean_predictor: {hidden_layers: 1}", "source_grid"},
		{pointReadout, "shared_features: {match_ids: [0, 1]}", "match_ids has 2 ids, but session b has 3 neurons"},
		{pointReadout, "shared_features: {match_ids: [0, 1, 1], shared_features: 3}", "cannot be shared by a config"},
		{pointReadout, "shared_grid: {match_ids: [0, 1, 1], shared_grid: 3}", "cannot be shared by a config"},
		{pointReadout, "shared_grid: {ids: [0, 1, 1]}", `unknown key "ids"`},
		{pointReadout, "init_grid: [[0.0, 0.0]]", "init_grid"},
		{pointReadout, "init_grid: {_target_: torch.ones, size: [1, 2, 1, 2]}", "init_grid has the shape [1×2×1×2], want [1×3×1×2]"},
		{pointReadout, "init_grid: {_target_: torch.ones, size: [100000, 100000]}", "size must hold at most"},
		{pointReadout, "init_grid: {_target_: torch.ones, size: [-1]}", "size must hold at most"},
		{pointReadout, "init_grid: {_target_: torch.tensor, data: [[1.0], [1.0, 2.0]]}", "lists of different lengths"},
		{pointReadout, "init_grid: {_target_: torch.tensor, data: [1.0, [2.0]]}", "data has"},
		{pointReadout, "init_grid: {_target_: torch.from_numpy, ndarray: {_target_: numpy.load, file: absent.npy}}", "absent.npy"},
		{pointReadout, "nonlinearity_function: softplus", "write {_target_: torch.nn.functional.softplus, _partial_: true}"},
		{pointReadout, "nonlinearity_function: null", "is a function"},
		{pointReadout, "nonlinearity_function: {_target_: torch.nn.functional.softplus}", "needs _partial_: true here"},
		{pointReadout, "nonlinearity_function: {_target_: torch.nn.Softplus, _partial_: true}", "needs _partial_: false here"},
		{pointReadout, "nonlinearity_function: {_target_: torch.nn.functional.softpluss, _partial_: true}", `did you mean "torch.nn.functional.softplus"?`},
		{pointReadout, "nonlinearity_function: {_target_: torch.nn.functional.softplus, _partial_: true, betta: 2}", `did you mean "beta"`},
		{pointReadout, "nonlinearity_function: {_target_: hydra.utils.get_method, path: torch.nn.functional.soft}", "torch.nn.functional.soft"},
		{pointReadout, "nonlinearity_function: {_target_: hydra.utils.get_method, path: torch.nn.Softplus}", "is not a function"},
		{pointReadout, "nonlinearity_function: {_target_: hydra.utils.get_method, path: hydra.utils.get_method}", "is not a function"},
		{factorizedReadout, "readout_bias: true", "Either init_mask or init_scales must be provided"},
		{factorizedReadout, "init_scales: [[0.0, 0.1]]", "init_scales must be [[mean, std], [mean, std]]"},
		{factorizedReadout, "init_scales: [[0.0, 0.1], [0.0, -0.1]]", "no negative standard deviation"},
		{factorizedReadout + scales, "weights_constraint: ab", "weights_constraint must be abs, norm, absnorm or null"},
		{factorizedReadout + scales, "mask_constraint: norm", "mask_constraint must be abs or null"},
		{factorizedReadout, "init_mask: {_target_: torch.ones, size: [3, 1, 9, 9]}", "needs init_scales"},
		{factorizedReadout + scales, "init_mask: {_target_: torch.ones, size: [3, 1, 2, 9]}", "init_mask has the shape [3×1×2×9], but session b has 3 neurons, and masks are 4 × 3"},
		{factorizedReadout + scales, "init_weights: {_target_: torch.ones, size: [3, 3]}", "init_weights has the shape [3×3], want [4×3]"},
		{lnpReadouts, "smooth_regularizer: FlatLaplaceL23dnorm", "smooth_regularizer must be LaplaceL2norm or GaussianLaplaceL2"},
		{lnpReadouts, "nonlinearity: soft_plus", `nonlinearity "soft_plus" is none of elu, exp`},
		{lnpReadouts, "laplace_padding: -1", "laplace_padding must not be negative"},
		{lnpReadouts + "  smooth_regularizer: GaussianLaplaceL2\n", "laplace_padding: 0", "laplace_padding must be null or 1"},
		{lnpReadouts, "in_shape: [1]", "in_shape must be [channels, time, height, width]"},
	} {
		t.Run(c.line, func(t *testing.T) {
			key, _, _ := strings.Cut(c.line, ":")
			var kept []string
			for line := range strings.SplitSeq(c.readout, "\n") {
				if !strings.HasPrefix(line, "  "+key+":") {
					kept = append(kept, line)
				}
			}
			m, err := New(withReadout(t, strings.Join(append(kept, "  "+c.line, ""), "\n")), threeNeurons, Options{})
			if err == nil {
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "tiny.yaml:") {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
	}
}

// TestReadoutsAreCheckedBeforeTheNumberOfNeuronsIsKnown: then one neuron stands for all.
func TestReadoutsAreCheckedBeforeTheNumberOfNeuronsIsKnown(t *testing.T) {
	for name, c := range initialCases(t).Fields() {
		n := withReadout(t, "  _target_: none\n")
		readout, _ := c.Get("readout")
		if err := n.Set("readout", readout.Value()); err != nil {
			t.Fatal(err)
		}
		if err := Check(n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := Check(withReadout(t, pointReadout+"  gauss_type: iso\n  gama: 1\n"))
	if err == nil || !strings.Contains(err.Error(), "iso") || !strings.Contains(err.Error(), `did you mean "gamma"`) {
		t.Errorf("error is %v, want both problems", err)
	}
}

// TestPositionsStayWithinTheFeatures: a forward pass moves those back that left.
func TestPositionsStayWithinTheFeatures(t *testing.T) {
	m, err := New(withReadout(t, pointReadout), threeNeurons, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e, _ := m.Store().Lookup("readout.a._mu")
	for _, mode := range []torch.Mode{torch.Inference, torch.Train} {
		err := torch.Do(t.Context(), mode, func(s *torch.Scope) error {
			s.SetRand(m.Rand())
			s.CopyInto(e.Tensor, s.FromFloat32([]float32{-3, 0.5, 1, 7, 0, 0}, 1, 3, 1, 2))
			readout, err := m.Readout("a")
			if err != nil {
				return err
			}
			readout.Forward(s, s.Ones(1, 4, 2, 4, 3))
			got, err := s.Float32s(e.Tensor)
			if want := []float32{-1, 0.5, 1, 1, 0, 0}; !slices.Equal(got, want) {
				t.Errorf("positions are %v, want %v", got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCenterMovesReadoutsToTheMiddle: a model whose readouts are centred answers as if
// each neuron had been trained there; one without positions is left as it is.
func TestCenterMovesReadoutsToTheMiddle(t *testing.T) {
	for _, c := range []struct{ readout, parameter, want string }{
		{pointReadout, "_mu", ""},
		{pointReadout + "  shared_grid: {match_ids: [0, 0, 1]}\n", "_mu", ""},
		{"  _target_: openretina.modules.readout.multi_readout.MultiGaussianMaskReadout\n  scale: true\n  bias: true\n" +
			"  gaussian_mean_scale: 6.0\n  gaussian_var_scale: 4.0\n  positive: true\n", "mask_mean", ""},
		{lnpReadouts, "", "readout of session a: a LNPReadout has no position that could be centred"},
		{factorizedReadout + "  init_scales: [[0.0, 0.1], [0.0, 0.1]]\n", "", "a FactorizedReadout has no position"},
	} {
		m, err := New(withReadout(t, c.readout), threeNeurons, Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if c.parameter == "mask_mean" {
			e, _ := m.Store().Lookup("readout.a.mask_mean")
			m.Store().Scope().CopyInto(e.Tensor, m.Store().Scope().Ones(3, 2))
		}
		err = m.Center()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %q in it", err, c.want)
		}
		for _, e := range m.Store().Entries() {
			if c.parameter == "" || !strings.HasSuffix(e.Name, "."+c.parameter) {
				continue
			}
			values, err := m.Store().Scope().Float32s(e.Tensor)
			if err != nil || slices.ContainsFunc(values, func(v float32) bool { return v != 0 }) {
				t.Errorf("%s is %v, %v", e.Name, values, err)
			}
		}
	}
}

// TestClonedReadoutsShareTheFirstSessionsWeights: in files, they have them under both
// names; in training, the clone's scale and shift move, and it pays no penalty.
func TestClonedReadoutsShareTheFirstSessionsWeights(t *testing.T) {
	n := withReadout(t, lnpReadouts+"  clone_readout: true\n  bias: true\n  sparse_weight: 1.0\n")
	m, err := New(n, threeNeurons, Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var got []string
	for _, e := range m.Store().Entries() {
		if strings.HasPrefix(e.Name, "readout.a") {
			got = append(got, e.Name)
		}
	}
	want := []string{
		"readout.a.alpha", "readout.a.beta", "readout.a._source.inner_product_kernel.weight",
		"readout.a._source.inner_product_kernel.bias", "readout.a._source._smooth_reg_fn.laplace.filter",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the clone has %v, want %v", got, want)
	}
	stimulus, err := ndarray.New(ndarray.Float32, m.StimulusShape(12)...)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := m.Respond(t.Context(), stimulus, "a")
	b, errB := m.Respond(t.Context(), stimulus, "b")
	if errA != nil || errB != nil || math.Abs(a.At(0)-b.At(0)) > 0 {
		t.Errorf("clones answer %v and %v: %v, %v", a, b, errA, errB)
	}
	state, err := m.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(m.Hyper, state, Options{})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	other := slices.Clone(threeNeurons)
	other[1] = Session{Name: "a", Neurons: 2}
	if _, err := New(n, other, Options{}); err == nil || !strings.Contains(err.Error(), "clone_readout needs the same neurons") {
		t.Errorf("error is %v", err)
	}
}
