package torch

import (
	"context"
	"fmt"
	"runtime"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// op runs an operation on operands, all of which must be there, and takes its
// result into the scope; nil where there is no result.
func (s *Scope) op(name string, call func(grad bool) (libtorch.Handle, *libtorch.Error), operands ...*Tensor) *Tensor {
	var handle libtorch.Handle
	s.effect(name, func() (err *libtorch.Error) {
		handle, err = call(s.grad)
		return err
	}, operands...)
	if handle == nil {
		return nil
	}
	t := &Tensor{made: here()}
	s.own(t, handle)
	return t
}

// effect runs an operation that gives no tensor.
func (s *Scope) effect(name string, call func() *libtorch.Error, operands ...*Tensor) {
	if !s.ready(name, operands...) {
		return
	}
	var err *libtorch.Error
	if s.worker != 0 {
		err = call()
	} else if waiting := onWorker(s.ctx, func(int) { err = call() }); waiting != nil {
		s.Fail(waiting)
		return
	}
	// A tensor keeps its scope, which keeps the handle that call used.
	runtime.KeepAlive(operands)
	if err != nil {
		s.failed(name, err, operands...)
	}
}

// ready tells whether an operation may run: no error so far, not cancelled, on
// the scope's own goroutine, the scope and all operands open.
func (s *Scope) ready(name string, operands ...*Tensor) bool {
	switch {
	case s.err != nil:
	case s.owned.closed:
		s.Fail(&Error{Op: name, Kind: ErrClosed, Msg: "the scope is closed" + s.owned.made.String()})
	case s.ctx.Err() != nil:
		s.Fail(context.Cause(s.ctx))
	case s.worker != 0 && libtorch.ThreadMark() != s.worker:
		s.Fail(&Error{Op: name, Msg: "a scope belongs to one goroutine: this is another" + s.owned.made.String()})
	default:
		s.checkOperands(name, operands)
	}
	return s.err == nil
}

func (s *Scope) checkOperands(name string, operands []*Tensor) {
	for i, t := range operands {
		var msg string
		switch {
		case t == nil:
			msg = fmt.Sprintf("tensor %d of %d is missing", i+1, len(operands))
		case t.handle == nil:
			msg = fmt.Sprintf("tensor %d of %d is closed%s", i+1, len(operands), t.made)
		default:
			continue
		}
		s.Fail(&Error{Op: name, Layer: s.currentLayer(), Kind: ErrClosed, Msg: msg})
	}
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
