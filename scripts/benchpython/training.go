package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A training is done from scratch by both sides with the same config, data and seed,
// and judged by the correlation of the validation that was best.
type training struct {
	name   string
	config string
	// settings are overrides of the config.
	settings []string
	// data makes the data in a directory; nil where the config's own is there.
	data func(b *bench, ctx context.Context, dir string) error
}

// trainings are all there are. That of the simulated retina ends before it has
// converged: five seeds of the Python package would take an hour.
var trainings = []training{
	{name: "simulated_retina", config: "simulated_retina", settings: []string{"trainer.max_epochs=10"}, data: (*bench).simulate},
	{
		name: "maheswaranathan", config: "scripts/benchpython/testdata/maheswaranathan/config.yaml",
		settings: []string{"paths.data_dir=" + "scripts/benchpython/testdata/maheswaranathan/data"},
	},
}

const defaultTrainings = "simulated_retina maheswaranathan"

// watchedMetric is the validation's correlation.
const watchedMetric = "val_evaluation_loss"

// parseTrainings reads names separated by blanks or commas; "none" stands for none.
func parseTrainings(names string) ([]training, error) {
	var chosen []training
	for _, name := range words(names) {
		if name == "none" {
			continue
		}
		i := slices.IndexFunc(trainings, func(t training) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown training %q: known are %s", name, defaultTrainings)
		}
		chosen = append(chosen, trainings[i])
	}
	return chosen, nil
}

// trained is what came of a training with one seed, by side.
type trained struct {
	Training    string     `json:"training"`
	Seed        int        `json:"seed"`
	Correlation [2]float64 `json:"correlation"` // Python's, ours
	Seconds     [2]float64 `json:"seconds"`
}

// train lets both sides train with the seeds from 1 on.
func (b *bench) train(ctx context.Context, t training, seeds, threads int) ([]trained, error) {
	dir := filepath.Join(b.dir, "training-"+t.name)
	settings := slices.Clone(t.settings)
	if t.data != nil {
		if err := t.data(b, ctx, filepath.Join(dir, "data")); err != nil {
			return nil, err
		}
		settings = append(settings, "paths.data_dir="+filepath.Join(dir, "data"))
	}
	var all []trained
	for seed := 1; seed <= seeds; seed++ {
		r := trained{Training: t.name, Seed: seed}
		for s := range sideNames {
			output := filepath.Join(dir, fmt.Sprintf("seed%d-%d", seed, s))
			command, err := b.trainCommand(ctx, side(s), t.config, output, threads,
				append(slices.Clone(settings), "seed="+strconv.Itoa(seed), "paths.output_dir="+output))
			if err != nil {
				return all, err
			}
			took, _, err := process(ctx, sideNames[s], command)
			if err != nil {
				return all, err
			}
			r.Seconds[s] = took.Seconds()
			if r.Correlation[s], err = bestMetric(output, watchedMetric); err != nil {
				return all, fmt.Errorf("%s: %w", sideNames[s], err)
			}
		}
		fmt.Fprintf(b.log, "%s, seed %d: validation correlation %.4f, ours %.4f\n", t.name, seed, r.Correlation[python], r.Correlation[ours])
		all = append(all, r)
	}
	return all, nil
}

// trainCommand is the command of a side. Python gets the config as this program
// composes it.
func (b *bench) trainCommand(ctx context.Context, s side, config, output string, threads int, settings []string) ([]string, error) {
	if s == ours {
		command := []string{b.program, "train", "--device", "cpu", "--threads", strconv.Itoa(threads), "--config", config}
		return append(command, settings...), nil
	}
	arguments := append([]string{"config", "--resolve", "--config", config}, settings...)
	composed, err := exec.CommandContext(ctx, b.program, arguments...).Output() //nolint:gosec // bin/openretina
	if err != nil {
		return nil, fmt.Errorf("composing %s: %w", config, err)
	}
	file := output + ".yaml"
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return nil, err
	}
	return []string{b.python, b.script, "train", file, strconv.Itoa(threads)}, os.WriteFile(file, composed, 0o666)
}

// simulate makes the data of the simulated retina.
func (b *bench) simulate(ctx context.Context, dir string) error {
	_, _, err := process(ctx, sideNames[ours], []string{b.program, "create-data", dir})
	return err
}

// bestMetric is the largest value of a metric in the metrics.csv below a directory.
func bestMetric(dir, name string) (float64, error) {
	best := math.Inf(-1)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "metrics.csv" {
			return err
		}
		values, err := column(path, name)
		for _, v := range values {
			best = max(best, v)
		}
		return err
	})
	if err == nil && math.IsInf(best, -1) {
		err = fmt.Errorf("%s was not logged below %s", name, dir)
	}
	return best, err
}

// column reads the numbers of a column of a CSV file.
func column(path, name string) ([]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	records, err := csv.NewReader(f).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, err
	}
	i := slices.Index(records[0], name)
	if i < 0 {
		return nil, nil
	}
	var values []float64
	for _, record := range records[1:] {
		if record[i] == "" {
			continue
		}
		v, err := strconv.ParseFloat(record[i], 64)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// difference is the mean of ours less Python's over the seeds of a training, and that
// mean's standard error.
func difference(all []trained) (mean, deviation float64) {
	n := float64(len(all))
	for _, r := range all {
		mean += (r.Correlation[ours] - r.Correlation[python]) / n
	}
	for _, r := range all {
		d := r.Correlation[ours] - r.Correlation[python] - mean
		deviation += d * d
	}
	return mean, math.Sqrt(deviation/max(n-1, 1)) / math.Sqrt(n)
}

// writeTrainings writes the table of trainings.
func writeTrainings(w io.Writer, all []trained) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "training\tseed\tPython correlation\tours\tPython s\tours s\t")
	var notes []string
	for _, name := range words(defaultTrainings) {
		of := slices.DeleteFunc(slices.Clone(all), func(r trained) bool { return r.Training != name })
		for _, r := range of {
			fmt.Fprintf(t, "%s\t%d\t%.4f\t%.4f\t%s\t%s\t\n",
				r.Training, r.Seed, r.Correlation[python], r.Correlation[ours], figure(r.Seconds[python]), figure(r.Seconds[ours]))
		}
		if len(of) > 0 {
			mean, deviation := difference(of)
			notes = append(notes, fmt.Sprintf("%s: ours less Python's is %+.4f ± %.4f (mean and its standard error over %s).",
				name, mean, deviation, count(len(of), "seed")))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nThe best validation's correlation of trainings from scratch.\n%s\n", strings.Join(notes, "\n"))
	return err
}

// allTrainings runs the trainings; those that fail are left out, and named in the error.
func (b *bench) allTrainings(ctx context.Context, o options) (all []trained, failed error) {
	for _, t := range o.trainings {
		of, err := b.train(ctx, t, o.seeds, slices.Max(o.threads))
		all = append(all, of...)
		if ctx.Err() != nil {
			return all, errors.Join(failed, context.Cause(ctx))
		}
		if err != nil {
			err = fmt.Errorf("training %s: %w", t.name, err)
			fmt.Fprintln(b.log, err)
			failed = errors.Join(failed, err)
		}
	}
	return all, failed
}
