package data

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// baccusStimuli reads the movies (Python:
// maheswaranathan_2023.stimuli.load_all_stimuli).
type baccusStimuli struct {
	Data      baccusData `yaml:",inline"`
	Normalize bool       `yaml:"normalize_stimuli"`
}

func defaultBaccusStimuli() baccusStimuli {
	return baccusStimuli{Data: baccusData{Stimulus: "naturalscene"}, Normalize: true}
}

// Validate refuses settings that cannot work.
func (b *baccusStimuli) Validate() error { return b.Data.validate() }

func (b baccusStimuli) build(struct{}) (StimulusReader, error) { return &b, nil }

func (b *baccusStimuli) shared() bool { return false }

func (b *baccusStimuli) readStimuli(ctx context.Context, env *environment) (*stimuli, error) {
	sessions, paths, err := b.Data.files(ctx, env)
	if err != nil {
		return nil, err
	}
	found := &stimuli{bySession: map[string]*movies{}}
	for i, session := range sessions {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading stimuli: %w", context.Cause(ctx))
		}
		err := withHDF5(paths[i], func(f *hdf5.File) error {
			m, err := b.readMovies(f)
			found.bySession[session] = m
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", session, err)
		}
	}
	return found, nil
}

func (b *baccusStimuli) readMovies(f *hdf5.File) (*movies, error) {
	train, err := readGreyMovie(f, "train/stimulus")
	if err != nil {
		return nil, err
	}
	test, err := readGreyMovie(f, "test/stimulus")
	if err != nil {
		return nil, err
	}
	m := &movies{train: train.View(), tests: map[string]View{baccusTest: test.View()}}
	if !b.Normalize {
		return m, nil
	}
	mean, std := train.statistics()
	if std == 0 || math.IsNaN(std) {
		return nil, fmt.Errorf("%s: the training movie never changes and cannot be normalised: set normalize_stimuli to false", f.Path())
	}
	train.normalise(mean, std)
	test.normalise(mean, std)
	m.mean, m.std = &mean, &std
	return m, nil
}

// readGreyMovie reads a movie (frames, height, width).
func readGreyMovie(f *hdf5.File, name string) (*Movie, error) {
	d, err := f.Dataset(name)
	if err != nil {
		return nil, err
	}
	if len(d.Shape) != 3 || slices.Min(d.Shape) < 1 {
		return nil, fmt.Errorf("%s/%s has shape %v, but (frames, height, width) is needed", f.Path(), name, d.Shape)
	}
	m := newMovie(1, d.Shape[0], d.Shape[1], d.Shape[2])
	if err := hdf5.ReadSlab(d, nil, d.Shape, m.Data); err != nil {
		return nil, err
	}
	if err := m.checkFinite(); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", f.Path(), name, err)
	}
	return m, nil
}
