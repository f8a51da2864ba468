package torch

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// Tensor is a value of a scope. It has no methods that compute: those are the
// scope's.
type Tensor struct {
	handle libtorch.Handle // nil: closed
	scope  *Scope          // the owner; so a tensor in use keeps it from being collected
	index  int             // in the owner's list
	made   origin
}

// Shape is the tensor's sizes, or the scope's error.
func (s *Scope) Shape(t *Tensor) (shape []int64, err error) {
	s.effect("shape", func() (e *libtorch.Error) {
		shape, e = libtorch.Shape(t.handle)
		return e
	}, t)
	return shape, s.err
}

// Dim is the size of one dimension, or 0 after an error; negative dimensions
// count from the end.
func (s *Scope) Dim(t *Tensor, dim int) int64 {
	shape, err := s.Shape(t)
	if err != nil {
		return 0
	}
	if dim < 0 {
		dim += len(shape)
	}
	if dim < 0 || dim >= len(shape) {
		s.Fail(&Error{
			Op: "dim", Layer: s.currentLayer(), Shapes: [][]int64{shape}, Kind: ErrShape,
			Msg: fmt.Sprintf("no dimension %d", dim),
		})
		return 0
	}
	return shape[dim]
}

// DType is the tensor's element type, or the scope's error.
func (s *Scope) DType(t *Tensor) (dtype ndarray.DType, err error) {
	s.effect("dtype", func() (e *libtorch.Error) {
		dtype, e = libtorch.DType(t.handle)
		return e
	}, t)
	return dtype, s.err
}

// Item is the value of a tensor with one element, or the scope's error.
func (s *Scope) Item(t *Tensor) (value float64, err error) {
	s.effect("item", func() (e *libtorch.Error) {
		value, e = libtorch.Item(t.handle)
		return e
	}, t)
	return value, s.err
}

// Float32s copies the elements out in C order, converted to float32.
func (s *Scope) Float32s(t *Tensor) ([]float32, error) {
	converted := s.As(t, ndarray.Float32)
	defer s.Free(converted)
	shape, err := s.Shape(converted)
	if err != nil {
		return nil, err
	}
	values := make([]float32, count(shape))
	s.effect("copy out", func() *libtorch.Error { return libtorch.CopyOutFloat32(converted.handle, values) }, converted)
	if s.err != nil {
		return nil, s.err
	}
	return values, nil
}

// Array copies the tensor out as it is.
func (s *Scope) Array(t *Tensor) (*ndarray.Array, error) {
	dtype, err := s.DType(t)
	if err != nil {
		return nil, err
	}
	shape, err := s.Shape(t)
	if err != nil {
		return nil, err
	}
	a, err := ndarray.New(dtype, toInt(shape)...)
	if err != nil {
		return nil, err
	}
	s.effect("copy out", func() *libtorch.Error { return libtorch.CopyOut(t.handle, a.Data) }, t)
	if s.err != nil {
		return nil, s.err
	}
	return a, nil
}

func count(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

func toInt(shape []int64) []int {
	out := make([]int, len(shape))
	for i, d := range shape {
		out[i] = int(d)
	}
	return out
}

func toInt64(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, d := range shape {
		out[i] = int64(d)
	}
	return out
}
