package data

import (
	"context"
	"strings"
	"testing"
)

// baccusConfig reads miniatures of the recordings of Maheswaranathan et al. 2023. One
// session has its repeats under the response type, the other one cell by cell.
const baccusConfig = `
check_stimuli_responses_match: true
data_io:
  stimuli:
    _target_: openretina.data_io.maheswaranathan_2023.stimuli.load_all_stimuli
    _convert_: object
    base_data_path: ${paths.data_dir}
    stim_type: naturalscene
    normalize_stimuli: true
  responses:
    _target_: openretina.data_io.maheswaranathan_2023.responses.load_all_responses
    _convert_: object
    base_data_path: ${paths.data_dir}
    stim_type: naturalscene
    response_type: firing_rate_10ms
    fr_normalization: 2.0
dataloader:
  _target_: openretina.data_io.base_dataloader.multiple_movies_dataloaders
  batch_size: 2
  train_chunk_size: 15
  clip_length: 30
  num_val_clips: 1
paths: {data_dir: testdata/maheswaranathan/neural_code_data}
`

func TestBaccusEqualsPython(t *testing.T) {
	var want struct {
		Sessions map[string]struct {
			Mean  float64            `json:"norm_mean"`
			Std   float64            `json:"norm_std"`
			Train summary            `json:"movie_train"`
			Test  map[string]summary `json:"movie_test"`
			// Responses are (neurons, frames), repeats (repeats, neurons, frames).
			ResponsesTrain summary            `json:"responses_train"`
			ResponsesTest  map[string]summary `json:"responses_test"`
			Repeats        map[string]summary `json:"test_by_trial"`
		}
	}
	readJSON(t, "testdata/maheswaranathan/expected.json", &want)
	source, err := ParseConfig(fromYAML(t, baccusConfig))
	if err != nil {
		t.Fatal(err)
	}
	env := newEnvironment(Options{})
	found, err := source.stimuli.readStimuli(context.Background(), env)
	if err != nil {
		t.Fatal(err)
	}
	recordings, err := source.responses.readResponses(context.Background(), env)
	if err != nil {
		t.Fatal(err)
	}
	if len(recordings) != len(want.Sessions) {
		t.Errorf("%d sessions, want %d", len(recordings), len(want.Sessions))
	}
	for _, r := range recordings {
		w := want.Sessions[r.session]
		m := found.of(r.session)
		train, test := m.train.Movie(), m.tests["test"].Movie()
		compareSummary(t, r.session+", movie", train.Data, []int{1, train.Frames, train.Height, train.Width}, w.Train)
		compareSummary(t, r.session+", test movie", test.Data, []int{1, test.Frames, test.Height, test.Width}, w.Test["test"])
		compare(t, r.session+", statistics", []float32{float32(*m.mean), float32(*m.std)}, []float64{w.Mean, w.Std})
		compareSummary(t, r.session+", responses", byNeuron(r.train), []int{r.train.Neurons, r.train.Frames}, w.ResponsesTrain)
		compareSummary(t, r.session+", test responses", byNeuron(r.tests["test"]),
			[]int{r.train.Neurons, test.Frames}, w.ResponsesTest["test"])
		var repeats []float32
		for _, repeat := range r.repeats["test"] {
			repeats = append(repeats, byNeuron(repeat)...)
		}
		compareSummary(t, r.session+", repeats", repeats, []int{len(r.repeats["test"]), r.train.Neurons, test.Frames}, w.Repeats["test"])
	}
	raw := strings.ReplaceAll(baccusConfig, "normalize_stimuli: true", "normalize_stimuli: false")
	if d := load(t, fromYAML(t, raw)); d.Neurons() != 15 || d.Info.InputShape != [3]int{1, 8, 8} {
		t.Errorf("%d neurons, movies of %v", d.Neurons(), d.Info.InputShape)
	}
}

// byNeuron are responses as (neurons, frames).
func byNeuron(r Responses) []float32 {
	values := make([]float32, 0, len(r.Data))
	for neuron := range r.Neurons {
		for frame := range r.Frames {
			values = append(values, r.At(frame, neuron))
		}
	}
	return values
}

func TestBadBaccusSettings(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"stim_type: naturalscene", "stim_type: movie"}:           "stim_type must be naturalscene or whitenoise",
		{"firing_rate_10ms", "firing_rate_1ms"}:                   "response_type must be firing_rate_5ms",
		{"fr_normalization: 2.0", "fr_normalization: 0"}:          "fr_normalization must be positive",
		{"firing_rate_10ms", "firing_rate_20ms"}:                  "firing_rate_20ms",
		{"stim_type: naturalscene", "stim_type: whitenoise"}:      "has no session with a file whitenoise.h5",
		{"maheswaranathan/neural_code_data", "create_data"}:       "has no folder ganglion_cell_data",
		{"maheswaranathan/neural_code_data", "maheswaranathan/x"}: "testdata/maheswaranathan/x",
	} {
		_, err := Load(t.Context(), fromYAML(t, strings.ReplaceAll(baccusConfig, change[0], change[1])), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q in it", change[1], err, want)
		}
	}
}
