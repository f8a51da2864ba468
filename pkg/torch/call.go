package torch

import (
	"context"
	"runtime"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// op runs an operation on operands, all of which must be there, and takes its
// result into the scope.
func (s *Scope) op(name string, call func(grad bool) (libtorch.Handle, *libtorch.Error), operands ...*Tensor) *Tensor {
	if !s.ready(name, operands...) {
		return nil
	}
	h, err := call(s.grad)
	runtime.KeepAlive(s)
	if err != nil {
		s.failed(name, err, operands...)
		return nil
	}
	t := &Tensor{handle: h}
	s.own(t)
	return t
}

// effect runs an operation without a result.
func (s *Scope) effect(name string, call func() *libtorch.Error, operands ...*Tensor) {
	if !s.ready(name, operands...) {
		return
	}
	err := call()
	runtime.KeepAlive(s)
	if err != nil {
		s.failed(name, err, operands...)
	}
}

// ready tells whether an operation may run: no error so far, not cancelled, the
// scope and all operands open.
func (s *Scope) ready(name string, operands ...*Tensor) bool {
	if s.err != nil {
		return false
	}
	if s.owned.closed {
		s.Fail(&Error{Op: name, Kind: ErrClosed, Msg: "scope is closed" + s.owned.made})
		return false
	}
	if s.ctx.Err() != nil {
		s.Fail(context.Cause(s.ctx))
		return false
	}
	for _, t := range operands {
		if t == nil || t.handle == nil {
			s.Fail(&Error{Op: name, Layer: s.currentLayer(), Kind: ErrClosed, Msg: "tensor is closed or missing"})
			return false
		}
	}
	return true
}

func (s *Scope) failed(name string, err *libtorch.Error, operands ...*Tensor) {
	e := &Error{Op: name, Layer: s.currentLayer(), Kind: kindOf(err), Msg: firstSentence(err.Msg), Trace: err.Trace}
	for _, t := range operands {
		if shape, err := libtorch.Shape(t.handle); err == nil {
			e.Shapes = append(e.Shapes, shape)
		}
	}
	s.Fail(e)
}
