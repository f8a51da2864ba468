package data

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

func TestConfigErrors(t *testing.T) {
	hoefling := func(path string, value any) *config.Node { return replace(t, fromYAML(t, hoeflingConfig), path, value) }
	created := func(path string, value any) *config.Node {
		return replace(t, fromYAML(t, createDataConfig), path, value)
	}
	filter := "data_io.responses.data_dict."
	for _, test := range []struct {
		name, want string
		cfg        *config.Node
	}{
		{"no stimuli", "data_io.stimuli is missing", created("data_io.stimuli", remove)},
		{"no dataloader", "dataloader is missing", created("dataloader", remove)},
		{"unknown reader", "did you mean", created("data_io.stimuli._target_", "openretina.data_io.h5_dataset_reader.load_stimulus")},
		{"unknown key", `unknown key "norm_men"`, created("data_io.stimuli.norm_men", 1)},
		{"no test names", "test_names is empty", created("data_io.responses.test_names", []any{})},
		{"missing key", `no "base_data_path"`, created("data_io.responses.base_data_path", remove)},
		{"wrong type", "batch_size must be an integer", created("dataloader.batch_size", "many")},
		{"negative size", "clip_length is -1", created("dataloader.clip_length", -1)},
		{"no validation", "num_val_clips is 0", created("dataloader.num_val_clips", 0)},
		{"seed", "seed is -3", created("dataloader.seed", -3)},
		{"stimulus size", "stimulus_size is [2 0 8]", created("data_io.stimuli.stimulus_size", []any{2, 0, 8})},
		{"zero deviation", "norm_std 0", created("data_io.stimuli.norm_std", 0)},
		{"mixed", "do not go together", created("dataloader", map[string]any{
			"_target_":                "openretina.data_io.hoefling_2024.dataloaders.natmov_dataloaders_v2",
			"validation_clip_indices": []any{1},
		})},
		{"response type", `response_type "chirp"`, hoefling("data_io.responses.response_type", "chirp")},
		{"trace type", `trace_type "spike"`, hoefling("data_io.responses.trace_type", "spike")},
		{"logic", `"xor"`, hoefling(filter+"qi_logic", "xor")},
		{"filter key", `unknown key "min_count"`, hoefling(filter+"min_count", 1)},
		{"function", "unknown function", hoefling(filter+"all_responses._target_", "os.system")},
		{"path function", "unknown function", hoefling(filter+"all_responses.file_path._target_", "os.system")},
		{"no clips", "validation_clip_indices is empty", hoefling("dataloader.validation_clip_indices", []any{})},
		{"match", "check_stimuli_responses_match must be a bool", created("check_stimuli_responses_match", "perhaps")},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := Options{Resolve: func(context.Context, string, string) (string, error) {
				t.Error("data was looked for before the config was checked")
				return "", errors.New("too early")
			}}
			_, err := Load(context.Background(), test.cfg, options)
			checkError(t, err, test.want)
			var one *config.Error
			var many config.ErrorList
			if !errors.As(err, &one) && !errors.As(err, &many) {
				t.Errorf("%T is no error of the config", err)
			}
		})
	}
}

// checkError wants an error of one line with some words in it.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("error %q, want one line with %q in it", err, want)
	}
}

// folder is a small data directory: session file → data set → its shape.
type folder map[string]map[string][]int

// smallFolder has two sessions with one movie to train and one to test on.
func smallFolder() folder {
	session := func(neurons int) map[string][]int {
		return map[string][]int{
			"responses_movie": {neurons, 60}, "responses_test": {neurons, 30}, "trials/test": {3, neurons, 30},
		}
	}
	return folder{"a.h5": session(3), "b.hdf5": session(4), "stimuli": {"movie": {1, 60, 4, 3}, "test": {1, 30, 4, 3}}}
}

