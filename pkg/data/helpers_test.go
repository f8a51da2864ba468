package data

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tolerance is that of the fixtures' README for interpolated and normalised
// values.
const relative, absolute = 1e-5, 1e-6

func near(got, want float64) bool {
	return math.Abs(got-want) <= absolute+relative*math.Abs(want)
}

// readJSON reads a fixture.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

// fromYAML reads a config.
func fromYAML(t *testing.T, text string) *config.Node {
	t.Helper()
	n, err := config.FromYAML("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// load loads data that must load.
func load(t *testing.T, cfg *config.Node) *Dataset {
	t.Helper()
	d, err := Load(context.Background(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// arrays reads an .npz fixture.
func arrays(t *testing.T, path string) func(name string) []float64 {
	t.Helper()
	found, err := npy.ReadZipFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) []float64 {
		t.Helper()
		a, err := npy.Find(found, name)
		if err != nil {
			t.Fatal(err)
		}
		return a.Float64s()
	}
}

// compare compares values with those of the Python package.
func compare[T float32 | float64](t *testing.T, what string, got []T, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if !near(float64(got[i]), want[i]) {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// summary is how expected.json describes an array.
type summary struct {
	Shape       []int
	Mean, Std   float64
	First, Last []float64
}

// compareSummary compares a slice with a summary of the Python package's array.
func compareSummary(t *testing.T, what string, got []float32, shape []int, want summary) {
	t.Helper()
	if diff := cmp.Diff(want.Shape, shape); diff != "" {
		t.Errorf("%s: shape %s", what, diff)
		return
	}
	values := make([]float64, len(got))
	for i, v := range got {
		values[i] = float64(v)
	}
	if m := mean(values); math.Abs(m-want.Mean) > 1e-6 {
		t.Errorf("%s: mean %v, want %v", what, m, want.Mean)
	}
	if s := standardDeviation(values); !near(s, want.Std) {
		t.Errorf("%s: standard deviation %v, want %v", what, s, want.Std)
	}
	compare(t, what+", first values", values[:len(want.First)], want.First)
	compare(t, what+", last values", values[len(values)-len(want.Last):], want.Last)
}

// epoch collects copies of the batches of one epoch.
func epoch(t *testing.T, l *Loader) []Batch {
	t.Helper()
	var batches []Batch
	for b, err := range l.Epoch(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		copied := *b
		copied.Inputs = append([]float32{}, b.Inputs...)
		copied.Targets = append([]float32{}, b.Targets...)
		batches = append(batches, copied)
	}
	return batches
}

// copyFile copies a file into a directory and gives its new path.
func copyFile(t *testing.T, path, dir string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(copied, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// zipOf puts a file into a zip file.
func zipOf(t *testing.T, path, archive string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	entry, err := w.Create(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return archive
}

// replace gives a copy of a config with one value replaced, by its text form in
// JSON.
func replace(t *testing.T, cfg *config.Node, path string, value any) *config.Node {
	t.Helper()
	copied, err := config.FromValue(set(cfg.Value(), strings.Split(path, "."), value))
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

// set gives a tree of plain values with one value replaced, or removed where it
// is the word remove.
func set(tree any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	object, _ := tree.(config.Object)
	out := config.Object{}
	done := false
	for _, pair := range object {
		if pair.Key == path[0] {
			done = true
			if value == remove && len(path) == 1 {
				continue
			}
			pair.Value = set(pair.Value, path[1:], value)
		}
		out = append(out, pair)
	}
	if !done {
		out = append(out, config.Pair{Key: path[0], Value: set(nil, path[1:], value)})
	}
	return out
}

// remove makes replace take a key away.
const remove = "<remove>"
