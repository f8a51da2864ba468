package torch

import (
	"context"
	"errors"
	"fmt"
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
	outer  *Scope
	ctx    context.Context
	mode   Mode
	grad   bool
	device Device
	layer  []string
	rng    *Generator
	err    error
	owned  *owned
	net    runtime.Cleanup
}

// owned is what a scope frees; apart from the scope, so that a forgotten scope
// can be reported and its tensors freed when it is collected.
type owned struct {
	tensors []*Tensor
	closed  bool
	made    string // where the scope was made, in debug builds
}

// NewScope makes a scope without an outer one, for tensors that live long
// (parameters, optimizer state). Its operations record no gradients.
func NewScope(device Device) *Scope {
	return newScope(nil, context.Background(), Inference, device)
}

func newScope(outer *Scope, ctx context.Context, mode Mode, device Device) *Scope {
	s := &Scope{outer: outer, ctx: ctx, mode: mode, grad: mode != Inference, device: device, owned: &owned{made: creationStack()}}
	s.net = runtime.AddCleanup(s, reportForgotten, s.owned)
	return s
}

var (
	leakMu     sync.Mutex
	leakReport = func(string) {}
)

// OnForgottenScope sets what is told when a scope with tensors is garbage
// collected before Close. The tensors are freed then all the same.
func OnForgottenScope(report func(message string)) {
	leakMu.Lock()
	defer leakMu.Unlock()
	leakReport = report
}

func reportForgotten(o *owned) {
	if o.closed || len(o.tensors) == 0 {
		return
	}
	leakMu.Lock()
	report := leakReport
	leakMu.Unlock()
	report(fmt.Sprintf("scope with %d tensors was never closed%s", len(o.tensors), o.made))
	o.free()
}

func (o *owned) free() {
	handles := make([]libtorch.Handle, 0, len(o.tensors))
	for _, t := range o.tensors {
		handles = append(handles, t.handle)
		t.handle, t.owner = nil, nil
	}
	o.tensors, o.closed = nil, true
	libtorch.Free(handles)
}

// Close frees the scope's tensors. A second call does nothing.
func (s *Scope) Close() {
	if s.owned.closed {
		return
	}
	s.net.Stop()
	s.owned.free()
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
	inner.grad, inner.rng = s.grad, s.rng
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

// finish is the error of a scope's function: its own result, unless that is
// missing or only follows from the scope's first error.
func finish(s *Scope, err error) error {
	if err == nil || s.err != nil && !errors.Is(err, s.err) {
		return errors.Join(s.err, err)
	}
	return err
}

// Keep moves a detached value of t to the outer scope and returns it. The graph
// that computed t is not held.
func (s *Scope) Keep(t *Tensor) *Tensor { return s.moveOut(s.Detach(t)) }

// KeepGraph moves t itself to the outer scope: a kept loss holds its whole graph.
func (s *Scope) KeepGraph(t *Tensor) *Tensor { return s.moveOut(t) }

func (s *Scope) moveOut(t *Tensor) *Tensor {
	if s.err != nil || t == nil {
		return nil
	}
	if s.outer == nil {
		s.Fail(&Error{Op: "keep", Msg: "this scope has no outer scope"})
		return nil
	}
	if t.owner != s.owned {
		s.Fail(&Error{Op: "keep", Kind: ErrClosed, Msg: "tensor does not belong to this scope"})
		return nil
	}
	s.owned.remove(t)
	s.outer.own(t)
	return t
}

func (s *Scope) own(t *Tensor) {
	t.owner, t.index = s.owned, len(s.owned.tensors)
	s.owned.tensors = append(s.owned.tensors, t)
}

func (o *owned) remove(t *Tensor) {
	last := len(o.tensors) - 1
	o.tensors[t.index] = o.tensors[last]
	o.tensors[t.index].index = t.index
	o.tensors = o.tensors[:last]
}

// Free frees tensors of this scope before Close; nil entries are skipped.
func (s *Scope) Free(tensors ...*Tensor) {
	for _, t := range tensors {
		if t == nil || t.owner != s.owned {
			continue
		}
		s.owned.remove(t)
		libtorch.Free([]libtorch.Handle{t.handle})
		t.handle, t.owner = nil, nil
	}
}

// LiveTensors is the number of tensors that exist in the process.
func LiveTensors() int64 { return libtorch.Live() }

// Replace makes t hold the value of another tensor of this scope, which is
// closed by it.
func (s *Scope) Replace(t, by *Tensor) {
	if !s.ready("replace", t, by) {
		return
	}
	s.owned.remove(by)
	libtorch.Free([]libtorch.Handle{t.handle})
	t.handle = by.handle
	by.handle, by.owner = nil, nil
}

// SetDevice changes where the scope's operations create tensors.
func (s *Scope) SetDevice(d Device) { s.device = d }
