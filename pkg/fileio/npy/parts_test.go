package npy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/faultfs"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// part is an array of n float32, of any shape.
func part(t *testing.T, first float32, n int) *ndarray.Array {
	t.Helper()
	values := make([]float32, n)
	for i := range values {
		values[i] = first + float32(i)
	}
	a, err := ndarray.FromFloat32(values, n)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// adding hands over parts of the given lengths.
func adding(t *testing.T, lengths ...int) func(func(*ndarray.Array) error) error {
	t.Helper()
	return func(add func(*ndarray.Array) error) error {
		first := 0
		for _, n := range lengths {
			if err := add(part(t, float32(first), n)); err != nil {
				return err
			}
			first += n
		}
		return nil
	}
}

func TestPartsGiveTheBytesOfTheWhole(t *testing.T) {
	whole := part(t, 0, 24)
	whole.Shape = []int{2, 3, 4}
	path := filepath.Join(t.TempDir(), "whole.npy")
	if err := WriteFile(path, whole); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, lengths := range [][]int{{24}, {1, 0, 20, 3}, {12, 12}} {
		path := filepath.Join(t.TempDir(), "parts.npy")
		if err := WritePartsFile(path, ndarray.Float32, []int{2, 3, 4}, adding(t, lengths...)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("parts of %v elements: %v, %q", lengths, err, got)
		}
	}
}

// TestPartsThatFailLeaveWhatWasThere also wants fill's own errors unchanged.
func TestPartsThatFailLeaveWhatWasThere(t *testing.T) {
	stopped := errors.New("interrupted")
	wrong, err := ndarray.New(ndarray.Float64, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "out.npy")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, fill := range map[string]func(func(*ndarray.Array) error) error{
		"write " + path + ": an array of shape [6] of float32 was written but for 4 bytes": adding(t, 5),
		"write " + path + ": a part of shape [4] of float32 does not fit":                  adding(t, 3, 4),
		"write " + path + ": a part of shape [1] of float64 does not fit into":             func(add func(*ndarray.Array) error) error { return add(wrong) },
		"interrupted": func(add func(*ndarray.Array) error) error { return errors.Join(add(part(t, 0, 3)), stopped) },
	} {
		err := WritePartsFile(path, ndarray.Float32, []int{6}, fill)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
		if content, err := os.ReadFile(path); err != nil || string(content) != "old" {
			t.Errorf("%s: content is %q, %v", want, content, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: %v is left over, %v", want, entries, err)
		}
	}
	for _, shape := range [][]int{{-1}, {1 << 40, 1 << 40}} {
		if err := WritePartsFile(path, ndarray.Float32, shape, adding(t)); err == nil {
			t.Errorf("shape %v was written", shape)
		}
	}
}

// TestPartsOnAFaultyDisk lets each operation fail: the file is there as a whole,
// or the old one.
func TestPartsOnAFaultyDisk(t *testing.T) {
	write := func(fsys fileio.FS) error {
		return fileio.WriteFileFS(fsys, "/run/out.npy", func(w io.Writer) error {
			return WriteParts(w, ndarray.Float32, []int{300_000}, adding(t, 100_000, 100_000, 100_000))
		})
	}
	good := faultfs.New("/run", nil)
	if err := write(good); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= len(good.Ops); n++ {
		fsys := faultfs.New("/run", map[string]string{"out.npy": "old"})
		fsys.Fault = faultfs.Fault{N: n, Err: syscall.ENOSPC, Forever: true, Short: true}
		err := write(fsys)
		if err == nil && len(fsys.Ops) >= n {
			t.Errorf("operation %d failed and nobody noticed", n)
		}
		content, _ := fsys.ReadFile("/run/out.npy")
		if whole := len(content) > 1_200_000; !whole && content != "old" || !slices.Equal(fsys.Files(), []string{"/run/out.npy"}) {
			t.Errorf("a fault at operation %d leaves %d bytes, %v", n, len(content), fsys.Files())
		}
	}
}

func TestPartsIntoAFullDevice(t *testing.T) {
	err := WritePartsFile("/dev/full", ndarray.Float32, []int{300_000}, adding(t, 100_000, 100_000, 100_000))
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "write /dev/full: after ") {
		t.Errorf("error is %v", err)
	}
}
