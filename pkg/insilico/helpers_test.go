package insilico

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

func TestMain(m *testing.M) {
	torch.SetThreads(1) // small models; idle threads would wait for each other on a busy machine
	code := m.Run()
	if left := torch.LiveTensors(); left != 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "tensors left over:", left)
		code = 1
	}
	os.Exit(code)
}

// The sessions of the recorded model, with 7 and 5 neurons.
const (
	ventral = "session_1_ventral1_20200226"
	dorsal  = "session_2_dorsal1_20200302"
)

// recordedModel takes stimuli of 2 channels, 18 x 16 pixels, and looks back over
// 30 frames.
func recordedModel(t *testing.T) *models.CoreReadout {
	t.Helper()
	return recordedModelOn(t, torch.CPU)
}

func recordedModelOn(t *testing.T, d torch.Device) *models.CoreReadout {
	t.Helper()
	m, err := models.Load("../models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt", models.Options{Device: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func node(t testing.TB, text string) *config.Node {
	t.Helper()
	n, err := config.FromYAML("mei.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// defaultNode is configs/mei/default.yaml with the values of some keys replaced.
func defaultNode(t testing.TB, changes string) *config.Node {
	t.Helper()
	text, err := configs.FS.ReadFile("mei/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if changes == "" {
		changes = "{}"
	}
	changed, keys := node(t, changes), config.Object{}
	for key, value := range node(t, string(text)).Fields() {
		if other, ok := changed.Get(key); ok {
			value = other
		}
		keys = append(keys, config.Pair{Key: key, Value: value})
	}
	n, err := config.FromValue(keys)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func settings(t testing.TB, changes string) *Settings {
	t.Helper()
	s, err := FromConfig(defaultNode(t, changes))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustOptimize(t *testing.T, m *models.CoreReadout, targets []Neurons, c *Settings, o Options) *Result {
	t.Helper()
	r, err := Optimize(t.Context(), m, targets, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// clip is the stimulus of one target.
func clip(r *Result, target int) []float32 {
	size := r.Stimulus.Len() / r.Stimulus.Shape[0]
	return r.Stimulus.Float32s()[target*size : (target+1)*size]
}

func readArrays(t *testing.T, path string) map[string]*ndarray.Array {
	t.Helper()
	list, err := npy.ReadZipFile(path)
	if err != nil {
		t.Fatal(err)
	}
	arrays := map[string]*ndarray.Array{}
	for _, a := range list {
		arrays[a.Name] = a.Array
	}
	return arrays
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// within checks values against a tolerance that is relative to each value, and
// one that is absolute.
func within[A, B float32 | float64](t *testing.T, name string, got []A, want []B, rtol, atol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if !(math.Abs(g-w) <= atol+rtol*math.Abs(w)) {
			t.Errorf("%s: value %d is %v, want %v", name, i, g, w)
			return
		}
	}
}

// mostlyWithin wants a share of the values within a tolerance.
func mostlyWithin(t *testing.T, name string, got, want []float32, atol, share float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	near := 0
	for i := range got {
		if math.Abs(float64(got[i])-float64(want[i])) <= atol {
			near++
		}
	}
	t.Logf("%s: %d of %d values are within %v", name, near, len(want), atol)
	if float64(near) < share*float64(len(want)) {
		t.Errorf("%s: only %d of %d values are within %v", name, near, len(want), atol)
	}
}

func write(t *testing.T, a *ndarray.Array) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "init.npy")
	if err := npy.WriteFile(path, a); err != nil {
		t.Fatal(err)
	}
	return path
}
