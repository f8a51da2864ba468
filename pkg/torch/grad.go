package torch

import "github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"

// RequireGrad makes t, a leaf, collect its gradient and returns it.
func (s *Scope) RequireGrad(t *Tensor, on bool) *Tensor {
	s.effect("requires_grad", func() *libtorch.Error { return libtorch.SetRequiresGrad(t.handle, on) }, t)
	return t
}

// RequiresGrad tells whether operations of t are recorded.
func (s *Scope) RequiresGrad(t *Tensor) (on bool, err error) {
	s.effect("requires_grad", func() (e *libtorch.Error) {
		on, e = libtorch.RequiresGrad(t.handle)
		return e
	}, t)
	return on, s.err
}

// Backward adds the gradients of loss, a scalar, to its leaves.
func (s *Scope) Backward(loss *Tensor) {
	s.effect("backward", func() *libtorch.Error { return libtorch.Backward(loss.handle) }, loss)
}

// BackwardWith is Backward of a tensor of any shape, given the gradient with
// respect to it.
func (s *Scope) BackwardWith(t, gradient *Tensor) {
	s.effect("backward", func() *libtorch.Error { return libtorch.BackwardWith(t.handle, gradient.handle) }, t, gradient)
}

// Grad is t's collected gradient, nil where it has none. The storage is shared.
func (s *Scope) Grad(t *Tensor) *Tensor {
	return s.op("grad", func(bool) (libtorch.Handle, *libtorch.Error) { return libtorch.Grad(t.handle) }, t)
}

// HaveGrad gives the places of the tensors that have a gradient.
func (s *Scope) HaveGrad(tensors []*Tensor) []int {
	var which []int
	s.effect("have grad", func() *libtorch.Error {
		have, err := libtorch.HaveGrad(rawHandles(tensors))
		for i, yes := range have {
			if yes {
				which = append(which, i)
			}
		}
		return err
	}, tensors...)
	return which
}

// ClearGrad sets the gradients of tensors to none.
func (s *Scope) ClearGrad(tensors ...*Tensor) {
	s.effect("clear grad", func() *libtorch.Error { return libtorch.ClearGrads(rawHandles(tensors)) }, tensors...)
}

// CopyInto overwrites dst with src, of the same shape; never recorded.
func (s *Scope) CopyInto(dst, src *Tensor) {
	s.effect("copy", func() *libtorch.Error { return libtorch.CopyInto(dst.handle, src.handle) }, dst, src)
}

// ClampInPlace limits t's values; never recorded.
func (s *Scope) ClampInPlace(t *Tensor, minimum, maximum *float64) {
	s.effect("clamp", func() *libtorch.Error { return libtorch.ClampInPlace(t.handle, minimum, maximum) }, t)
}

// AddInPlace adds a number to t; never recorded.
func (s *Scope) AddInPlace(t *Tensor, value float64) {
	s.effect("add", func() *libtorch.Error { return libtorch.AddInPlace(t.handle, value) }, t)
}

// ClipGradNorm scales the gradients of params to a common 2-norm of at most
// maxNorm, as torch.nn.utils.clip_grad_norm_, and returns the norm they had, a
// tensor without dimensions.
func (s *Scope) ClipGradNorm(params []*Tensor, maxNorm float64) *Tensor {
	return s.op("clip_grad_norm", func(bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.ClipGradNorm(rawHandles(params), maxNorm)
	}, params...)
}
