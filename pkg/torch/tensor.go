package torch

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// Tensor is a value of a scope. It has no methods that compute: those are the
// scope's.
type Tensor struct {
	handle libtorch.Handle
	owner  *owned
	index  int
}

// Shape is the tensor's sizes, or the scope's error.
func (s *Scope) Shape(t *Tensor) ([]int64, error) {
	if !s.ready("shape", t) {
		return nil, s.err
	}
	shape, err := libtorch.Shape(t.handle)
	if err != nil {
		s.failed("shape", err, t)
	}
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
		s.Fail(&Error{Op: "dim", Layer: s.currentLayer(), Shapes: [][]int64{shape}, Kind: ErrShape,
			Msg: fmt.Sprintf("no dimension %d", dim)})
		return 0
	}
	return shape[dim]
}

// DType is the tensor's element type, or the scope's error.
func (s *Scope) DType(t *Tensor) (ndarray.DType, error) {
	if !s.ready("dtype", t) {
		return ndarray.Invalid, s.err
	}
	d, err := libtorch.DType(t.handle)
	if err != nil {
		s.failed("dtype", err, t)
	}
	return d, s.err
}

// Item is the value of a tensor with one element, or the scope's error.
func (s *Scope) Item(t *Tensor) (float64, error) {
	if !s.ready("item", t) {
		return 0, s.err
	}
	v, err := libtorch.Item(t.handle)
	if err != nil {
		s.failed("item", err, t)
	}
	return v, s.err
}

// Float32s copies the elements out in C order, converted to float32.
func (s *Scope) Float32s(t *Tensor) ([]float32, error) {
	t = s.As(t, ndarray.Float32)
	shape, err := s.Shape(t)
	if err != nil {
		return nil, err
	}
	values := make([]float32, count(shape))
	if err := libtorch.CopyOutFloat32(t.handle, values); err != nil {
		s.failed("copy out", err, t)
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
	if err := libtorch.CopyOut(t.handle, a.Data); err != nil {
		s.failed("copy out", err, t)
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
