package torch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// Mode says what a computation is for.
type Mode int

const (
	// Inference records no gradients; normalisation uses running statistics.
	Inference Mode = iota
	// Probe records gradients while layers behave as in inference: what optimising
	// a stimulus needs.
	Probe
	// Train records gradients; normalisation uses and updates batch statistics,
	// dropout is active.
	Train
)

// Scope owns tensors and carries the first error of a computation. It belongs to
// one goroutine; loader goroutines hand over Go slices, never tensors.
type Scope struct {
	outer   *Scope
	ctx     context.Context
	mode    Mode
	grad    bool
	device  Device
	layer   []string
	rng     *Generator
	err     error
	worker  int       // whose thread the scope's operations run on; 0: any
	tensors []*Tensor // by their index
	owned   *owned
	net     runtime.Cleanup
}

// owned is what a scope frees: the handles of its tensors, in their order. It
// stands apart from the scope, and nothing in it leads back, so that a forgotten
// scope can be collected, reported and its tensors freed.
type owned struct {
	handles []libtorch.Handle
	lent    runtime.Pinner // memory of Go's under tensors
	closed  bool
	made    origin
}

// NewScope makes a scope without an outer one, for tensors that live long
// (parameters, optimizer state). Its operations record no gradients. One
// goroutine at a time may use it.
func NewScope(device Device) *Scope {
	return newScope(nil, context.Background(), Inference, device)
}

func newScope(outer *Scope, ctx context.Context, mode Mode, device Device) *Scope {
	s := &Scope{outer: outer, ctx: ctx, mode: mode, grad: mode != Inference, device: device, owned: &owned{made: here()}}
	s.net = runtime.AddCleanup(s, reportForgotten, s.owned)
	return s
}

var (
	leakMu     sync.Mutex
	leakReport = func(message string) { slog.Warn(message) }
)

// OnForgottenScope sets what is told when a scope with tensors is garbage
// collected before Close; without it that is slog.Warn. The tensors are freed
// then all the same.
func OnForgottenScope(report func(message string)) {
	leakMu.Lock()
	defer leakMu.Unlock()
	leakReport = report
}

func reportForgotten(o *owned) {
	if o.closed || len(o.handles) == 0 {
		return
	}
	leakMu.Lock()
	report := leakReport
	leakMu.Unlock()
	report(fmt.Sprintf("a scope with %d tensors was never closed%s", len(o.handles), o.made))
	o.free()
}

func (o *owned) free() {
	libtorch.Free(o.handles)
	o.lent.Unpin()
	o.handles, o.closed = nil, true
}

// Close frees the scope's tensors. A second call does nothing.
func (s *Scope) Close() {
	if s.owned.closed {
		return
	}
	s.net.Stop()
	s.owned.free()
	for _, t := range s.tensors {
		t.handle = nil
	}
	s.tensors = nil
}

// Err is the first error of the scope, or nil.
func (s *Scope) Err() error { return s.err }

// Fail makes err the scope's error, unless it has one.
func (s *Scope) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Training tells whether layers behave as in training.
func (s *Scope) Training() bool { return s.mode == Train }

// Recording tells whether the scope's operations record gradients.
func (s *Scope) Recording() bool { return s.grad }

// Device is where the scope's operations create tensors.
func (s *Scope) Device() Device { return s.device }

// Rand is the generator that random layers (dropout) draw from; nil where the
// computation was given none.
func (s *Scope) Rand() *Generator { return s.rng }

// SetRand gives the scope, and those inside it, the generator of random layers.
func (s *Scope) SetRand(g *Generator) { s.rng = g }

// Enter names the layer whose operations follow, for errors; the result leaves it:
//
//	defer s.Enter("core.features.layer0")()
func (s *Scope) Enter(layer string) (leave func()) {
	s.layer = append(s.layer, layer)
	return func() { s.layer = s.layer[:len(s.layer)-1] }
}

func (s *Scope) currentLayer() string {
	for o := s; o != nil; o = o.outer {
		if n := len(o.layer); n > 0 {
			return o.layer[n-1]
		}
	}
	return ""
}

