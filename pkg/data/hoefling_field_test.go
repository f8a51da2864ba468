package data

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// numbers is a data set to write.
type numbers struct {
	shape  []int
	values []float64
}

// field is a recording field to write: data sets, integers and attributes.
type field struct {
	sets     map[string]numbers
	integers map[string][]int64
	facts    map[string]any
}

const fieldSamples = 700

// smallField has two cells whose traces are ramps; cell 1 is sampled later.
func smallField() field {
	times, spikes := make([]float64, 2*fieldSamples), make([]float64, 2*fieldSamples)
	for cell := range 2 {
		for i := range fieldSamples {
			times[cell*fieldSamples+i] = float64(i) + 0.25*float64(cell)
			spikes[cell*fieldSamples+i] = float64(i * (cell + 1))
		}
	}
	triggers := make([]float64, 2*hoeflingClips)
	for i := range triggers {
		triggers[i] = 5 * float64(i%hoeflingClips)
	}
	cells := []int{2, fieldSamples}
	return field{
		sets: map[string]numbers{
			"natural_inferred_spikes": {cells, spikes},
			"natural_traces_times":    {cells, times},
			"natural_trigger_times":   {[]int{2, hoeflingClips}, triggers},
		},
		integers: map[string][]int64{"group_assignment": {1, 2}, "roi_ids": {3, 5}},
		facts:    map[string]any{"eye": "left", "scan_sequence_idx": 1},
	}
}

