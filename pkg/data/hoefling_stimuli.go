package data

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// moviesFromPickle reads the movies of Höfling et al. 2024 (Python:
// hoefling_2024.stimuli.movies_from_pickle): a dict with train and test (channels,
// frames, height, width), random_sequences (clips, sequences), and the statistics
// by which the movies were normalised.
type moviesFromPickle struct {
	File location `yaml:"file_path,required"`
}

func (m moviesFromPickle) build(struct{}) (StimulusReader, error) { return &m, nil }

func (m *moviesFromPickle) shared() bool { return true }

func (m *moviesFromPickle) readStimuli(ctx context.Context, env *environment) (*stimuli, error) {
	path, err := m.File.find(ctx, env)
	if err != nil {
		return nil, err
	}
	dict, err := readPickle(path)
	if err != nil {
		return nil, err
	}
	found, err := moviesOf(dict)
	if err != nil {
		return nil, fmt.Errorf("movies %s: %w", path, err)
	}
	return &stimuli{all: found}, nil
}

// readPickle reads a dict from a pickle that may lie in a zip file.
func readPickle(path string) (*pickle.Dict, error) {
	var content []byte
	var err error
	if isZip(path) {
		err = inZip(path, pickleExtensions, func(entry *zipfile.Entry) error {
			content, err = entry.ReadAll()
			return err
		})
	} else if content, err = os.ReadFile(path); err != nil {
		err = fmt.Errorf("pickle file %s: %w", path, errors.Unwrap(err))
	}
	if err != nil {
		return nil, err
	}
	value, err := pickle.Load(content, pickle.Options{})
	if err != nil {
		return nil, fmt.Errorf("pickle file %s: %w", path, err)
	}
	dict, ok := value.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("pickle file %s holds %s, a dict is needed", path, pickle.TypeName(value))
	}
	return dict, nil
}

// moviesOf takes the movies out of the dict.
func moviesOf(dict *pickle.Dict) (*movies, error) {
	train, err := movieIn(dict, "train")
	if err != nil {
		return nil, err
	}
	test, err := movieIn(dict, "test")
	if err != nil {
		return nil, err
	}
	if [3]int{train.Channels, train.Height, train.Width} != [3]int{test.Channels, test.Height, test.Width} {
		return nil, fmt.Errorf("train has %d channels of %d×%d, test %d of %d×%d", train.Channels, train.Height, train.Width,
			test.Channels, test.Height, test.Width)
	}
	found := &movies{train: train.View(), tests: map[string]View{"test": test.View()}}
	if found.mean, err = statistic(dict, "mean"); err != nil {
		return nil, err
	}
	if found.std, err = statistic(dict, "sd"); err != nil {
		return nil, err
	}
	found.sequences, err = sequencesIn(dict)
	return found, err
}

func movieIn(dict *pickle.Dict, key string) (*Movie, error) {
	a, err := arrayIn(dict, key)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, fmt.Errorf("there is no %q", key)
	}
	m, err := movieOf(a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return m, nil
}

// arrayIn gives an array of numbers, nil where the key is absent or None.
func arrayIn(dict *pickle.Dict, key string) (*ndarray.Array, error) {
	value, ok := dict.Get(key)
	if !ok || value == nil {
		return nil, nil
	}
	a, ok := value.(*ndarray.Array)
	if !ok || a.DType == ndarray.Invalid {
		return nil, fmt.Errorf("%q is %s, an array of numbers is needed", key, pickle.TypeName(value))
	}
	return a, nil
}

// statistic is movie_stats.dichromatic.<key>, nil where it is absent.
func statistic(dict *pickle.Dict, key string) (*float64, error) {
	for _, name := range []string{"movie_stats", "dichromatic"} {
		value, ok := dict.Get(name)
		if !ok {
			return nil, nil
		}
		inner, ok := value.(*pickle.Dict)
		if !ok {
			return nil, fmt.Errorf("%q is %s, a dict is needed", name, pickle.TypeName(value))
		}
		dict = inner
	}
	a, err := arrayIn(dict, key)
	if a == nil || err != nil {
		return nil, err
	}
	if a.Len() != 1 {
		return nil, fmt.Errorf("movie_stats.dichromatic.%s has %d values, one is needed", key, a.Len())
	}
	value := a.At(0)
	return &value, nil
}

// sequencesIn reads random_sequences (clips, sequences): each column is an order
// of the clips.
func sequencesIn(dict *pickle.Dict) ([][]int, error) {
	a, err := arrayIn(dict, "random_sequences")
	if a == nil || err != nil {
		return nil, err
	}
	if len(a.Shape) != 2 || a.Len() == 0 {
		return nil, fmt.Errorf("random_sequences has shape %v, but (clips, sequences) is needed", a.Shape)
	}
	sequences := make([][]int, a.Shape[1])
	for i := range a.Len() {
		column := i % len(sequences)
		sequences[column] = append(sequences[column], int(a.Int64At(i)))
	}
	for i, sequence := range sequences {
		seen := make([]bool, len(sequence))
		for _, clip := range sequence {
			if clip < 0 || clip >= len(sequence) || seen[clip] {
				return nil, fmt.Errorf("random_sequences: column %d is no order of %d clips: %d stands twice or is too large",
					i, len(sequence), clip)
			}
			seen[clip] = true
		}
	}
	return sequences, nil
}
