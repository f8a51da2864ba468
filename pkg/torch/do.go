package torch

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// threads is what every computation uses; 0 stands for one per core.
var threads atomic.Int32

// SetThreads sets the number of CPU threads that operations use from now on; 0 is
// one for each core that the process may use.
func SetThreads(n int) { threads.Store(int32(n)) } //nolint:gosec // a thread count

// Threads is the number of CPU threads that operations use.
func Threads() int {
	if n := int(threads.Load()); n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// Do runs f in a scope of its own on the CPU; see DoOn.
func Do(ctx context.Context, mode Mode, f func(*Scope) error) error {
	return DoOn(ctx, CPU, mode, f)
}

// DoOn runs f in a scope of its own, whose operations create tensors on device,
// and frees what f made, also when f panics. The goroutine keeps its OS thread
// meanwhile: libtorch's threads and gradient mode belong to OS threads. Before
// each operation ctx is checked; a cancelled scope's error is
// context.Cause(ctx). DoOn returns f's error or the scope's.
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

func run(ctx context.Context, s *Scope, f func(*Scope) error) error {
	defer s.Close()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := libtorch.SetThreads(Threads()); err != nil {
		return err
	}
	libtorch.SetGradMode(s.grad)
	defer libtorch.SetGradMode(true)
	return finish(s, f(s))
}

// currentThreads is what this OS thread's operations use.
func currentThreads() int { return libtorch.Threads() }
