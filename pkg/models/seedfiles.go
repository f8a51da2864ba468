package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// seedFiles are the files of a member of an ensemble as nnfabrik kept them: with a seed,
// config_SEED.yaml, data_info_SEED.pkl and state_dict_SEED.pth.tar. The Python package
// loads them by load_ensemble_retina_model_from_directory.
type seedFiles struct {
	dir  string
	seed uint64
}

// seedNames are the names of the three files, of which each tells the seed.
var seedNames = []struct {
	format  string
	pattern *regexp.Regexp
}{
	{"config_%05d.yaml", regexp.MustCompile(`^config_([0-9]{5,9})\.yaml$`)},
	{"data_info_%05d.pkl", regexp.MustCompile(`^data_info_([0-9]{5,9})\.pkl$`)},
	{"state_dict_%05d.pth.tar", regexp.MustCompile(`^state_dict_([0-9]{5,9})\.pth\.tar$`)},
}

// The places of files in seedNames.
const (
	seedConfig = iota
	seedDataInfo
	seedState
)

func (f seedFiles) path(kind int) string {
	return filepath.Join(f.dir, fmt.Sprintf(seedNames[kind].format, f.seed))
}

// seedIn is the seed in the name of a file of a kind.
func seedIn(name string, kind int) (uint64, bool) {
	match := seedNames[kind].pattern.FindStringSubmatch(name)
	if match == nil {
		return 0, false
	}
	seed, err := strconv.ParseUint(match[1], 10, 64)
	return seed, err == nil && fmt.Sprintf(seedNames[kind].format, seed) == name
}

// seedOf tells that a file is the state dict of a seed, with the seed's config beside.
func seedOf(path string) (seedFiles, bool) {
	seed, ok := seedIn(filepath.Base(path), seedState)
	f := seedFiles{filepath.Dir(path), seed}
	if !ok {
		return f, false
	}
	_, err := os.Stat(f.path(seedConfig))
	return f, err == nil
}

// SeedFiles are the state dicts of an ensemble whose directory has, for each seed,
// config_SEED.yaml, data_info_SEED.pkl and state_dict_SEED.pth.tar, sorted by seed: the
// form of the ensemble of Höfling et al. 2024 (eLife). A seed that lacks a file is an
// error; a directory without any gives fs.ErrNotExist.
func SeedFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var seeds []uint64
	for _, e := range entries {
		for kind := range seedNames {
			if seed, ok := seedIn(e.Name(), kind); ok {
				seeds = append(seeds, seed)
			}
		}
	}
	slices.Sort(seeds)
	var files []string
	for _, seed := range slices.Compact(seeds) {
		f := seedFiles{dir, seed}
		for kind := range seedNames {
			if _, err := os.Stat(f.path(kind)); err != nil {
				return nil, fmt.Errorf("%s: seed %05d of the ensemble lacks %s", dir, seed, filepath.Base(f.path(kind)))
			}
		}
		files = append(files, f.path(seedState))
	}
	if files == nil {
		return nil, fmt.Errorf("%s has no files of seeds: %w", dir, fs.ErrNotExist)
	}
	return files, nil
}

// readSeedFiles gives the arguments that rebuild the model of a seed: those of its
// config, and data_info with what it tells of sessions.
func readSeedFiles(f seedFiles) (*pickle.Dict, error) {
	arguments, err := readSeedConfig(f.path(seedConfig))
	if err != nil {
		return nil, err
	}
	info, err := checkpoint.OpenPickle(f.path(seedDataInfo))
	if err != nil {
		return nil, err
	}
	hyper := pickle.NewDict("model_fn", legacyModel, "seed", int64(f.seed))
	for name, n := range arguments.Fields() {
		hyper.SetString(name, treeValue(n.Value(), false))
	}
	if err := addSessions(hyper, info); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(seedDataInfo), err)
	}
	return hyper, nil
}

// readSeedConfig gives model_config, the arguments of the function that model_fn names.
// What else the config has is about the training.
func readSeedConfig(path string) (*config.Node, error) {
	text, err := readConstructor(path)
	if err != nil {
		return nil, err
	}
	n, err := config.FromYAMLWithTuples(path, text)
	if err != nil {
		return nil, err
	}
	function, ok := n.Get("model_fn")
	if !ok || function.Kind() != config.String {
		return nil, config.Errorf(n, "the config names no model_fn: it should be %s", legacyModel)
	}
	if name := fmt.Sprint(function.Value()); mappedFunction(name) != legacyModel {
		return nil, config.Errorf(function, "model_fn %s is not known: models of %s are loaded", name, legacyModel)
	}
	arguments, ok := n.Get("model_config")
	if !ok || arguments.Kind() != config.Map {
		return nil, config.Errorf(n, "the config has no model_config, the arguments of %s", legacyModel)
	}
	return arguments, checkArguments(arguments)
}

