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
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// The recordings of Maheswaranathan et al. 2023 (Neuron, 10.1016/j.neuron.2023.06.007):
// ganglion_cell_data/<session>/<stimulus>.h5 with {train,test}/stimulus (frames, height,
// width), {train,test}/response/<response type> (neurons, frames), and repeats of the
// test in test/repeats: <response type> (repeats, neurons, frames), or cell<i>
// (repeats, frames).
const (
	baccusFolder  = "ganglion_cell_data"
	baccusTest    = "test" // the one test stimulus
	baccusRepeats = "test/repeats"
	baccusCell    = "cell"
)

// baccusData is the part of the config that both readers share.
type baccusData struct {
	Path     string `yaml:"base_data_path,required"`
	Stimulus string `yaml:"stim_type"`
}

func (b *baccusData) validate() error {
	if b.Stimulus != "naturalscene" && b.Stimulus != "whitenoise" {
		return config.Refuse("stim_type", "stim_type must be naturalscene or whitenoise, got %q", b.Stimulus)
	}
	return nil
}

// files are the sessions' files, sorted by session.
func (b *baccusData) files(ctx context.Context, env *environment) (sessions, paths []string, err error) {
	base, err := location{path: b.Path}.find(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(base, baccusFolder)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s has no folder %s (base_data_path must be the folder neural_code_data)", base, baccusFolder)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name(), b.Stimulus+".h5")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			sessions, paths = append(sessions, entry.Name()), append(paths, path)
		}
	}
	if len(sessions) == 0 {
		return nil, nil, fmt.Errorf("%s has no session with a file %s.h5", dir, b.Stimulus)
	}
	return sessions, paths, nil
}

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

