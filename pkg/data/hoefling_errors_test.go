package data

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

func TestHoeflingErrors(t *testing.T) {
	filter := "data_io.responses.data_dict."
	for _, test := range []struct {
		name, path, want string
		value            any
	}{
		{"no movies", "paths.movies_path", "data file nowhere.pickle: no such file", "nowhere.pickle"},
		{"no pickle", "paths.movies_path", "pickle file testdata/hoefling/filters.json", "testdata/hoefling/filters.json"},
		{"movies in the wrong zip", "paths.movies_path", "holds no .pickle or .pkl file", "testdata/hoefling/responses.zip"},
		{"no HDF5", "paths.responses_path", "not an HDF5 file", "testdata/hoefling/movies.pickle"},
		{
			"hub", "paths.responses_path", "run: openretina download lab/r.zip",
			"https://huggingface.co/datasets/open-retina/open-retina/resolve/main/lab/r.zip",
		},
		{"clip", "dataloader.validation_clip_indices", "validation clip 108 is not among the 108 clips", []any{0, 108}},
		{"clips", "dataloader.num_clips", "num_clips 107", 107},
		{"nothing left", filter + "chirp_qi", "the filters keep 0 of 18 cells in 0 of 3 sessions", 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := hoeflingNode(t)
			if test.name == "nothing left" {
				cfg = replace(t, cfg, filter+"d_qi", 9)
			}
			_, err := Load(context.Background(), replace(t, cfg, test.path, test.value), Options{})
			checkError(t, err, test.want)
		})
	}
}

func TestMoviesErrors(t *testing.T) {
	array := func(shape ...int) *ndarray.Array {
		a, err := ndarray.New(ndarray.Float32, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	movie, test := array(2, 6, 3, 2), array(2, 4, 3, 2)
	sequences, err := ndarray.FromInt64([]int64{0, 1, 1, 0}, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := ndarray.FromInt64([]int64{0, 1, 1, 1}, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		dict       *pickle.Dict
	}{
		{"no test", `there is no "test"`, pickle.NewDict("train", movie)},
		{"not an array", `"train" is`, pickle.NewDict("train", int64(3))},
		{"rank", "train: shape [2 6 3]", pickle.NewDict("train", array(2, 6, 3), "test", test)},
		{"size", "train has 2 channels of 3×2, test 1 of 3×2", pickle.NewDict("train", movie, "test", array(1, 4, 3, 2))},
		{
			"sequences", "column 1 is no order of 2 clips: 1 stands twice",
			pickle.NewDict("train", movie, "test", test, "random_sequences", twice),
		},
		{
			"rank of sequences", "random_sequences has shape [4]",
			pickle.NewDict("train", movie, "test", test, "random_sequences", array(4)),
		},
		{"statistics", "dichromatic.mean has 4 values", pickle.NewDict("train", movie, "test", test,
			"movie_stats", pickle.NewDict("dichromatic", pickle.NewDict("mean", array(4))))},
		{"statistics of what", `"movie_stats" is`, pickle.NewDict("train", movie, "test", test, "movie_stats", "none")},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := moviesOf(test.dict)
			checkError(t, err, test.want)
		})
	}
	found, err := moviesOf(pickle.NewDict("train", movie, "test", test, "random_sequences", sequences))
	if err != nil || found.mean != nil || len(found.sequences) != 2 {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestForbiddenPickle names a function that must not run.
func TestForbiddenPickle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "movies.pickle")
	if err := os.WriteFile(path, []byte("cos\nsystem\n(S'true'\ntR."), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(context.Background(), replace(t, hoeflingNode(t), "paths.movies_path", path), Options{})
	checkError(t, err, "os.system")
}

func TestUnpackHDF5(t *testing.T) {
	dir := t.TempDir()
	archive := copyFile(t, "testdata/hoefling/responses.zip", dir)
	beside := filepath.Join(dir, "rgc_natstim_2024-08-14.h5")
	path, remove, err := unpackHDF5(archive)
	if err != nil || path != beside || remove() != nil {
		t.Fatalf("%s, %v", path, err)
	}
	if _, err := os.Stat(beside); err != nil {
		t.Error("the unpacked file is not kept:", err)
	}
	// Another file of that name is not touched.
	if err := os.WriteFile(beside, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, remove, err = unpackHDF5(archive)
	if err != nil || path == beside {
		t.Fatalf("%s, %v", path, err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the temporary file stays")
	}
	if content, err := os.ReadFile(beside); string(content) != "mine" {
		t.Error("a file was overwritten:", err)
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, content[:len(content)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = unpackHDF5(archive)
	checkError(t, err, "responses.zip")
}

func TestInterpolate(t *testing.T) {
	at := []float64{-1, 0, 0.5, 1, 1.5, 2, 9, 0.5, 1.5, -2, 1}
	got := interpolate(at, []float64{0, 1, 1, 2}, []float64{10, 20, 30, 50})
	want := []float64{10, 10, 15, 30, 40, 50, 50, 15, 40, 10, 30} // as numpy.interp
	compare(t, "interpolation", got, want)
}
