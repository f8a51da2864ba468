package train

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
)

// lowest is the lowest value in a column of the metrics of a run's epochs; it must not
// be the last one.
func lowest(t *testing.T, dir, column string) float64 {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "csv", "metrics.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(rows[0], column)
	var values []float64
	for _, row := range rows[1:] {
		if v, err := strconv.ParseFloat(row[at], 64); err == nil {
			values = append(values, v)
		}
	}
	epochs := values[:len(values)-1] // the last row is the best model's validation for the objective
	best := slices.Min(epochs)
	if best == epochs[len(epochs)-1] {
		t.Fatalf("the last epoch is the best one: %s is %v", column, best)
	}
	return best
}

// TestResultFile: the objective is the best epoch's, not the last one's, as the
// Python package validates its best checkpoint.
func TestResultFile(t *testing.T) {
	dir := t.TempDir()
	// A rate at which the first epoch is the best.
	words := []string{
		"+objective_target=val_total_loss", "training_callbacks.model_checkpoint.monitor=val_total_loss",
		"training_callbacks.model_checkpoint.mode=min", "model.learning_rate=0.5",
	}
	result, err := train(t, t.Context(), tinyRun(t, dir, words...), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadResult(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := lowest(t, dir, "val_total_loss")
	o, m := read.Objective, read.Monitored
	if o == nil || o.Metric != "val_total_loss" || o.Value == nil || math.Abs(*o.Value-want) > 1e-5*math.Abs(want) {
		t.Errorf("objective %+v, the best epoch had %v", o, want)
	}
	if m == nil || m.Metric != "val_total_loss" || m.Mode != "min" || math.Abs(*m.Value-want) > 1e-5*math.Abs(want) {
		t.Errorf("monitored %+v, the best epoch had %v", m, want)
	}
	if read.Best != result.Best || read.Final != result.Final || read.Epochs != 3 || len(read.Tests) != 3 || read.Tests[0] != result.Tests[0] {
		t.Errorf("%+v was read, %+v given", read, result)
	}

	// A training that fails leaves no result of an earlier one.
	broken := tinyRun(t, dir, "paths.data_dir="+t.TempDir())
	if _, err := train(t, t.Context(), broken, &recorder{}); err == nil {
		t.Fatal("trained without data")
	}
	if _, err := ReadResult(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old result is still there: %v", err)
	}
}

func TestNoObjective(t *testing.T) {
	dir := t.TempDir()
	if _, err := train(t, t.Context(), tinyRun(t, dir, "trainer.max_epochs=1"), &recorder{}); err != nil {
		t.Fatal(err)
	}
	read, err := ReadResult(dir)
	if err != nil || read.Objective != nil || read.Monitored == nil || read.Monitored.Mode != "max" {
		t.Errorf("%v, %+v", err, read)
	}
}

func TestUnknownObjective(t *testing.T) {
	_, err := NewPlan(tinyRun(t, t.TempDir(), "+objective_target=val_correlation"))
	if e := (*config.Error)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), "val_evaluation_loss") {
		t.Errorf("got %v", err)
	}
}

func TestScoresThatAreNoNumbers(t *testing.T) {
	text, err := json.Marshal(Result{Tests: []TestScore{{"a", math.NaN(), math.Inf(-1)}}, Objective: &Score{Metric: "m", Value: finite(math.NaN())}})
	if err != nil || !strings.Contains(string(text), `{"name":"a","loss":null,"evaluation":null}`) || !strings.Contains(string(text), `"value":null`) {
		t.Errorf("%v: %s", err, text)
	}
	var read Result
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if s := read.Tests[0]; s.Name != "a" || !math.IsNaN(s.Loss) || !math.IsNaN(s.Evaluation) {
		t.Errorf("null is read as %+v", s)
	}
}