// mappedFunction is the name that the Python package makes of a model_fn: those of
// nnfabrik_euler are its own, and hoefling_2024 is legacy now.
func mappedFunction(name string) string {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return name
	}
	if parts[0] == "nnfabrik_euler" {
		parts = []string{"openretina", "legacy", "models", parts[3]}
	}
	return strings.ReplaceAll(strings.Join(parts, "."), ".hoefling_2024.", ".legacy.")
}

// checkArguments looks at model_config where its lines are known.
func checkArguments(arguments *config.Node) error {
	for _, name := range []string{"model_fn", "seed", "in_shape", "n_neurons_dict", "data_info"} {
		if n, ok := arguments.Get(name); ok {
			return config.Errorf(n, "%s is no argument of model_config", name)
		}
	}
	c := defaultLegacy()
	c.InShape = []int64{1, 1, 1, 1} // known later
	whole := arguments.Clone()
	if err := whole.Set("in_shape", c.InShape); err != nil {
		return err
	}
	return whole.Read(&c)
}

// addSessions adds in_shape, n_neurons_dict and data_info, the latter in the form of
// today's checkpoints, of a data_info that has for each session input_dimensions (batch,
// channels, frames, height, width), output_dimension, and what else was known.
func addSessions(hyper, info *pickle.Dict) error {
	neurons, activity, rest := pickle.NewDict(), pickle.NewDict(), pickle.NewDict()
	var shape []int64
	for i := range info.Len() {
		key, v := info.At(i)
		name := fmt.Sprint(key)
		session, ok := v.(*pickle.Dict)
		if !ok {
			return fmt.Errorf("session %s has a %s, no dict", name, pickle.TypeName(v))
		}
		n, ok := entry[int64](session, "output_dimension")
		if !ok {
			return fmt.Errorf("session %s has no output_dimension, its number of neurons", name)
		}
		own, err := sessionShape(session)
		if err != nil {
			return fmt.Errorf("session %s: %w", name, err)
		}
		if shape == nil {
			shape = own
		}
		if own[0] != shape[0] || !slices.Equal(own[2:], shape[2:]) {
			return fmt.Errorf("session %s has stimuli of shape %v (channels, frames, height, width), others of %v", name, own, shape)
		}
		neurons.SetString(name, n)
		if mean, ok := session.Get("mean_response"); ok {
			activity.SetString(name, mean)
		}
		rest.SetString(name, otherFacts(session))
	}
	if shape == nil {
		return errors.New("it has no sessions")
	}
	hyper.SetString("in_shape", tupleOf(shape))
	hyper.SetString("n_neurons_dict", neurons)
	hyper.SetString("data_info", pickle.NewDict(
		"n_neurons_dict", neurons, "input_shape", tupleOf([]int64{shape[0], shape[2], shape[3]}),
		"mean_activity_dict", activity, "sessions_kwargs", rest))
	return nil
}

// sessionShape is the stimulus' shape (channels, frames, height, width).
func sessionShape(session *pickle.Dict) ([]int64, error) {
	shape := integers(session, "input_dimensions")
	if len(shape) != 5 || slices.Min(shape[1:]) < 1 {
		return nil, errors.New("input_dimensions are not (batch, channels, frames, height, width)")
	}
	if channels, ok := entry[int64](session, "input_channels"); ok && channels != shape[1] {
		return nil, fmt.Errorf("input_channels is %d, but input_dimensions are %v", channels, shape)
	}
	return shape[1:], nil
}

// otherFacts are those that have no other place in today's data_info.
func otherFacts(session *pickle.Dict) *pickle.Dict {
	facts := pickle.NewDict()
	for _, key := range session.Keys() {
		if slices.Contains([]string{"input_dimensions", "input_channels", "output_dimension", "mean_response"}, key) {
			continue
		}
		v, _ := session.Get(key)
		if _, opaque := v.(*pickle.Object); !opaque { // a tensor, whose elements are not read
			facts.SetString(key, v)
		}
	}
	return facts
}

func tupleOf(values []int64) pickle.Tuple {
	t := make(pickle.Tuple, len(values))
	for i, v := range values {
		t[i] = v
	}
	return t
}
