package npy

import (
	"fmt"
	"io"
	"slices"

	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Slice reads the entries lo to hi (exclusive) of the first axis; see ReadSlab.
func (f *File) Slice(lo, hi int) (*ndarray.Array, error) {
	if len(f.Shape) == 0 || lo < 0 || hi < lo || hi > f.Shape[0] {
		return nil, fmt.Errorf("entries %d to %d of an array of shape %v", lo, hi, f.Shape)
	}
	start, shape := make([]int, len(f.Shape)), slices.Clone(f.Shape)
	start[0], shape[0] = lo, hi-lo
	return f.ReadSlab(start, shape)
}

// ReadSlab reads the box of the given shape whose first corner is at start, both
// with one entry for each axis. The result is in C order and little endian. It
// takes memory for the box, twice where the file is in Fortran order, however
// large the file is.
func (f *File) ReadSlab(start, shape []int) (*ndarray.Array, error) {
	if err := f.checkSlab(start, shape); err != nil {
		return nil, err
	}
	out, err := ndarray.New(f.DType, shape...)
	if err != nil || len(out.Data) == 0 {
		return out, err
	}
	// A file in Fortran order is one in C order with its axes in reverse.
	whole := slices.Clone(f.Shape)
	if f.Fortran {
		start, shape = slices.Clone(start), slices.Clone(shape)
		slices.Reverse(whole)
		slices.Reverse(start)
		slices.Reverse(shape)
	}
	s := slab{file: f.data, size: f.DType.Size(), shape: shape, strides: layout.CStrides(whole)}
	at := 0
	for axis, i := range start {
		at += i * s.strides[axis]
	}
	if err := s.read(out.Data, 0, at); err != nil {
		return nil, err
	}
	if err := f.normalize(out.Data); err != nil {
		return nil, err
	}
	if f.Fortran && len(shape) > 1 {
		out.Data, err = layout.Gather(out.Data, s.size, 0, out.Shape, layout.FortranStrides(out.Shape))
	}
	return out, err
}

func (f *File) checkSlab(start, shape []int) error {
	ok := len(start) == len(f.Shape) && len(shape) == len(f.Shape)
	for axis := 0; ok && axis < len(shape); axis++ {
		size := f.Shape[axis]
		ok = shape[axis] >= 0 && start[axis] >= 0 && shape[axis] <= size && start[axis] <= size-shape[axis]
	}
	if !ok {
		return fmt.Errorf("box of shape %v at %v of an array of shape %v", shape, start, f.Shape)
	}
	return nil
}

// slab is a box in an array that lies in a file in C order.
type slab struct {
	file    io.ReaderAt
	size    int   // of an element, in bytes
	shape   []int // of the box
	strides []int // of the whole array, in elements
}

// gapless bounds what is read in one piece where a box has gaps in the file: many
// small reads take longer than what lies between them.
const gapless = 1 << 20

// read fills out with the part of the box that lies below an axis, from its first
// element on, which is element at of the file.
func (s *slab) read(out []byte, axis, at int) error {
	shape, strides := s.shape[axis:], s.strides[axis:]
	extent, err := layout.Extent(0, shape, strides)
	if err != nil {
		return err
	}
	switch extent *= s.size; {
	case extent == len(out):
		return s.readAt(out, at)
	case extent <= gapless:
		piece := make([]byte, extent)
		if err := s.readAt(piece, at); err != nil {
			return err
		}
		box, err := layout.Gather(piece, s.size, 0, shape, strides)
		copy(out, box)
		return err
	}
	part := len(out) / shape[0]
	for i := range shape[0] {
		if err := s.read(out[i*part:][:part], axis+1, at+i*strides[0]); err != nil {
			return err
		}
	}
	return nil
}

// readAt reads from an element on.
func (s *slab) readAt(data []byte, at int) error {
	return readFull(s.file, data, int64(at)*int64(s.size))
}

// readFull fills data with what lies at a place of a file. A file that has become
// shorter since it was opened is an error.
func readFull(file io.ReaderAt, data []byte, at int64) error {
	switch n, err := file.ReadAt(data, at); {
	case n == len(data):
		return nil // and err may be io.EOF
	case err == nil:
		return short("data", io.ErrUnexpectedEOF)
	default:
		return short("data", err)
	}
}
