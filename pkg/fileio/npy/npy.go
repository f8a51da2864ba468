package npy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// ReadFile reads the array of an .npy file. The result is in C order and little
// endian, whatever the file's layout.
func ReadFile(path string) (*ndarray.Array, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	a, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// Read reads the array of an .npy file of size bytes. The size is compared with
// what the header declares before memory is taken.
func Read(r io.Reader, size int64) (*ndarray.Array, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	h, at, err := readHeader(buffered)
	if err != nil {
		return nil, err
	}
	n, err := h.checkSize(size - at)
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(buffered, data); err != nil {
		return nil, short("data", err)
	}
	return h.array(data)
}

// checkSize compares the declared size of the data with what is present.
func (h *Header) checkSize(present int64) (int64, error) {
	n, err := h.Bytes()
	if err != nil {
		return 0, err
	}
	if n != present {
		problem := "has more than that"
		if present < n {
			problem = "is truncated"
		}
		return 0, fmt.Errorf("shape %v of %v takes %d bytes, but %d follow the npy header: the file %s",
			h.Shape, h.DType, n, present, problem)
	}
	return n, nil
}

// array makes C order and little endian of the file's data.
func (h *Header) array(data []byte) (*ndarray.Array, error) {
	if err := h.normalize(data); err != nil {
		return nil, err
	}
	if h.Fortran && len(h.Shape) > 1 {
		var err error
		if data, err = layout.Gather(data, h.DType.Size(), 0, h.Shape, layout.FortranStrides(h.Shape)); err != nil {
			return nil, err
		}
	}
	return &ndarray.Array{DType: h.DType, Shape: h.Shape, Data: data}, nil
}

// normalize swaps bytes and checks bools, in place.
func (h *Header) normalize(data []byte) error {
	if h.BigEndian {
		layout.SwapBytes(data, h.DType.Size())
	}
	if h.DType == ndarray.Bool {
		return layout.CheckBools(data)
	}
	return nil
}

// WriteFile writes an array as an .npy file, durably.
func WriteFile(path string, a *ndarray.Array) error {
	return fileio.WriteFile(path, func(w io.Writer) error { return Write(w, a) })
}

// Write writes an array as an .npy file, with the bytes that NumPy writes.
func Write(w io.Writer, a *ndarray.Array) error {
	header, err := encodeHeader(a)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	_, err = w.Write(a.Data)
	return err
}

func encodeHeader(a *ndarray.Array) ([]byte, error) {
	h := &Header{DType: a.DType, Shape: a.Shape}
	header, err := h.encode()
	if err != nil {
		return nil, err
	}
	if n, err := h.Bytes(); err != nil || n != int64(len(a.Data)) {
		return nil, fmt.Errorf("array of shape %v of %v has %d bytes", a.Shape, a.DType, len(a.Data))
	}
	return header, nil
}

// File is an open .npy file, of which parts can be read.
type File struct {
	Header
	// Offset is where the data starts, in bytes.
	Offset int64

	data   *io.SectionReader
	closer io.Closer
}

// Open reads the header of an .npy file and keeps the file open for Slice.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var file *File
	if err == nil {
		file, err = NewFile(f, info.Size())
	}
	if err != nil {
		_ = f.Close() // it was only read
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	file.closer = f
	return file, nil
}

// NewFile is Open for an .npy file of size bytes that something else holds.
func NewFile(r io.ReaderAt, size int64) (*File, error) {
	h, at, err := readHeader(bufio.NewReader(io.NewSectionReader(r, 0, size)))
	if err != nil {
		return nil, err
	}
	n, err := h.checkSize(size - at)
	if err != nil {
		return nil, err
	}
	return &File{Header: *h, Offset: at, data: io.NewSectionReader(r, at, n)}, nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

func (f *File) read() (*ndarray.Array, error) {
	data := make([]byte, f.data.Size())
	if err := readFull(f.data, data, 0); err != nil {
		return nil, err
	}
	return f.array(data)
}

// readGrowing reads data whose size is known but not trusted: memory grows with
// what arrives.
func readGrowing(r io.Reader, n int64) ([]byte, error) {
	const start = 1 << 20
	if n > math.MaxInt {
		return nil, fmt.Errorf("%d bytes do not fit into memory", n)
	}
	data := make([]byte, min(n, start))
	for done := 0; ; {
		if _, err := io.ReadFull(r, data[done:]); err != nil {
			return nil, short("data", err)
		}
		if done = len(data); int64(done) == n {
			return data, nil
		}
		grown := make([]byte, min(n, 2*int64(done)))
		copy(grown, data)
		data = grown
	}
}