// statistics are the mean of all pixels and their standard deviation, with divisor
// n - 1, in single precision as the Python package keeps them.
func (m *Movie) statistics() (mean, std float64) {
	var sum, squares float64
	for _, v := range m.Data {
		sum += float64(v)
	}
	n := float64(len(m.Data))
	mean = sum / n
	for _, v := range m.Data {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	return float64(float32(mean)), float64(float32(math.Sqrt(squares / (n - 1))))
}

// normalise subtracts a mean and divides by a standard deviation, in float32.
func (m *Movie) normalise(mean, std float64) {
	for i, v := range m.Data {
		m.Data[i] = (v - float32(mean)) / float32(std)
	}
}

// baccusResponses reads the responses (Python:
// maheswaranathan_2023.responses.load_all_responses).
type baccusResponses struct {
	Data          baccusData `yaml:",inline"`
	ResponseType  string     `yaml:"response_type"`
	Normalization float64    `yaml:"fr_normalization"`
}

func defaultBaccusResponses() baccusResponses {
	return baccusResponses{Data: baccusData{Stimulus: "naturalscene"}, ResponseType: "firing_rate_20ms", Normalization: 1}
}

// Validate refuses settings that cannot work.
func (b *baccusResponses) Validate() error {
	refused := config.Refusals{b.Data.validate()}
	refused.Unless(slices.Contains([]string{"firing_rate_5ms", "firing_rate_10ms", "firing_rate_20ms"}, b.ResponseType),
		"response_type", "response_type must be firing_rate_5ms, firing_rate_10ms or firing_rate_20ms, got %q", b.ResponseType)
	refused.Unless(b.Normalization > 0 && !math.IsInf(b.Normalization, 0), "fr_normalization",
		"fr_normalization must be positive, got %v", b.Normalization)
	return refused.Err()
}

func (b baccusResponses) build(struct{}) (ResponseReader, error) { return &b, nil }

func (b *baccusResponses) readResponses(ctx context.Context, env *environment) ([]*recording, error) {
	sessions, paths, err := b.Data.files(ctx, env)
	if err != nil {
		return nil, err
	}
	recordings := make([]*recording, len(sessions))
	for i, session := range sessions {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading responses: %w", context.Cause(ctx))
		}
		err := withHDF5(paths[i], func(f *hdf5.File) (err error) {
			recordings[i], err = b.readSession(f, session)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", session, err)
		}
	}
	return recordings, nil
}

func (b *baccusResponses) readSession(f *hdf5.File, session string) (*recording, error) {
	train, err := b.readRates(f, "train/response/"+b.ResponseType)
	if err != nil {
		return nil, err
	}
	test, err := b.readRates(f, "test/response/"+b.ResponseType)
	if err != nil {
		return nil, err
	}
	if train.Neurons != test.Neurons {
		return nil, fmt.Errorf("%s has %d neurons in training and %d in the test", f.Path(), train.Neurons, test.Neurons)
	}
	repeats, err := b.readRepeats(f, test)
	return &recording{
		session: session, train: train, mean: train.Mean(),
		tests: map[string]Responses{baccusTest: test}, repeats: map[string][]Responses{baccusTest: repeats},
	}, err
}

// readRates reads (neurons, frames), divided by fr_normalization.
func (b *baccusResponses) readRates(f *hdf5.File, name string) (Responses, error) {
	d, err := f.Dataset(name)
	if err != nil {
		return Responses{}, err
	}
	if len(d.Shape) != 2 || slices.Min(d.Shape) < 1 {
		return Responses{}, fmt.Errorf("%s/%s has shape %v, but (neurons, frames) is needed", f.Path(), name, d.Shape)
	}
	r := newResponses(d.Shape[1], d.Shape[0])
	if err := transpose(d, nil, r, nil); err != nil {
		return r, err
	}
	return r.divided(b.Normalization), nil
}

// divided divides all responses in place.
func (r Responses) divided(by float64) Responses {
	if by != 1 {
		for i, v := range r.Data {
			r.Data[i] = float32(float64(v) / by)
		}
	}
	return r
}

// readRepeats reads the test's repeats. Those under the response type are not divided
// by fr_normalization, as in the Python package.
func (b *baccusResponses) readRepeats(f *hdf5.File, mean Responses) ([]Responses, error) {
	d, err := f.Dataset(baccusRepeats + "/" + b.ResponseType)
	if errors.Is(err, hdf5.ErrNotFound) {
		return b.readCells(f, mean)
	}
	if err != nil {
		return nil, err
	}
	if len(d.Shape) != 3 || d.Shape[1] != mean.Neurons || d.Shape[2] != mean.Frames {
		return nil, fmt.Errorf("%s has shape %v, but (repeats, %d neurons, %d frames) is needed", d.Path, d.Shape, mean.Neurons, mean.Frames)
	}
	repeats := make([]Responses, d.Shape[0])
	for i := range repeats {
		repeats[i] = newResponses(mean.Frames, mean.Neurons)
		if err := transpose(d, []int{i}, repeats[i], nil); err != nil {
			return nil, err
		}
	}
	return repeats, nil
}

// readCells reads repeats that are stored cell by cell, in the order of their numbers.
func (b *baccusResponses) readCells(f *hdf5.File, mean Responses) ([]Responses, error) {
	entries, err := f.List(baccusRepeats)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if number, err := strconv.Atoi(strings.TrimPrefix(entry.Name, baccusCell)); err == nil && strings.HasPrefix(entry.Name, baccusCell) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	if len(numbers) != mean.Neurons {
		return nil, fmt.Errorf("%s/%s has %d cells, the responses have %d", f.Path(), baccusRepeats, len(numbers), mean.Neurons)
	}
	var repeats []Responses
	for neuron, number := range numbers {
		d, err := f.Dataset(fmt.Sprintf("%s/%s%d", baccusRepeats, baccusCell, number))
		if err != nil {
			return nil, err
		}
		if repeats == nil && len(d.Shape) == 2 {
			repeats = make([]Responses, d.Shape[0])
			for i := range repeats {
				repeats[i] = newResponses(mean.Frames, mean.Neurons)
			}
		}
		if len(d.Shape) != 2 || d.Shape[0] != len(repeats) || d.Shape[1] != mean.Frames {
			return nil, fmt.Errorf("%s has shape %v, but (%d repeats, %d frames) is needed", d.Path, d.Shape, len(repeats), mean.Frames)
		}
		course := make([]float64, mean.Frames)
		for i := range repeats {
			if err := hdf5.ReadSlab(d, []int{i, 0}, []int{1, mean.Frames}, course); err != nil {
				return nil, err
			}
			for frame := range course {
				course[frame] /= b.Normalization
			}
			repeats[i].setNeuron(neuron, course)
		}
	}
	return repeats, nil
}
