package zipfile

import (
	"archive/zip"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
)

// Alignment is that of the data of all entries that a Writer writes, in bytes, so
// that they can be mapped into memory.
const Alignment = 64

// Writer writes an archive of stored entries.
type Writer struct {
	zip *zip.Writer
	out *offset
}

// NewWriter returns a writer of an archive to w.
func NewWriter(w io.Writer) *Writer {
	out := &offset{w: w}
	return &Writer{zip: zip.NewWriter(out), out: out}
}

type offset struct {
	w io.Writer
	n int64
}

func (o *offset) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.n += int64(n)
	return n, err
}

// Add writes one entry: its name and the parts of its data.
func (w *Writer) Add(name string, parts ...[]byte) error {
	var size uint64
	crc := uint32(0)
	for _, part := range parts {
		size += uint64(len(part))
		crc = crc32.Update(crc, crc32.IEEETable, part)
	}
	if size >= math.MaxUint32 {
		return fmt.Errorf("zip entry %q: %d bytes; at most 4 GiB can be written", name, size)
	}
	if err := w.zip.Flush(); err != nil {
		return err
	}
	header := &zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: crc, CompressedSize64: size, UncompressedSize64: size,
		Extra: padding(w.out.n + lengthLocal + int64(len(name))),
	}
	if !isASCII(name) {
		header.Flags |= flagUTF8
	}
	data, err := w.zip.CreateRaw(header)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := data.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// padding is the extra field that moves the data after it to a multiple of
// Alignment; its tag "FB" is the one that PyTorch uses.
func padding(position int64) []byte {
	const fieldHeader = 4
	n := (Alignment - (position+fieldHeader)%Alignment) % Alignment
	field := append(make([]byte, 0, fieldHeader+n), 'F', 'B', byte(n), byte(n>>8))
	for range n {
		field = append(field, 'Z')
	}
	return field
}

// Close writes the directory. It does not close the writer below.
func (w *Writer) Close() error { return w.zip.Close() }
