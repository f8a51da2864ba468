package torch

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// maxWorkers is how many OS threads compute at the same time. Each of them
// spreads its operations over Threads() more, so a few keep any machine busy.
const maxWorkers = 4

// worker is an OS thread that runs libtorch's code. libtorch keeps a pool of
// threads and memory for every OS thread that ever called it, and goroutines
// wander over OS threads: a thousand of them would leave a thousand pools. So
// all calls that compute are made by a few threads that live as long as the
// process.
type worker struct {
	number int
	jobs   chan func()
	done   chan outcome
}

// outcome says how a job ended.
type outcome struct {
	finished bool // false: by runtime.Goexit, as t.FailNow does
	panicked *Panic
}

// Panic is what a panic inside Do becomes in the goroutine that called Do.
type Panic struct {
	Value any
	Stack []byte // where it happened
}

func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

var workers = struct {
	slots chan struct{} // one for each worker that is busy
	mu    sync.Mutex
	idle  []*worker // the one used last is at the end, and used next: its memory is warm
	count atomic.Int32
}{slots: make(chan struct{}, maxWorkers)}

// onWorker runs f on a worker's thread and waits for it: at once where the
// caller runs on one already. It gives up while all workers are busy and ctx is
// cancelled. A panic in f is one of the caller.
func onWorker(ctx context.Context, f func(number int)) error {
	if number := libtorch.ThreadMark(); number != 0 {
		f(number)
		return nil
	}
	select {
	case workers.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w := takeWorker()
	w.jobs <- func() { f(w.number) }
	result := <-w.done
	if result.finished || result.panicked != nil {
		giveBack(w)
	}
	<-workers.slots
	switch {
	case result.panicked != nil:
		panic(result.panicked)
	case !result.finished:
		runtime.Goexit()
	}
	return nil
}

func takeWorker() *worker {
	workers.mu.Lock()
	defer workers.mu.Unlock()
	if last := len(workers.idle) - 1; last >= 0 {
		w := workers.idle[last]
		workers.idle = workers.idle[:last]
		return w
	}
	w := &worker{number: int(workers.count.Add(1)), jobs: make(chan func()), done: make(chan outcome)}
	go w.work()
	return w
}

func giveBack(w *worker) {
	workers.mu.Lock()
	defer workers.mu.Unlock()
	workers.idle = append(workers.idle, w)
}

// work is the life of a worker. The thread is never unlocked: when a job ends
// the goroutine, the thread ends with it.
func (w *worker) work() {
	runtime.LockOSThread()
	libtorch.MarkThread(w.number)
	for job := range w.jobs {
		w.run(job)
	}
}

func (w *worker) run(job func()) {
	var result outcome
	defer func() {
		if r := recover(); r != nil {
			result.panicked = asPanic(r)
		}
		w.done <- result
	}()
	job()
	result.finished = true
}

// asPanic keeps the place of the innermost panic.
func asPanic(r any) *Panic {
	if p, ok := r.(*Panic); ok {
		return p
	}
	return &Panic{Value: r, Stack: debug.Stack()}
}
