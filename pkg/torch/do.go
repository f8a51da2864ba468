package torch

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// threads is what every computation uses; 0 stands for one per core.
var threads atomic.Int32

// maxThreads keeps a slip of the pen from starting more threads than the system
// gives: libtorch's thread pool ends the process when it cannot start one.
const maxThreads = 1024

// SetThreads sets the number of CPU threads that operations use from now on; 0 is
// one for each core that the process may use.
func SetThreads(n int) { threads.Store(int32(n)) }

// Threads is the number of CPU threads that operations use.
func Threads() int {
	if n := int(threads.Load()); n > 0 {
		return min(n, maxThreads)
	}
	return runtime.NumCPU()
}

// Do runs f in a scope of its own on the CPU; see DoOn.
func Do(ctx context.Context, mode Mode, f func(*Scope) error) error {
	return DoOn(ctx, CPU, mode, f)
}

// DoOn runs f in a scope of its own, whose operations create tensors on device,
// and frees what f made, also when f panics. f runs on one of a few OS threads
// that are kept for libtorch, while the caller waits; it must not wait for
// another goroutine's Do, which may find all of them taken. Before each operation
// ctx is checked; a cancelled scope's error is context.Cause(ctx). DoOn returns
// f's error or the scope's.
func DoOn(ctx context.Context, device Device, mode Mode, f func(*Scope) error) error {
	return run(ctx, newScope(nil, ctx, mode, device), f)
}

// Do is DoOn on s's device, with s as the outer scope to which Keep moves what
// must outlive f. An error stays with the inner scope.
func (s *Scope) Do(ctx context.Context, mode Mode, f func(*Scope) error) error {
	if s.err != nil {
		return s.err
	}
	return run(ctx, newScope(s, ctx, mode, s.device), f)
}

func run(ctx context.Context, s *Scope, f func(*Scope) error) (err error) {
	defer s.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	waiting := onWorker(ctx, func(number int) {
		s.worker = number
		err = s.perform(f)
	})
	if waiting != nil {
		return waiting
	}
	return err
}

// perform runs f with the thread's number of threads and gradient mode set, both
// of which belong to OS threads.
func (s *Scope) perform(f func(*Scope) error) error {
	if err := libtorch.SetThreads(Threads()); err != nil {
		return err
	}
	before := libtorch.SetGradMode(s.grad)
	defer libtorch.SetGradMode(before)
	return finish(s, f(s))
}
