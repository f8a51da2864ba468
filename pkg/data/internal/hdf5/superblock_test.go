package hdf5

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzPrecheck looks for bytes on which the checks before libhdf5 panic or do
// not end.
func FuzzPrecheck(f *testing.F) {
	files, err := filepath.Glob("testdata/*.h5")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content[:min(len(content), 4096)])
	}
	f.Add(append(bytes.Repeat([]byte{0}, 512), signature...))
	f.Add(append(append([]byte{}, heapSignature...), 255, 255, 255, 255, 255, 255, 255, 255))
	f.Fuzz(func(t *testing.T, content []byte) {
		r := bytes.NewReader(content)
		size := int64(len(content))
		if err := checkSuperblock(r, size); err == nil {
			t.Log("accepted")
		}
		if err := checkGlobalHeaps(r, size); err == nil && bytes.Contains(content, heapSignature) && len(content) < heapHeader {
			t.Error("accepted a heap that is cut off")
		}
	})
}

// collection is a global heap collection of the given objects (index, size).
func collection(length uint64, objects ...[2]uint64) []byte {
	little := func(v uint64, n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(v >> (8 * i))
		}
		return out
	}
	heap := append(append([]byte{}, heapSignature...), little(length, 8)...)
	for _, object := range objects {
		heap = append(heap, little(object[0], 8)...)
		heap = append(heap, little(object[1], 8)...)
		if object[0] != 0 {
			heap = append(heap, make([]byte, min(64, (object[1]+7)/8*8))...)
		}
	}
	return heap
}

func TestGlobalHeaps(t *testing.T) {
	const endless = ^uint64(0) - 15 // with its header: no bytes at all
	for _, test := range []struct {
		name string
		heap []byte
		ok   bool
	}{
		{"whole", collection(16+16+8+16+8, [2]uint64{1, 5}, [2]uint64{2, 8}), true},
		{"free space", collection(16+16+8+16, [2]uint64{1, 5}, [2]uint64{0, 16}), true},
		{"empty", collection(16), true},
		{"beyond the file", collection(1 << 20), false},
		{"shorter than its header", collection(8), false},
		{"free space of nothing", collection(16+16, [2]uint64{0, 0}), false},
		{"object without end", collection(16+16+64, [2]uint64{1, endless}), false},
		{"object beyond the heap", collection(16+16+8, [2]uint64{1, 64}), false},
	} {
		for _, before := range []int{0, 5, scanBlock - 4, scanBlock} { // also across blocks
			content := append(make([]byte, before), test.heap...)
			err := checkGlobalHeaps(bytes.NewReader(content), int64(len(content)))
			if (err == nil) != test.ok {
				t.Errorf("%s at byte %d: %v", test.name, before, err)
			}
		}
	}
}
