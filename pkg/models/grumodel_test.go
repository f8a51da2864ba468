package models

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// withCore is the tiny model with another core.
func withCore(t *testing.T, core any) *config.Node {
	t.Helper()
	n, err := config.FromYAML("tiny.yaml", []byte(tinyModel))
	if err != nil {
		t.Fatal(err)
	}
	n = without(t, n, "core")
	if err := n.Set("core", core); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSeedGivesThePythonPackagesGRUCores compares names, their order and first values
// of all tensors with those that the Python package draws (testdata/cores/seed.py).
func TestSeedGivesThePythonPackagesGRUCores(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(cores, "seed7.json"))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := config.FromYAML("seed7.json", raw) // keeps the order
	if err != nil {
		t.Fatal(err)
	}
	for name, model := range drawn.Fields() {
		t.Run(name, func(t *testing.T) {
			core, _ := model.Get("core")
			m, err := New(withCore(t, core), []Session{{Name: "b", Neurons: 2}, {Name: "a", Neurons: 3}}, Options{Seed: 7})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var names, parameters []string
			for _, e := range m.Store().Entries() {
				names = append(names, e.Name)
				if e.Parameter {
					parameters = append(parameters, e.Name)
				}
			}
			state, _ := model.Get("state")
			if !slices.Equal(names, state.Keys()) {
				t.Fatalf("state dict has %v, want %v", names, state.Keys())
			}
			var want []string
			if list, _ := model.Get("parameters"); list.Decode(&want) != nil || !slices.Equal(parameters, want) {
				t.Errorf("parameters are %v, want %v", parameters, want)
			}
			for name, values := range state.Fields() {
				compareFirst(t, m, name, values)
			}
		})
	}
}

// compareFirst compares the first values of a tensor.
func compareFirst(t *testing.T, m *CoreReadout, name string, values *config.Node) {
	t.Helper()
	var want []float64
	if err := values.Decode(&want); err != nil {
		t.Fatal(err)
	}
	e, _ := m.Store().Lookup(name)
	a, err := m.Store().Scope().Array(e.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if got := a.At(i); math.Abs(got-w) > 1e-6*math.Max(1, math.Abs(w)) {
			t.Errorf("%s starts with %v at %d, want %v", name, got, i, w)
			return
		}
	}
}

const pacedCore = `
_target_: openretina.modules.core.gru_core.ConvGRUCore
channels: ???
temporal_kernel_sizes: [6, 3]
spatial_kernel_sizes: [3, 3]
use_gru: true
gru_kwargs: {rec_channels: 4, input_kern: 3, rec_kern: 3}
batch_adaptation: true
`

