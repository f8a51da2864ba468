package models

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

const seedFolders = "testdata/seeds"

// loadSeeds loads the ensemble of a directory.
func loadSeeds(t *testing.T, d torch.Device, dir string) *CoreReadout {
	t.Helper()
	files, err := SeedFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := LoadEnsemble(files, Options{Device: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func readSeeds(t *testing.T, path ...string) *ndarray.Array {
	t.Helper()
	a, err := npy.ReadFile(filepath.Join(append([]string{seedFolders}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSeedFilesGiveThePythonPackagesOutputs compares with what
// load_ensemble_retina_model_from_directory loads: whole clips and streams, the mean
// and the spread, centred readouts, and penalties.
func TestSeedFilesGiveThePythonPackagesOutputs(t *testing.T) {
	for _, dir := range []string{"elife", "partial"} {
		for _, d := range torchtest.Devices {
			t.Run(dir+" "+d, func(t *testing.T) {
				m := loadSeeds(t, torchtest.Device(t, d), filepath.Join(seedFolders, dir))
				spread, err := m.Spread()
				if err != nil {
					t.Fatal(err)
				}
				responsesEqual(t, m, dir, "output")
				responsesEqual(t, spread, dir, "spread")
				penaltiesEqual(t, m.members[0], dir)
				if err := m.Center(); err != nil {
					t.Fatal(err)
				}
				responsesEqual(t, m, dir, "centered")
			})
		}
	}
}

func responsesEqual(t *testing.T, m *CoreReadout, dir, kind string) {
	t.Helper()
	input := readSeeds(t, "input.npy")
	if want := []string{"2_dorsal", "session_1_ventral1_20200226"}; !slices.Equal(m.Sessions(), want) {
		t.Fatalf("sessions are %v, want %v", m.Sessions(), want)
	}
	for _, session := range m.Sessions() {
		name := kind + "_" + session + ".npy"
		want := readSeeds(t, dir, name)
		got, err := m.Respond(t.Context(), input, session)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, name, got.Float32s(), want)
		streamed := &ndarray.Array{}
		if err := m.RespondStream(t.Context(), &movie{shape: [5]int(input.Shape), values: input.Float32s()}, session, collect(streamed)); err != nil {
			t.Fatal(err)
		}
		agree(t, name+" in a stream", streamed.Float32s(), want)
	}
}

func penaltiesEqual(t *testing.T, m *CoreReadout, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(seedFolders, dir, "penalties.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]float64
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for _, session := range m.Sessions() {
		err := torch.DoOn(t.Context(), m.Device(), torch.Inference, func(s *torch.Scope) error {
			core, readout, err := m.Penalties(s, session)
			if err != nil {
				return err
			}
			for _, p := range []struct {
				name  string
				value *torch.Tensor
			}{{"core", core}, {session, readout}} {
				got, err := s.Item(p.value)
				if err != nil {
					return err
				}
				if math.Abs(got-want[p.name]) > 1e-4*want[p.name] {
					t.Errorf("penalty of %s is %v, want %v", p.name, got, want[p.name])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatSeedFilesLack: tensors that a state dict lacks have what the seed draws, which
// is told. A log speed of a model without batch_adaptation is not trained.
func TestWhatSeedFilesLack(t *testing.T) {
	m := loadSeeds(t, torch.CPU, filepath.Join(seedFolders, "partial"))
	missing := m.NotStored()
	for _, name := range []string{"readout.2_dorsal.features", "core.log_speed_2_dorsal", "core.features.layer1.conv.weight_spatial"} {
		if !slices.Contains(missing, name) {
			t.Errorf("%s is not among what the file lacks: %v", name, missing)
		}
	}
	if len(missing) != 9 {
		t.Errorf("%d tensors are missing: %v", len(missing), missing)
	}
	if names := loadSeeds(t, torch.CPU, filepath.Join(seedFolders, "elife")).NotStored(); len(names) > 0 {
		t.Errorf("files that lack nothing lack %v", names)
	}
	for _, e := range m.members[0].Store().Trainable() {
		if strings.Contains(e.Name, "log_speed") {
			t.Errorf("%s is trained", e.Name)
		}
	}
}

// TestSeedOfAMemberIsAModel: a member alone, described, and rebuilt of its own
// hyperparameters.
func TestSeedOfAMemberIsAModel(t *testing.T) {
	path := filepath.Join(seedFolders, "elife", "state_dict_01000.pth.tar")
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Describe(c, path)
	if err != nil {
		t.Fatal(err)
	}
	if d.Problem != "" || d.Class != legacyModel || d.Core != legacyCore || d.Readout != legacyReadout ||
		!slices.Equal(d.InShape, []int64{2, 20, 10, 8}) || *d.CutFrames != 10 || len(d.Sessions) != 2 || d.Sessions[0].Neurons != 3 {
		t.Errorf("described as %+v", d)
	}
	if k := d.Kernels; len(k) != 2 || k[0].Time != 7 || k[1].Height != 3 {
		t.Errorf("kernels are %+v", k)
	}
	m, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	hyper, err := m.HyperParameters(m.DataInfo)
	if err != nil {
		t.Fatal(err)
	}
	c.HyperParameters = hyper
	again, err := FromCheckpoint(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	want, err1 := m.Respond(t.Context(), readSeeds(t, "input.npy"), "")
	got, err2 := again.Respond(t.Context(), readSeeds(t, "input.npy"), "")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	sameResponses(t, "rebuilt", got, want)
}

// TestTensorsInDataInfo: they are left out of what a checkpoint holds, the rest stays.
func TestTensorsInDataInfo(t *testing.T) {
	const tensor = "ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n(S'x'\ntRtR"
	const info = "}S'a'\n}S'output_dimension'\nI2\nsS'input_dimensions'\n(I1\nI2\nI20\nI10\nI8\ntsS'rate'\nI30\nsS'mean'\n" + tensor + "ss."
	dir := seedFolder(t, "data_info_00000.pkl", func(string) string { return info })
	hyper, err := readSeedFiles(seedFiles{dir, 0})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := entry[*pickle.Dict](hyper, "data_info")
	kept, _ := entry[*pickle.Dict](data, "sessions_kwargs")
	session, _ := entry[*pickle.Dict](kept, "a")
	if keys := session.Keys(); !slices.Equal(keys, []string{"rate"}) {
		t.Errorf("kept are %v", keys)
	}
}

// seedFolder copies the miniature, with a file changed; no content removes it.
func seedFolder(t *testing.T, name string, change func(string) string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(seedFolders, "elife"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := change(string(content))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func replaced(old, by string) func(string) string {
	return func(text string) string { return strings.Replace(text, old, by, 1) }
}

func TestBadSeedFiles(t *testing.T) {
	remove := func(string) string { return "" }
	const function = "nnfabrik_euler.rgcs.models.SFB3d_core_SxF3d_readout"
	for name, c := range map[string]struct {
		file   string
		change func(string) string
		want   string
	}{
		"no config":       {"config_01000.yaml", remove, "seed 01000 of the ensemble lacks config_01000.yaml"},
		"no data_info":    {"data_info_01000.pkl", remove, "seed 01000 of the ensemble lacks data_info_01000.pkl"},
		"no state dict":   {"state_dict_02000.pth.tar", remove, "seed 02000 of the ensemble lacks state_dict_02000.pth.tar"},
		"another package": {"config_00000.yaml", replaced(function, "klindt.a.b.Model"), "model_fn klindt.a.b.Model is not known"},
		"another model":   {"config_00000.yaml", replaced(function, "openretina.legacy.models.Other"), "config_00000.yaml:38: model_fn openretina.legacy.models.Other is not known"},
		"too short":       {"config_00000.yaml", replaced(function, "nnfabrik_euler.SFB3d_core_SxF3d_readout"), "is not known"},
		"no model_fn":     {"config_00000.yaml", replaced("model_fn:", "function:"), "names no model_fn"},
		"no arguments":    {"config_00000.yaml", replaced("model_config:", "arguments:"), "has no model_config"},
		"unknown":         {"config_00000.yaml", replaced("  layers: 2", "  layres: 2"), "config_00000.yaml:24: "},
		"other type":      {"config_00000.yaml", replaced("  layers: 2", "  layers: two"), "config_00000.yaml:24: "},
		"layers":          {"config_00000.yaml", replaced("  layers: 2", "  layers: 3"), "3 layers, but only 2 hidden_channels"},
		"stack":           {"config_00000.yaml", replaced("stack: -1", "stack: 2"), "stack 2 is none of 2 layers"},
		"no stack":        {"config_00000.yaml", replaced("stack: -1", "stack: null"), "stack must choose one of 2 layers"},
		"free masks":      {"config_00000.yaml", replaced("gaussian_masks: true", "gaussian_masks: false"), "gaussian_masks must be true"},
		"own arguments":   {"config_00000.yaml", replaced("  layers: 2", "  layers: 2\n  seed: 3"), "seed is no argument of model_config"},
		"an object":       {"config_00000.yaml", replaced("!!python/tuple", "!!python/object/apply:os.getcwd"), "does not fit its tag !!python/object"},
		"a tagged word":   {"config_00000.yaml", replaced("  layers: 2", "  layers: !!python/tuple 2"), "!!python/tuple"},
		"no yaml":         {"config_00000.yaml", replaced("model_config:", "[model_config"), "config_00000.yaml"},
		"a large yaml":    {"config_00000.yaml", func(s string) string { return s + strings.Repeat("# x\n", 1<<19) }, "more than 1048576 bytes"},
		"no pickle":       {"data_info_00000.pkl", func(string) string { return "no pickle" }, "data_info_00000.pkl"},
		"a truncated one": {"data_info_00000.pkl", func(s string) string { return s[:len(s)/2] }, "pickle is truncated"},
		"a hostile one":   {"data_info_00000.pkl", func(string) string { return "cos\nsystem\n(S'true'\ntR." }, "names the class os.system, which is not allowed"},
		"a number":        {"data_info_00000.pkl", func(string) string { return "I1\n." }, "it holds a int, no dict"},
		"no sessions":     {"data_info_00000.pkl", func(string) string { return "}." }, "it has no sessions"},
		"no dict":         {"data_info_00000.pkl", func(string) string { return "}S'a'\nI1\ns." }, "session a has a int, no dict"},
		"no neurons":      {"data_info_00000.pkl", func(string) string { return "}S'a'\n}s." }, "session a has no output_dimension"},
		"no stimulus":     {"data_info_00000.pkl", func(string) string { return "}S'a'\n}S'output_dimension'\nI2\nss." }, "session a: input_dimensions are not"},
		"other sessions":  {"data_info_00000.pkl", replaced("2_dorsal", "3_dorsal"), "unexpected keys"},
		"a state dict":    {"state_dict_00000.pth.tar", func(s string) string { return s[:len(s)/2] }, "state_dict_00000.pth.tar"},
		"other weights":   {"config_01000.yaml", replaced("  - 4\n  - 3", "  - 4\n  - 5"), "size mismatch"},
		"other members":   {"config_01000.yaml", replaced("stack: -1", "stack: 0"), "size mismatch"},
	} {
		dir := seedFolder(t, c.file, c.change)
		files, err := SeedFiles(dir)
		if err == nil {
			var m *CoreReadout
			if m, err = LoadEnsemble(files, Options{}); err == nil {
				m.Close()
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if _, err := SeedFiles(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
}

// TestMappedFunction: names as the Python package maps them.
func TestMappedFunction(t *testing.T) {
	for name, want := range map[string]string{
		"nnfabrik_euler.rgcs.models.SFB3d_core_SxF3d_readout":      legacyModel,
		"nnfabrik_euler.any.thing.SFB3d_core_SxF3d_readout":        legacyModel,
		"openretina.hoefling_2024.models.SFB3d_core_SxF3d_readout": legacyModel,
		legacyModel:                        legacyModel,
		"nnfabrik_euler.rgcs.models.Other": "openretina.legacy.models.Other",
		"nnfabrik.a.b.C":                   "nnfabrik.a.b.C",
		"C":                                "C",
		"":                                 "",
	} {
		if got := mappedFunction(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
