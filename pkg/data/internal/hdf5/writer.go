package hdf5

/*
#include <stdlib.h>
#include "libhdf5.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Writer builds an HDF5 file in memory; see Write.
type Writer struct {
	id C.hid_t
}

// Layout says how a data set is stored. The zero value is contiguous; Chunk
// (one size a dimension) makes it chunked, which Deflate (level 1 to 9) needs.
type Layout struct {
	Chunk   []int
	Deflate int
	Shuffle bool
}

// images counts the files in memory: the library tells them apart by name.
var images atomic.Int64

// Write builds an HDF5 file by fill and writes its bytes to w. The file is held
// in memory until then. The same calls give the same bytes: no times are
// stored, and the format is the one that every HDF5 since 1.10 reads.
func Write(w io.Writer, fill func(*Writer) error) error {
	f, err := create()
	if err != nil {
		return fmt.Errorf("creating an HDF5 file: %w", err)
	}
	err = fill(f)
	var image []byte
	if err == nil {
		image, err = f.image()
	}
	err = errors.Join(err, locked(func() error {
		if C.H5Fclose(f.id) < 0 {
			return failure("closing the HDF5 file")
		}
		return nil
	}))
	if err != nil {
		return err
	}
	_, err = w.Write(image)
	return err
}

// create opens an empty file in memory.
func create() (*Writer, error) {
	f := &Writer{}
	err := locked(func() error {
		access, err := open(C.H5Pcreate(C.H5P_CLS_FILE_ACCESS_ID_g), closePlist, "creating an access list")
		if err != nil {
			return err
		}
		defer access.free()
		if C.H5Pset_fapl_core(access.id, 1<<20, false) < 0 ||
			C.H5Pset_fclose_degree(access.id, C.H5F_CLOSE_STRONG) < 0 ||
			C.H5Pset_libver_bounds(access.id, C.H5F_LIBVER_EARLIEST, C.H5F_LIBVER_V110) < 0 {
			return failure("setting the file driver")
		}
		root, err := withoutTimes(C.H5P_CLS_FILE_CREATE_ID_g)
		if err != nil {
			return err
		}
		defer root.free()
		name := C.CString(fmt.Sprintf("openretina-image-%d", images.Add(1)))
		defer C.free(unsafe.Pointer(name))
		if f.id = C.H5Fcreate(name, C.H5F_ACC_EXCL, root.id, access.id); f.id < 0 {
			return failure("creating")
		}
		return nil
	})
	return f, err
}

// withoutTimes is a creation list whose objects store no times.
func withoutTimes(class C.hid_t) (handle, error) {
	plist, err := open(C.H5Pcreate(class), closePlist, "creating a property list")
	if err != nil {
		return handle{}, err
	}
	if C.H5Pset_obj_track_times(plist.id, false) < 0 {
		plist.free()
		return handle{}, failure("switching times off")
	}
	return plist, nil
}

// image is the file's bytes so far.
func (f *Writer) image() ([]byte, error) {
	var image []byte
	err := locked(func() error {
		if C.H5Fflush(f.id, 0) < 0 {
			return failure("flushing")
		}
		size := C.H5Fget_file_image(f.id, nil, 0)
		if size <= 0 {
			return failure("taking the file's bytes")
		}
		image = make([]byte, int(size))
		if C.H5Fget_file_image(f.id, unsafe.Pointer(&image[0]), C.size_t(size)) != size {
			return failure("taking the file's bytes")
		}
		return nil
	})
	return image, err
}

// Group creates a group and those above it.
func (f *Writer) Group(path string) error {
	return f.create(path, func(name *C.char, links handle) error {
		plist, err := withoutTimes(C.H5P_CLS_GROUP_CREATE_ID_g)
		if err != nil {
			return err
		}
		defer plist.free()
		group, err := open(C.H5Gcreate2(f.id, name, links.id, plist.id, C.H5P_DEFAULT), closeObject, "creating")
		if err != nil {
			return err
		}
		group.free()
		return nil
	})
}

// create runs a creation with the path as a C string and a list that creates
// the groups above it.
func (f *Writer) create(path string, creation func(name *C.char, links handle) error) error {
	err := locked(func() error {
		links, err := open(C.H5Pcreate(C.H5P_CLS_LINK_CREATE_ID_g), closePlist, "creating a link list")
		if err != nil {
			return err
		}
		defer links.free()
		if C.H5Pset_create_intermediate_group(links.id, 1) < 0 {
			return failure("creating a link list")
		}
		name := C.CString(path)
		defer C.free(unsafe.Pointer(name))
		return creation(name, links)
	})
	if err != nil {
		return fmt.Errorf("writing hdf5 object %s: %w", path, err)
	}
	return nil
}

// Put writes a data set of numbers, values in C order. Groups above it are
// created; an empty shape makes a scalar.
func Put[T Number](f *Writer, path string, shape []int, values []T, layout Layout) error {
	if n, err := ndarray.NumElements(shape); err != nil || n != len(values) {
		return fmt.Errorf("writing hdf5 object %s: %d values for shape %v", path, len(values), shape)
	}
	dtype := numberDType[T]()
	return f.create(path, func(name *C.char, links handle) error {
		native, err := memoryType(dtype)
		if err != nil {
			return err
		}
		return f.put(name, links, shape, layout, fileType(dtype), native, unsafe.Pointer(unsafe.SliceData(values)))
	})
}

// PutStrings writes a data set of UTF-8 strings of variable length.
func (f *Writer) PutStrings(path string, shape []int, values []string) error {
	if n, err := ndarray.NumElements(shape); err != nil || n != len(values) {
		return fmt.Errorf("writing hdf5 object %s: %d strings for shape %v", path, len(values), shape)
	}
	return f.create(path, func(name *C.char, links handle) error {
		kind, err := stringType()
		if err != nil {
			return err
		}
		defer kind.free()
		pointers, free := cStrings(values)
		defer free()
		return f.put(name, links, shape, Layout{}, kind.id, kind.id, pointers)
	})
}

// put creates a data set and writes its values.
func (f *Writer) put(name *C.char, links handle, shape []int, layout Layout, stored, native C.hid_t,
	values unsafe.Pointer,
) error {
	space, err := newSpace(shape)
	if err != nil {
		return err
	}
	defer space.free()
	plist, err := layout.plist(len(shape))
	if err != nil {
		return err
	}
	defer plist.free()
	data, err := open(C.H5Dcreate2(f.id, name, stored, space.id, links.id, plist.id, C.H5P_DEFAULT), closeObject, "creating")
	if err != nil {
		return err
	}
	defer data.free()
	if values != nil && C.H5Dwrite(data.id, native, C.H5S_ALL, C.H5S_ALL, C.H5P_DEFAULT, values) < 0 {
		return failure("writing")
	}
	return nil
}

// plist is the creation list of a layout.
func (l Layout) plist(rank int) (handle, error) {
	plist, err := withoutTimes(C.H5P_CLS_DATASET_CREATE_ID_g)
	if err != nil {
		return handle{}, err
	}
	if err := l.apply(plist.id, rank); err != nil {
		plist.free()
		return handle{}, err
	}
	return plist, nil
}

func (l Layout) apply(plist C.hid_t, rank int) error {
	if len(l.Chunk) == 0 {
		if l.Deflate != 0 || l.Shuffle {
			return errors.New("only chunked data sets are compressed")
		}
		return nil
	}
	if len(l.Chunk) != rank {
		return fmt.Errorf("chunks of %d dimensions for a shape of %d", len(l.Chunk), rank)
	}
	chunk := cDims(l.Chunk)
	if C.H5Pset_chunk(plist, C.int(rank), &chunk[0]) < 0 {
		return failure("setting chunks")
	}
	if l.Shuffle && C.H5Pset_shuffle(plist) < 0 {
		return failure("setting shuffle")
	}
	if l.Deflate > 0 && C.H5Pset_deflate(plist, C.uint(l.Deflate)) < 0 {
		return failure("setting gzip")
	}
	return nil
}

// fileType is how a number is stored: little endian on every machine.
func fileType(d ndarray.DType) C.hid_t {
	switch d {
	case ndarray.Float32:
		return C.H5T_IEEE_F32LE_g
	case ndarray.Float64:
		return C.H5T_IEEE_F64LE_g
	case ndarray.Int32:
		return C.H5T_STD_I32LE_g
	case ndarray.Int64:
		return C.H5T_STD_I64LE_g
	}
	return C.H5T_STD_U8LE_g
}

func newSpace(shape []int) (handle, error) {
	if len(shape) == 0 {
		return open(C.H5Screate(C.H5S_SCALAR), closeSpace, "creating a space")
	}
	dims := cDims(shape)
	return open(C.H5Screate_simple(C.int(len(dims)), &dims[0], nil), closeSpace, "creating a space")
}

func cDims(shape []int) []C.hsize_t {
	dims := make([]C.hsize_t, len(shape))
	for i, d := range shape {
		dims[i] = C.hsize_t(d)
	}
	return dims
}
