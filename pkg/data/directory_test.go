package data

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/pyrand"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// createDataConfig is a config for a data directory, in the shape of the Python
// package's hdf5_core_readout.
const createDataConfig = `
check_stimuli_responses_match: true
data_io:
  data_info: {retina_pixel_size_um: 50}
  stimuli:
    _target_: openretina.data_io.h5_dataset_reader.load_stimuli
    _convert_: object
    base_data_path: ${paths.data_dir}
    norm_mean: 0.5
    norm_std: 2.0
    test_names: [random_noise_1]
    stimulus_size: [2, 16, 8]
  responses:
    _target_: openretina.data_io.h5_dataset_reader.load_responses
    _convert_: object
    base_data_path: ${paths.data_dir}
    test_names: [random_noise_1]
dataloader:
  _target_: openretina.data_io.base_dataloader.multiple_movies_dataloaders
  batch_size: 3
  train_chunk_size: 10
  clip_length: 20
  num_val_clips: 2
  seed: 42
  allow_over_boundaries: true
paths: {data_dir: testdata/create_data/directory}
`

// createDataExpected is the part of testdata/create_data/expected.json that is
// compared.
type createDataExpected struct {
	Splits map[string]struct {
		MovieTrain     summary            `json:"movie_train"`
		MovieTest      map[string]summary `json:"movie_test"`
		ResponsesTrain summary            `json:"responses_train"`
		ResponsesTest  map[string]summary `json:"responses_test"`
	}
	Info struct {
		Neurons    map[string]int                `json:"n_neurons_dict"`
		Activity   map[string][]float64          `json:"mean_activity_dict"`
		InputShape [3]int                        `json:"input_shape"`
		Fields     map[string]map[string][]int64 `json:"sessions_kwargs"`
		Mean       float64                       `json:"stim_mean"`
		Std        float64                       `json:"stim_std"`
	} `json:"data_info"`
	Loaders map[string]map[string]expectedLoader `json:"dataloaders"`
}

// expectedLoader describes one DataLoader of the Python package.
type expectedLoader struct {
	Batches   int `json:"n_batches"`
	BatchSize int `json:"batch_size"`
	Chunk     int `json:"chunk_size"`
	// Starts are the sampler's first frames after numpy.random.seed(5).
	Starts []int                               `json:"starts_after_numpy_seed_5"`
	Mean   []float64                           `json:"mean_response"`
	First  []struct{ Inputs, Targets summary } `json:"batches"`
}

// checkLoader compares a split with a DataLoader of the Python package.
func checkLoader(t *testing.T, what string, s *Session, split *Split, want expectedLoader) {
	t.Helper()
	if split.batch != want.BatchSize || split.sampler.ClipFrames != want.Chunk {
		t.Errorf("%s: batches of %d clips of %d frames, want %d of %d", what, split.batch, split.sampler.ClipFrames,
			want.BatchSize, want.Chunk)
	}
	compare(t, what+", mean response", split.Responses.Mean(), want.Mean)
	starts := split.sampler.Epoch(pyrand.NewNumPy(5))
	if diff := cmp.Diff(want.Starts, starts[:len(want.Starts)]); diff != "" {
		t.Errorf("%s, starts: %s", what, diff)
	}
	l := &Loader{sessions: []*Session{s}, splits: []*Split{split}}
	for i, first := range want.First {
		var b Batch
		l.fill(&b, step{frames: want.Chunk, starts: starts[i*want.BatchSize : min((i+1)*want.BatchSize, len(starts))]})
		compareSummary(t, what+", inputs", b.Inputs, []int{b.Clips, b.Channels, b.Frames, b.Height, b.Width}, first.Inputs)
		compareSummary(t, what+", targets", b.Targets, []int{b.Clips, b.Frames, b.Neurons}, first.Targets)
	}
}

func TestDirectoryEqualsPython(t *testing.T) {
	var want createDataExpected
	readJSON(t, "testdata/create_data/expected.json", &want)
	cfg := fromYAML(t, createDataConfig)
	d := load(t, cfg)
	for _, s := range d.Sessions {
		if s.Neurons != want.Info.Neurons[s.Name] {
			t.Errorf("%s has %d neurons", s.Name, s.Neurons)
		}
		compare(t, s.Name+", mean activity", s.MeanActivity, want.Info.Activity[s.Name])
		types := s.Fields[0].Value.(*ndarray.Array).Int64s()
		if diff := cmp.Diff(want.Info.Fields[s.Name]["celltypes"], types); diff != "" {
			t.Errorf("%s, cell types: %s", s.Name, diff)
		}
		checkLoader(t, s.Name+", train", s, &s.Train, want.Loaders["train"][s.Name])
		checkLoader(t, s.Name+", validation", s, &s.Validation, want.Loaders["validation"][s.Name])
		checkLoader(t, s.Name+", test", s, &s.Tests[0].Split, want.Loaders["random_noise_1"][s.Name])
	}
	if d.Info.InputShape != want.Info.InputShape || d.Info.StimMean != want.Info.Mean || d.Info.StimStd != want.Info.Std {
		t.Errorf("info %+v, want %+v", d.Info, want.Info)
	}
	if diff := cmp.Diff(config.Object{{Key: "retina_pixel_size_um", Value: int64(50)}}, d.Info.Extra); diff != "" {
		t.Error("extra info:", diff)
	}
	if len(d.Sessions) != 2 || d.Neurons() != 36 || !cmp.Equal(d.TestNames(), []string{"random_noise_1"}) {
		t.Errorf("%d sessions, %d neurons, tests %v", len(d.Sessions), d.Neurons(), d.TestNames())
	}
	compareMovies(t, d, want)
}

// compareMovies compares what the readers give before it is split.
func compareMovies(t *testing.T, d *Dataset, want createDataExpected) {
	t.Helper()
	source, err := ParseConfig(fromYAML(t, createDataConfig))
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
	for _, r := range recordings {
		split := want.Splits[r.session]
		m := found.of(r.session)
		train, test := m.train.Movie(), m.tests["random_noise_1"].Movie()
		compareSummary(t, "train movie", train.Data, []int{train.Channels, train.Frames, train.Height, train.Width}, split.MovieTrain)
		compareSummary(t, "test movie", test.Data, []int{test.Channels, test.Frames, test.Height, test.Width},
			split.MovieTest["random_noise_1"])
	}
	if first, second := found.of("session_0").train, found.of("session_1").train; first.stretches[0].movie != second.stretches[0].movie {
		t.Error("sessions do not share their movie")
	}
	get := arrays(t, "testdata/create_data/first_session.npz")
	s := d.Sessions[0]
	l, err := (&Dataset{Sessions: d.Sessions[:1]}).ValidationLoader()
	if err != nil {
		t.Fatal(err)
	}
	b := epoch(t, l)[0]
	compare(t, "validation targets", b.Targets, get("validation_targets"))
	var everyFifth []float32
	for clip := range b.Clips * b.Channels {
		for frame := 0; frame < b.Frames; frame += 5 {
			at := (clip*b.Frames + frame) * b.Height * b.Width
			everyFifth = append(everyFifth, b.Inputs[at:at+b.Height*b.Width]...)
		}
	}
	compare(t, "validation inputs", everyFifth, get("validation_inputs"))
	var responses []float32
	for neuron := range s.Neurons {
		for frame := 0; frame < 140; frame += 7 {
			responses = append(responses, recordings[0].train.At(frame, neuron))
		}
	}
	compare(t, "training responses", responses, get("responses_train"))
}
