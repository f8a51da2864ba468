package data

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// hoeflingConfig has the nodes of the Python package's
// hoefling_2024_core_readout_low_res.
const hoeflingConfig = `
check_stimuli_responses_match: false
data_io:
  stimuli:
    _target_: openretina.data_io.hoefling_2024.stimuli.movies_from_pickle
    _convert_: object
    file_path:
      _target_: openretina.utils.file_utils.get_local_file_path
      _convert_: object
      file_path: ${paths.movies_path}
      cache_folder: ${paths.cache_dir}
  responses:
    _target_: openretina.data_io.hoefling_2024.responses.make_final_responses
    _convert_: object
    response_type: natural
    data_dict:
      _target_: openretina.data_io.hoefling_2024.responses.filter_responses
      _convert_: object
      filter_cell_types: true
      cell_types_list: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28, 29, 30, 31, 32]
      chirp_qi: 0.35
      d_qi: 0.6
      qi_logic: or
      filter_counts: false
      classifier_confidence: 0.25
      verbose: true
      all_responses:
        _target_: openretina.utils.h5_handling.load_h5_into_dict
        _convert_: object
        file_path:
          _target_: openretina.utils.file_utils.get_local_file_path
          _convert_: object
          file_path: ${paths.responses_path}
          cache_folder: ${paths.cache_dir}
  data_info: {response_rate_hz: 30, stimulus_rate_hz: 30, stimulus_class: natural}
dataloader:
  _target_: openretina.data_io.hoefling_2024.dataloaders.natmov_dataloaders_v2
  _convert_: object
  batch_size: 16
  train_chunk_size: 50
  clip_length: 150
  allow_over_boundaries: true
  validation_clip_indices: [0, 4, 10, 11, 18, 30, 45, 62, 67, 77, 79, 80, 81, 83, 95]
paths: {movies_path: testdata/hoefling/movies.pickle, responses_path: '', cache_dir: /cache}
`

// hoeflingNode is the config with responses in a directory that can be written.
func hoeflingNode(t *testing.T) *config.Node {
	t.Helper()
	archive := copyFile(t, "testdata/hoefling/responses.zip", t.TempDir())
	return replace(t, fromYAML(t, hoeflingConfig), "paths.responses_path", archive)
}

// hoeflingExpected is what of testdata/hoefling/expected.json is compared.
type hoeflingExpected struct {
	Info struct {
		Neurons    map[string]int       `json:"n_neurons_dict"`
		Activity   map[string][]float64 `json:"mean_activity_dict"`
		InputShape [3]int               `json:"input_shape"`
		Mean       float64              `json:"stim_mean"`
		Std        float64              `json:"stim_std"`
	} `json:"data_info"`
	Sessions map[string]struct {
		Eye      string  `json:"eye_in_file"`
		Sequence int64   `json:"scan_sequence_idx"`
		Types    []int64 `json:"group_assignment"`
		Rois     []int64 `json:"roi_ids"`
		Train    summary `json:"responses_train"`
		Test     summary `json:"responses_test"`
	}
	Loaders map[string]map[string]expectedLoader `json:"dataloaders"`
}

func TestHoeflingEqualsPython(t *testing.T) {
	var want hoeflingExpected
	readJSON(t, "testdata/hoefling/expected.json", &want)
	d := load(t, hoeflingNode(t))
	if len(d.Sessions) != len(want.Info.Neurons) {
		t.Fatalf("%d sessions, want %d", len(d.Sessions), len(want.Info.Neurons))
	}
	if d.Info.InputShape != want.Info.InputShape || d.Info.StimMean != want.Info.Mean || d.Info.StimStd != want.Info.Std {
		t.Errorf("info %+v, want %+v", d.Info, want.Info)
	}
	for _, s := range d.Sessions {
		t.Run(s.Name, func(t *testing.T) {
			expected := want.Sessions[s.Name]
			fields := []Field{
				{"eye", expected.Eye},
				{"scan_sequence_idx", expected.Sequence},
				{"group_assignment", expected.Types},
				{"roi_ids", expected.Rois},
			}
			for i, field := range fields {
				got := s.Fields[i].Value
				if a, ok := got.(*ndarray.Array); ok {
					got = a.Int64s()
				}
				if diff := cmp.Diff(field, Field{s.Fields[i].Name, got}); diff != "" {
					t.Error(diff)
				}
			}
			compare(t, "mean activity", s.MeanActivity, want.Info.Activity[s.Name])
			checkLoader(t, "train", s, &s.Train, want.Loaders["train"][s.Name])
			checkLoader(t, "validation", s, &s.Validation, want.Loaders["validation"][s.Name])
			checkLoader(t, "test", s, &s.Tests[0].Split, want.Loaders["test"][s.Name])
			compareHoeflingArrays(t, s)
		})
	}
}

