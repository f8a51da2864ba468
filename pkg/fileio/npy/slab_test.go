package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// numbered is a file of uint16 that counts its elements in the order of the file.
func numbered(t *testing.T, shape []int, fortran, bigEndian bool) []byte {
	t.Helper()
	n, err := ndarray.NumElements(shape)
	if err != nil {
		t.Fatal(err)
	}
	order, data := "<", make([]byte, 0, 2*n)
	if bigEndian {
		order = ">"
	}
	for i := range n {
		if bigEndian {
			data = binary.BigEndian.AppendUint16(data, uint16(i))
		} else {
			data = binary.LittleEndian.AppendUint16(data, uint16(i))
		}
	}
	python := "False"
	if fortran {
		python = "True"
	}
	header := fmt.Sprintf("{'descr': '%su2', 'fortran_order': %s, 'shape': %s}", order, python, shapeText(shape))
	return append(withHeader(header, 0), data...)
}

// TestSlabsAreBoxesOfTheArray draws boxes of arrays small and larger than what is
// read in one piece, in both orders.
func TestSlabsAreBoxesOfTheArray(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][]int{{7}, {3, 5}, {2, 3, 4, 5}, {2, 60, 30, 40, 5}, {70000, 12}, {1, 900000}} {
		for _, fortran := range []bool{false, true} {
			for _, bigEndian := range []bool{false, true} {
				b := numbered(t, shape, fortran, bigEndian)
				f, err := NewFile(bytes.NewReader(b), int64(len(b)))
				if err != nil {
					t.Fatal(err)
				}
				whole, err := read(b)
				if err != nil {
					t.Fatal(err)
				}
				for range 12 {
					checkSlab(t, f, whole, rng)
				}
			}
		}
	}
}

func checkSlab(t *testing.T, f *File, whole *ndarray.Array, rng *rand.Rand) {
	t.Helper()
	start, shape := make([]int, len(f.Shape)), make([]int, len(f.Shape))
	at, strides := 0, layout.CStrides(f.Shape)
	for axis, size := range f.Shape {
		if rng.IntN(3) == 0 {
			shape[axis] = size
			continue
		}
		start[axis] = rng.IntN(size)
		shape[axis] = rng.IntN(size - start[axis] + 1)
		at += start[axis] * strides[axis]
	}
	got, err := f.ReadSlab(start, shape)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{}
	if !slices.Contains(shape, 0) {
		if want, err = layout.Gather(whole.Data, 2, at, shape, strides); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Data, want) || !slices.Equal(got.Shape, shape) {
		t.Errorf("box of %v at %v of %v (Fortran order %v) is wrong", shape, start, f.Shape, f.Fortran)
	}
}

func TestSlabsThatAreNone(t *testing.T) {
	b := numbered(t, []int{2, 3}, false, false)
	f, err := NewFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2][]int{
		{{0}, {1}}, {{0, 0, 0}, {1, 1, 1}}, {{-1, 0}, {1, 1}}, {{0, 0}, {1, -1}}, {{0, 1}, {2, 3}}, {{2, 0}, {1, 1}}, {{0, 0}, {3, 3}},
	} {
		if _, err := f.ReadSlab(c[0], c[1]); err == nil || !strings.Contains(err.Error(), "of an array of shape [2 3]") {
			t.Errorf("box of %v at %v: %v", c[1], c[0], err)
		}
	}
}

// A file that loses its end after it was opened gives an error, not zeros.
func TestSlabOfAFileThatShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "movie.npy")
	b := numbered(t, []int{4, 100}, false, false)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := os.Truncate(path, int64(len(b)-10)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Slice(0, 3); err != nil {
		t.Error(err)
	}
	if _, err := f.Slice(3, 4); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("error is %v", err)
	}
}

// TestSlabsTakeLittleMemory reads a column of a file with gaps of 8 MB.
func TestSlabsTakeLittleMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse.npy")
	if err := os.WriteFile(path, withHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (256, 8388608)}", 0), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()+256<<23); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	guard(t, 0, func() {
		if a, err := f.ReadSlab([]int{0, 5000}, []int{256, 3}); err != nil || len(a.Data) != 768 {
			t.Errorf("%v, %v", a, err)
		}
	})
}
