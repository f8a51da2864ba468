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
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
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
	m, err := Load(filepath.Join(append([]string{checkpoints}, path...)...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
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
	} {
		t.Run(file, func(t *testing.T) {
			family := filepath.Dir(file)
			m := load(t, file)
			input := readArray(t, family, "input.npy")
			for _, session := range append(m.Sessions(), "") {
				name := "output_" + session + ".npy"
				if session == "" {
					name = "output_all_sessions.npy"
				}
				err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
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
		})
	}
}

func TestStateDictIsTheFiles(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
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
	return New(n, []Session{{Name: "b", Neurons: 2}, {Name: "a", Neurons: 3, MeanActivity: []float32{1, 2, 3}}}, Options{Seed: 7})
}

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

func TestBadModelConfigsAreRefused(t *testing.T) {
	set := func(path string, value any) func(*config.Node) {
		return func(n *config.Node) {
			if err := n.Set(path, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		edit func(*config.Node)
		want string
	}{
		"unknown core":      {set("core._target_", "openretina.modules.core.base_core.SimpleCoreWraper"), "did you mean"},
		"unknown key":       {set("core.gama_input", 1.0), `did you mean "gamma_input"`},
		"too few kernels":   {set("core.temporal_kernel_sizes", []any{int64(6)}), "2 layers, but only 1 temporal kernel sizes"},
		"short kernel":      {set("core.temporal_kernel_sizes", []any{int64(6), int64(2)}), "Length cannot be smaller than subsampling factor"},
		"kernel over image": {set("core.spatial_kernel_sizes", []any{int64(9), int64(3)}), "core.features.layer0: conv3d"},
		"convolution type":  {set("core.convolution_type", "fourier"), "Un-implemented conv_type fourier"},
		"bad padding":       {set("core.input_padding", "reflect"), "neither"},
		"colors and squash": {set("core.color_squashing_weights", []any{0.5, 0.5}), "must be 1 when squashing"},
		"rank of in_shape":  {set("in_shape", []any{int64(2), int64(3)}), "[channels, time, height, width]"},
		"temporal penalty":  {set("core.convolution_type", "full"), "set it to 0"},
		"readout unknown":   {set("readout._target_", "nothing.MultiReadout"), "unknown readout"},
		"loss of nothing":   {set("loss", config.Object{{Key: "_target_", Value: "openretina.modules.losses.PoissonLos3d"}}), "PoissonLoss3d"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := tiny(t, c.edit)
			if err == nil && name == "temporal penalty" { // known only when the penalty is computed
				defer m.Close()
				err = torch.Do(t.Context(), torch.Train, func(s *torch.Scope) error {
					m.Core.Regularizer(s)
					return nil
				})
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
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