// write writes the field as the only one of a file.
func (f field) write(t *testing.T) string {
	t.Helper()
	var buffer bytes.Buffer
	err := hdf5.Write(&buffer, func(w *hdf5.Writer) error {
		err := w.Group("field_0")
		for name, s := range f.sets {
			err = errors.Join(err, hdf5.Put(w, "field_0/"+name, s.shape, s.values, hdf5.Layout{}))
		}
		for name, values := range f.integers {
			err = errors.Join(err, hdf5.Put(w, "field_0/"+name, []int{len(values)}, values, hdf5.Layout{}))
		}
		for name, value := range f.facts {
			err = errors.Join(err, w.PutAttribute("field_0", name, value))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "responses.h5")
	if err := os.WriteFile(path, buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read reads the field with some settings of make_final_responses.
func (f field) read(t *testing.T, settings map[string]any) (*recording, error) {
	t.Helper()
	all := map[string]any{
		config.TargetKey: "openretina.data_io.hoefling_2024.responses.make_final_responses",
		"norm_by_std":    false,
		"data_dict":      map[string]any{config.TargetKey: loadFunction, "file_path": f.write(t)},
	}
	for key, value := range settings {
		all[key] = value
	}
	node, err := config.FromValue(all)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := ResponseReaders.Build(node, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	recordings, err := reader.readResponses(context.Background(), newEnvironment(Options{}))
	if err != nil {
		return nil, err
	}
	return recordings[0], nil
}

// rename moves a data set to another name.
func (f field) rename(from, to string) { f.sets[to] = f.sets[from]; delete(f.sets, from) }

func TestFieldForms(t *testing.T) {
	want, err := smallField().read(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Frame 1 of clip 5, the first one for training, is 25 s + 1/149 of the
	// clip's duration after the first trigger; the trace of cell 0 is the time.
	if got := float64(want.train.At(1, 0)); !near(got, 25+hoeflingDuration/149) {
		t.Errorf("response at the second frame is %v", got)
	}
	if !want.mirrored || want.sequence != 1 || want.roiCoords != nil {
		t.Errorf("facts %+v", want.hoefling)
	}
	for _, test := range []struct {
		name     string
		settings map[string]any
		change   func(field)
	}{
		{"other name", nil, func(f field) { f.rename("natural_inferred_spikes", "natural_spikes") }},
		{"raw", map[string]any{"trace_type": "raw"}, func(f field) { f.rename("natural_inferred_spikes", "natural_raw_traces") }},
		{"detrended", map[string]any{"trace_type": "detrended"}, func(f field) {
			f.rename("natural_inferred_spikes", "natural_smoothed_traces")
			twice := append([]float64{}, f.sets["natural_smoothed_traces"].values...)
			scale(twice, 2)
			f.sets["natural_raw_traces"] = numbers{[]int{2, fieldSamples}, twice}
		}},
		{"clock", nil, func(f field) {
			delete(f.sets, "natural_traces_times")
			f.sets["natural_traces_t0"] = numbers{[]int{2, 1}, []float64{0, 0.25}}
			f.sets["natural_traces_dt"] = numbers{[]int{1}, []float64{1}}
		}},
		{"one row of triggers", nil, func(f field) {
			f.sets["natural_trigger_times"] = numbers{[]int{1, hoeflingClips}, f.sets["natural_trigger_times"].values[:hoeflingClips]}
		}},
		{"types as floats", nil, func(f field) {
			delete(f.integers, "group_assignment")
			f.sets["group_assignment"] = numbers{[]int{2}, []float64{1, 2}}
		}},
		{"scaled", map[string]any{"scale_traces": 0.5}, func(f field) { scale(f.sets["natural_inferred_spikes"].values, 2) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := smallField()
			test.change(f)
			got, err := f.read(t, test.settings)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.train.Data[:1000], got.train.Data[:1000]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFieldErrors(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(field)
	}{
		{"no types", "group_assignment", func(f field) { delete(f.integers, "group_assignment") }},
		{"ids", "roi_ids has 3 values for 2 cells", func(f field) { f.integers["roi_ids"] = []int64{1, 2, 3} }},
		{"eye", `eye is ["middle"]`, func(f field) { f.facts["eye"] = "middle" }},
		{"no sequence", "scan_sequence_idx", func(f field) { delete(f.facts, "scan_sequence_idx") }},
		{"sequence", "scan_sequence_idx is 1.5", func(f field) { f.facts["scan_sequence_idx"] = 1.5 }},
		{"traces", "natural_spikes", func(f field) { delete(f.sets, "natural_inferred_spikes") }},
		{"traces of other cells", "natural_inferred_spikes has shape [1 1400]", func(f field) {
			f.sets["natural_inferred_spikes"] = numbers{[]int{1, 2 * fieldSamples}, f.sets["natural_inferred_spikes"].values}
		}},
		{"times", "there is neither natural_traces_times nor", func(f field) { delete(f.sets, "natural_traces_times") }},
		{"times go back", "natural_traces_times of cell 0 go back at sample 9", func(f field) { f.sets["natural_traces_times"].values[9] = 1 }},
		{"triggers", "natural_trigger_times has shape [2 122]", func(f field) {
			f.sets["natural_trigger_times"] = numbers{[]int{2, 122}, make([]float64, 244)}
		}},
		{"trigger", "natural_trigger_times of clip 3 is NaN", func(f field) { f.sets["natural_trigger_times"].values[3] = math.NaN() }},
		{"types", "group_assignment of cell 1 is 1.5", func(f field) {
			delete(f.integers, "group_assignment")
			f.sets["group_assignment"] = numbers{[]int{2}, []float64{1, 1.5}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := smallField()
			test.change(f)
			_, err := f.read(t, nil)
			checkError(t, err, "session field_0: ")
			checkError(t, err, test.want)
		})
	}
}

func TestSecondFilter(t *testing.T) {
	f := smallField()
	f.sets["d_qi"] = numbers{[]int{2}, []float64{0.1, 0.9}}
	f.sets["chirp_qi"] = numbers{[]int{2}, []float64{0.5, 0.5}}
	r, err := f.read(t, map[string]any{"d_qi": 0.5, "qi_logic": "and"})
	if err != nil {
		t.Fatal(err)
	}
	if r.train.Neurons != 1 || !near(float64(r.train.At(1, 0)), 2*(25+hoeflingDuration/149-0.25)) {
		t.Errorf("%d neurons, response %v", r.train.Neurons, r.train.At(1, 0))
	}
}
