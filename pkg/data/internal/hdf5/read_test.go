package hdf5

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// The files with one of each kind of value, as h5py writes them in different
// versions of the format (testdata/make.py).
var kindsFiles = []string{"kinds.h5", "kinds_latest.h5", "kinds_user_block.h5"}

// eachKinds runs a test on each of the files.
func eachKinds(t *testing.T, test func(*testing.T, *File)) {
	t.Helper()
	for _, name := range kindsFiles {
		t.Run(name, func(t *testing.T) { test(t, openFile(t, filepath.Join("testdata", name))) })
	}
}

// counting is 0, 1, … in some type.
func counting[T Number](n int) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = T(i)
	}
	return values
}

func TestNumbersOfAllTypes(t *testing.T) { eachKinds(t, checkNumbersOfAllTypes) }

func checkNumbersOfAllTypes(t *testing.T, f *File) {
	t.Helper()
	entries, err := f.List("numbers")
	if err != nil || len(entries) != 14 {
		t.Fatalf("%d data sets, %v", len(entries), err)
	}
	for _, entry := range entries {
		path := "numbers/" + entry.Name
		if diff := cmp.Diff(counting[float32](24), read[float32](t, f, path)); diff != "" {
			t.Errorf("%s as float32: %s", path, diff)
		}
		if diff := cmp.Diff(counting[float64](24), read[float64](t, f, path)); diff != "" {
			t.Errorf("%s as float64: %s", path, diff)
		}
		d, err := f.Dataset(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{2, 3, 4}, d.Shape); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		a, err := d.Array()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counting[float64](24), a.Float64s()); diff != "" {
			t.Errorf("%s as an array of %v: %s", path, a.DType, diff)
		}
	}
}

func TestArrayKeepsTheType(t *testing.T) {
	f := openFile(t, "testdata/kinds.h5")
	for path, want := range map[string]ndarray.DType{
		"numbers/i1": ndarray.Int8, "numbers/u2": ndarray.Uint16, "numbers/big_i4": ndarray.Int32,
		"numbers/u8": ndarray.Uint64, "numbers/f2": ndarray.Float32, "numbers/big_f8": ndarray.Float64,
		"bool": ndarray.Bool, "bits": ndarray.Int64,
	} {
		d, err := f.Dataset(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Type.DType(); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if diff := cmp.Diff([]int64{1<<53 + 1, -(1 << 53) - 1}, read[int64](t, f, "bits")); diff != "" {
		t.Error("large integers:", diff)
	}
}

func TestOtherValues(t *testing.T) { eachKinds(t, checkOtherValues) }

func checkOtherValues(t *testing.T, f *File) {
	t.Helper()
	if diff := cmp.Diff([]uint8{1, 0, 1}, read[uint8](t, f, "bool")); diff != "" {
		t.Error("bool:", diff)
	}
	if diff := cmp.Diff([]float32{1, 0, 1}, read[float32](t, f, "bool")); diff != "" {
		t.Error("bool as float:", diff)
	}
	if got := read[float64](t, f, "nan"); !math.IsNaN(got[0]) || !math.IsInf(got[1], 1) {
		t.Errorf("nan: %v", got)
	}
	if got := read[float64](t, f, "scalar"); !cmp.Equal(got, []float64{2.5}) {
		t.Errorf("scalar: %v", got)
	}
	if got := read[float64](t, f, "empty"); len(got) != 0 {
		t.Errorf("empty: %v", got)
	}
	if got := read[float32](t, f, "fill"); !cmp.Equal(got[:2], []float32{7, 7}) {
		t.Errorf("fill value: %v", got)
	}
	if diff := cmp.Diff(counting[float32](24), read[float32](t, f, "packed")); diff != "" {
		t.Error("packed:", diff)
	}
	for path, want := range map[string][]string{
		"text": {"left", "µm", ""}, "fixed": {"right", "x"}, "text_scalar": {"eye"},
	} {
		d, err := f.Dataset(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Strings()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", path, err, diff)
		}
	}
}

func TestSlabs(t *testing.T) { eachKinds(t, checkSlabs) }

func checkSlabs(t *testing.T, f *File) {
	t.Helper()
	for _, path := range []string{"numbers/f8", "packed"} {
		d, err := f.Dataset(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.KeepChunks(1 << 20); err != nil {
			t.Fatal(err)
		}
		for at := range 24 { // every box that ends at the last corner
			start := []int{at / 12, at / 4 % 3, at % 4}
			shape := []int{2 - start[0], 3 - start[1], 4 - start[2]}
			got := make([]int64, shape[0]*shape[1]*shape[2])
			floats := make([]float64, len(got))
			if err := ReadSlab(d, start, shape, floats); err != nil {
				t.Fatal(err)
			}
			want := []float64{}
			for i := start[0]; i < 2; i++ {
				for j := start[1]; j < 3; j++ {
					for k := start[2]; k < 4; k++ {
						want = append(want, float64(12*i+4*j+k))
					}
				}
			}
			if diff := cmp.Diff(want, floats); diff != "" {
				t.Errorf("%s from %v: %s", path, start, diff)
			}
			a, err := d.Slab(start, shape)
			if diff := cmp.Diff(want, a.Float64s()); diff != "" || err != nil || !cmp.Equal(a.Shape, shape) {
				t.Errorf("%s from %v as an array: %v, %s", path, start, err, diff)
			}
		}
	}
}

func TestSlabErrors(t *testing.T) {
	d, err := openFile(t, "testdata/kinds.h5").Dataset("numbers/f8")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		start, shape []int
		n            int
	}{
		"too far":       {[]int{1, 0, 0}, []int{2, 3, 4}, 24},
		"negative":      {[]int{-1, 0, 0}, []int{1, 3, 4}, 12},
		"negative size": {nil, []int{-1, 3, 4}, 12},
		"rank":          {nil, []int{24}, 24},
		"rank of start": {[]int{0}, []int{2, 3, 4}, 24},
		"memory":        {nil, []int{2, 3, 4}, 23},
		"overflow":      {[]int{math.MaxInt, 0, 0}, []int{2, 3, 4}, 24},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ReadSlab(d, test.start, test.shape, make([]float64, test.n)); err == nil {
				t.Error("no error")
			}
			if _, err := d.Slab(test.start, test.shape); err == nil && name != "memory" {
				t.Error("no error for an array")
			}
		})
	}
}

