package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// maxScanned bounds the size of files whose global heaps are checked, since
	// that reads the whole file once.
	maxScanned = 2 << 30
	scanBlock  = 1 << 20
	// heapHeader and heapObject are the sizes of the headers of a collection
	// and of an object in it.
	heapHeader, heapObject = 16, 16
)

// heapSignature is the beginning of a global heap collection of version 1.
var heapSignature = []byte("GCOL\x01\x00\x00\x00")

// checkGlobalHeaps goes through the collections of the global heap, which hold
// strings of variable length. The library (2.0.0) never ends on one whose object
// sizes lead nowhere, and their headers carry no checksum (HDF5 file format
// specification, section III.E).
func checkGlobalHeaps(r io.ReaderAt, size int64) error {
	if size > maxScanned {
		return nil
	}
	overlap := len(heapSignature) - 1
	block := make([]byte, min(scanBlock+int64(overlap), size))
	for at := int64(0); at < size; at += scanBlock {
		n, err := r.ReadAt(block, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for from := 0; ; {
			i := bytes.Index(block[from:n], heapSignature)
			if i < 0 {
				break
			}
			from += i
			if from < scanBlock { // the others belong to the next block
				if err := checkCollection(r, at+int64(from), size); err != nil {
					return fmt.Errorf("the global heap at byte %d is damaged: %w", at+int64(from), err)
				}
			}
			from += len(heapSignature)
		}
	}
	return nil
}

// checkCollection follows the objects of one collection to its end.
func checkCollection(r io.ReaderAt, at, size int64) error {
	header := make([]byte, heapHeader)
	if _, err := r.ReadAt(header, at); err != nil {
		return errors.New("it is cut off")
	}
	length := binary.LittleEndian.Uint64(header[8:])
	if length < heapHeader || length > uint64(size-at) {
		return fmt.Errorf("it declares %d bytes", length)
	}
	end := at + int64(length)
	for at += heapHeader; at+heapObject <= end; {
		if _, err := r.ReadAt(header, at); err != nil {
			return errors.New("it is cut off")
		}
		index, length := binary.LittleEndian.Uint16(header), binary.LittleEndian.Uint64(header[8:])
		if length > uint64(end-at) {
			return fmt.Errorf("object %d declares %d bytes", index, length)
		}
		if index == 0 { // free space: its size counts the header
			if length < heapObject {
				return fmt.Errorf("free space of %d bytes", length)
			}
			at += int64(length)
			continue
		}
		at += heapObject + int64(length+7)/8*8
	}
	return nil
}
