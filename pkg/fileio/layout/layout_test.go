package layout

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// slowGather is the definition of a strided view.
func slowGather(storage []byte, size, offset int, shape, strides []int) []byte {
	n, _ := ndarray.NumElements(shape)
	var out []byte
	for i := range n {
		at, rest := offset, i
		for axis := len(shape) - 1; axis >= 0; axis-- {
			at += rest % shape[axis] * strides[axis]
			rest /= shape[axis]
		}
		out = append(out, storage[at*size:(at+1)*size]...)
	}
	return out
}

func TestGatherEqualsDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		shape := make([]int, rng.IntN(5))
		for i := range shape {
			shape[i] = rng.IntN(5)
		}
		strides := CStrides(shape)
		switch rng.IntN(4) {
		case 0:
			strides = FortranStrides(shape)
		case 1:
			for i := range strides {
				strides[i] = rng.IntN(7)
			}
		case 2:
			for i := range strides { // a permuted view
				j := rng.IntN(len(strides))
				shape[i], shape[j] = shape[j], shape[i]
				strides[i], strides[j] = strides[j], strides[i]
			}
		}
		offset, size := rng.IntN(3), 1<<rng.IntN(4)
		extent, err := Extent(offset, shape, strides)
		if err != nil {
			t.Fatal(err)
		}
		storage := make([]byte, extent*size)
		for i := range storage {
			storage[i] = byte(rng.Uint32())
		}
		got, err := Gather(storage, size, offset, shape, strides)
		if err != nil {
			t.Fatalf("shape %v strides %v: %v", shape, strides, err)
		}
		if want := slowGather(storage, size, offset, shape, strides); !bytes.Equal(got, want) {
			t.Fatalf("shape %v strides %v offset %d: %v, want %v", shape, strides, offset, got, want)
		}
		if extent > 0 {
			if _, err := Gather(storage[:len(storage)-1], size, offset, shape, strides); err == nil {
				t.Fatalf("shape %v strides %v: a storage too short was read", shape, strides)
			}
		}
	}
}

func TestBadViews(t *testing.T) {
	for _, c := range []struct {
		name           string
		offset         int
		shape, strides []int
	}{
		{"negative offset", -1, []int{1}, []int{1}},
		{"negative stride", 0, []int{2}, []int{-1}},
		{"negative shape", 0, []int{-2}, []int{1}},
		{"lengths differ", 0, []int{2, 2}, []int{1}},
		{"stride overflows", 1, []int{3}, []int{math.MaxInt / 2}},
		{"shape overflows", 0, []int{math.MaxInt, 2}, []int{0, 0}},
		{"offset overflows", math.MaxInt, []int{2}, []int{1}},
		{"beyond the storage", 5, []int{2}, []int{10}},
	} {
		if _, err := Gather(make([]byte, 32), 4, c.offset, c.shape, c.strides); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestSwapBytes(t *testing.T) {
	data := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	SwapBytes(data, 4)
	if !slices.Equal(data, []byte{4, 3, 2, 1, 8, 7, 6, 5}) {
		t.Errorf("swapped: %v", data)
	}
	SwapBytes(data, 1)
	if data[0] != 4 {
		t.Errorf("single bytes were moved: %v", data)
	}
	if CheckBools([]byte{0, 1}) != nil || CheckBools([]byte{0, 2}) == nil {
		t.Error("bool bytes are not checked")
	}
}
