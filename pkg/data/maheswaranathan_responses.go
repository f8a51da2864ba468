package data

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

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
	repeats, err := readTrials(f, baccusRepeats+"/"+b.ResponseType, mean)
	if repeats == nil && err == nil {
		return b.readCells(f, mean)
	}
	return repeats, err
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
