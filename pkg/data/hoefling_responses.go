package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// The natural movie of Höfling et al. 2024: 123 clips of 5 s at 30 Hz, of which
// the first five, the middle five and the last five are the same test clips.
const (
	hoeflingClip       = 150
	hoeflingTestClips  = 5
	hoeflingTrainClips = 108
	hoeflingClips      = hoeflingTrainClips + 3*hoeflingTestClips
	// hoeflingDuration is the time from a trigger to the last frame of its
	// clip, in seconds as measured; not quite 5.
	hoeflingDuration = 4.9666667
	// hoeflingMislabelled was recorded in a right eye though its file says left.
	hoeflingMislabelled = "session_2_ventral2_20200626"
)

// firstTestFrames are where the three showings of the test clips begin.
var firstTestFrames = [3]int{0, 59 * hoeflingClip, 118 * hoeflingClip}

// The functions that data_dict may call.
const (
	loadFunction   = "openretina.utils.h5_handling.load_h5_into_dict"
	filterFunction = "openretina.data_io.hoefling_2024.responses.filter_responses"
)

// hoeflingResponses reads calcium recordings and brings them to the frames of the
// movie (Python: hoefling_2024.responses.make_final_responses).
type hoeflingResponses struct {
	Dict         recordings `yaml:"data_dict,required"`
	ResponseType string     `yaml:"response_type"`
	TraceType    string     `yaml:"trace_type"`
	BarQuality   *float64   `yaml:"d_qi"`
	ChirpQuality *float64   `yaml:"chirp_qi"`
	Logic        logic      `yaml:"qi_logic"`
	Scale        float64    `yaml:"scale_traces"`
	ByStd        bool       `yaml:"norm_by_std"`
}

func defaultHoeflingResponses() hoeflingResponses {
	return hoeflingResponses{ResponseType: "natural", TraceType: "spikes", Logic: "or", Scale: 1, ByStd: true}
}

// Validate refuses what is not known.
func (h *hoeflingResponses) Validate() error {
	var refused config.Refusals
	refused.Unless(h.ResponseType == "natural", "response_type", "response_type %q is not supported, only natural is", h.ResponseType)
	_, known := traceNames[h.TraceType]
	refused.Unless(known, "trace_type", "trace_type %q is unknown; it is one of %v", h.TraceType, sortedKeys(traceNames))
	return refused.Err()
}

func (h hoeflingResponses) build(struct{}) (ResponseReader, error) {
	second := cellFilter{Logic: h.Logic}
	if h.BarQuality != nil {
		second.BarQuality = *h.BarQuality
	}
	if h.ChirpQuality != nil {
		second.ChirpQuality = *h.ChirpQuality
	}
	if second.BarQuality > 0 || second.ChirpQuality > 0 {
		h.Dict.filters = append(h.Dict.filters, second)
	}
	return &h, nil
}

// recordings are those of a file of which filters, applied one after the other,
// keep some cells.
type recordings struct {
	file    location
	filters []cellFilter
}

// Forms are the calls.
func (recordings) Forms() []any { return []any{config.BuiltBy(Recordings.What)} }

// UnmarshalNode reads the call that gives the recordings: of the function that reads
// the file, or of a filter over another call.
func (r *recordings) UnmarshalNode(n *config.Node) (err error) {
	*r, err = Recordings.Build(n, struct{}{})
	return err
}

// loadHDF5 are the arguments of the function that reads the file.
type loadHDF5 struct {
	File location `yaml:"file_path,required"`
}

func (l loadHDF5) build(struct{}) (recordings, error) { return recordings{file: l.File}, nil }

func (h *hoeflingResponses) readResponses(ctx context.Context, env *environment) (found []*recording, err error) {
	path, err := h.Dict.file.find(ctx, env)
	if err != nil {
		return nil, err
	}
	path, remove, err := unpackHDF5(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	tally := tally{}
	err = withHDF5(path, func(f *hdf5.File) (err error) {
		found, err = h.readFields(ctx, f, &tally)
		return err
	})
	if err != nil {
		return nil, err
	}
	env.log.Info(tally.String())
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no cell is left: %s", path, tally.String())
	}
	return found, nil
}

