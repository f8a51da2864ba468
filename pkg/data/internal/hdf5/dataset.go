package hdf5

/*
#include <stdlib.h>
#include "libhdf5.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

const (
	// maxExpansion is how much larger than its stored bytes a data set may be:
	// deflate cannot compress better than 1032 to 1.
	maxExpansion = 1032
	// harmless is a size that needs no proof by stored bytes, so that sparse and
	// never-written data sets of ordinary size can be read.
	harmless = 64 << 20
	// maxChunk bounds the memory that reading a single value can take.
	maxChunk = 1 << 30
)

// Dataset is what a file says about one data set; reading goes through it.
type Dataset struct {
	Path  string
	Shape []int
	Type  Type
	// Chunk is the shape of the pieces in which the values are stored; nil where
	// they lie in one.
	Chunk []int
	file  *File
}

// Dataset looks up a data set and checks that it can be read safely: its
// layout, its filters, and its declared size against the bytes stored.
func (f *File) Dataset(path string) (*Dataset, error) {
	d := &Dataset{Path: path, file: f}
	err := d.open(func(id C.hid_t, stored handle, space handle) error {
		shape, err := shapeOf(space.id)
		if err != nil {
			return err
		}
		d.Shape, d.Type = shape, describeType(stored.id)
		return f.checkStorage(id, d)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// open opens the data set with its type and space for one operation.
func (d *Dataset) open(operation func(id C.hid_t, stored, space handle) error) error {
	return d.file.on(d.Path, func() error {
		object, err := d.file.find(d.Path)
		if err != nil {
			return err
		}
		defer object.free()
		if C.H5Iget_type(object.id) != C.H5I_DATASET {
			return errors.New("not a data set")
		}
		stored, err := open(C.H5Dget_type(object.id), closeType, "reading the type")
		if err != nil {
			return err
		}
		defer stored.free()
		space, err := open(C.H5Dget_space(object.id), closeSpace, "reading the shape")
		if err != nil {
			return err
		}
		defer space.free()
		return operation(object.id, stored, space)
	})
}

// checkStorage refuses layouts that reach out of the file, filters other than
// deflate, shuffle and fletcher32, and sizes that the stored bytes cannot fill.
func (f *File) checkStorage(id C.hid_t, d *Dataset) error {
	plist, err := open(C.H5Dget_create_plist(id), closePlist, "reading the layout")
	if err != nil {
		return err
	}
	defer plist.free()
	if C.H5Pget_external_count(plist.id) != 0 {
		return errors.New("its values lie in other files, which are not opened")
	}
	n, err := ndarray.NumElements(d.Shape)
	if err != nil || n > 1<<56/d.Type.Size {
		return fmt.Errorf("declares shape %v, which no file can hold", d.Shape)
	}
	declared, stored := uint64(n)*uint64(d.Type.Size), uint64(C.H5Dget_storage_size(id))
	if stored > uint64(f.size) {
		return fmt.Errorf("claims %d stored bytes in a file of %d", stored, f.size)
	}
	switch layout := C.H5Pget_layout(plist.id); layout {
	case C.H5D_COMPACT:
		return nil
	case C.H5D_CONTIGUOUS:
		offset := uint64(C.H5Dget_offset(id))
		if err := f.checkContiguous(offset, declared, stored, d.Shape); err != nil || !d.Type.Variable {
			return err
		}
		return f.checkTextLengths(offset, n)
	case C.H5D_CHUNKED:
		return f.checkChunks(id, plist.id, declared, stored, d)
	default:
		return fmt.Errorf("layout %d (such as virtual data sets) is not supported", int(layout))
	}
}

// checkContiguous compares the block of a contiguous data set with the file.
func (f *File) checkContiguous(offset, declared, stored uint64, shape []int) error {
	if offset == uint64(C.OR_HADDR_UNDEF) { // never written: fill values
		if declared > harmless {
			return fmt.Errorf("declares shape %v but nothing is stored", shape)
		}
		return nil
	}
	if stored < declared || offset > uint64(f.size) || declared > uint64(f.size)-offset {
		return fmt.Errorf("declares shape %v (%d bytes) beyond the file's end", shape, declared)
	}
	return nil
}

// checkChunks looks at the filters of a chunked data set, the size of its chunks,
// and where they are stored.
func (f *File) checkChunks(id, plist C.hid_t, declared, stored uint64, d *Dataset) error {
	if declared > harmless && declared/maxExpansion > stored {
		return fmt.Errorf("declares shape %v (%d bytes) but only %d bytes are stored", d.Shape, declared, stored)
	}
	var dims [C.OR_MAX_RANK]C.hsize_t
	rank := int(C.H5Pget_chunk(plist, C.OR_MAX_RANK, &dims[0]))
	if rank != len(d.Shape) {
		return fmt.Errorf("has chunks of %d dimensions for a shape of %d", rank, len(d.Shape))
	}
	chunk := uint64(d.Type.stored())
	for _, dim := range dims[:rank] {
		if dim == 0 || uint64(dim) > maxChunk || chunk*uint64(dim) > maxChunk {
			return fmt.Errorf("has chunks of more than %d bytes", maxChunk)
		}
		chunk *= uint64(dim)
		d.Chunk = append(d.Chunk, int(dim))
	}
	if chunk > max(declared, harmless) {
		return fmt.Errorf("has chunks of %d bytes for %d bytes of values", chunk, declared)
	}
	filters, err := filtersOf(plist)
	if err != nil {
		return err
	}
	check := C.or_chunk_check{file_size: C.uint64_t(f.size), smallest: C.uint64_t(chunk), largest: C.uint64_t(chunk)}
	if len(filters) > 0 {
		check.smallest, check.largest = 1, C.uint64_t(chunk+chunk/256+128) // incompressible data grows a little
	}
	if slices.Contains(filters, C.H5Z_FILTER_FLETCHER32) {
		check.smallest = 5 // the library crashes where the checksum's 4 bytes are missing
	}
	if C.or_chunks(id, &check) < 0 {
		return failure("going through the chunks")
	}
	if check.bad != 0 {
		return fmt.Errorf("has a chunk of %d bytes at byte %d, which cannot be: it unpacks to %d bytes",
			uint64(check.bad_size), uint64(check.bad_at), chunk)
	}
	return nil
}

// filtersOf lists the filters and allows only those that the library brings
// itself and that have no history of damage by hostile files.
func filtersOf(plist C.hid_t) ([]int, error) {
	var filters []int
	for i := range max(0, int(C.H5Pget_nfilters(plist))) {
		var flags, config C.uint
		var n C.size_t
		id := int(C.H5Pget_filter2(plist, C.uint(i), &flags, &n, nil, 0, nil, &config))
		switch id {
		case C.H5Z_FILTER_DEFLATE, C.H5Z_FILTER_SHUFFLE, C.H5Z_FILTER_FLETCHER32:
			filters = append(filters, id)
		default:
			return nil, fmt.Errorf("uses filter %d; only gzip, shuffle and fletcher32 are supported (h5repack converts)", id)
		}
	}
	return filters, nil
}

// Read reads all values of a data set in C order, converted to T. Conversions
// that would lose integers or fractions are refused.
func Read[T Number](d *Dataset) ([]T, error) {
	n, err := ndarray.NumElements(d.Shape)
	if err != nil {
		return nil, &Error{d.file.path, d.Path, err}
	}
	values := make([]T, n)
	return values, ReadSlab(d, nil, d.Shape, values)
}

// ReadSlab reads the box of the given shape that starts at start (nil for the
// origin) into values, in C order; nothing beyond the box is kept in memory.
func ReadSlab[T Number](d *Dataset, start, shape []int, values []T) error {
	return d.readInto(start, shape, numberDType[T](), unsafe.Pointer(unsafe.SliceData(values)), len(values))
}

// Array reads all values as an array of the type that holds them without loss.
func (d *Dataset) Array() (*ndarray.Array, error) { return d.Slab(nil, d.Shape) }

// Slab is Array of the box of the given shape that starts at start; nil stands for
// the origin.
func (d *Dataset) Slab(start, shape []int) (*ndarray.Array, error) {
	n, err := ndarray.NumElements(shape)
	if err == nil {
		err = d.checkBox(start, shape, n) // before memory is taken
	}
	if err != nil {
		return nil, &Error{d.file.path, d.Path, err}
	}
	a, err := ndarray.New(d.Type.DType(), shape...)
	if err != nil {
		return nil, &Error{d.file.path, d.Path, fmt.Errorf("cannot be read as numbers: %w", err)}
	}
	return a, d.readInto(start, shape, a.DType, unsafe.Pointer(unsafe.SliceData(a.Data)), a.Len())
}

// KeepChunks holds up to so many bytes of unpacked chunks, those used last, until
// the file is closed: boxes that share chunks do not unpack them again.
func (d *Dataset) KeepChunks(bytes int) error {
	name := strings.TrimRight(d.Path, "/") // found over hard links when d was made
	parent := ""
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		parent, name = name[:i], name[i+1:]
	}
	return d.file.on(d.Path, func() error {
		access, err := open(C.H5Pcreate(C.H5P_CLS_DATASET_ACCESS_ID_g), closePlist, "creating an access list")
		if err != nil {
			return err
		}
		defer access.free()
		const slots = 100003 // a prime, far more than there are chunks to hold
		const strictlyLastUsed = 0
		if C.H5Pset_chunk_cache(access.id, slots, C.size_t(bytes), strictlyLastUsed) < 0 {
			return failure("setting the chunk cache")
		}
		group, err := d.file.find(parent)
		if err != nil {
			return err
		}
		defer group.free()
		text := C.CString(name)
		defer C.free(unsafe.Pointer(text))
		// It stays open until the file is closed, and all that open it until then
		// share its cache.
		if C.H5Dopen2(group.id, text, access.id) < 0 {
			return failure("opening")
		}
		return nil
	})
}

// readInto reads a box into memory for n elements of a type.
func (d *Dataset) readInto(start, shape []int, want ndarray.DType, to unsafe.Pointer, n int) error {
	err := d.checkBox(start, shape, n)
	if err == nil {
		err = checkConversion(d.Type, want)
	}
	if err != nil {
		return &Error{d.file.path, d.Path, err}
	}
	if n == 0 {
		return nil
	}
	return d.open(func(id C.hid_t, stored, space handle) error {
		// The file may have changed since it was looked at.
		if now, err := shapeOf(space.id); err != nil || !slices.Equal(now, d.Shape) {
			return fmt.Errorf("changed its shape from %v to %v", d.Shape, now)
		}
		memory, err := selectBox(space, start, shape)
		if err != nil {
			return err
		}
		if memory.id != C.H5S_ALL {
			defer memory.free()
		}
		unsigned := want == ndarray.Int64 && d.Type == Type{Class: Integer, Size: 8}
		if unsigned {
			want = ndarray.Uint64 // the library would clamp large values without a word
		}
		native, err := memoryType(want)
		if err != nil {
			return err
		}
		if C.H5Dread(id, native, memory.id, space.id, C.H5P_DEFAULT, to) < 0 {
			return failure("reading")
		}
		if unsigned && slices.Min(unsafe.Slice((*int64)(to), n)) < 0 {
			return errors.New("holds integers of 2^63 and above")
		}
		return nil
	})
}

// checkBox compares a box with the data set's shape and with the memory for it.
func (d *Dataset) checkBox(start, shape []int, n int) error {
	if len(shape) != len(d.Shape) || start != nil && len(start) != len(d.Shape) {
		return fmt.Errorf("box of shape %v asked of shape %v", shape, d.Shape)
	}
	for i, size := range shape {
		from := 0
		if start != nil {
			from = start[i]
		}
		if from < 0 || size < 0 || from > d.Shape[i] || size > d.Shape[i]-from {
			return fmt.Errorf("box of shape %v at %v asked of shape %v", shape, start, d.Shape)
		}
	}
	if have, err := ndarray.NumElements(shape); err != nil || have != n {
		return fmt.Errorf("box of shape %v does not fill %d values", shape, n)
	}
	return nil
}

// selectBox selects a box in the file's space and returns the space in memory.
func selectBox(space handle, start, shape []int) (handle, error) {
	if len(shape) == 0 { // a scalar: everything
		return handle{id: C.H5S_ALL}, nil
	}
	from, count := make([]C.hsize_t, len(shape)), make([]C.hsize_t, len(shape))
	for i := range shape {
		count[i] = C.hsize_t(shape[i])
		if start != nil {
			from[i] = C.hsize_t(start[i])
		}
	}
	if C.H5Sselect_hyperslab(space.id, C.H5S_SELECT_SET, &from[0], nil, &count[0], nil) < 0 {
		return handle{}, failure("selecting a box")
	}
	return open(C.H5Screate_simple(C.int(len(count)), &count[0], nil), closeSpace, "creating a memory space")
}
