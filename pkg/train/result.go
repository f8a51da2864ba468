package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// ResultFile is what a finished training leaves in its directory. It is not there
// while a training runs.
const ResultFile = "result.json"

// Result is what a finished training leaves.
type Result struct {
	// Best is the checkpoint of the best epoch, Final the one with the test
	// results beside it; empty where checkpoints are off.
	Best  string `json:"best_checkpoint"`
	Final string `json:"final_checkpoint"`
	// Monitored is what the best epoch was chosen by; nil where nothing was.
	Monitored *Score `json:"monitored"`
	// Objective is what objective_target of the config names, measured on the
	// validation clips with the best model; nil where the config names nothing.
	Objective *Score `json:"objective"`
	// Epochs is how many were trained in all.
	Epochs int `json:"epochs"`
	// StopReason says why training ended early; empty where it did not.
	StopReason string `json:"stop_reason"`
	// Tests are the mean evaluation losses by the name of the data.
	Tests []TestScore `json:"tests"`
}

// Score is the value of a metric.
type Score struct {
	Metric string `json:"metric"`
	// Value is nil where the metric is not a finite number.
	Value *float64 `json:"value"`
	// Mode is min or max, whichever is better; empty where the config does not say.
	Mode string `json:"mode,omitempty"`
}

// TestScore is a model's mean score on a part of the data.
type TestScore struct {
	Name       string
	Loss       float64
	Evaluation float64
}

// testScoreJSON has null for what is not finite.
type testScoreJSON struct {
	Name       string   `json:"name"`
	Loss       *float64 `json:"loss"`
	Evaluation *float64 `json:"evaluation"`
}

// MarshalJSON writes null for what is not finite.
func (s TestScore) MarshalJSON() ([]byte, error) {
	return json.Marshal(testScoreJSON{s.Name, finite(s.Loss), finite(s.Evaluation)})
}

// UnmarshalJSON reads null as NaN.
func (s *TestScore) UnmarshalJSON(text []byte) error {
	var j testScoreJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*s = TestScore{j.Name, orElse(j.Loss, math.NaN()), orElse(j.Evaluation, math.NaN())}
	return nil
}

// addBest takes the best epoch from the callback that kept it.
func (r *Result) addBest(c *modelCheckpoint) {
	r.Best = c.BestPath
	if score := c.bestScore(); score != nil {
		r.Monitored = &Score{Metric: *c.Monitor, Value: finite(*score), Mode: c.Mode}
	}
}

func (r *Result) write(dir string) error {
	return fileio.WriteJSON(filepath.Join(dir, ResultFile), r)
}

// ReadResult reads the result of a training from its directory.
func ReadResult(dir string) (*Result, error) {
	path := filepath.Join(dir, ResultFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// removeFile takes away what an earlier training has left, if it has.
func removeFile(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// finite is a number as JSON can hold it.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
