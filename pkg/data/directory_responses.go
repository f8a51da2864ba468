package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// blockBytes is how much of a data set is held in the file's own type while it
// is brought into the order (frames, neurons).
const blockBytes = 8 << 20

// directoryResponses reads the responses of a data directory (Python:
// h5_dataset_reader.load_responses).
type directoryResponses struct {
	Directory directory `yaml:",inline"`
}

// Validate refuses settings that cannot work.
func (d *directoryResponses) Validate() error { return d.Directory.validate() }

func (d directoryResponses) build(struct{}) (ResponseReader, error) {
	d.Directory.Path = hub.ExpandHome(d.Directory.Path)
	return &d, nil
}

func (d *directoryResponses) readResponses(ctx context.Context, env *environment) ([]*recording, error) {
	files, err := d.Directory.sessions(env)
	if err != nil {
		return nil, err
	}
	var recordings []*recording
	for _, file := range files {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading responses: %w", context.Cause(ctx))
		}
		err := withHDF5(file.path, func(f *hdf5.File) error {
			r, err := d.readSession(f, file)
			recordings = append(recordings, r)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", file.name, err)
		}
	}
	return recordings, nil
}

// readSession reads the responses of one session file.
func (d *directoryResponses) readSession(f *hdf5.File, file sessionFile) (*recording, error) {
	r := &recording{session: file.name, tests: map[string]Responses{}, repeats: map[string][]Responses{}}
	var train []*hdf5.Dataset
	neurons := -1
	for _, name := range file.stimuli {
		set, err := f.Dataset(responsesPrefix + name)
		if err != nil {
			return nil, err
		}
		if len(set.Shape) != 2 {
			return nil, fmt.Errorf("%s has shape %v, but (neurons, frames) is needed", set.Path, set.Shape)
		}
		if neurons < 0 {
			neurons = set.Shape[0]
		}
		if set.Shape[0] != neurons || neurons == 0 {
			return nil, fmt.Errorf("%s has %d neurons, the others %d", set.Path, set.Shape[0], neurons)
		}
		if !d.Directory.isTest(name) {
			train = append(train, set)
			continue
		}
		test := newResponses(set.Shape[1], neurons)
		if err := transpose(set, nil, test, nil); err != nil {
			return nil, err
		}
		r.tests[name] = test
		if r.repeats[name], err = readTrials(f, trialsFolder+"/"+name, test); err != nil {
			return nil, err
		}
	}
	if err := r.readTrain(train, neurons); err != nil {
		return nil, err
	}
	var err error
	r.fields, err = readFields(f)
	return r, err
}

// readTrain joins the responses to the training stimuli in time.
func (r *recording) readTrain(parts []*hdf5.Dataset, neurons int) error {
	frames := 0
	for _, d := range parts {
		frames += d.Shape[1]
	}
	r.train = newResponses(frames, neurons)
	sums := make([]float64, neurons)
	at := 0
	for _, d := range parts {
		if err := transpose(d, nil, r.train.Slice(at, at+d.Shape[1]), sums); err != nil {
			return err
		}
		at += d.Shape[1]
	}
	r.mean = make([]float32, neurons)
	for i, sum := range sums {
		r.mean[i] = float32(sum / float64(frames))
	}
	return nil
}

// transpose reads (neurons, frames), behind the leading indices given, into
// responses of (frames, neurons), some neurons at a time, and adds the sums over
// time to sums if there are any.
func transpose(d *hdf5.Dataset, lead []int, to Responses, sums []float64) error {
	rows := max(1, blockBytes/8/max(1, to.Frames))
	block := make([]float64, min(rows, to.Neurons)*to.Frames)
	start, shape := make([]int, len(d.Shape)), make([]int, len(d.Shape))
	for i, index := range lead {
		start[i], shape[i] = index, 1
	}
	shape[len(shape)-1] = to.Frames
	for first := 0; first < to.Neurons; first += rows {
		n := min(rows, to.Neurons-first)
		start[len(lead)], shape[len(lead)] = first, n
		if err := hdf5.ReadSlab(d, start, shape, block[:n*to.Frames]); err != nil {
			return err
		}
		for i := range n {
			course := block[i*to.Frames : (i+1)*to.Frames]
			to.setNeuron(first+i, course)
			if sums != nil {
				for _, value := range course {
					sums[first+i] += value
				}
			}
		}
	}
	return nil
}

// readTrials reads the responses (repeats, neurons, frames) to each repeat of a test
// stimulus; nil where the file has none under the path.
func readTrials(f *hdf5.File, path string, mean Responses) ([]Responses, error) {
	d, err := f.Dataset(path)
	if errors.Is(err, hdf5.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(d.Shape) != 3 || d.Shape[1] != mean.Neurons || d.Shape[2] != mean.Frames {
		return nil, fmt.Errorf("%s has shape %v, but (repeats, %d neurons, %d frames) is needed",
			path, d.Shape, mean.Neurons, mean.Frames)
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

// readFields reads the data sets of the group session_info.
func readFields(f *hdf5.File) ([]Field, error) {
	exists, err := f.Exists(sessionInfo)
	if !exists || err != nil {
		return nil, err
	}
	entries, err := f.List(sessionInfo)
	if err != nil {
		return nil, err
	}
	var fields []Field
	for _, entry := range entries {
		if entry.Kind != hdf5.Data {
			continue
		}
		d, err := f.Dataset(sessionInfo + "/" + entry.Name)
		if err != nil {
			return nil, err
		}
		value, err := fieldValue(d)
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{Name: entry.Name, Value: value})
	}
	return fields, nil
}

// fieldValue reads a data set as the value of a Field.
func fieldValue(d *hdf5.Dataset) (any, error) {
	if d.Type.Class != hdf5.String {
		return d.Array()
	}
	texts, err := d.Strings()
	if err == nil && len(d.Shape) == 0 {
		return texts[0], nil
	}
	return texts, err
}
