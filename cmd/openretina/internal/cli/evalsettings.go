package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/evaluation"
	"github.com/open-retina/openretina-go/pkg/train"
)

// evalSettings are what the config and the command line say about an evaluation.
type evalSettings struct {
	composed *config.Config
	source   *data.Source
	node     evaluation.Config
	// model is a model's word.
	model, experiment, species string
	seed                       int64
	// output is the directory of the results.
	output string
	// dataDir is where a truth may lie, mei where most exciting inputs do; both may
	// be empty.
	dataDir, mei string
}

// readEvalSettings tells all that is wrong with the config.
func readEvalSettings(o *evalOptions) (*evalSettings, error) {
	composed, err := o.Compose()
	if err != nil {
		return nil, err
	}
	if err := startJob(composed, o.DryRun); err != nil {
		return nil, err
	}
	root := composed.Root
	s := &evalSettings{composed: composed, experiment: "unknown", node: evaluation.DefaultConfig()}
	if o.Run != "" {
		if err := root.Set("paths.output_dir", o.Run); err != nil {
			return nil, err
		}
	}
	var problems config.Problems
	for _, key := range []struct {
		path string
		to   any
	}{
		{"evaluation", &s.node},
		{"exp_name", &s.experiment},
		{"seed", &s.seed},
		{"data_io.stimuli.specie", &s.species},
		{"data_io.responses.specie", &s.species}, // goes before the other one
		{"data_io.responses.base_data_path", &s.dataDir},
	} {
		problems.Add(root.ReadAt(key.path, key.to))
	}
	s.source, err = data.ParseConfig(root)
	problems.Add(err)
	if err := problems.InOrder(root); err != nil {
		return nil, err
	}
	if s.model = o.Model; s.model == "" {
		if s.model = s.node.ModelPath; s.model == "" {
			return nil, flagErrorf("--model is missing")
		}
	}
	s.findDirectories(o)
	return s, nil
}

// describe is what --dry-run prints.
func (s *evalSettings) describe(ctx context.Context, options data.Options) []section {
	rows := [][]string{
		{"model", s.model},
		{"part of the data", s.node.DataSplit},
		{"results", s.output},
	}
	for _, file := range []*string{s.node.ModelResultsPath, s.node.SummaryResultsPath} {
		if file != nil {
			rows = append(rows, []string{"", *file})
		}
	}
	if s.mei != "" {
		rows = append(rows, []string{"most exciting inputs", s.mei})
	}
	return []section{{"Evaluation", rows}, {"Data", fileRows(s.source.Files(ctx, options))}}
}

// findDirectories chooses where results go and most exciting inputs come from.
func (s *evalSettings) findDirectories(o *evalOptions) {
	run := runDirectory(s.model)
	s.output, s.mei = o.Output, o.MEI
	switch {
	case s.output != "":
	case run != "":
		s.output = run
	case s.node.ModelResultsPath != nil:
		s.output = filepath.Dir(*s.node.ModelResultsPath)
	case s.node.SummaryResultsPath != nil:
		s.output = filepath.Dir(*s.node.SummaryResultsPath)
	default:
		s.output = "eval_" + modelName(s.model)
	}
	if s.mei == "" && run != "" {
		if dir := filepath.Join(run, "mei"); isFile(filepath.Join(dir, "mei.json")) {
			s.mei = dir
		}
	}
}

// checkOutputs tells before anything is computed whether the results can be
// written.
func (s *evalSettings) checkOutputs() error {
	for _, path := range []*string{s.node.ModelResultsPath, s.node.SummaryResultsPath} {
		if path == nil {
			continue
		}
		if err := checkOutput(*path); err != nil {
			return err
		}
	}
	if err := makeOutputDirectory(s.output); err != nil {
		return err
	}
	if s.output == runDirectory(s.model) || isFile(filepath.Join(s.output, train.RunFile)) {
		return nil // the config of a training is there, and stays
	}
	return train.WriteHydraFiles(s.composed, s.output)
}

// options describe the evaluation of the model in its files.
func (s *evalSettings) options(files modelFiles) evaluation.Options {
	path := s.model
	if info, err := os.Stat(path); len(files) == 1 && (err == nil && info.IsDir() || errors.Is(err, fs.ErrNotExist)) {
		path = files[0] // a run's best checkpoint, or a download
	}
	tag := path
	if s.node.ModelTag != nil {
		tag = *s.node.ModelTag
	}
	return evaluation.Options{
		Split: s.node.DataSplit, Statistics: s.node.Statistics, Seed: uint32(s.seed),
		Summary: eval.Options{
			ModelPath: path, ModelTag: tag, Experiment: s.experiment, Species: s.species,
			VarRatioCutoff: s.node.VarRatioCutoff, AddResponses: s.node.AddResponses,
		},
	}
}
