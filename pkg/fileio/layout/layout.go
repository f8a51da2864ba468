// Package layout turns the memory layouts of files (other byte order, strides,
// views) into that of package ndarray: C order, little endian.
package layout

import (
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// CStrides are the strides, in elements, of an array in C order (last axis fastest).
func CStrides(shape []int) []int {
	strides := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(shape[i], 1)
	}
	return strides
}

// FortranStrides are the strides, in elements, of an array in Fortran order (first
// axis fastest).
func FortranStrides(shape []int) []int {
	strides := make([]int, len(shape))
	step := 1
	for i := range shape {
		strides[i] = step
		step *= max(shape[i], 1)
	}
	return strides
}

// Extent is the number of elements that a view reaches into its storage: one more
// than the index of its last element, 0 for an empty view. Negative numbers and
// overflow are errors.
func Extent(offset int, shape, strides []int) (int, error) {
	if len(shape) != len(strides) || offset < 0 {
		return 0, fmt.Errorf("view of shape %v, strides %v, offset %d", shape, strides, offset)
	}
	if n, err := ndarray.NumElements(shape); n == 0 || err != nil {
		return 0, err
	}
	last := offset
	for i, d := range shape {
		if strides[i] < 0 {
			return 0, fmt.Errorf("view of shape %v has negative strides %v", shape, strides)
		}
		if d > 1 && strides[i] > (math.MaxInt-1-last)/(d-1) {
			return 0, fmt.Errorf("view of shape %v, strides %v overflows", shape, strides)
		}
		last += (d - 1) * strides[i]
	}
	return last + 1, nil
}

// Gather copies a view out of storage, which has elements of size bytes: offset
// and strides count elements. The result is in C order.
func Gather(storage []byte, size, offset int, shape, strides []int) ([]byte, error) {
	extent, err := Extent(offset, shape, strides)
	if err != nil {
		return nil, err
	}
	if extent > len(storage)/size {
		return nil, fmt.Errorf("view of shape %v, strides %v, offset %d needs %d elements of a storage of %d",
			shape, strides, offset, extent, len(storage)/size)
	}
	n, err := ndarray.NumElements(shape)
	if err != nil {
		return nil, err
	}
	if n > math.MaxInt/size {
		return nil, fmt.Errorf("view of shape %v is too large", shape)
	}
	out := make([]byte, n*size)
	if n == 0 {
		return out, nil
	}
	gather(out, storage, size, offset, shape, strides)
	return out, nil
}

// gather walks over all axes but the innermost run, which is copied at once where
// it lies at one piece.
func gather(out, storage []byte, size, offset int, shape, strides []int) {
	axes, run := len(shape), 1
	for axes > 0 && (shape[axes-1] == 1 || strides[axes-1] == run) {
		axes--
		run *= shape[axes]
	}
	inner, innerStride := 1, 0
	if run == 1 && axes > 0 { // scattered elements: the last axis is a tight loop
		axes--
		inner, innerStride = shape[axes], strides[axes]
	}
	index := make([]int, axes)
	position, piece := offset, run*size
	for done := 0; done < len(out); {
		for from := position * size; inner > 0; from += innerStride * size {
			copy(out[done:done+piece], storage[from:from+piece])
			if done += piece; done%(inner*piece) == 0 {
				break
			}
		}
		axis := axes - 1
		for ; axis >= 0; axis-- {
			index[axis]++
			position += strides[axis]
			if index[axis] < shape[axis] {
				break
			}
			position -= shape[axis] * strides[axis]
			index[axis] = 0
		}
	}
}

// SwapBytes reverses the bytes of each element of size bytes, in place.
func SwapBytes(data []byte, size int) {
	if size < 2 {
		return
	}
	for i := 0; i+size <= len(data); i += size {
		slices.Reverse(data[i : i+size])
	}
}

// CheckBools returns an error where a byte of bool data is neither 0 nor 1: as a C++
// bool it would be undefined.
func CheckBools(data []byte) error {
	for i, b := range data {
		if b > 1 {
			return fmt.Errorf("element %d of a bool array is %d", i, b)
		}
	}
	return nil
}
