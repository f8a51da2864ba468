package sweep

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
)

// Files in the directory of a sweep, beside its record.
const (
	MultirunFile = "multirun.yaml"
	TableFile    = "sweep.csv"
	StudyFile    = "optimization_results.yaml"
)

// writeMultirun leaves the config of the sweep as Hydra does.
func (s *Sweep) writeMultirun() error {
	whole := s.master.Root.Clone()
	if err := whole.Set("hydra", s.master.Hydra); err != nil {
		return err
	}
	text, err := config.ToYAML(whole, false)
	if err != nil {
		return err
	}
	return fileio.WriteBytes(filepath.Join(s.Dir, MultirunFile), text)
}

// writeResults writes the table and, of a search, the best trial.
func (s *Sweep) writeResults() error {
	if len(s.Record.Jobs) == 0 {
		return nil
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(s.Table()); err != nil {
		return err
	}
	if err := fileio.WriteBytes(filepath.Join(s.Dir, TableFile), b.Bytes()); err != nil {
		return err
	}
	search, ok := s.plan.(*search)
	best := s.Best()
	if !ok || best == nil {
		return nil
	}
	n, err := config.FromValue(search.result(best))
	if err != nil {
		return err
	}
	text, err := config.ToYAML(n, false)
	if err != nil {
		return err
	}
	return fileio.WriteBytes(filepath.Join(s.Dir, StudyFile), text)
}

// result is the best trial in the form of Hydra's plugin.
func (s *search) result(best *JobState) config.Object {
	params := config.Object{}
	for i, p := range s.space.Parameters {
		params = append(params, config.Pair{Key: p.Key, Value: p.Value(best.Values[i])})
	}
	return config.Object{
		{Key: "name", Value: "optuna"},
		{Key: "best_params", Value: params},
		{Key: "best_value", Value: best.Outcome.Value},
	}
}

// Best is the job with the best value, the first of equal ones; nil where none has
// one or they are values of different metrics.
func (s *Sweep) Best() *JobState {
	var best *JobState
	for _, job := range s.Record.Jobs {
		if job.Status != Done || job.Outcome == nil {
			continue
		}
		if best == nil {
			best = job
			continue
		}
		a, b := job.Outcome, best.Outcome
		if a.Metric != b.Metric || a.Maximize != b.Maximize {
			return nil
		}
		if a.Maximize && a.Value > b.Value || !a.Maximize && a.Value < b.Value {
			best = job
		}
	}
	return best
}

// Table has a row for each job under a row of headings: number, overrides, metric,
// value, seconds, status, and which is best.
func (s *Sweep) Table() [][]string {
	rows := [][]string{{"job", "overrides", "metric", "value", "seconds", "status", "best"}}
	best := s.Best()
	common := s.common()
	for _, job := range s.Record.Jobs {
		own := slices.DeleteFunc(slices.Clone(job.Overrides), func(o string) bool { return common[o] })
		row := []string{strconv.Itoa(job.Number), strings.Join(own, " "), "", "", strconv.FormatFloat(job.Seconds, 'f', 1, 64), string(job.Status), ""}
		if job.Outcome != nil {
			row[2], row[3] = job.Outcome.Metric, strconv.FormatFloat(job.Outcome.Value, 'g', -1, 64)
		}
		if job == best {
			row[6] = "best"
		}
		rows = append(rows, row)
	}
	return rows
}

// common are the overrides that all of several jobs have, which tell none of them
// from another.
func (s *Sweep) common() map[string]bool {
	counts, common := map[string]int{}, map[string]bool{}
	for _, job := range s.Record.Jobs {
		for _, o := range job.Overrides {
			counts[o]++
		}
	}
	for o, n := range counts {
		common[o] = n == len(s.Record.Jobs) && n > 1
	}
	return common
}
