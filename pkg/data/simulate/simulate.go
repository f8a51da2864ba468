// Package simulate writes data sets whose truth is known: a simulated retina, on
// which a fitted model can be compared with the cells that it was fitted to, and
// the noise data set of the Python package's create-data.
//
// A data set is a directory that the Python package's h5_dataset_reader and ours
// load: stimuli/<name>.npy with movies (channels, frames, height, width), and
// session_<i>.hdf5 with responses_<name> (neurons, frames) for each movie and
// session_info/celltypes (neurons).
package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/data/simulate/internal/retina"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// The movies of the simulated retina.
const (
	TrainStimulus = "natural_train"
	TestStimulus  = "natural_test"
)

// Options of the simulated retina. A zero value stands for the default.
type Options struct {
	// Seed fixes everything: the same seed and sizes give the same bytes.
	Seed uint64
	// Sessions (2) share the cells equally; CellsPerType (4) times 18 types of them.
	Sessions     int
	CellsPerType int
	// Frames (12000) and TestFrames (750) are the lengths of the movies at 30 Hz;
	// the test movie is shown Repeats (10) times.
	Frames     int
	TestFrames int
	Repeats    int
	// Progress is told how much is done, never from two goroutines at once.
	Progress func(done, total int)
}

// withDefaults fills in what is zero and refuses what cannot be made.
func (o Options) withDefaults() (Options, error) {
	for _, size := range []struct {
		name           string
		value          *int
		standard, most int
	}{
		{"sessions", &o.Sessions, 2, 100},
		{"cells per type", &o.CellsPerType, 4, 1000},
		{"frames", &o.Frames, 12000, 1 << 20},
		{"test frames", &o.TestFrames, 750, 1 << 20},
		{"repeats", &o.Repeats, 10, 1000},
	} {
		if *size.value == 0 {
			*size.value = size.standard
		}
		if *size.value < 1 || *size.value > size.most {
			return o, fmt.Errorf("simulated retina: %s is %d, want 1 to %d", size.name, *size.value, size.most)
		}
	}
	if o.Frames < retina.Taps || o.TestFrames < retina.Taps {
		return o, fmt.Errorf("simulated retina: movies of %d and %d frames are shorter than a cell's filter (%d)",
			o.Frames, o.TestFrames, retina.Taps)
	}
	return o, nil
}

// recorded is a simulated experiment in memory.
type recorded struct {
	Options
	train, test *retina.Movie
	cells       []retina.Cell
	recordings  []*retina.Recording
}

// Write makes a simulated retina's data set in dir: the session files with the
// mean over repeats as test responses and single repeats under
// trials/natural_test (repeats, neurons, frames), and the truth (see Truth) in a
// folder of its own, since the Python reader takes every .h5 file in dir for a
// session. A directory that holds anything else is refused.
func Write(ctx context.Context, dir string, options Options) error {
	o, err := options.withDefaults()
	if err != nil {
		return err
	}
	files := []string{stimulusFile(TrainStimulus), stimulusFile(TestStimulus), truthFile}
	for session := range o.Sessions {
		files = append(files, sessionFile(session))
	}
	if err := claim(dir, manifest{Kind: "retina", Seed: o.Seed, Files: files}); err != nil {
		return err
	}
	r, err := record(ctx, o)
	if err != nil {
		return err
	}
	return r.write(ctx, dir)
}

// record simulates movies, cells and spikes.
func record(ctx context.Context, o Options) (*recorded, error) {
	r := &recorded{Options: o, cells: retina.NewCells(o.Seed, o.CellsPerType)}
	r.recordings = make([]*retina.Recording, len(r.cells))
	step := counter(o.Progress, scenes(o.Frames)+scenes(o.TestFrames)+len(r.cells))
	var err error
	if r.train, err = retina.NewMovie(ctx, o.Seed, TrainStimulus, o.Frames, step); err != nil {
		return nil, err
	}
	if r.test, err = retina.NewMovie(ctx, o.Seed, TestStimulus, o.TestFrames, step); err != nil {
		return nil, err
	}
	return r, retina.Parallel(ctx, len(r.cells), func(i int) error {
		r.recordings[i] = r.cells[i].Record(r.train, r.test, o.Repeats, retina.NewStream(o.Seed, "spikes", i))
		step()
		return nil
	})
}

