// Package hdf5 reads and writes HDF5 files through libhdf5, by a thin binding of
// the calls that the data layer needs.
//
// A crash inside the C library ends the process, so a file is looked at before
// it is read: its length against what the superblock says, every part of a path
// (hard links only), every data set's layout, filters and declared size. Files
// written here have the same bytes for the same content.
package hdf5

/*
#cgo LDFLAGS: -lhdf5
#include <stdlib.h>
#include "libhdf5.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// library is held through every call of libhdf5, which may be built without
// thread safety.
var library sync.Mutex

// Error is a failure of one operation on one object of one file.
type Error struct {
	File, Object string
	Err          error
}

// Error names the file and the object.
func (e *Error) Error() string {
	if e.Object == "" {
		return fmt.Sprintf("hdf5 file %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("hdf5 file %s: %s: %v", e.File, e.Object, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrNotFound is the cause where an object or an attribute does not exist.
var ErrNotFound = errors.New("no such object")

// locked runs f with the library to itself, on one OS thread because the
// library's error stack belongs to the thread.
func locked(f func() error) error {
	library.Lock()
	defer library.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if C.or_start() < 0 {
		return fmt.Errorf("libhdf5 does not start: %w", failure("initialization"))
	}
	return f()
}

// failure turns the library's error stack into an error that says what was
// being done; call it in the same locked section as the failed call.
func failure(doing string) error {
	buffer := make([]byte, 512)
	text := (*C.char)(unsafe.Pointer(&buffer[0]))
	C.or_error_text(text, C.size_t(len(buffer)))
	message := strings.Join(strings.Fields(C.GoString(text)), " ")
	if message == "" {
		message = "unknown error"
	}
	return fmt.Errorf("%s failed: %s", doing, message)
}

// handle is an open identifier of the library with the call that closes it.
type handle struct {
	id    C.hid_t
	close func(C.hid_t) C.herr_t
}

func (h handle) free() { h.close(h.id) }

func closeType(id C.hid_t) C.herr_t      { return C.H5Tclose(id) }
func closeSpace(id C.hid_t) C.herr_t     { return C.H5Sclose(id) }
func closePlist(id C.hid_t) C.herr_t     { return C.H5Pclose(id) }
func closeObject(id C.hid_t) C.herr_t    { return C.H5Oclose(id) }
func closeAttribute(id C.hid_t) C.herr_t { return C.H5Aclose(id) }

// open wraps an identifier; a negative one is the library's way to fail.
func open(id C.hid_t, closer func(C.hid_t) C.herr_t, doing string) (handle, error) {
	if id < 0 {
		return handle{}, failure(doing)
	}
	return handle{id, closer}, nil
}

// Version is the version of the library in use, such as "2.0.0".
func Version() (string, error) {
	var major, minor, release C.uint
	err := locked(func() error {
		if C.H5get_libversion(&major, &minor, &release) < 0 {
			return failure("asking for the version")
		}
		return nil
	})
	return fmt.Sprintf("%d.%d.%d", major, minor, release), err
}
