package torch

import "github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"

// Reshape gives x another shape with as many elements; one entry may be -1.
func (s *Scope) Reshape(x *Tensor, shape ...int64) *Tensor {
	return s.op("reshape", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Reshape(grad, x.handle, shape)
	}, x)
}

// Permute reorders the dimensions.
func (s *Scope) Permute(x *Tensor, dims ...int64) *Tensor {
	return s.op("permute", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Permute(grad, x.handle, dims)
	}, x)
}

// Expand repeats dimensions of size one without copying; -1 keeps a size.
func (s *Scope) Expand(x *Tensor, shape ...int64) *Tensor {
	return s.op("expand", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Expand(grad, x.handle, shape)
	}, x)
}

// Narrow takes length entries of a dimension from start on.
func (s *Scope) Narrow(x *Tensor, dim, start, length int64) *Tensor {
	return s.op("narrow", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Narrow(grad, x.handle, dim, start, length)
	}, x)
}

// From takes all entries of a dimension from start on, as x[:, start:] does: a
// start beyond the end gives none.
func (s *Scope) From(x *Tensor, dim, start int64) *Tensor {
	size := s.Dim(x, int(dim))
	start = min(start, size)
	return s.Narrow(x, dim, start, size-start)
}

// IndexSelect takes the named entries of a dimension, in their order.
func (s *Scope) IndexSelect(x *Tensor, dim int64, index []int64) *Tensor {
	return s.op("index_select", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.IndexSelect(grad, x.handle, dim, index)
	}, x)
}

// Cat joins tensors along a dimension.
func (s *Scope) Cat(dim int64, parts ...*Tensor) *Tensor {
	return s.op("cat", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Cat(grad, rawHandles(parts), dim)
	}, parts...)
}

// Stack joins tensors of one shape along a new dimension.
func (s *Scope) Stack(dim int64, parts ...*Tensor) *Tensor {
	return s.op("stack", func(grad bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.Stack(grad, rawHandles(parts), dim)
	}, parts...)
}
