package insilico

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWrittenResult(t *testing.T) {
	m := tinyModel(t)
	s := settings(t, `{max_steps: 4, frames: 12, seed: 7, stopper: {_target_: `+modules+`optimization_stopper.EarlyStopper, patience: 1}}`)
	r := mustOptimize(t, m, []Neurons{{{"b", 0}}, {{"a", 1}, {"b", 0}}}, s, Options{})
	r.Objective[1], r.Steps[1] = r.Objective[1][:3], 2 // as if stopped after two steps
	dir := filepath.Join(t.TempDir(), "new", "mei")
	if err := r.Write(dir, Meta{Model: "tiny", ModelDigest: "sha256:00"}); err != nil {
		t.Fatal(err)
	}

	arrays := readArrays(t, filepath.Join(dir, "mei.npz"))
	if !slices.Equal(arrays["stimulus"].Shape, []int{2, 2, 12, 4, 4}) || !slices.Equal(arrays["objective"].Shape, []int{2, 5}) {
		t.Errorf("shapes %v and %v", arrays["stimulus"].Shape, arrays["objective"].Shape)
	}
	if steps := arrays["steps"].Int64s(); steps[1] != 2 || int(steps[0]) != r.Steps[0] {
		t.Errorf("steps %v", steps)
	}
	row := arrays["objective"].Float32s()[5:]
	if row[2] != r.Objective[1][2] || !math.IsNaN(float64(row[3])) || !math.IsNaN(float64(row[4])) {
		t.Errorf("objective of the stimulus that ended early: %v", row)
	}

	var record struct {
		Model       string   `json:"model"`
		ModelDigest string   `json:"model_digest"`
		Seed        int      `json:"seed"`
		Sessions    []string `json:"sessions"`
		Neurons     []int    `json:"neurons"`
		Places      []int    `json:"neurons_over_all_sessions"`
		Stimulus    []int    `json:"stimulus"`
		Window      Window   `json:"window"`
		Warnings    []string `json:"warnings"`
		Settings    struct {
			Frames  int `json:"frames"`
			Reducer struct {
				Target string `json:"_target_"`
			} `json:"reducer"`
		} `json:"settings"`
	}
	readJSON(t, filepath.Join(dir, "mei.json"), &record)
	if !slices.Equal(record.Sessions, []string{"b", "a", "b"}) || !slices.Equal(record.Neurons, []int{0, 1, 0}) ||
		!slices.Equal(record.Places, []int{2, 1, 2}) || !slices.Equal(record.Stimulus, []int{0, 1, 1}) {
		t.Errorf("record is %+v", record)
	}
	if record.Window != (Window{0, 10, 10}) {
		t.Errorf("window is %+v", record.Window)
	}
	if record.Model != "tiny" || record.ModelDigest != "sha256:00" || record.Seed != 7 || record.Settings.Frames != 12 ||
		record.Settings.Reducer.Target != modules+"objective.SliceMeanReducer" || len(record.Warnings) != 1 {
		t.Errorf("record is %+v", record)
	}
}

func TestUnwritableResult(t *testing.T) {
	m := tinyModel(t)
	r := mustOptimize(t, m, []Neurons{{{"b", 0}}}, settings(t, "{max_steps: 0, frames: 12, reducer: null}"), Options{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(filepath.Join(file, "mei"), Meta{}); err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("error is %v", err)
	}
	if err := (&Result{}).Write(t.TempDir(), Meta{}); err == nil {
		t.Error("an empty result is written")
	}
}
