package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var signature = []byte("\x89HDF\r\n\x1a\n")

// errNotHDF5 is the cause where no superblock is found.
var errNotHDF5 = errors.New("not an HDF5 file (no superblock found)")

// checkSuperblock compares what the superblock declares with the file's size,
// so that truncated files are refused before the library sees them. The
// superblock starts at byte 0, 512, 1024, 2048, … (HDF5 file format
// specification, section II.A).
func checkSuperblock(r io.ReaderAt, size int64) error {
	if size == 0 {
		return errors.New("the file is empty")
	}
	head := make([]byte, 128)
	for at := int64(0); at < size; at = max(512, 2*at) {
		n, err := r.ReadAt(head, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if bytes.HasPrefix(head[:n], signature) {
			return checkFields(head[:n], at, size)
		}
	}
	return errNotHDF5
}

// checkFields looks at one superblock that lies at byte at of the file.
func checkFields(head []byte, at, size int64) error {
	if len(head) < 48 {
		return errors.New("the superblock is cut off")
	}
	var offsetSize byte
	var base, end, driver int
	switch version := head[8]; version {
	case 0:
		offsetSize, base, end, driver = head[13], 24, 40, 48
	case 1:
		offsetSize, base, end, driver = head[13], 28, 44, 52
	case 2, 3:
		offsetSize, base, end = head[9], 12, 28
	default:
		return fmt.Errorf("superblock version %d is not supported", version)
	}
	if offsetSize != 8 {
		return fmt.Errorf("addresses of %d bytes are not supported", offsetSize)
	}
	if len(head) < max(end, driver)+8 {
		return errors.New("the superblock is cut off")
	}
	if got := binary.LittleEndian.Uint64(head[base:]); got != uint64(at) && got != 0 {
		return fmt.Errorf("the superblock at byte %d gives base address %d", at, got)
	}
	if declared := binary.LittleEndian.Uint64(head[end:]); declared > uint64(size) {
		return fmt.Errorf("the file is truncated: it has %d bytes of %d", size, declared)
	}
	if driver != 0 && binary.LittleEndian.Uint64(head[driver:]) != ^uint64(0) {
		return errors.New("files that are split over several files are not supported")
	}
	return nil
}