// write writes the directory. The value in change, if any, stands at place 0 of
// every data set.
func (f folder) write(t *testing.T, first float64) string {
	t.Helper()
	dir := t.TempDir()
	for file, sets := range f {
		path := filepath.Join(dir, file)
		if file == "stimuli" {
			writeStimuli(t, path, sets, first)
			continue
		}
		var buffer bytes.Buffer
		err := hdf5.Write(&buffer, func(w *hdf5.Writer) error {
			err := w.Group(sessionInfo)
			for name, shape := range sets {
				err = errors.Join(err, hdf5.Put(w, name, shape, ramp(shape, first), hdf5.Layout{}))
			}
			return err
		})
		if err == nil {
			err = os.WriteFile(path, buffer.Bytes(), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func writeStimuli(t *testing.T, dir string, sets map[string][]int, first float64) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, shape := range sets {
		a, err := ndarray.FromFloat64(ramp(shape, first), shape...)
		if err == nil {
			err = npy.WriteFile(filepath.Join(dir, name+".npy"), a)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ramp fills a shape with 1, 2, …, after the first value.
func ramp(shape []int, first float64) []float64 {
	n := 1
	for _, size := range shape {
		n *= size
	}
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i)
	}
	if n > 0 {
		values[0] = first
	}
	return values
}

const smallConfig = `
check_stimuli_responses_match: true
data_io:
  stimuli: {_target_: openretina.data_io.h5_dataset_reader.load_stimuli, base_data_path: '${dir}', norm_mean: null,
    norm_std: null, test_names: [test], stimulus_size: [1, 4, 3]}
  responses: {_target_: openretina.data_io.h5_dataset_reader.load_responses, base_data_path: '${dir}', test_names: [test]}
dataloader: {_target_: openretina.data_io.base_dataloader.multiple_movies_dataloaders, batch_size: 2, train_chunk_size: 5,
  clip_length: 10, num_val_clips: 1, allow_over_boundaries: true}
dir: ''
`

func smallNode(t *testing.T, dir string) *config.Node {
	t.Helper()
	return replace(t, fromYAML(t, smallConfig), "dir", dir)
}

func TestSmallFolder(t *testing.T) {
	d := load(t, smallNode(t, smallFolder().write(t, 0)))
	if len(d.Sessions) != 2 || d.Sessions[0].Name != "a" || d.Sessions[1].Neurons != 4 {
		t.Fatalf("sessions %+v", d.Sessions)
	}
	test := d.Sessions[1].Tests[0]
	if len(test.Repeats) != 3 {
		t.Fatalf("%d repeats", len(test.Repeats))
	}
	// trials/test is (repeats, neurons, frames) of 0, 1, …
	if got, want := test.Repeats[2].At(7, 1), float32(2*4*30+1*30+7); got != want {
		t.Errorf("repeat 2, frame 7, neuron 1 is %v, want %v", got, want)
	}
	if d.Info.StimMean != 0 || d.Info.StimStd != 1 {
		t.Errorf("normalisation %v, %v", d.Info.StimMean, d.Info.StimStd)
	}
}

func TestFolderErrors(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		name, want string
		change     func(folder)
		first      float64
		cfg        func(*config.Node) *config.Node
	}{
		{name: "empty", want: "has no session files", change: func(f folder) { clear(f) }},
		{name: "no responses", want: "has no session files", change: func(f folder) { f["a.h5"], f["b.hdf5"] = nil, nil }},
		{name: "two files", want: "two files for session a", change: func(f folder) { f["a.hdf5"] = f["a.h5"] }},
		{
			name: "no movie", want: "session a has responses to stimulus movie, but there is neither",
			change: func(f folder) { delete(f["stimuli"], "movie") },
		},
		{name: "other movie size", want: "with stimulus_size [1 4 3]", change: func(f folder) { f["stimuli"]["movie"] = []int{1, 60, 4, 4} }},
		{name: "movie of three dimensions", want: "has shape [60 4 3]", change: func(f folder) { f["stimuli"]["movie"] = []int{60, 4, 3} }},
		{
			name: "length", want: "session a, training: the movie has 60 frames but the responses have 61",
			change: func(f folder) { f["a.h5"]["responses_movie"] = []int{3, 61} },
		},
		{
			name: "test length", want: "session b, test test: the movie has 30 frames but the responses have 29",
			change: func(f folder) { f["b.hdf5"]["responses_test"] = []int{4, 29}; delete(f["b.hdf5"], "trials/test") },
		},
		{
			name: "neurons", want: "responses_test has 5 neurons, the others 3",
			change: func(f folder) { f["a.h5"]["responses_test"] = []int{5, 30}; delete(f["a.h5"], "trials/test") },
		},
		{name: "no neurons", want: "responses_movie has 0 neurons", change: func(f folder) { f["a.h5"]["responses_movie"] = []int{0, 60} }},
		{name: "rank", want: "responses_movie has shape [60]", change: func(f folder) { f["a.h5"]["responses_movie"] = []int{60} }},
		{name: "trials", want: "trials/test has shape [3 30]", change: func(f folder) { f["a.h5"]["trials/test"] = []int{3, 30} }},
		{name: "no test", want: "session a has 1 stimuli of which 0", change: func(f folder) { delete(f["a.h5"], "responses_test") }},
		{name: "only test", want: "session a has 1 stimuli of which 1", change: func(f folder) { delete(f["a.h5"], "responses_movie") }},
		{name: "NaN in a movie", want: "a pixel of channel 0 at frame 0 is NaN", first: nan},
		{name: "infinite", want: "is +Inf", first: math.Inf(1)},
		{
			name: "short movie", want: "session a: the training movie has 6 clips of 10 frames, num_val_clips is 6",
			cfg: func(n *config.Node) *config.Node { return replace(t, n, "dataloader.num_val_clips", 6) },
		},
		{
			name: "unknown clip", want: "validation clip 6 is not among the 6 clips",
			cfg: func(n *config.Node) *config.Node { return replace(t, n, "dataloader.val_clip_indices", []any{6}) },
		},
		{
			name: "clip twice", want: "validation clip 2 is given twice",
			cfg: func(n *config.Node) *config.Node { return replace(t, n, "dataloader.val_clip_indices", []any{2, 2}) },
		},
		{
			name: "long clips", want: "session a: training: the movie has 50 frames, fewer than one clip of 51",
			cfg: func(n *config.Node) *config.Node { return replace(t, n, "dataloader.train_chunk_size", 51) },
		},
		{
			name: "beyond scenes", want: "do not fit into scenes of 10 frames",
			cfg: func(n *config.Node) *config.Node {
				return replace(t, replace(t, n, "dataloader.train_chunk_size", 11), "dataloader.allow_over_boundaries", false)
			},
		},
		{
			name: "unknown test", want: `test stimulus "tesd" is in no session; did you mean "test"?`,
			cfg: func(n *config.Node) *config.Node {
				return replace(t, n, "data_io.stimuli.test_names", []any{"test", "tesd"})
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := smallFolder()
			if test.change != nil {
				test.change(f)
			}
			cfg := smallNode(t, f.write(t, test.first))
			if test.cfg != nil {
				cfg = test.cfg(cfg)
			}
			_, err := Load(context.Background(), cfg, Options{})
			checkError(t, err, test.want)
		})
	}
}

// TestNaNInResponses names session, neuron and frame.
func TestNaNInResponses(t *testing.T) {
	dir := smallFolder().write(t, 0)
	responses := ramp([]int{4, 60}, 0)
	responses[2*60+17] = math.NaN()
	var buffer bytes.Buffer
	err := hdf5.Write(&buffer, func(w *hdf5.Writer) error {
		return errors.Join(
			hdf5.Put(w, "responses_movie", []int{4, 60}, responses, hdf5.Layout{}),
			hdf5.Put(w, "responses_test", []int{4, 30}, ramp([]int{4, 30}, 0), hdf5.Layout{}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.hdf5"), buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(context.Background(), smallNode(t, dir), Options{})
	checkError(t, err, "session b, training: the response of neuron 2 at frame 17 is NaN")
}

func TestDamagedSessionFile(t *testing.T) {
	dir := smallFolder().write(t, 0)
	path := filepath.Join(dir, "b.hdf5")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(context.Background(), smallNode(t, dir), Options{})
	checkError(t, err, "b.hdf5: the file is truncated")
}

func TestSessionsOfDifferentShape(t *testing.T) {
	f := smallFolder()
	f["b.hdf5"]["stimulus_movie"] = []int{1, 60, 4, 3}
	f["b.hdf5"]["stimulus_test"] = []int{1, 30, 4, 3}
	d := load(t, smallNode(t, f.write(t, 0))) // movies of their own are taken
	if d.Sessions[0].Train.Movie.stretches[0].movie == d.Sessions[1].Train.Movie.stretches[0].movie {
		t.Error("session b did not get its own movie")
	}
	s := &Source{arrange: &movieEach{Clips: clipSettings{TrainClip: 5, Clip: 5, Batch: 1, OverBoundaries: true}, NumVal: 1}}
	found, recordings := twoSessions(t)
	found.bySession["b"].train = numbered(2, 20, 4, 3).View()
	_, err := s.assemble(context.Background(), found, recordings)
	checkError(t, err, "session b has movies of [2 4 3] (channels, height, width), session a of [1 4 3]")
	found, recordings = twoSessions(t)
	far := 2.5
	found.bySession["b"].mean = &far
	_, err = s.assemble(context.Background(), found, recordings)
	checkError(t, err, "the movies of session b were normalised with mean 2.5, those before with 1")
}

// twoSessions are recordings whose movies were normalised with mean 1.
func twoSessions(t *testing.T) (*stimuli, []*recording) {
	t.Helper()
	one := 1.0
	found := &stimuli{bySession: map[string]*movies{}}
	var recordings []*recording
	for _, name := range []string{"b", "a"} {
		found.bySession[name] = &movies{
			train: numbered(1, 20, 4, 3).View(), tests: map[string]View{"t": numbered(1, 5, 4, 3).View()}, mean: &one,
		}
		recordings = append(recordings, &recording{
			session: name, train: newResponses(20, 1), tests: map[string]Responses{"t": newResponses(5, 1)},
		})
	}
	return found, recordings
}

func TestResolveCached(t *testing.T) {
	cache := t.TempDir()
	address := "https://huggingface.co/datasets/open-retina/open-retina/resolve/main/lab/responses/file.zip"
	resolve := func(path string) (string, error) { return ResolveCached(context.Background(), path, cache) }
	_, err := resolve(address)
	checkError(t, err, "run: openretina download lab/responses/file.zip")
	_, err = resolve(filepath.Join(cache, "nothing.h5"))
	checkError(t, err, "nothing.h5: no such file")
	folder := filepath.Join(cache, "lab", "responses")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file.h5", "file.zip"} { // unpacked only, then the archive too
		want := filepath.Join(folder, name)
		if err := os.WriteFile(want, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := resolve(address); got != want || err != nil {
			t.Errorf("%s, %v", got, err)
		}
		if got, err := resolve(want); got != want || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
}
