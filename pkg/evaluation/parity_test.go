package evaluation

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/models"
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

// python is what the Python package made of the same model and data.
const python = "../eval/testdata/create_data"

// noiseConfig is the config of the recorded evaluation.
func noiseConfig(t *testing.T) *config.Node {
	t.Helper()
	text, err := os.ReadFile("testdata/create_data/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := config.FromYAML("config.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Set("paths.data_dir", "testdata/create_data/data"); err != nil {
		t.Fatal(err)
	}
	return root
}

func noiseData(t *testing.T) *data.Dataset {
	t.Helper()
	d, err := data.Load(t.Context(), noiseConfig(t), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func noiseModel(t *testing.T) *models.CoreReadout {
	t.Helper()
	m, err := models.Load("testdata/create_data/checkpoint.ckpt", models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func pythonOptions() Options {
	return Options{
		Statistics: true, Seed: 1,
		Summary: eval.Options{
			ModelPath: "checkpoint.ckpt", ModelTag: "tiny", Experiment: "h5_core_readout", VarRatioCutoff: eval.DefaultVarRatioCutoff,
		},
	}
}

// TestEqualToThePythonPackage evaluates the recorded checkpoint on the recorded
// data and compares every file.
func TestEqualToThePythonPackage(t *testing.T) {
	results, err := Run(t.Context(), noiseModel(t), noiseData(t), pythonOptions())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var splits []string
	for _, r := range results {
		split := r.Report.Split
		splits = append(splits, split)
		if err := r.Report.WriteCSV(dir); err != nil {
			t.Fatal(err)
		}
		if err := r.Report.WriteSummary(dir); err != nil {
			t.Fatal(err)
		}
		compareTables(t, dir, "results_"+split+".csv")
		compareSummaries(t, filepath.Join(dir, "summary_"+split+".json"), filepath.Join(python, "summary_"+split+"_as_written.txt"))
		var got bytes.Buffer
		if err := r.Report.Print(&got); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(python, "report_"+split+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := withoutTraining(got.String()), withoutTraining(string(want)); got != want {
			t.Errorf("printed\n%s\nwant\n%s", got, want)
		}
	}
	if !slices.Equal(splits, []string{"random_noise_1", "random_noise_2"}) {
		t.Errorf("evaluated %v", splits)
	}
}

// withoutTraining drops the lines with counts of randomly placed training clips.
func withoutTraining(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  Training") }), "\n")
}

func compareTables(t *testing.T, dir, name string) {
	t.Helper()
	got, want := readTable(t, filepath.Join(dir, name)), readTable(t, filepath.Join(python, name))
	if len(got) != len(want) || !slices.Equal(got[0], want[0]) {
		t.Fatalf("%s: %d rows of %v, want %d of %v", name, len(got), got[0], len(want), want[0])
	}
	for i := range want {
		for j, column := range want[0] {
			if !sameNumber(column, got[i][j], want[i][j]) {
				t.Errorf("%s, row %d, %s: %q, want %q", name, i, column, got[i][j], want[i][j])
			}
		}
	}
}

func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// sameNumber has the tolerance of the fixture's README: 1e-4, absolute for
// correlations and else relative. What is no fraction must be equal.
func sameNumber(name, got, want string) bool {
	if !strings.Contains(want, ".") {
		return got == want
	}
	x, err := strconv.ParseFloat(got, 64)
	y, err2 := strconv.ParseFloat(want, 64)
	if err != nil || err2 != nil {
		return got == want
	}
	if strings.HasPrefix(name, "corr") {
		return math.Abs(x-y) <= 1e-4
	}
	return math.Abs(x-y) <= 1e-4*math.Abs(y)
}

func compareSummaries(t *testing.T, got, want string) {
	t.Helper()
	read := func(path string) map[string]any {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{}
		if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("NaN"), []byte("null")), &values); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return values
	}
	g, w := read(got), read(want)
	if len(g) != len(w) {
		t.Errorf("%d values in the summary, want %d", len(g), len(w))
	}
	for key, value := range w {
		if strings.HasPrefix(key, "unique_train") {
			continue // clips are placed at random
		}
		x, err := json.Marshal(g[key])
		y, err2 := json.Marshal(value)
		if err != nil || err2 != nil || !sameNumber(key, string(x), string(y)) {
			t.Errorf("%s: %s, want %s", key, x, y)
		}
	}
}