// readFields reads all groups of a file.
func (h *hoeflingResponses) readFields(ctx context.Context, f *hdf5.File, tally *tally) ([]*recording, error) {
	entries, err := f.List("/")
	if err != nil {
		return nil, err
	}
	var found []*recording
	for _, entry := range entries {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading responses: %w", context.Cause(ctx))
		}
		if entry.Kind != hdf5.Group {
			continue
		}
		field := hoeflingField{file: f, name: entry.Name}
		r, err := h.readField(&field)
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", entry.Name, err)
		}
		tally.add(&field, r)
		if r != nil {
			found = append(found, r)
		}
	}
	return found, nil
}

// readField reads the cells of one recording field that the filters keep; nil
// where none is left.
func (h *hoeflingResponses) readField(field *hoeflingField) (*recording, error) {
	kept, err := field.filter(h.Dict.filters)
	if len(kept.cells) == 0 || err != nil {
		return nil, err
	}
	r, err := field.describe(kept.cells)
	if err != nil {
		return nil, err
	}
	traces, err := field.readTraces(traceNames[h.TraceType])
	if err != nil {
		return nil, err
	}
	times, err := field.frameTimes(kept.trigger)
	if err != nil {
		return nil, err
	}
	cut := newHoeflingCut(len(kept.cells))
	for neuron, cell := range kept.cells {
		course := interpolate(times, traces.times(cell), traces.values(cell))
		if h.ByStd {
			divide(course, standardDeviation(course))
		}
		scale(course, h.Scale)
		cut.set(neuron, course)
	}
	cut.into(r)
	return r, nil
}

// tally counts what the filters drop.
type tally struct{ fields, keptFields, cells, keptCells int }

func (t *tally) add(field *hoeflingField, r *recording) {
	t.fields++
	t.cells += field.cells
	if r != nil {
		t.keptFields++
		t.keptCells += r.train.Neurons
	}
}

// String says what was kept.
func (t *tally) String() string {
	return fmt.Sprintf("the filters keep %d of %d cells in %d of %d sessions", t.keptCells, t.cells, t.keptFields, t.fields)
}

// hoeflingCut takes responses to all clips apart into training and test.
type hoeflingCut struct {
	train   Responses
	repeats []Responses
	mean    []float32
	test    Responses
}

func newHoeflingCut(neurons int) *hoeflingCut {
	c := &hoeflingCut{
		train: newResponses(hoeflingTrainClips*hoeflingClip, neurons),
		test:  newResponses(hoeflingTestClips*hoeflingClip, neurons),
		mean:  make([]float32, neurons),
	}
	for range firstTestFrames {
		c.repeats = append(c.repeats, newResponses(hoeflingTestClips*hoeflingClip, neurons))
	}
	return c
}

// set takes a neuron's response to all frames.
func (c *hoeflingCut) set(neuron int, course []float64) {
	test := make([]float64, hoeflingTestClips*hoeflingClip)
	for i, first := range firstTestFrames {
		repeat := course[first : first+len(test)]
		c.repeats[i].setNeuron(neuron, repeat)
		for t, value := range repeat {
			test[t] += value
		}
	}
	divide(test, float64(len(firstTestFrames)))
	c.test.setNeuron(neuron, test)
	train := make([]float64, 0, c.train.Frames)
	train = append(train, course[len(test):firstTestFrames[1]]...)
	train = append(train, course[firstTestFrames[1]+len(test):firstTestFrames[2]]...)
	c.train.setNeuron(neuron, train)
	c.mean[neuron] = float32(mean(train))
}

// into puts the parts into a recording.
func (c *hoeflingCut) into(r *recording) {
	r.train, r.mean = c.train, c.mean
	r.tests = map[string]Responses{"test": c.test}
	r.repeats = map[string][]Responses{"test": c.repeats}
}