// compareHoeflingArrays compares the arrays of expected_<session>.npz.
func compareHoeflingArrays(t *testing.T, s *Session) {
	t.Helper()
	get := arrays(t, fmt.Sprintf("testdata/hoefling/expected_%s.npz", s.Name))
	var coords []float32
	for _, c := range s.RoiCoords {
		coords = append(coords, c[0], c[1])
	}
	compare(t, "roi coordinates", coords, get("roi_coords"))
	for _, part := range []struct {
		name  string
		split *Split
		every int
	}{
		{"train", &s.Train, 150}, {"validation", &s.Validation, 150}, {"test", &s.Tests[0].Split, 50},
	} {
		movie := part.split.Movie.Movie()
		var pixels, responses []float32
		for c := range movie.Channels {
			for frame := 0; frame < movie.Frames; frame += part.every {
				at := (c*movie.Frames + frame) * movie.Height * movie.Width
				pixels = append(pixels, movie.Data[at:at+movie.Height*movie.Width]...)
			}
		}
		for frame := 0; frame < movie.Frames; frame += part.every {
			responses = append(responses, part.split.Responses.Slice(frame, frame+1).Data...)
		}
		suffix := fmt.Sprintf("_every_%d", part.every)
		compare(t, part.name+" movie", pixels, get(part.name+"_movie"+suffix))
		compare(t, part.name+" responses", responses, get(part.name+"_responses"+suffix))
	}
	test := s.Tests[0]
	var mean, repeats []float32
	for neuron := range s.Neurons {
		for frame := range test.Responses.Frames {
			mean = append(mean, test.Responses.At(frame, neuron))
			if frame%5 != 0 {
				continue
			}
			for _, repeat := range test.Repeats {
				repeats = append(repeats, repeat.At(frame, neuron))
			}
		}
	}
	compare(t, "test responses", mean, get("responses_test"))
	compare(t, "repeats", repeats, get("test_by_trial_every_5"))
}

func TestHoeflingFilters(t *testing.T) {
	var want map[string]struct {
		Options json.RawMessage
		Kept    map[string][]int64 `json:"kept_roi_ids"`
	}
	readJSON(t, "testdata/hoefling/filters.json", &want)
	path, remove, err := unpackHDF5(copyFile(t, "testdata/hoefling/responses.zip", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	for name, test := range want {
		t.Run(name, func(t *testing.T) {
			options := fromYAML(t, string(test.Options)).Value().(config.Object)
			options = append(options, config.Pair{Key: config.TargetKey, Value: filterFunction}, config.Pair{
				Key: "all_responses", Value: map[string]any{config.TargetKey: loadFunction, "file_path": path},
			})
			node, err := config.FromValue(map[string]any{
				config.TargetKey: "openretina.data_io.hoefling_2024.responses.make_final_responses", "data_dict": options,
			})
			if err != nil {
				t.Fatal(err)
			}
			reader, err := ResponseReaders.Build(node, struct{}{})
			if err != nil {
				t.Fatal(err)
			}
			recordings, err := reader.readResponses(context.Background(), newEnvironment(Options{}))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]int64{}
			for _, r := range recordings {
				got[r.session] = r.fields[3].Value.(*ndarray.Array).Int64s()
			}
			if diff := cmp.Diff(test.Kept, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHoeflingFromZip reads the movies out of a zip file and keeps the unpacked
// responses for the next time.
func TestHoeflingFromZip(t *testing.T) {
	dir := t.TempDir()
	archive := zipOf(t, "testdata/hoefling/movies.pickle", filepath.Join(dir, "movies.zip"))
	cfg := replace(t, hoeflingNode(t), "paths.movies_path", archive)
	first := load(t, cfg)
	second := load(t, cfg) // from the unpacked file
	if diff := cmp.Diff(first.Sessions[0].MeanActivity, second.Sessions[0].MeanActivity); diff != "" {
		t.Error(diff)
	}
}
