package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
)

// The layout of a data directory, as the Python package's h5_dataset_reader has
// it: stimuli/<name>.npy (channels, frames, height, width) for all sessions, and
// one HDF5 file a session with responses_<name> (neurons, frames), stimulus_<name>
// for a movie of its own, and session_info. Trials (repeats, neurons, frames) in
// trials/<name> and behavior_<name> (signals, frames) are ours; Python ignores them.
const (
	stimulusFolder  = "stimuli"
	responsesPrefix = "responses_"
	stimulusPrefix  = "stimulus_"
	behaviorPrefix  = "behavior_"
	sessionInfo     = "session_info"
	trialsFolder    = "trials"
)

// directory is the part of the config that both readers share.
type directory struct {
	Path  string   `yaml:"base_data_path,required"`
	Tests []string `yaml:"test_names,required"`
}

// validate refuses settings that cannot work.
func (d *directory) validate() error {
	if len(d.Tests) == 0 {
		return config.Refuse("test_names", "test_names is empty; name at least one stimulus to test on")
	}
	return nil
}

// sessionFile is one HDF5 file with responses: the stimuli that they are to, and
// those of which the file has the movie. Both are sorted.
type sessionFile struct {
	name, path   string
	stimuli, own []string
}

// isTest reports whether a stimulus is for testing.
func (d *directory) isTest(stimulus string) bool { return slices.Contains(d.Tests, stimulus) }

// sessions lists the session files, sorted by name, and checks that every test
// stimulus was shown. The list is made once for both readers.
func (d *directory) sessions(env *environment) ([]sessionFile, error) {
	files, ok := env.listed[d.Path]
	if !ok {
		var err error
		if files, err = d.list(env); err != nil {
			return nil, err
		}
		env.listed[d.Path] = files
	}
	return files, d.checkTests(files)
}