func TestChunkShapes(t *testing.T) {
	f := openFile(t, "testdata/kinds.h5")
	for path, chunked := range map[string]bool{"numbers/f8": false, "packed": true} {
		d, err := f.Dataset(path)
		if err != nil || (len(d.Chunk) == len(d.Shape)) != chunked {
			t.Errorf("%s has chunks %v, %v", path, d.Chunk, err)
		}
	}
	if err := (&Dataset{Path: "absent/packed", file: f}).KeepChunks(1 << 20); !errors.Is(err, ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	if err := (&Dataset{Path: "absent", file: f}).KeepChunks(1 << 20); err == nil {
		t.Error("chunks of nothing are kept")
	}
}

func TestConversionsThatLose(t *testing.T) {
	f := openFile(t, "testdata/kinds.h5")
	as := map[string]func(*Dataset) error{
		"int64":   func(d *Dataset) error { _, err := Read[int64](d); return err },
		"int32":   func(d *Dataset) error { _, err := Read[int32](d); return err },
		"uint8":   func(d *Dataset) error { _, err := Read[uint8](d); return err },
		"float64": func(d *Dataset) error { _, err := Read[float64](d); return err },
	}
	for _, test := range []struct {
		path, as string
		ok       bool
	}{
		{"numbers/f4", "int64", false},
		{"numbers/u8", "int64", true},
		{"numbers/i8", "int64", true},
		{"numbers/u4", "int64", true},
		{"numbers/i8", "int32", false},
		{"numbers/u4", "int32", false},
		{"numbers/u2", "int32", true},
		{"numbers/i1", "uint8", false},
		{"numbers/u2", "uint8", false},
		{"numbers/u1", "uint8", true},
		{"bool", "uint8", true},
		{"bool", "int64", true},
		{"text", "float64", false},
		{"fixed", "uint8", false},
		{"compound", "float64", false},
		{"complex", "float64", false},
		{"references", "int64", false},
	} {
		d, err := f.Dataset(test.path)
		if err == nil {
			err = as[test.as](d)
		}
		if (err == nil) != test.ok {
			t.Errorf("%s as %s: %v", test.path, test.as, err)
		}
	}
}

func TestAttributesOfAllKinds(t *testing.T) { eachKinds(t, checkAttributesOfAllKinds) }

func checkAttributesOfAllKinds(t *testing.T, f *File) {
	t.Helper()
	names, err := f.Attributes("many")
	if err != nil || len(names) != 30 || names[7] != "a07" {
		t.Fatalf("%v, %v", names, err)
	}
	for name, want := range map[string][]float64{"number": {3}, "flag": {1}, "list": {1.5, 2.5}} {
		a, err := f.Attribute("facts", name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a.Array.Float64s()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, want := range map[string][]string{"eye": {"left"}, "names": {"a", "b"}, "bytes": {"abc"}} {
		a, err := f.Attribute("facts", name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a.Strings); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{"pair", "empty"} {
		if _, err := f.Attribute("facts", name); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if entries, err := f.List("many"); err != nil || len(entries) != 30 || entries[7].Name != "d07" {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestOrderOfCreation(t *testing.T) {
	entries, err := openFile(t, "testdata/ordered.h5").List("/")
	if diff := cmp.Diff([]Entry{{"c", Data}, {"a", Data}, {"b", Data}}, entries); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestReachingOut tries everything that leads out of the file or declares more
// than it holds. The list must not fail, reading must.
func TestReachingOut(t *testing.T) {
	f := openFile(t, "testdata/reaching_out.h5")
	entries, err := f.List("/")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]Kind{}
	for _, entry := range entries {
		kinds[entry.Name] = entry.Kind
	}
	for _, name := range []string{"soft", "soft_group", "dangling", "external", "loop"} {
		if kinds[name] != Refused {
			t.Errorf("%s is of kind %d", name, kinds[name])
		}
	}
	for path, want := range map[string]string{
		"soft":            "soft link",
		"soft_group/data": "soft link",
		"dangling":        "soft link",
		"loop":            "soft link",
		"external":        "link to another file",
		"elsewhere":       "other files",
		"virtual":         "virtual",
		"lzf":             "filter 32000",
		"scaled":          "filter 6",
		"bomb":            "only 0 bytes are stored",
		"wide":            "only 0 bytes are stored",
		"declared":        "nothing is stored",
		"big_chunk":       "only 0 bytes are stored",
		"real/./data":     "bad name",
		"nothing":         "no such object",
		"real/data/x":     "no such object",
		"real":            "not a data set",
	} {
		_, err := f.Dataset(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", path, err, want)
		}
		var e *Error
		if !errors.As(err, &e) || e.Object != path || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: error %q does not name the object in one line", path, err)
		}
	}
	for _, path := range []string{"hard", "hard_loop/hard_loop/real/data"} {
		if diff := cmp.Diff([]float64{0, 1, 2}, read[float64](t, f, path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if exists, err := f.Exists("nothing"); exists || err != nil {
		t.Errorf("nothing exists: %v, %v", exists, err)
	}
	if _, err := f.List("real/data"); err == nil {
		t.Error("a data set was listed")
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile("testdata/kinds.h5")
	if err != nil {
		t.Fatal(err)
	}
	path := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "missing.h5"), "no such file"},
		{dir, "not a regular file"},
		{path("empty.h5", nil), "the file is empty"},
		{path("text.h5", []byte("not an HDF5 file at all, but text")), "not an HDF5 file"},
		{path("cut.h5", whole[:20000]), "the file is truncated: it has 20000 bytes of"},
		{path("head.h5", whole[:30]), "the superblock is cut off"},
		{path("signature.h5", whole[:8]), "the superblock is cut off"},
		{path("version.h5", append([]byte("\x89HDF\r\n\x1a\n\x09"), whole[9:]...)), "superblock version 9"},
	} {
		_, err := Open(test.path)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: error %v, want %q in it", test.path, err, test.want)
		}
	}
}

// TestPlugins makes sure that no filter library is looked for, whatever the
// environment says.
func TestPlugins(t *testing.T) {
	t.Setenv("HDF5_PLUGIN_PATH", t.TempDir())
	f := openFile(t, "testdata/reaching_out.h5")
	if _, err := f.Dataset("lzf"); err == nil {
		t.Error("a filter from outside was accepted")
	}
	version, err := Version()
	if err != nil || !strings.Contains(version, ".") {
		t.Errorf("version %q, %v", version, err)
	}
}

func TestManyGoroutines(t *testing.T) {
	f := openFile(t, writeSample(t))
	done := make(chan error)
	for range 8 {
		go func() {
			for range 50 {
				d, err := f.Dataset("packed/responses")
				if err == nil {
					_, err = Read[float32](d)
				}
				if err != nil {
					done <- err
					return
				}
				if _, err = f.Dataset("nothing"); !errors.Is(err, ErrNotFound) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
