package hdf5

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample writes one of each thing that the writer can write.
func sample(w *Writer) error {
	matrix := make([]float32, 60)
	for i := range matrix {
		matrix[i] = float32(i) / 4
	}
	return errors.Join(
		Put(w, "responses", []int{3, 20}, matrix, Layout{}),
		Put(w, "packed/responses", []int{3, 20}, matrix, Layout{Chunk: []int{2, 7}, Deflate: 4, Shuffle: true}),
		Put(w, "packed/ids", []int{3}, []int64{-1, 1 << 60, 3}, Layout{}),
		Put(w, "small", []int{2}, []int32{-7, 7}, Layout{}),
		Put(w, "mask", []int{2, 2}, []uint8{0, 1, 2, 255}, Layout{}),
		Put(w, "scalar", nil, []float64{2.5}, Layout{}),
		Put(w, "empty", []int{0, 4}, []float64{}, Layout{}),
		w.PutStrings("names", []int{2}, []string{"ON sustained", "µ"}),
		w.PutStrings("one", nil, []string{"right"}),
		w.Group("session_info"),
		w.PutAttribute("/", "seed", 7),
		w.PutAttribute("packed", "eye", "left"),
		w.PutAttribute("packed/ids", "gains", []float64{1, 0.5}),
		w.PutAttribute("packed", "labels", []string{"a", ""}),
		w.PutAttribute("packed", "counts", []int64{5}),
	)
}

// writeSample writes the sample into a temporary file.
func writeSample(t *testing.T) string {
	t.Helper()
	var buffer bytes.Buffer
	if err := Write(&buffer, sample); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sample.h5")
	if err := os.WriteFile(path, buffer.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openFile opens a file for the length of a test.
func openFile(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// read reads a whole data set.
func read[T Number](t *testing.T, f *File, path string) []T {
	t.Helper()
	d, err := f.Dataset(path)
	if err != nil {
		t.Fatal(err)
	}
	values, err := Read[T](d)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestWriteReadsBack(t *testing.T) {
	f := openFile(t, writeSample(t))
	want := make([]float32, 60)
	for i := range want {
		want[i] = float32(i) / 4
	}
	for _, path := range []string{"responses", "packed/responses", "/packed//responses"} {
		if diff := cmp.Diff(want, read[float32](t, f, path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if diff := cmp.Diff([]int64{-1, 1 << 60, 3}, read[int64](t, f, "packed/ids")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{2.5}, read[float64](t, f, "scalar")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{}, read[float64](t, f, "empty")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{0, 1, 2, 255}, read[float64](t, f, "mask")); diff != "" {
		t.Error(diff)
	}
	names, err := f.Dataset("names")
	if err != nil {
		t.Fatal(err)
	}
	got, err := names.Strings()
	if diff := cmp.Diff([]string{"ON sustained", "µ"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestListAndAttributes(t *testing.T) {
	f := openFile(t, writeSample(t))
	entries, err := f.List("/")
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{"empty", Data},
		{"mask", Data},
		{"names", Data},
		{"one", Data},
		{"packed", Group},
		{"responses", Data},
		{"scalar", Data},
		{"session_info", Group},
		{"small", Data},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Error(diff)
	}
	names, err := f.Attributes("packed")
	if diff := cmp.Diff([]string{"counts", "eye", "labels"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	eye, err := f.Attribute("packed", "eye")
	if err != nil || len(eye.Shape) != 0 || !cmp.Equal(eye.Strings, []string{"left"}) {
		t.Errorf("eye = %+v, %v", eye, err)
	}
	labels, err := f.Attribute("packed", "labels")
	if err != nil || !cmp.Equal(labels.Strings, []string{"a", ""}) {
		t.Errorf("labels = %+v, %v", labels, err)
	}
	gains, err := f.Attribute("packed/ids", "gains")
	if err != nil || !cmp.Equal(gains.Array.Float64s(), []float64{1, 0.5}) {
		t.Errorf("gains = %+v, %v", gains, err)
	}
	seed, err := f.Attribute("/", "seed")
	if err != nil || !cmp.Equal(seed.Array.Int64s(), []int64{7}) {
		t.Errorf("seed = %+v, %v", seed, err)
	}
	if _, err := f.Attribute("/", "nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing attribute: %v", err)
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	var first, second bytes.Buffer
	if err := errors.Join(Write(&first, sample), Write(&second, sample)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same calls gave different bytes")
	}
}

func TestWriteErrors(t *testing.T) {
	tests := []struct {
		name, want string
		fill       func(*Writer) error
	}{
		{"wrong count", "3 values for shape [2 2]", func(w *Writer) error {
			return Put(w, "x", []int{2, 2}, []float32{1, 2, 3}, Layout{})
		}},
		{"wrong count of strings", "1 strings for shape [2]", func(w *Writer) error {
			return w.PutStrings("x", []int{2}, []string{"a"})
		}},
		{"twice", "already exists", func(w *Writer) error {
			return errors.Join(w.Group("g"), w.Group("g"))
		}},
		{"compressed without chunks", "only chunked", func(w *Writer) error {
			return Put(w, "x", []int{1}, []float32{1}, Layout{Deflate: 1})
		}},
		{"chunk rank", "chunks of 2 dimensions", func(w *Writer) error {
			return Put(w, "x", []int{1}, []float32{1}, Layout{Chunk: []int{1, 1}})
		}},
		{"attribute type", "type bool", func(w *Writer) error { return w.PutAttribute("/", "x", true) }},
		{"attribute of nothing", "nothing@x", func(w *Writer) error { return w.PutAttribute("nothing", "x", 1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Write(&bytes.Buffer{}, test.fill)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q in it", err, test.want)
			}
		})
	}
}
