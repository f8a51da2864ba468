package models

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if left := torch.LiveTensors(); left != 0 && code == 0 {
		println("tensors left over:", left)
		code = 1
	}
	os.Exit(code)
}

const checkpoints = "testdata/checkpoints"

func load(t *testing.T, path ...string) *CoreReadout {
	t.Helper()
	return loadOn(t, torch.CPU, path...)
}

func loadOn(t *testing.T, d torch.Device, path ...string) *CoreReadout {
	t.Helper()
	m, err := Load(filepath.Join(append([]string{checkpoints}, path...)...), Options{Device: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// restored is a model rebuilt of what files have of it: hyperparameters, which change
// may change, and the state dict.
func restored(t *testing.T, m *CoreReadout, change func(*pickle.Dict)) *CoreReadout {
	t.Helper()
	stored, err := m.HyperParameters(nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(stored)
	}
	hyper, err := hyperNode(stored)
	if err != nil {
		t.Fatal(err)
	}
	state, err := m.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(hyper, state, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Close)
	return again
}

func readArray(t *testing.T, path ...string) *ndarray.Array {
	t.Helper()
	a, err := npy.ReadFile(filepath.Join(append([]string{checkpoints}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// agree checks rtol 1e-4, atol 1e-5: what the fixtures' README asks for.
func agree(t *testing.T, name string, got []float32, want *ndarray.Array) {
	t.Helper()
	if len(got) != want.Len() {
		t.Errorf("%s: %d values, want %d", name, len(got), want.Len())
		return
	}
	for i, v := range got {
		if w := want.At(i); math.Abs(float64(v)-w) > 1e-5+1e-4*math.Abs(w) {
			t.Errorf("%s: value %d is %v, want %v", name, i, v, w)
			return
		}
	}
}

// TestCheckpointsGiveThePythonPackagesOutputs covers every kind of file and
// every option of SimpleCoreWrapper that the recorded checkpoints have.
func TestCheckpointsGiveThePythonPackagesOutputs(t *testing.T) {
	for _, file := range []string{
		"hoefling_low_res/checkpoint.ckpt", "hoefling_high_res_style/checkpoint.ckpt",
		"legacy_core_readout/checkpoint.ckpt", "legacy_core_readout/checkpoint_nonzip.ckpt",
		"legacy_core_readout/state.safetensors", "full_conv/checkpoint.ckpt",
		"goldin_time_independent/checkpoint.ckpt", "same_padding_pool/checkpoint.ckpt", "downsample_grey/checkpoint.ckpt",
		"gru/checkpoint.ckpt", "gru_off_default/checkpoint.ckpt", "separable_conv/checkpoint.ckpt",
		"spatial_contrast/checkpoint.ckpt", "point_gaussian/checkpoint.ckpt", "klindt/checkpoint.ckpt", "lnp/checkpoint.ckpt",
	} {
		t.Run(file, func(t *testing.T) {
			for _, d := range torchtest.Devices {
				t.Run(d, func(t *testing.T) { testCheckpoint(t, torchtest.Device(t, d), file) })
			}
		})
	}
}

func testCheckpoint(t *testing.T, d torch.Device, file string) {
	t.Helper()
	family := filepath.Dir(file)
	m := loadOn(t, d, file)
	input := readArray(t, family, "input.npy")
	for _, session := range append(m.Sessions(), "") {
		name := "output_" + session + ".npy"
		if session == "" {
			name = "output_all_sessions.npy"
		}
		err := torch.DoOn(t.Context(), d, torch.Inference, func(s *torch.Scope) error {
			got, err := s.Float32s(m.Forward(s, s.FromArray(input), session))
			agree(t, name, got, readArray(t, family, name))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{1, input.Shape[1], 50, input.Shape[3], input.Shape[4]}; !slices.Equal(m.StimulusShape(50), want) {
		t.Errorf("stimulus shape is %v, want %v", m.StimulusShape(50), want)
	}
}

func TestStateDictIsTheFiles(t *testing.T) {
	for _, family := range []string{"hoefling_low_res", "gru", "separable_conv"} {
		t.Run(family, func(t *testing.T) { testStateDict(t, family) })
	}
}

func testStateDict(t *testing.T, family string) {
	t.Helper()
	m := load(t, family, "checkpoint.ckpt")
	state, err := m.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(m.Hyper, state, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	twice, err := again.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	for i := range state {
		if state[i].Name != twice[i].Name || string(state[i].Array.Data) != string(twice[i].Array.Data) {
			t.Errorf("%s does not survive", state[i].Name)
		}
	}
}

func TestWrongStimulusIsAnErrorWithLayerAndShapes(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
	for name, c := range map[string]struct {
		shape   []int64
		session string
		want    string
	}{
		"channels":        {[]int64{1, 3, 60, 18, 16}, "", "core.features.layer0"},
		"too few frames":  {[]int64{1, 2, 10, 18, 16}, "", "core.features.layer0"},
		"another size":    {[]int64{1, 2, 60, 30, 30}, "session_1_ventral1_20200226", "readout.session_1"},
		"unknown session": {[]int64{1, 2, 60, 18, 16}, "session_9", "the model has session_1_ventral1_20200226"},
	} {
		t.Run(name, func(t *testing.T) {
			err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
				m.Forward(s, s.Zeros(c.shape...), c.session)
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

const tinyModel = `
in_shape: [2, 12, 6, 5]
hidden_channels: [3, 4]
core:
  _target_: openretina.modules.core.base_core.SimpleCoreWrapper
  channels: ???
  temporal_kernel_sizes: [6, 3]
  spatial_kernel_sizes: [3, 3]
  gamma_input: 0.1
  gamma_temporal: 1.0
  gamma_in_sparse: 0.2
  gamma_hidden: 0.3
  cut_first_n_frames: 0
  hidden_padding: true
readout:
  _target_: openretina.modules.readout.multi_readout.MultiGaussianMaskReadout
  scale: true
  bias: true
  gaussian_mean_scale: 6.0
  gaussian_var_scale: 4.0
  positive: true
learning_rate: 0.01
`

func tiny(t *testing.T, edit func(*config.Node)) (*CoreReadout, error) {
	t.Helper()
	n, err := config.FromYAML("tiny.yaml", []byte(tinyModel))
	if err != nil {
		t.Fatal(err)
	}
	edit(n)
	return New(n, tinySessions, Options{Seed: 7})
}

var tinySessions = []Session{{Name: "b", Neurons: 2}, {Name: "a", Neurons: 3, MeanActivity: []float32{1, 2, 3}}}

func TestSeedGivesThePythonPackagesWeights(t *testing.T) {
	m, err := tiny(t, func(*config.Node) {})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	// lightning.seed_everything(7), then UnifiedCoreReadout of the same config.
	for name, want := range map[string][]float32{
		"core.features.layer0.conv.sin_weights":    {-0.0014679508749395609, 0.00786141213029623, 0.009468216449022293},
		"core.features.layer1.conv.weight_spatial": {0.0016545378603041172, -0.0071569266729056835, 0.012424965389072895},
		"core.features.layer1.norm.running_var":    {0.8999999761581421, 0.8999999761581421, 0.8999999761581421},
		"core.features.layer0.norm.running_var":    {0.8999999761581421, 0.8999999761581421, 0.8999999761581421},
		"readout.b.features":                       {0.24215728044509888, 0.23297521471977234, 0.24291639029979706},
		"readout.a.scale_param":                    {1.0157285928726196, 1.0191261768341064, 1.0023812055587769},
		"readout.a.bias":                           {1.0, 2.0, 3.0},
	} {
		e, ok := m.Store().Lookup(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		got, err := m.Store().Scope().Float32s(e.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Abs(float64(got[i]-want[i])) > 1e-7 {
				t.Errorf("%s starts with %v, want %v", name, got[:len(want)], want)
				break
			}
		}
	}
}

// TestBadModelConfigsAreRefused changes a line of the model's config, or adds one,
// and wants to read its number.
func TestBadModelConfigsAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"in_shape: [2, 3]":        "tiny.yaml:2: in_shape must be [channels, time, height, width], got [2 3]",
		"in_shape: [2, 12, 0, 5]": "tiny.yaml:2: in_shape must be",
		"hidden_channels: []":     "At least two channels required",
		"hidden_channels: [3, 0]": "channels must be at least 1, got [2 3 0]",
		"  _target_: openretina.modules.core.base_core.SimpleCoreWraper": "did you mean",
		"  gama_input: 1.0":                                        `did you mean "gamma_input"`,
		"  temporal_kernel_sizes: [6]":                             "tiny.yaml:7: 2 layers, but only 1 temporal kernel sizes",
		"  temporal_kernel_sizes: [6, 2]":                          "tiny.yaml:7: Length cannot be smaller than subsampling factor",
		"  spatial_kernel_sizes: [3, 3, 3]":                        "tiny.yaml:8: Temporal and spatial kernel sizes must have the same length",
		"  spatial_kernel_sizes: [9, 3]":                           "tiny.yaml:8: layer 0: a kernel of [6×9×9] does not fit into [12×6×5]",
		"  spatial_kernel_sizes: [0, 3]":                           "tiny.yaml:8: spatial_kernel_sizes must be at least 1, got [0 3]",
		"  convolution_type: fourier":                              "Un-implemented conv_type fourier",
		"  input_padding: reflect":                                 "neither",
		"  hidden_padding: -1":                                     "tiny.yaml:14: ",
		"  dropout_rate: 1.5":                                      "dropout_rate must be at least 0 and below 1, got 1.5",
		"  dropout_rate: .nan":                                     "dropout_rate must be",
		"  cut_first_n_frames: -3":                                 "tiny.yaml:13: cut_first_n_frames must not be negative",
		"  maxpool_every_n_layers: 0":                              "maxpool_every_n_layers must be at least 1",
		"  downsample_input_kernel_size: [1, 0, 2]":                "downsample_input_kernel_size must be at least 1",
		"  downsample_input_kernel_size: [1, 9, 2]":                "downsample_input_kernel_size: a kernel of [1×9×2] does not fit",
		"  color_squashing_weights: [0.5, 0.5]":                    "must be 1 when squashing",
		"  color_squashing_weights: []":                            "must be 1 when squashing",
		"readout: null":                                            "readout",
		"  in_shape: [4]":                                          "in_shape must be [channels, time, height, width], got [4]",
		"loss: {_target_: openretina.modules.losses.PoissonLos3d}": "PoissonLoss3d",
	} {
		t.Run(line, func(t *testing.T) {
			n, err := config.FromYAML("tiny.yaml", []byte(withLine(tinyModel, line)))
			if err != nil {
				t.Fatal(err)
			}
			m, err := New(n, tinySessions, Options{})
			if err == nil {
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want %q in it", err, want)
			}
		})
	}
}

// withLine puts a line of YAML in the place of the one with its key, or adds it
// where the model, its core (before gamma_input) or its readout has such keys.
func withLine(text, line string) string {
	key, _, _ := strings.Cut(line, ":")
	lines := strings.Split(text, "\n")
	for i, old := range lines {
		if strings.HasPrefix(old, key+":") {
			if i+1 < len(lines) && !strings.HasPrefix(line, " ") && strings.HasPrefix(lines[i+1], " ") {
				return strings.Join(append(lines[:i], line), "\n") // a mapping, the last one
			}
			lines[i] = line
			return strings.Join(lines, "\n")
		}
	}
	at := "learning_rate"
	if strings.HasPrefix(key, " ") {
		at = "  gamma_input"
	}
	if key == "  in_shape" {
		at = "  scale"
	}
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, at) })
	return strings.Join(slices.Insert(lines, i, line), "\n")
}

func TestBadSessionsAreRefused(t *testing.T) {
	n, err := config.FromYAML("tiny.yaml", []byte(tinyModel))
	if err != nil {
		t.Fatal(err)
	}
	for want, sessions := range map[string][]Session{
		"at least one session":             nil,
		"session a is there twice":         {{Name: "a", Neurons: 1}, {Name: "a", Neurons: 1}},
		"session a has no neurons":         {{Name: "a"}},
		"3 neurons, but 1 mean activities": {{Name: "a", Neurons: 3, MeanActivity: []float32{1}}},
	} {
		if _, err := New(n, sessions, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q in it", err, want)
		}
	}
}

func TestPenaltiesNeedTheirConvolution(t *testing.T) {
	for _, c := range []struct{ kind, gamma, want string }{
		{"full", "gamma_temporal", "tiny.yaml:10: Temporal smoothness not supported for convolution_type=full."},
		{"time_independent", "gamma_temporal", "Temporal smoothness not supported"},
		{"full", "gamma_input", "tiny.yaml:9: gamma_input needs spatial kernels"},
		{"separable", "gamma_hidden", "tiny.yaml:12: gamma_hidden needs spatial kernels"},
		{"separable", "gamma_in_sparse", "tiny.yaml:11: gamma_in_sparse needs spatial kernels"},
		{"time_independent", "gamma_input", ""},
		{"separable", "gamma_temporal", ""},
	} {
		n, err := config.FromYAML("tiny.yaml", []byte(tinyModel))
		if err != nil {
			t.Fatal(err)
		}
		for _, gamma := range []string{"gamma_input", "gamma_temporal", "gamma_in_sparse", "gamma_hidden"} {
			if gamma != c.gamma {
				err = errors.Join(err, n.Set("core."+gamma, 0.0))
			}
		}
		if err := errors.Join(err, n.Set("core.convolution_type", c.kind)); err != nil {
			t.Fatal(err)
		}
		if err := Check(n); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: error is %v, want %q in it", c.kind, c.gamma, err, c.want)
		}
	}
}

func TestFilesThatAreNoModelSaySo(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(filepath.Join(checkpoints, "full_conv", "checkpoint.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"empty.ckpt": nil, "cut.ckpt": whole[:len(whole)/2], "text.ckpt": []byte("<html>")} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(filepath.Join(dir, "missing.ckpt"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}
