// Package ndarray holds dense arrays as plain bytes with a shape and an element
// type. It is what files contain and what crosses the border to tensors, so
// that readers of files know nothing of libtorch and libtorch nothing of files.
package ndarray

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// DType is the element type of an Array.
type DType uint8

// The element types that files of the field contain.
const (
	Invalid DType = iota
	Float32
	Float64
	Float16
	BFloat16
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0},
	Float32: {"float32", 4}, Float64: {"float64", 8}, Float16: {"float16", 2}, BFloat16: {"bfloat16", 2},
	Int8: {"int8", 1}, Int16: {"int16", 2}, Int32: {"int32", 4}, Int64: {"int64", 8},
	Uint8: {"uint8", 1}, Uint16: {"uint16", 2}, Uint32: {"uint32", 4}, Uint64: {"uint64", 8},
	Bool: {"bool", 1},
}

// String is the type's NumPy name.
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size is the number of bytes of one element; 0 for Invalid.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// Array is a dense array in C order, its elements little endian in Data.
type Array struct {
	DType DType
	Shape []int
	Data  []byte
}

// Named is an array with a name: an entry of a state dict or of an .npz file.
type Named struct {
	Name  string
	Array *Array
}

// New returns a zeroed array, or an error where the shape is negative or does
// not fit into memory's addresses.
func New(dtype DType, shape ...int) (*Array, error) {
	n, err := NumElements(shape)
	if err != nil {
		return nil, err
	}
	if dtype.Size() == 0 {
		return nil, fmt.Errorf("array of %v", dtype)
	}
	if n > math.MaxInt/dtype.Size() {
		return nil, fmt.Errorf("array of shape %v is too large", shape)
	}
	return &Array{DType: dtype, Shape: append([]int{}, shape...), Data: make([]byte, n*dtype.Size())}, nil
}

// FromFloat32 copies values into a float32 array of the given shape, which must
// have as many elements.
func FromFloat32(values []float32, shape ...int) (*Array, error) {
	a, err := newFor(Float32, len(values), shape)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		binary.LittleEndian.PutUint32(a.Data[4*i:], math.Float32bits(v))
	}
	return a, nil
}

// FromFloat64 copies values into a float64 array of the given shape.
func FromFloat64(values []float64, shape ...int) (*Array, error) {
	a, err := newFor(Float64, len(values), shape)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		binary.LittleEndian.PutUint64(a.Data[8*i:], math.Float64bits(v))
	}
	return a, nil
}

// FromInt64 copies values into an int64 array of the given shape.
func FromInt64(values []int64, shape ...int) (*Array, error) {
	a, err := newFor(Int64, len(values), shape)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		binary.LittleEndian.PutUint64(a.Data[8*i:], uint64(v))
	}
	return a, nil
}

func newFor(dtype DType, have int, shape []int) (*Array, error) {
	n, err := NumElements(shape)
	if err != nil {
		return nil, err
	}
	if n != have {
		return nil, fmt.Errorf("%d values do not fill shape %v (%d elements)", have, shape, n)
	}
	return New(dtype, shape...)
}

// NumElements is the product of a shape; an error where an entry is negative or
// the product overflows. The empty shape is a scalar: 1.
func NumElements(shape []int) (int, error) {
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("negative dimension in shape %v", shape)
		}
	}
	if slices.Contains(shape, 0) {
		return 0, nil
	}
	n := 1
	for _, d := range shape {
		if n > math.MaxInt/d {
			return 0, fmt.Errorf("shape %v overflows", shape)
		}
		n *= d
	}
	return n, nil
}

// Len is the number of elements.
func (a *Array) Len() int {
	if size := a.DType.Size(); size > 0 {
		return len(a.Data) / size
	}
	return 0
}

// At is element i in C order as a float64 (64-bit integers beyond 2^53 round).
func (a *Array) At(i int) float64 {
	le := binary.LittleEndian
	switch a.DType {
	case Float32:
		return float64(math.Float32frombits(le.Uint32(a.Data[4*i:])))
	case Float64:
		return math.Float64frombits(le.Uint64(a.Data[8*i:]))
	case Float16:
		return float64(halfToFloat32(le.Uint16(a.Data[2*i:])))
	case BFloat16:
		return float64(math.Float32frombits(uint32(le.Uint16(a.Data[2*i:])) << 16))
	case Uint64:
		return float64(le.Uint64(a.Data[8*i:]))
	default:
		return float64(a.Int64At(i))
	}
}

// Int64At is element i in C order as an int64; fractions are cut off.
func (a *Array) Int64At(i int) int64 {
	le := binary.LittleEndian
	switch a.DType {
	case Int8:
		return int64(int8(a.Data[i]))
	case Uint8, Bool:
		return int64(a.Data[i])
	case Int16:
		return int64(int16(le.Uint16(a.Data[2*i:])))
	case Uint16:
		return int64(le.Uint16(a.Data[2*i:]))
	case Int32:
		return int64(int32(le.Uint32(a.Data[4*i:])))
	case Uint32:
		return int64(le.Uint32(a.Data[4*i:]))
	case Int64, Uint64:
		return int64(le.Uint64(a.Data[8*i:]))
	default:
		return int64(a.At(i))
	}
}

// Float32s converts all elements to float32, in C order.
func (a *Array) Float32s() []float32 {
	out := make([]float32, a.Len())
	if a.DType == Float32 {
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
		}
		return out
	}
	for i := range out {
		out[i] = float32(a.At(i))
	}
	return out
}

// Float64s converts all elements to float64, in C order.
func (a *Array) Float64s() []float64 {
	out := make([]float64, a.Len())
	for i := range out {
		out[i] = a.At(i)
	}
	return out
}

// Int64s converts all elements to int64, in C order; fractions are cut off.
func (a *Array) Int64s() []int64 {
	out := make([]int64, a.Len())
	for i := range out {
		out[i] = a.Int64At(i)
	}
	return out
}

// halfToFloat32 widens an IEEE 754 binary16 value.
func halfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, mantissa := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0: // zero and subnormals: mantissa * 2^-24
		f := float32(mantissa) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	default:
		return math.Float32frombits(sign | (exponent+112)<<23 | mantissa<<13)
	}
}