// list opens all HDF5 files of the directory.
func (d *directory) list(env *environment) ([]sessionFile, error) {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w (set paths.data_dir)", d.Path, errors.Unwrap(err))
	}
	var files []sessionFile
	for _, entry := range entries {
		extension := filepath.Ext(entry.Name())
		if entry.IsDir() || !slices.Contains(hdf5Extensions, extension) {
			continue
		}
		file := sessionFile{name: strings.TrimSuffix(entry.Name(), extension), path: filepath.Join(d.Path, entry.Name())}
		if slices.ContainsFunc(files, func(other sessionFile) bool { return other.name == file.name }) {
			return nil, fmt.Errorf("data directory %s has two files for session %s", d.Path, file.name)
		}
		if err := withHDF5(file.path, file.list); err != nil {
			return nil, err
		}
		if len(file.stimuli) == 0 {
			env.log.Warn("no responses in " + file.path + ", it is left out")
			continue
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("data directory %s has no session files (*.h5 or *.hdf5 with %s<stimulus>)", d.Path, responsesPrefix)
	}
	slices.SortFunc(files, func(a, b sessionFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// list notes the stimuli of an open session file.
func (s *sessionFile) list(f *hdf5.File) error {
	entries, err := f.List("/")
	for _, entry := range entries {
		if name, ok := strings.CutPrefix(entry.Name, responsesPrefix); ok {
			s.stimuli = append(s.stimuli, name)
		}
		if name, ok := strings.CutPrefix(entry.Name, stimulusPrefix); ok {
			s.own = append(s.own, name)
		}
	}
	slices.Sort(s.stimuli)
	slices.Sort(s.own)
	return err
}

// checkTests looks for test names that no session knows and for sessions without
// a test or training stimulus.
func (d *directory) checkTests(files []sessionFile) error {
	var known []string
	for _, file := range files {
		tests := slices.DeleteFunc(slices.Clone(file.stimuli), func(name string) bool { return !d.isTest(name) })
		if len(tests) == 0 || len(tests) == len(file.stimuli) {
			return fmt.Errorf("session %s has %d stimuli of which %d are in test_names %v; it needs one to train and one to test on",
				file.name, len(file.stimuli), len(tests), d.Tests)
		}
		known = append(known, file.stimuli...)
	}
	for _, name := range d.Tests {
		if slices.Contains(known, name) {
			continue
		}
		if near, ok := config.Nearest(name, known); ok {
			return fmt.Errorf("test stimulus %q is in no session; did you mean %q?", name, near)
		}
		return fmt.Errorf("test stimulus %q is in no session of %s", name, d.Path)
	}
	return nil
}

// withHDF5 opens a file for the length of a call.
func withHDF5(path string, use func(*hdf5.File) error) error {
	f, err := hdf5.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

// directoryStimuli reads the movies of a data directory (Python:
// h5_dataset_reader.load_stimuli).
type directoryStimuli struct {
	Directory directory `yaml:",inline"`
	Size      [3]int    `yaml:"stimulus_size,required"`
	Mean      *float64  `yaml:"norm_mean,required"`
	Std       *float64  `yaml:"norm_std,required"`
	// Behavior takes the behaviour of each session along.
	Behavior bool `yaml:"behavior"`
}

// Validate refuses settings that cannot work.
func (d *directoryStimuli) Validate() error {
	refused := config.Refusals{d.Directory.validate()}
	refused.Unless(slices.Min(d.Size[:]) >= 1, "stimulus_size",
		"stimulus_size is %v (channels, height, width), but all must be positive", d.Size)
	mean, std := d.normalisation()
	refused.Unless(std > 0 && !math.IsInf(std, 0) && !math.IsNaN(std+mean), "norm_std",
		"norm_mean %v and norm_std %v cannot normalise a movie", mean, std)
	return refused.Err()
}

// normalisation is by 0 and 1 where the config has null.
func (d *directoryStimuli) normalisation() (mean, std float64) {
	std = 1
	if d.Mean != nil {
		mean = *d.Mean
	}
	if d.Std != nil {
		std = *d.Std
	}
	return mean, std
}

func (d directoryStimuli) build(struct{}) (StimulusReader, error) {
	d.Directory.Path = hub.ExpandHome(d.Directory.Path)
	mean, std := d.normalisation()
	d.Mean, d.Std = &mean, &std
	return &d, nil
}

func (d *directoryStimuli) shared() bool { return false }

func (d *directoryStimuli) readStimuli(ctx context.Context, env *environment) (*stimuli, error) {
	files, err := d.Directory.sessions(env)
	if err != nil {
		return nil, err
	}
	common, err := d.readFolder(ctx, files)
	if err != nil {
		return nil, err
	}
	found := &stimuli{bySession: map[string]*movies{}}
	for _, file := range files {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading stimuli: %w", context.Cause(ctx))
		}
		own, err := d.readOwn(file)
		if err != nil {
			return nil, err
		}
		behavior, err := d.readBehavior(file)
		if err != nil {
			return nil, err
		}
		if found.bySession[file.name], err = d.join(file, common, own, behavior); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// readFolder reads the movies of the stimuli folder that some session saw. The
// headers of the others are checked.
func (d *directoryStimuli) readFolder(ctx context.Context, files []sessionFile) (map[string]*Movie, error) {
	folder := filepath.Join(d.Directory.Path, stimulusFolder)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("stimulus folder %s: %w", folder, errors.Unwrap(err))
	}
	found := map[string]*Movie{}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".npy")
		if !ok || entry.IsDir() {
			continue
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading stimuli: %w", context.Cause(ctx))
		}
		seen := slices.ContainsFunc(files, func(f sessionFile) bool { return slices.Contains(f.stimuli, name) })
		path := filepath.Join(folder, entry.Name())
		movie, err := d.readMovie(path, seen)
		if err != nil {
			return nil, err
		}
		if movie != nil {
			found[name] = movie
		}
	}
	return found, nil
}

// readMovie reads and normalises an .npy file, or only checks its shape.
func (d *directoryStimuli) readMovie(path string, whole bool) (m *Movie, err error) {
	file, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("stimulus %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	m, err = d.newMovie(path, file.Shape)
	if err != nil || !whole {
		return nil, err
	}
	size := m.Frames * m.Height * m.Width
	for c := range m.Channels { // one channel at a time: the file's type may be wider
		part, err := file.Slice(c, c+1)
		if err != nil {
			return nil, fmt.Errorf("stimulus %s: %w", path, err)
		}
		copy(m.Data[c*size:(c+1)*size], part.Float32s())
	}
	return m, d.normalise(m, path)
}

// newMovie makes a movie of a file's shape, which must fit stimulus_size.
func (d *directoryStimuli) newMovie(path string, shape []int) (*Movie, error) {
	if len(shape) != 4 || [3]int{shape[0], shape[2], shape[3]} != d.Size {
		return nil, fmt.Errorf("stimulus %s has shape %v, but (channels, frames, height, width) with "+
			"stimulus_size %v (channels, height, width) is needed", path, shape, d.Size)
	}
	return newMovie(shape[0], shape[1], shape[2], shape[3]), nil
}

// normalise normalises a movie that has only numbers.
func (d *directoryStimuli) normalise(m *Movie, path string) error {
	if err := m.checkFinite(); err != nil {
		return fmt.Errorf("stimulus %s: %w", path, err)
	}
	m.normalise(*d.Mean, *d.Std)
	return nil
}

// readOwn reads the movies that only this session saw.
func (d *directoryStimuli) readOwn(file sessionFile) (map[string]*Movie, error) {
	own := map[string]*Movie{}
	names := slices.DeleteFunc(slices.Clone(file.own), func(name string) bool { return !slices.Contains(file.stimuli, name) })
	if len(names) == 0 {
		return own, nil
	}
	err := withHDF5(file.path, func(f *hdf5.File) (err error) {
		for _, name := range names {
			if own[name], err = d.readOwnMovie(f, stimulusPrefix+name); err != nil {
				return err
			}
		}
		return nil
	})
	return own, err
}

// readOwnMovie reads and normalises a movie in a session file.
func (d *directoryStimuli) readOwnMovie(f *hdf5.File, name string) (*Movie, error) {
	data, err := f.Dataset(name)
	if err != nil {
		return nil, err
	}
	path := f.Path() + "/" + name
	m, err := d.newMovie(path, data.Shape)
	if err != nil {
		return nil, err
	}
	if err := hdf5.ReadSlab(data, nil, data.Shape, m.Data); err != nil {
		return nil, err
	}
	return m, d.normalise(m, path)
}

// join puts the training movies of a session one after the other, sorted by
// name, and the test movies beside them.
func (d *directoryStimuli) join(file sessionFile, common, own map[string]*Movie, behavior map[string]*Behavior) (*movies, error) {
	m := &movies{tests: map[string]View{}, mean: d.Mean, std: d.Std}
	var train []View
	for _, name := range file.stimuli {
		movie := own[name]
		if movie == nil {
			movie = common[name]
		}
		if movie == nil {
			return nil, fmt.Errorf("session %s has responses to stimulus %s, but there is neither %s nor %s in the file",
				file.name, name, filepath.Join(d.Directory.Path, stimulusFolder, name+".npy"), stimulusPrefix+name)
		}
		view, err := movie.ViewWith(behavior[name])
		if err != nil {
			return nil, fmt.Errorf("session %s, stimulus %s: %w", file.name, name, err)
		}
		if d.Directory.isTest(name) {
			m.tests[name] = view
		} else {
			train = append(train, view)
		}
	}
	var err error
	m.train, err = Concat(train...)
	return m, err
}
