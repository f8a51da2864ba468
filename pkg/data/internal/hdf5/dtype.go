package hdf5

/*
#include "libhdf5.h"
*/
import "C"

import (
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Class is the sort of values a data set or attribute holds.
type Class int

// The classes that are read. Boolean is an enumeration, which is how h5py
// stores bool.
const (
	Unsupported Class = iota
	Integer
	Float
	Boolean
	String
)

// String is the class in words.
func (c Class) String() string {
	return [...]string{"unsupported type", "integers", "floats", "booleans", "strings"}[c]
}

// Type describes the stored values. Size is in bytes; Variable marks strings of
// variable length.
type Type struct {
	Class    Class
	Size     int
	Signed   bool
	Variable bool
}

// describeType reads what a stored type is.
func describeType(id C.hid_t) Type {
	t := Type{Size: int(C.H5Tget_size(id))}
	switch C.H5Tget_class(id) {
	case C.H5T_INTEGER:
		t.Class, t.Signed = Integer, C.H5Tget_sign(id) != C.H5T_SGN_NONE
	case C.H5T_ENUM:
		t.Class = Boolean
	case C.H5T_FLOAT:
		t.Class, t.Signed = Float, true
	case C.H5T_STRING:
		t.Class, t.Variable = String, C.H5Tis_variable_str(id) > 0
	}
	if t.Class != String && t.Size > 16 || t.Size <= 0 {
		t.Class = Unsupported
	}
	return t
}

// stored is the size of a value in the file; that of a string of variable length
// is larger than its pointer in memory.
func (t Type) stored() int {
	if t.Variable {
		return textElement
	}
	return t.Size
}

// DType is the array type that holds the values without loss (quadruple
// precision becomes float64); ndarray.Invalid for strings and unsupported types.
func (t Type) DType() ndarray.DType {
	switch t.Class {
	case Float:
		if t.Size > 4 {
			return ndarray.Float64
		}
		return ndarray.Float32
	case Boolean:
		if t.Size == 1 {
			return ndarray.Bool
		}
		return ndarray.Int64
	case Integer:
		return integerDType(t.Size, t.Signed)
	}
	return ndarray.Invalid
}

func integerDType(size int, signed bool) ndarray.DType {
	at := 0
	for 1<<at < size {
		at++
	}
	if at > 3 {
		return ndarray.Invalid
	}
	if signed {
		return [...]ndarray.DType{ndarray.Int8, ndarray.Int16, ndarray.Int32, ndarray.Int64}[at]
	}
	return [...]ndarray.DType{ndarray.Uint8, ndarray.Uint16, ndarray.Uint32, ndarray.Uint64}[at]
}

// Number is an element type of slices that are read and written.
type Number interface {
	float32 | float64 | int32 | int64 | uint8
}

// numberDType is the array type of T.
func numberDType[T Number]() ndarray.DType {
	switch any(*new(T)).(type) {
	case float32:
		return ndarray.Float32
	case float64:
		return ndarray.Float64
	case int32:
		return ndarray.Int32
	case int64:
		return ndarray.Int64
	}
	return ndarray.Uint8
}

// memoryType is the library's native type for an array type. The library
// converts from the stored type (byte order, width) to it.
func memoryType(d ndarray.DType) (C.hid_t, error) {
	switch d {
	case ndarray.Float32:
		return C.H5T_NATIVE_FLOAT_g, nil
	case ndarray.Float64:
		return C.H5T_NATIVE_DOUBLE_g, nil
	case ndarray.Int8:
		return C.H5T_NATIVE_INT8_g, nil
	case ndarray.Int16:
		return C.H5T_NATIVE_INT16_g, nil
	case ndarray.Int32:
		return C.H5T_NATIVE_INT32_g, nil
	case ndarray.Int64:
		return C.H5T_NATIVE_INT64_g, nil
	case ndarray.Uint8, ndarray.Bool:
		return C.H5T_NATIVE_UINT8_g, nil
	case ndarray.Uint16:
		return C.H5T_NATIVE_UINT16_g, nil
	case ndarray.Uint32:
		return C.H5T_NATIVE_UINT32_g, nil
	case ndarray.Uint64:
		return C.H5T_NATIVE_UINT64_g, nil
	}
	return 0, fmt.Errorf("no memory type for %v", d)
}

// checkConversion refuses conversions that lose values silently: the library
// cuts off fractions and clamps integers that do not fit.
func checkConversion(stored Type, want ndarray.DType) error {
	switch stored.Class {
	case Unsupported:
		return errors.New("values of this type are not supported (only numbers, booleans and strings are)")
	case String:
		return errors.New("holds strings, not numbers")
	}
	switch want {
	case ndarray.Float32, ndarray.Float64:
		return nil
	}
	if stored.Class == Float {
		return fmt.Errorf("holds floats, which %v would cut off", want)
	}
	unsigned := want == ndarray.Int64 && stored.Size == 8 // the values are looked at
	widened := want.Size() > stored.Size && want != ndarray.Uint8
	if unsigned || widened || stored.DType() == want || stored.Class == Boolean && stored.Size <= want.Size() {
		return nil
	}
	sign := "unsigned"
	if stored.Signed {
		sign = "signed"
	}
	return fmt.Errorf("holds %s integers of %d bytes, which do not fit %v", sign, stored.Size, want)
}

// shapeOf reads the extent of a data space; a scalar has the empty shape.
func shapeOf(space C.hid_t) ([]int, error) {
	switch C.H5Sget_simple_extent_type(space) {
	case C.H5S_SCALAR:
		return []int{}, nil
	case C.H5S_SIMPLE:
	default:
		return nil, errors.New("has no data space")
	}
	rank := int(C.H5Sget_simple_extent_ndims(space))
	if rank < 0 || rank > C.OR_MAX_RANK {
		return nil, failure("reading the shape")
	}
	var dims [C.OR_MAX_RANK]C.hsize_t
	if C.H5Sget_simple_extent_dims(space, &dims[0], nil) < 0 {
		return nil, failure("reading the shape")
	}
	shape := make([]int, rank)
	for i := range shape {
		if dims[i] > 1<<48 {
			return nil, fmt.Errorf("declares a dimension of %d", uint64(dims[i]))
		}
		shape[i] = int(dims[i])
	}
	return shape, nil
}