func scenes(frames int) int {
	return (frames + retina.SceneFrames - 1) / retina.SceneFrames
}

// counter is a step function that reports progress; it may be called from
// several goroutines.
func counter(progress func(done, total int), total int) func() {
	if progress == nil {
		return func() {}
	}
	var mutex sync.Mutex
	done := 0
	return func() {
		mutex.Lock()
		defer mutex.Unlock()
		done++
		progress(done, total)
	}
}

// write writes the files, the truth first.
func (r *recorded) write(ctx context.Context, dir string) error {
	if err := r.truth().write(filepath.Join(dir, truthFile)); err != nil {
		return err
	}
	for name, movie := range map[string]*retina.Movie{TrainStimulus: r.train, TestStimulus: r.test} {
		a, err := ndarray.FromFloat32(movie.Data, retina.Channels, movie.Frames, retina.Height, retina.Width)
		if err != nil {
			return err
		}
		if err := npy.WriteFile(filepath.Join(dir, stimulusFile(name)), a); err != nil {
			return err
		}
	}
	for session := range r.Sessions {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := writeHDF5(filepath.Join(dir, sessionFile(session)), r.session(session)); err != nil {
			return err
		}
	}
	return nil
}

// members are the indices of the cells of a session. Cells are dealt in turn, and
// each round of types one session further, so that a session has all types.
func (r *recorded) members(session int) []int {
	types := len(r.cells) / r.CellsPerType
	var cells []int
	for i := range r.cells {
		if (i+i/types)%r.Sessions == session {
			cells = append(cells, i)
		}
	}
	return cells
}

// session writes one session's responses.
func (r *recorded) session(session int) func(*hdf5.Writer) error {
	members := r.members(session)
	n, frames := len(members), r.TestFrames
	train := make([]float32, 0, n*r.Frames)
	mean := make([]float32, n*frames)
	trials := make([]float32, r.Repeats*n*frames)
	codes := make([]int64, n)
	for neuron, cell := range members {
		recording := r.recordings[cell]
		train = append(train, recording.Train...)
		codes[neuron] = int64(r.cells[cell].Code)
		sums := mean[neuron*frames : (neuron+1)*frames]
		for i, counts := range recording.Trials {
			copy(trials[(i*n+neuron)*frames:], counts)
			for t, count := range counts {
				sums[t] += count // whole numbers: exact
			}
		}
		for t := range sums {
			sums[t] /= float32(r.Repeats)
		}
	}
	return func(f *hdf5.Writer) error {
		return errors.Join(
			hdf5.Put(f, "responses_"+TestStimulus, []int{n, frames}, mean, hdf5.Layout{}),
			hdf5.Put(f, "responses_"+TrainStimulus, []int{n, r.Frames}, train, hdf5.Layout{}),
			hdf5.Put(f, "session_info/celltypes", []int{n}, codes, hdf5.Layout{}),
			hdf5.Put(f, "trials/"+TestStimulus, []int{r.Repeats, n, frames}, trials, hdf5.Layout{}),
		)
	}
}

// truth is what the recorded cells are, in the order of sessions and neurons.
func (r *recorded) truth() *Truth {
	t := &Truth{
		Channels: retina.Channels, Taps: retina.Taps, Height: retina.Height, Width: retina.Width,
		FrameRate: retina.FrameRate, ChannelNames: []string{"green", "UV"},
	}
	for session := range r.Sessions {
		for neuron, i := range r.members(session) {
			cell, recording := &r.cells[i], r.recordings[i]
			t.Cells = append(t.Cells, Cell{
				Session: sessionName(session), Neuron: neuron, Type: cell.Type, Linear: cell.Linear,
				Row: cell.Row, Column: cell.Column, Filter: cell.Filter(),
				Gain: recording.Gain, Threshold: recording.Threshold, Peak: recording.Peak,
				TestRate: recording.Rate, Ceiling: finite(recording.Ceiling),
			})
		}
	}
	return t
}

// finite is the value, or 0 where it is none: the ceiling of a silent cell.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
