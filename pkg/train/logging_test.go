package train

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/tracking/tfevents/tfeventstest"
)

// TestLogsEqualLightnings trains the recorded experiment (testdata/loggers/record.py:
// two epochs, test, validation of the best model) and compares all that the loggers
// write with what Lightning's wrote.
func TestLogsEqualLightnings(t *testing.T) {
	const recorded = "testdata/loggers"
	dir := t.TempDir()
	o, err := config.Locate(config.Flags{Config: "../evaluation/testdata/create_data/config.yaml"}, configs.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides = []string{
		"paths.data_dir=../evaluation/testdata/create_data/data", "paths.output_dir=" + dir, "paths.log_dir=.",
		"trainer.max_epochs=2", "seed=1", "+objective_target=val_evaluation_loss",
	}
	c, err := config.Compose(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := train(t, t.Context(), c, &recorder{}); err != nil {
		t.Fatal(err)
	}
	compareTables(t, ofLightning(readTable(t, filepath.Join(dir, "csv", "metrics.csv"))), readTable(t, filepath.Join(recorded, "metrics.csv")))
	for _, logger := range []string{"csv", "tensorboard"} {
		got, want := readText(t, filepath.Join(dir, logger, "hparams.yaml")), readText(t, filepath.Join(recorded, "hparams.yaml"))
		if got != want {
			t.Errorf("%s: hparams.yaml is\n%s, want\n%s", logger, got, want)
		}
	}
	compareScalars(t, tfeventstest.ReadDir(t, filepath.Join(dir, "tensorboard")), readText(t, filepath.Join(recorded, "scalars.json")))
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	table, err := csv.NewReader(strings.NewReader(readText(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// ours is in the names of the metrics that only this program has.
const ours = "_per_neuron_frame"

// ofLightning are the columns that Lightning's log has.
func ofLightning(table [][]string) [][]string {
	columns := table[0]
	kept := make([][]string, len(table))
	for i, row := range table {
		for j, value := range row {
			if !strings.Contains(columns[j], ours) {
				kept[i] = append(kept[i], value)
			}
		}
	}
	return kept
}

// near is the tolerance of a training that is repeated: as that of its test scores.
func near(got, want float64) bool {
	return math.Abs(got-want) <= 1e-4*math.Abs(want)+2e-4
}

func compareTables(t *testing.T, got, want [][]string) {
	t.Helper()
	if len(got) != len(want) || !slices.Equal(got[0], want[0]) {
		t.Fatalf("metrics.csv has %d rows, columns %v; want %d, %v", len(got), got[0], len(want), want[0])
	}
	for i, row := range want[1:] {
		for j, text := range row {
			a, errA := strconv.ParseFloat(got[i+1][j], 64)
			b, errB := strconv.ParseFloat(text, 64)
			if (errA == nil) != (errB == nil) || !near(a, b) {
				t.Errorf("row %d, %s is %q, want %q", i, want[0][j], got[i+1][j], text)
			}
		}
	}
}

func compareScalars(t *testing.T, events []tfeventstest.Event, recorded string) {
	t.Helper()
	var want [][3]any
	if err := json.Unmarshal([]byte(recorded), &want); err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(events, func(e tfeventstest.Event) bool {
		return math.IsNaN(e.Scalar) || strings.Contains(e.Tag, ours)
	})
	if len(got) != len(want) {
		t.Fatalf("TensorBoard has %d scalars, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Tag != w[0] || float64(got[i].Step) != w[1] || !near(got[i].Scalar, w[2].(float64)) {
			t.Errorf("scalar %d is %s=%v at step %d, want %v", i, got[i].Tag, got[i].Scalar, got[i].Step, w)
		}
	}
}
