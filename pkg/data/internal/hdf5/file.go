package hdf5

/*
#include <stdlib.h>
#include "libhdf5.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// maxNames bounds how many links or attributes of one object are listed.
const maxNames = 1 << 20

// Kind says what a name in a group leads to.
type Kind int

// The kinds of objects. Refused is a link that is never followed: soft,
// external or user-defined.
const (
	Group Kind = iota + 1
	Data
	NamedType
	Refused
)

// Entry is one name in a group.
type Entry struct {
	Name string
	Kind Kind
}

// File is an HDF5 file open for reading. Its methods may be called from several
// goroutines; calls run one after the other.
type File struct {
	path string
	size int64
	id   C.hid_t
}

// Open opens a file for reading after its superblock was compared with its size and
// its global heaps were checked.
func Open(path string) (*File, error) {
	size, err := precheck(path)
	if err != nil {
		return nil, &Error{File: path, Err: err}
	}
	f := &File{path: path, size: size}
	err = locked(func() error {
		access, err := readAccess()
		if err != nil {
			return err
		}
		defer access.free()
		name := C.CString(path)
		defer C.free(unsafe.Pointer(name))
		if f.id = C.H5Fopen(name, C.H5F_ACC_RDONLY, access.id); f.id < 0 {
			return failure("opening")
		}
		return nil
	})
	if err != nil {
		return nil, &Error{File: path, Err: err}
	}
	return f, nil
}

// precheck looks at the file without the library and returns its size.
func precheck(path string) (size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	if err := checkSuperblock(file, info.Size()); err != nil {
		return 0, err
	}
	return info.Size(), checkGlobalHeaps(file, info.Size())
}

// readAccess is the access list for reading: the plain file driver whatever the
// environment says, and every object closed with the file.
func readAccess() (handle, error) {
	access, err := open(C.H5Pcreate(C.H5P_CLS_FILE_ACCESS_ID_g), closePlist, "creating an access list")
	if err != nil {
		return handle{}, err
	}
	if C.H5Pset_fapl_sec2(access.id) < 0 || C.H5Pset_fclose_degree(access.id, C.H5F_CLOSE_STRONG) < 0 {
		access.free()
		return handle{}, failure("setting the file driver")
	}
	return access, nil
}

// Path is the path that Open was given.
func (f *File) Path() string { return f.path }

// Close closes the file. It may be called once.
func (f *File) Close() error {
	return f.on("", func() error {
		if C.H5Fclose(f.id) < 0 {
			return failure("closing")
		}
		return nil
	})
}

// on runs one operation on an object with the library locked and names both in
// the error.
func (f *File) on(object string, operation func() error) error {
	if err := locked(operation); err != nil {
		return &Error{File: f.path, Object: object, Err: err}
	}
	return nil
}

// List gives what is in a group, "/" for the root: by name, or in the order of
// creation where the group keeps it (as h5py does).
func (f *File) List(group string) ([]Entry, error) {
	var entries []Entry
	err := f.on(group, func() error {
		g, err := f.find(group)
		if err != nil {
			return err
		}
		defer g.free()
		if C.H5Iget_type(g.id) != C.H5I_GROUP {
			return errors.New("not a group")
		}
		entries, err = list(g)
		return err
	})
	return entries, err
}

// list reads the names of an open group and what each leads to.
func list(group handle) ([]Entry, error) {
	var names C.or_names
	defer C.or_names_free(&names)
	if C.or_links(group.id, &names, maxNames) < 0 {
		return nil, failure("listing")
	}
	entries := make([]Entry, 0, int(names.count))
	for _, item := range unsafe.Slice(names.items, int(names.count)) {
		entry := Entry{Name: C.GoString(item.name), Kind: Refused}
		if item.link_type == C.H5L_TYPE_HARD {
			kind, err := kindOf(group, item.name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", entry.Name, err)
			}
			entry.Kind = kind
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// kindOf opens a member of a group to see what it is.
func kindOf(group handle, name *C.char) (Kind, error) {
	object, err := open(C.H5Oopen(group.id, name, C.H5P_DEFAULT), closeObject, "opening")
	if err != nil {
		return 0, err
	}
	defer object.free()
	switch C.H5Iget_type(object.id) {
	case C.H5I_GROUP:
		return Group, nil
	case C.H5I_DATASET:
		return Data, nil
	case C.H5I_DATATYPE:
		return NamedType, nil
	}
	return Refused, nil
}

// Exists reports whether a path leads to an object over hard links only.
func (f *File) Exists(path string) (bool, error) {
	err := f.on(path, func() error {
		object, err := f.find(path)
		if err == nil {
			object.free()
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// find opens the object at a path, part by part, and follows hard links only:
// no other file is ever opened.
func (f *File) find(path string) (handle, error) {
	root := C.CString("/")
	defer C.free(unsafe.Pointer(root))
	at, err := open(C.H5Oopen(f.id, root, C.H5P_DEFAULT), closeObject, "opening the root group")
	if err != nil {
		return handle{}, err
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		next, err := step(at, part)
		at.free()
		if err != nil {
			return handle{}, err
		}
		at = next
	}
	return at, nil
}

// step opens a member of an open group over a hard link.
func step(group handle, part string) (handle, error) {
	if C.H5Iget_type(group.id) != C.H5I_GROUP {
		return handle{}, fmt.Errorf("%q is inside something that is no group: %w", part, ErrNotFound)
	}
	if part == "." || strings.ContainsRune(part, 0) {
		return handle{}, fmt.Errorf("bad name %q in the path", part)
	}
	name := C.CString(part)
	defer C.free(unsafe.Pointer(name))
	switch exists := C.H5Lexists(group.id, name, C.H5P_DEFAULT); {
	case exists < 0:
		return handle{}, failure("looking up " + part)
	case exists == 0:
		return handle{}, fmt.Errorf("%q: %w", part, ErrNotFound)
	}
	var info C.H5L_info2_t
	if C.H5Lget_info2(group.id, name, &info, C.H5P_DEFAULT) < 0 {
		return handle{}, failure("looking up " + part)
	}
	switch info._type {
	case C.H5L_TYPE_HARD:
		return open(C.H5Oopen(group.id, name, C.H5P_DEFAULT), closeObject, "opening "+part)
	case C.H5L_TYPE_SOFT:
		return handle{}, fmt.Errorf("%q is a soft link, which is not followed", part)
	case C.H5L_TYPE_EXTERNAL:
		return handle{}, fmt.Errorf("%q is a link to another file, which is not followed", part)
	}
	return handle{}, fmt.Errorf("%q is a link of unknown kind %d", part, int(info._type))
}