// pacedModel has a core with log speeds, used or not, that of session a not zero.
func pacedModel(t *testing.T, used bool) *CoreReadout {
	t.Helper()
	core, err := config.FromYAML("core.yaml", []byte(pacedCore))
	if err != nil {
		t.Fatal(err)
	}
	if used {
		if err := core.Set("use_log_speed", true); err != nil {
			t.Fatal(err)
		}
	}
	m, err := New(withCore(t, core), tinySessions, Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	e, ok := m.Store().Lookup("core.features.layer1.conv.log_speed_a") // one parameter under several names
	if !ok {
		t.Fatal("there is no log speed of session a")
	}
	err = torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		s.CopyInto(e.Tensor, s.Full(0.7, 1))
		return s.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLogSpeedsAreUsedWhereAskedFor wants the same features for all sessions without
// use_log_speed, as release 1.1.1 has them, and others for the session with a speed.
func TestLogSpeedsAreUsedWhereAskedFor(t *testing.T) {
	oneThread(t)
	for _, used := range []bool{false, true} {
		m := pacedModel(t, used)
		source := noise(m, 2, 20)
		clips, err := source.Read(Range{0, 2}, Range{0, 20})
		if err != nil {
			t.Fatal(err)
		}
		err = torch.Do(t.Context(), torch.Train, func(s *torch.Scope) error {
			x := s.FromArray(clips)
			a, errA := s.Float32s(m.CoreFor("a").Forward(s, x))
			b, errB := s.Float32s(m.CoreFor("b").Forward(s, x))
			if same := slices.Equal(a, b); same == used || errA != nil || errB != nil {
				t.Errorf("used %v: sessions have the same features: %v, %v, %v", used, same, errA, errB)
			}
			s.Backward(s.Sum(m.Forward(s, x, "a")))
			for session, moved := range map[string]bool{"a": used, "b": false} {
				e, _ := m.Store().Lookup("core.log_speed_" + session)
				if g := s.Grad(e.Tensor); (g != nil) != moved {
					t.Errorf("used %v: log speed of %s has a gradient: %v", used, session, g != nil)
				}
			}
			return s.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		sideBySide(t, m, clips)
		checkCuts(t, m, 1, 7)
	}
}

// sideBySide wants the responses of all sessions to be those of each.
func sideBySide(t *testing.T, m *CoreReadout, clips *ndarray.Array) {
	t.Helper()
	all, err := m.Respond(t.Context(), clips, "")
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	for _, session := range m.Sessions() {
		own, err := m.Respond(t.Context(), clips, session)
		if err != nil {
			t.Fatal(err)
		}
		neurons := own.Shape[2]
		for i := range own.Len() {
			row, column := i/neurons, i%neurons
			if g, w := all.At(row*all.Shape[2]+first+column), own.At(i); math.Abs(g-w) > 1e-6 {
				t.Fatalf("session %s: response %d is %v beside the others, %v alone", session, i, g, w)
			}
		}
		first += neurons
	}
}

// TestGRUsSeeAllThePast wants responses to need all frames before them.
func TestGRUsSeeAllThePast(t *testing.T) {
	m := load(t, "gru", "checkpoint.ckpt")
	if stimulus, own := m.Needed(60, Range{20, 30}); stimulus != (Range{0, 46}) || own != (Range{20, 30}) {
		t.Errorf("responses 20 to 30 need frames %v, %v of their responses", stimulus, own)
	}
	if _, local := m.Core.(LocalInTime); local {
		t.Error("a core with a GRU says that it sees a bounded stretch")
	}
}

// TestBadGRUCoresAreRefused adds a line to a core, in the place of the one with its key.
func TestBadGRUCoresAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"gru_kwargs: {rec_channels: 4, input_kern: 4, rec_kern: 3}":                   "core.yaml:7: input_kern must be odd where pad_input is true, got 4",
		"gru_kwargs: {rec_channels: 4, input_kern: 3, rec_kern: 4}":                   "core.yaml:7: rec_kern must be odd, got 4",
		"gru_kwargs: {rec_channels: 4, input_kern: 3, rec_kern: 3, groups: 3}":        "core.yaml:7: groups must divide the 4 channels",
		"gru_kwargs: {rec_channels: 0, input_kern: 3, rec_kern: 3}":                   "rec_channels must be at least 1",
		"gru_kwargs: {input_kern: 3, rec_kern: 3}":                                    `"rec_channels", which is needed`,
		"gru_kwargs: {rec_channels: 4, input_kern: 9, rec_kern: 3, pad_input: false}": "core.yaml:7: gru_kwargs.input_kern: a kernel of",
		"gru_kwargs: {rec_channels: 4, input_kern: 3, rec_kern: 3, rec_kernel: 3}":    `did you mean "rec_kern"`,
		"gru_kwargs: null":                  "use_gru needs gru_kwargs",
		"nonlinearity: ELUU":                `nonlinearity "ELUU" is none of ELU,`,
		"temporal_kernel_sizes: [6]":        "core.yaml:4: 2 layers, but only 1 temporal_kernel_sizes",
		"spatial_kernel_sizes: 0":           "core.yaml:5: spatial_kernel_sizes must be at least 1",
		"batch_norm_momentum: 2.0":          "batch_norm_momentum must be between 0 and 1",
		"laplace_padding: -1":               "laplace_padding must not be negative",
		"convolution_type: fourier":         "Un-implemented conv_type fourier",
		"batch_adaptation: false":           "",
		"input_padding: [0, 1, 1]":          "",
		"spatial_kernel_sizes: 3":           "",
		"temporal_kernel_sizes: [6, 3, 11]": "",
	} {
		t.Run(line, func(t *testing.T) {
			key, _, _ := strings.Cut(line, ":")
			lines := strings.Split(pacedCore, "\n")
			if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+":") }); i >= 0 {
				lines[i] = line
			} else {
				lines = append(lines, line)
			}
			core, err := config.FromYAML("core.yaml", []byte(strings.Join(lines, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			err = Check(withCore(t, core))
			if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("error is %v, want %q in it", err, want)
			}
		})
	}
}

// TestHyperparametersRebuildGRUCores goes over a checkpoint's form and back.
func TestHyperparametersRebuildGRUCores(t *testing.T) {
	m := pacedModel(t, true)
	again := restored(t, m, nil)
	clips, err := noise(m, 2, 20).Read(Range{0, 2}, Range{0, 20})
	if err != nil {
		t.Fatal(err)
	}
	want, err1 := m.Respond(t.Context(), clips, "")
	got, err2 := again.Respond(t.Context(), clips, "")
	if err1 != nil || err2 != nil || string(got.Data) != string(want.Data) {
		t.Errorf("responses differ: %v, %v", err1, err2)
	}
}

// TestPythonLoadsGRUCores writes models with the cores of seed7.json and log speeds that
// are used, and lets the Python package load them and compute the same responses.
func TestPythonLoadsGRUCores(t *testing.T) {
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: set OPENRETINA_PYTHON to a Python interpreter with openretina ('make test-python' does)")
	}
	raw, err := os.ReadFile(filepath.Join(cores, "seed7.json"))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := config.FromYAML("seed7.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, model := range drawn.Fields() {
		t.Run(name, func(t *testing.T) {
			core, _ := model.Get("core")
			if err := core.Set("use_gamma_rec", true); err != nil { // the class takes what it does not know
				t.Fatal(err)
			}
			m, err := New(withCore(t, core), tinySessions, Options{Seed: 5})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			scatter(t, m)
			dir := t.TempDir()
			path := func(name string) string { return filepath.Join(dir, name) }
			writeModel(t, m, path("model.ckpt"))
			clips, err := noise(m, 2, 20).Read(Range{0, 2}, Range{0, 20})
			if err != nil {
				t.Fatal(err)
			}
			responses, err := m.Respond(t.Context(), clips, "")
			if err := errors.Join(err, npy.WriteFile(path("x.npy"), clips), npy.WriteFile(path("y.npy"), responses)); err != nil {
				t.Fatal(err)
			}
			script := filepath.Join("..", "..", "scripts", "python", "check_run.py")
			cmd := exec.Command(python, script, path("model.ckpt"), path("x.npy"), path("y.npy"))
			cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Errorf("%v: %v", cmd, err)
			}
		})
	}
}

// scatter gives all parameters random values: initial ones, small as they are, let next
// to nothing through.
func scatter(t *testing.T, m *CoreReadout) {
	t.Helper()
	err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		for _, e := range m.Store().Trainable() {
			shape, err := s.Shape(e.Tensor)
			if err != nil {
				return err
			}
			s.CopyInto(e.Tensor, s.Normal(m.Rand(), 0, 0.3, shape...))
		}
		return s.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// writeModel writes a checkpoint without a training.
func writeModel(t *testing.T, m *CoreReadout, path string) {
	t.Helper()
	hyper, err := m.HyperParameters(pickle.NewDict())
	if err != nil {
		t.Fatal(err)
	}
	state, err := m.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	c := &checkpoint.Checkpoint{State: &checkpoint.State{}, HyperParameters: hyper}
	for _, s := range state {
		c.State.Set(s.Name, s.Array)
	}
	if err := checkpoint.Write(path, c); err != nil {
		t.Fatal(err)
	}
}