// Inner runs f in a scope inside s and frees what f made, but for what it Kept.
// An error of f or of its operations is also s's.
func (s *Scope) Inner(f func(*Scope) error) error {
	if s.err != nil {
		return s.err
	}
	inner := newScope(s, s.ctx, s.mode, s.device)
	inner.grad, inner.rng, inner.worker = s.grad, s.rng, s.worker
	defer inner.Close()
	err := finish(inner, f(inner))
	if err != nil {
		s.Fail(err)
	}
	return err
}

// NoGrad stops recording gradients; the result restores what was:
//
//	defer s.NoGrad()()
func (s *Scope) NoGrad() (restore func()) {
	before := s.grad
	s.grad = false
	return func() { s.grad = before }
}

// finish is the error of a scope's function: the scope's first error, with the
// function's own where that is another one.
func finish(s *Scope, err error) error {
	switch {
	case s.err == nil:
		return err
	case err == nil:
		return s.err
	case errors.Is(err, s.err):
		return err
	}
	return fmt.Errorf("%w; then %w", s.err, err)
}

// Keep moves a detached value of t to the outer scope and returns it. The graph
// that computed t is not held.
func (s *Scope) Keep(t *Tensor) *Tensor { return s.moveOut(s.Detach(t)) }

// KeepGraph moves t itself to the outer scope: a kept loss holds its whole graph.
func (s *Scope) KeepGraph(t *Tensor) *Tensor { return s.moveOut(t) }

func (s *Scope) moveOut(t *Tensor) *Tensor {
	if !s.ready("keep", t) {
		return nil
	}
	switch {
	case s.outer == nil:
		s.Fail(&Error{Op: "keep", Msg: "this scope has no outer scope"})
		return nil
	case s.outer.owned.closed:
		s.Fail(&Error{Op: "keep", Kind: ErrClosed, Msg: "the outer scope is closed" + s.outer.owned.made.String()})
		return nil
	case t.scope != s:
		s.Fail(&Error{Op: "keep", Msg: "the tensor belongs to another scope"})
		return nil
	}
	handle := s.disown(t)
	s.outer.own(t, handle)
	return t
}

// own takes a handle into the scope, as t's.
func (s *Scope) own(t *Tensor, handle libtorch.Handle) {
	t.handle, t.scope, t.index = handle, s, len(s.tensors)
	s.tensors = append(s.tensors, t)
	s.owned.handles = append(s.owned.handles, handle)
}

// disown takes t, which is closed then, and its handle out of the scope.
func (s *Scope) disown(t *Tensor) libtorch.Handle {
	last := len(s.tensors) - 1
	moved := s.tensors[last]
	s.tensors[t.index], s.owned.handles[t.index] = moved, s.owned.handles[last]
	moved.index = t.index
	s.tensors, s.owned.handles = s.tensors[:last], s.owned.handles[:last]
	handle := t.handle
	t.handle = nil
	return handle
}

// Free frees tensors of this scope before Close; nil entries and tensors of
// other scopes are left alone.
func (s *Scope) Free(tensors ...*Tensor) {
	var handles []libtorch.Handle
	for _, t := range tensors {
		if t != nil && t.handle != nil && t.scope == s {
			handles = append(handles, s.disown(t))
		}
	}
	libtorch.Free(handles)
}

// LiveTensors is the number of tensors that exist in the process.
func LiveTensors() int64 { return libtorch.Live() }

// Replace makes t hold the value of another tensor, which is closed by it. Both
// must belong to this scope.
func (s *Scope) Replace(t, by *Tensor) {
	if !s.ready("replace", t, by) {
		return
	}
	if t.scope != s || by.scope != s || t == by {
		s.Fail(&Error{Op: "replace", Msg: "the tensors must be two of this scope"})
		return
	}
	handle := s.disown(by)
	libtorch.Free([]libtorch.Handle{t.handle})
	t.handle, s.owned.handles[t.index] = handle, handle
}

// SetDevice changes where the scope's operations create tensors.
func (s *Scope) SetDevice(d Device) { s.device = d }
