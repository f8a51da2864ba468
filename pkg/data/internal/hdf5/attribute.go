package hdf5

/*
#include <stdlib.h>
#include "libhdf5.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// maxAttribute bounds the bytes of one attribute.
const maxAttribute = 64 << 20

// Attribute is the value of an attribute: numbers in Array, or Strings. Either
// has the given shape, empty for a scalar.
type Attribute struct {
	Shape   []int
	Array   *ndarray.Array
	Strings []string
}

// Attributes lists the names of an object's attributes, sorted.
func (f *File) Attributes(path string) ([]string, error) {
	var result []string
	err := f.on(path, func() error {
		object, err := f.find(path)
		if err != nil {
			return err
		}
		defer object.free()
		var names C.or_names
		defer C.or_names_free(&names)
		if C.or_attributes(object.id, &names, maxNames) < 0 {
			return failure("listing attributes")
		}
		for _, item := range unsafe.Slice(names.items, int(names.count)) {
			result = append(result, C.GoString(item.name))
		}
		return nil
	})
	return result, err
}

// Attribute reads an attribute of an object.
func (f *File) Attribute(path, name string) (*Attribute, error) {
	a := &Attribute{}
	err := f.on(path+"@"+name, func() error {
		object, err := f.find(path)
		if err != nil {
			return err
		}
		defer object.free()
		attribute, err := openAttribute(object, name)
		if err != nil {
			return err
		}
		defer attribute.free()
		return a.read(attribute)
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

func openAttribute(object handle, name string) (handle, error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	switch exists := C.H5Aexists(object.id, text); {
	case exists < 0:
		return handle{}, failure("looking up the attribute")
	case exists == 0:
		return handle{}, ErrNotFound
	}
	return open(C.H5Aopen(object.id, text, C.H5P_DEFAULT), closeAttribute, "opening the attribute")
}

// read fills a from an open attribute.
func (a *Attribute) read(attribute handle) error {
	stored, err := open(C.H5Aget_type(attribute.id), closeType, "reading the type")
	if err != nil {
		return err
	}
	defer stored.free()
	space, err := open(C.H5Aget_space(attribute.id), closeSpace, "reading the shape")
	if err != nil {
		return err
	}
	defer space.free()
	if a.Shape, err = shapeOf(space.id); err != nil {
		return err
	}
	n, err := ndarray.NumElements(a.Shape)
	t := describeType(stored.id)
	if err != nil || t.Size <= 0 || n > maxAttribute/t.Size {
		return fmt.Errorf("declares shape %v with %d bytes an element", a.Shape, t.Size)
	}
	if t.Class == String {
		return a.readText(attribute, t, stored, space, n)
	}
	return a.readNumbers(attribute, t, n)
}

func (a *Attribute) readText(attribute handle, t Type, stored, space handle, n int) (err error) {
	if n == 0 {
		a.Strings = []string{}
		return nil
	}
	a.Strings, err = readStrings(t, stored, space, n, func(buffer unsafe.Pointer) C.herr_t {
		return C.H5Aread(attribute.id, stored.id, buffer)
	})
	return err
}

func (a *Attribute) readNumbers(attribute handle, t Type, n int) (err error) {
	if t.DType() == ndarray.Invalid {
		return errors.New("has a type that is not supported (only numbers, booleans and strings are)")
	}
	if a.Array, err = ndarray.New(t.DType(), a.Shape...); err != nil || n == 0 {
		return err
	}
	native, err := memoryType(a.Array.DType)
	if err != nil {
		return err
	}
	if C.H5Aread(attribute.id, native, unsafe.Pointer(&a.Array.Data[0])) < 0 {
		return failure("reading")
	}
	return nil
}

// PutAttribute writes a scalar attribute of a group or data set that exists
// ("/" for the root): a string, float64, int or int64, or a list of them.
func (f *Writer) PutAttribute(path, name string, value any) error {
	err := locked(func() error {
		location := C.CString(path)
		defer C.free(unsafe.Pointer(location))
		object, err := open(C.H5Oopen(f.id, location, C.H5P_DEFAULT), closeObject, "opening")
		if err != nil {
			return err
		}
		defer object.free()
		return putAttribute(object, name, value)
	})
	if err != nil {
		return fmt.Errorf("writing hdf5 attribute %s@%s: %w", path, name, err)
	}
	return nil
}

func putAttribute(object handle, name string, value any) error {
	switch v := value.(type) {
	case string:
		return putText(object, name, nil, []string{v})
	case []string:
		return putText(object, name, []int{len(v)}, v)
	case int:
		return putNumbers(object, name, nil, []int64{int64(v)})
	case int64:
		return putNumbers(object, name, nil, []int64{v})
	case []int64:
		return putNumbers(object, name, []int{len(v)}, v)
	case float64:
		return putNumbers(object, name, nil, []float64{v})
	case []float64:
		return putNumbers(object, name, []int{len(v)}, v)
	}
	return fmt.Errorf("cannot write a value of type %T", value)
}

func putText(object handle, name string, shape []int, values []string) error {
	kind, err := stringType()
	if err != nil {
		return err
	}
	defer kind.free()
	pointers, free := cStrings(values)
	defer free()
	return writeAttribute(object, name, shape, kind.id, kind.id, pointers)
}

func putNumbers[T Number](object handle, name string, shape []int, values []T) error {
	native, err := memoryType(numberDType[T]())
	if err != nil {
		return err
	}
	return writeAttribute(object, name, shape, fileType(numberDType[T]()), native,
		unsafe.Pointer(unsafe.SliceData(values)))
}

func writeAttribute(object handle, name string, shape []int, stored, native C.hid_t, values unsafe.Pointer) error {
	space, err := newSpace(shape)
	if err != nil {
		return err
	}
	defer space.free()
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	attribute, err := open(C.H5Acreate2(object.id, text, stored, space.id, C.H5P_DEFAULT, C.H5P_DEFAULT),
		closeAttribute, "creating")
	if err != nil {
		return err
	}
	defer attribute.free()
	if values != nil && C.H5Awrite(attribute.id, native, values) < 0 {
		return failure("writing")
	}
	return nil
}
