package data

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// stored are the data sets of a file: their values count from zero.
type stored map[string]struct {
	shape  []int
	layout hdf5.Layout
}

// writeArrays writes an HDF5 file with data sets, and one of strings, /names.
func writeArrays(t *testing.T, content stored) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "movies.h5")
	err := fileio.WriteFile(path, func(w io.Writer) error {
		return hdf5.Write(w, func(f *hdf5.Writer) error {
			for name, c := range content {
				n, err := ndarray.NumElements(c.shape)
				if err != nil {
					return err
				}
				values := make([]float32, n)
				for i := range values {
					values[i] = float32(i)
				}
				if err := hdf5.Put(f, name, c.shape, values, c.layout); err != nil {
					return err
				}
			}
			return f.PutStrings("names", []int{1, 1, 1, 1}, []string{"left"})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func openFor(t *testing.T, path, name string, ranks ...int) *ArrayFile {
	t.Helper()
	a, err := OpenArray(path, name, ranks...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestOpenArrayFindsTheOnlyOne(t *testing.T) {
	path := writeArrays(t, stored{
		"test/movie/stimulus":  {shape: []int{2, 5, 3, 4}},
		"test/movie/responses": {shape: []int{7, 5}},
	})
	for _, name := range []string{"", "/test/movie/stimulus", "test/movie/stimulus/"} {
		a := openFor(t, path, name, 4, 5)
		part, err := a.ReadSlab([]int{1, 2, 0, 0}, []int{1, 2, 3, 1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]float64{84, 88, 92, 96, 100, 104}, part.Float64s()); diff != "" || !slices.Equal(a.Shape, []int{2, 5, 3, 4}) {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func TestOpenArrayListsWhatThereIs(t *testing.T) {
	one := writeArrays(t, stored{"a/traces": {shape: []int{7, 5}}})
	two := writeArrays(t, stored{"a/x": {shape: []int{1, 2, 3, 4}}, "a/y": {shape: []int{1, 1, 2, 3, 4}}, "z": {shape: []int{3}}})
	many := stored{}
	for _, name := range strings.Split("abcdefghijkl", "") {
		many["group/"+name] = struct {
			shape  []int
			layout hdf5.Layout
		}{shape: []int{1, 1, 1, 2}}
	}
	for _, c := range []struct{ path, name, want string }{
		{one, "", "has no data set of 4 or 5 dimensions, only /names [1 1 1 1], /a/traces [7 5]"},
		{two, "", "has 2 data sets of 4 or 5 dimensions; name one, as in " + two + ":/a/x; there are /a/x [1 2 3 4], /a/y [1 1 2 3 4]"},
		{two, "/a/w", "has no data set /a/w, only /names [1 1 1 1], /z [3], /a/x [1 2 3 4]"},
		{two, "/names", "holds strings, not numbers"},
		{two, "/a", "not a data set"},
		{writeArrays(t, many), "", "/group/j [1 1 1 2], and 2 more"},
		{filepath.Join(t.TempDir(), "absent.h5"), "", "no such file"},
		{"arrayfile_test.go", "", "arrayfile_test.go"},
	} {
		a, err := OpenArray(c.path, c.name, 4, 5)
		if err == nil {
			_ = a.Close() // the test has failed
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %q: error is %v, want %q in it", c.path, c.name, err, c.want)
		}
	}
}

func TestOpenArrayOfAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.h5")
	err := fileio.WriteFile(path, func(w io.Writer) error {
		return hdf5.Write(w, func(*hdf5.Writer) error { return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenArray(path, "", 4); err == nil || !strings.Contains(err.Error(), "has no data sets") {
		t.Errorf("error is %v", err)
	}
	if _, err := OpenArray(path, "movie", 4); err == nil || !strings.Contains(err.Error(), "no such object") {
		t.Errorf("error is %v", err)
	}
}

// TestKeepChunks reads box after box, and wants to know how often chunks are
// unpacked.
func TestKeepChunks(t *testing.T) {
	path := writeArrays(t, stored{
		"whole":  {shape: []int{2, 100, 3, 4}},
		"chunks": {shape: []int{2, 100, 3, 4}, layout: hdf5.Layout{Chunk: []int{1, 30, 2, 4}, Deflate: 1}},
	})
	for _, c := range []struct {
		name         string
		frames       int
		limit, times int
	}{
		{"whole", 7, 0, 1},
		{"chunks", 7, 1 << 20, 1},
		{"chunks", 7, 2 * 2 * 60 * 2 * 4 * 4, 1}, // all that a box reaches into, to the byte
		{"chunks", 7, 2*2*60*2*4*4 - 1, 5},
		{"chunks", 40, 0, 1},
		{"chunks", 0, 0, 1},
	} {
		a := openFor(t, path, c.name)
		times, err := a.KeepChunks([]int{2, c.frames, 3, 4}, c.limit)
		if err != nil || times != c.times {
			t.Errorf("%s, %d frames, %d bytes: %d times, %v", c.name, c.frames, c.limit, times, err)
		}
		for from := 0; c.frames > 0 && from+c.frames <= 100; from += c.frames {
			part, err := a.ReadSlab([]int{0, from, 0, 0}, []int{2, c.frames, 3, 4})
			if err != nil {
				t.Fatal(err)
			}
			if part.At(0) != float64(12*from) || part.At(12*c.frames) != float64(1200+12*from) {
				t.Errorf("%s: frames from %d start with %v and %v", c.name, from, part.At(0), part.At(12*c.frames))
			}
		}
	}
}
