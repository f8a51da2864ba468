package hdf5

/*
#include <stdlib.h>
#include <string.h>
#include "libhdf5.h"
*/
import "C"

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// maxText bounds the bytes of one data set or attribute of strings.
const maxText = 64 << 20

// stringType is the type of UTF-8 strings of variable length.
func stringType() (handle, error) {
	kind, err := open(C.H5Tcopy(C.H5T_C_S1_g), closeType, "creating a string type")
	if err != nil {
		return handle{}, err
	}
	if C.H5Tset_size(kind.id, C.OR_H5T_VARIABLE) < 0 || C.H5Tset_cset(kind.id, C.H5T_CSET_UTF8) < 0 {
		kind.free()
		return handle{}, failure("creating a string type")
	}
	return kind, nil
}

// cStrings is an array of C strings and the call that frees it.
func cStrings(values []string) (pointers unsafe.Pointer, free func()) {
	if len(values) == 0 {
		return nil, func() {}
	}
	pointers = C.malloc(C.size_t(len(values)) * C.size_t(unsafe.Sizeof(uintptr(0))))
	items := unsafe.Slice((**C.char)(pointers), len(values))
	for i, v := range values {
		items[i] = C.CString(v)
	}
	return pointers, func() {
		for _, item := range items {
			C.free(unsafe.Pointer(item))
		}
		C.free(pointers)
	}
}

// Strings reads all values of a data set of strings, of fixed or variable length.
func (d *Dataset) Strings() ([]string, error) {
	n, err := ndarray.NumElements(d.Shape)
	if err == nil {
		err = checkText(d.Type, n)
	}
	if err != nil {
		return nil, &Error{d.file.path, d.Path, err}
	}
	if n == 0 {
		return []string{}, nil
	}
	var values []string
	err = d.open(func(id C.hid_t, stored, space handle) error {
		// Many elements may share one long text. (The library crashes when it is
		// asked for the size of a scalar.)
		if d.Type.Variable && n > 1 {
			var size C.hsize_t
			if C.H5Dvlen_get_buf_size(id, stored.id, space.id, &size) < 0 {
				return failure("measuring the strings")
			}
			if size > maxText {
				return fmt.Errorf("holds %d bytes of strings", uint64(size))
			}
		}
		values, err = readStrings(d.Type, stored, space, n, func(buffer unsafe.Pointer) C.herr_t {
			return C.H5Dread(id, stored.id, C.H5S_ALL, C.H5S_ALL, C.H5P_DEFAULT, buffer)
		})
		return err
	})
	return values, err
}

// checkText refuses what is no text and what is unreasonably much of it.
func checkText(t Type, n int) error {
	if t.Class != String {
		return errors.New("holds no strings")
	}
	if t.Size <= 0 || n > maxText/t.Size {
		return fmt.Errorf("holds %d strings of %d bytes", n, t.Size)
	}
	return nil
}

// textElement is the size of a string of variable length as it is stored: its
// length in 4 bytes, then where its bytes are in the global heap.
const textElement = 16

// checkTextLengths reads the lengths of contiguous strings, since the library
// takes memory for what they claim before it looks for the text.
func (f *File) checkTextLengths(offset uint64, n int) (err error) {
	if offset == uint64(C.OR_HADDR_UNDEF) {
		return nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	elements := bufio.NewReader(io.NewSectionReader(file, int64(offset), int64(n)*textElement))
	element := make([]byte, textElement)
	for i := range n {
		if _, err := io.ReadFull(elements, element); err != nil {
			return fmt.Errorf("string %d lies beyond the file's end", i)
		}
		if length := binary.LittleEndian.Uint32(element); int64(length) > min(f.size, maxText) {
			return fmt.Errorf("string %d declares %d bytes", i, length)
		}
	}
	return nil
}

// readStrings reads n strings of a stored type by the given call.
func readStrings(t Type, stored, space handle, n int, read func(unsafe.Pointer) C.herr_t) ([]string, error) {
	values := make([]string, n)
	if !t.Variable {
		buffer := make([]byte, n*t.Size)
		if read(unsafe.Pointer(&buffer[0])) < 0 {
			return nil, failure("reading strings")
		}
		for i := range values {
			text, _, _ := bytes.Cut(buffer[i*t.Size:(i+1)*t.Size], []byte{0})
			values[i] = string(text)
		}
		return values, nil
	}
	pointers := C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(uintptr(0))))
	defer C.free(pointers)
	if read(pointers) < 0 {
		return nil, failure("reading strings")
	}
	for i, item := range unsafe.Slice((**C.char)(pointers), n) {
		if item != nil {
			values[i] = C.GoString(item)
		}
	}
	if C.H5Treclaim(stored.id, space.id, C.H5P_DEFAULT, pointers) < 0 {
		return nil, failure("freeing strings")
	}
	return values, nil
}
