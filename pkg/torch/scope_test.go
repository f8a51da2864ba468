package torch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// processStatus reads a number of /proc/self/status: Threads, or VmRSS in KiB.
func processStatus(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in /proc/self/status", name)
	return 0
}

func smallStep(ctx context.Context) error {
	return Do(ctx, Train, func(s *Scope) error {
		w := s.RequireGrad(s.Ones(4, 2, 3, 3, 3), true)
		s.Backward(s.Sum(s.Conv3D(s.Ones(8, 2, 8, 8, 8), w, nil, Conv3DOptions{})))
		return s.Err()
	})
}

// TestManyGoroutinesShareFewThreads: each OS thread that calls libtorch gets a
// pool of threads and memory of its own, for ever.
func TestManyGoroutinesShareFewThreads(t *testing.T) {
	before := processStatus(t, "Threads")
	var memory int
	for round := range 3 {
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if err := smallStep(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if round == 0 {
			memory = processStatus(t, "VmRSS")
		}
	}
	if grown := processStatus(t, "VmRSS") - memory; grown > 20<<10 {
		t.Errorf("2,000 more computations took %d KiB", grown)
	}
	// Each worker has a pool of Threads()-1 more; the Go runtime adds a few.
	if got, limit := processStatus(t, "Threads")-before, maxWorkers*Threads()+16; got > limit {
		t.Errorf("%d threads more, want at most %d", got, limit)
	}
}

// collect runs the garbage collector until done says so, at most for a while.
func collect(t *testing.T, done func() bool) {
	t.Helper()
	for range 100 {
		runtime.GC()
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the garbage collector did not come by")
}

func TestForgottenScopeIsReportedAndFreed(t *testing.T) {
	before := LiveTensors()
	var mu sync.Mutex
	var report string
	OnForgottenScope(func(message string) {
		mu.Lock()
		defer mu.Unlock()
		report = message
	})
	defer OnForgottenScope(func(string) {})
	func() { NewScope(CPU).Zeros(3) }()
	collect(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return report != "" && LiveTensors() == before
	})
	if want := "a scope with 1 tensors was never closed"; !strings.HasPrefix(report, want) {
		t.Errorf("report is %q, want %q", report, want)
	}
}

// TestTensorKeepsItsScope: whoever holds a tensor may use it, though nobody holds
// the scope.
func TestTensorKeepsItsScope(t *testing.T) {
	reported := make(chan string, 1)
	OnForgottenScope(func(message string) { reported <- message })
	defer OnForgottenScope(func(string) {})
	x := NewScope(CPU).Ones(1 << 10)
	for range 5 {
		runtime.GC()
	}
	do(t, Inference, func(s *Scope) error {
		sum, err := s.Item(s.Sum(x))
		if sum != 1<<10 {
			t.Errorf("sum is %v", sum)
		}
		return err
	})
	x = nil
	select {
	case <-reported:
		t.Error("the scope was collected while its tensor was in use")
	default:
	}
	collect(t, func() bool { return len(reported) > 0 })
}

func TestScopeBelongsToOneGoroutine(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		in := func(f func()) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				f()
			}()
			<-done
		}
		err := s.Inner(func(inner *Scope) error {
			in(func() { inner.Zeros(1) })
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "one goroutine") {
			t.Errorf("error is %v", err)
		}
		s.err = nil
		return nil
	})
}

func TestKeepRefusesWhatCannotBeKept(t *testing.T) {
	outer := NewScope(CPU)
	for name, c := range map[string]struct {
		want string
		f    func(s *Scope)
	}{
		"tensor of another scope": {"belongs to another scope", func(s *Scope) { s.KeepGraph(outer.Zeros(1)) }},
		"nothing":                 {"is missing", func(s *Scope) { s.KeepGraph(nil) }},
		"twice":                   {"belongs to another scope", func(s *Scope) { s.KeepGraph(s.KeepGraph(s.Zeros(1))) }},
		"outer scope is closed":   {"the outer scope is closed", func(s *Scope) { x := s.Zeros(1); outer.Close(); s.Keep(x) }},
	} {
		t.Run(name, func(t *testing.T) {
			outer = NewScope(CPU)
			defer outer.Close()
			err := outer.Do(t.Context(), Inference, func(s *Scope) error {
				c.f(s)
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
	}
	err := Do(t.Context(), Inference, func(s *Scope) error {
		s.Keep(s.Zeros(1))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "no outer scope") {
		t.Errorf("keeping out of everything: %v", err)
	}
}

func TestReplaceIsForTwoTensorsOfAScope(t *testing.T) {
	do(t, Inference, func(s *Scope) error {
		x, y := s.Zeros(2), s.Ones(2)
		s.Replace(x, y)
		if got := values(t, s, x); got[0] != 1 || y.handle != nil {
			t.Errorf("x is %v", got)
		}
		other := NewScope(CPU)
		defer other.Close()
		s.Replace(x, other.Ones(2))
		if s.Err() == nil {
			t.Error("a tensor of another scope is taken")
		}
		s.err = nil
		return nil
	})
}

func TestUseAfterCloseIsAnError(t *testing.T) {
	s := NewScope(CPU)
	x := s.Zeros(1)
	s.Free(x, nil, x)
	if s.Exp(x) != nil || !errors.Is(s.Err(), ErrClosed) {
		t.Errorf("using a freed tensor: %v", s.Err())
	}
	s.Close()
	s.Close()
	var kept *Scope
	if err := Do(t.Context(), Inference, func(s *Scope) error {
		kept = s
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if kept.Zeros(1) != nil || !errors.Is(kept.Err(), ErrClosed) {
		t.Errorf("using a scope after its Do: %v", kept.Err())
	}
	if err := kept.Do(t.Context(), Inference, func(*Scope) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("a scope inside it: %v", err)
	}
}

func TestErrorOfAScopeIsItsFirstAndOneLine(t *testing.T) {
	own := errors.New("own trouble")
	bad := func(s *Scope) { s.Reshape(s.Zeros(3), 2) }
	for name, c := range map[string]struct {
		f    func(*Scope) error
		want []string
	}{
		"the scope's":             {func(s *Scope) error { bad(s); return nil }, []string{"reshape of [3]"}},
		"the function's":          {func(*Scope) error { return own }, []string{"own trouble"}},
		"both, the scope's first": {func(s *Scope) error { bad(s); return own }, []string{"reshape of [3]", "own trouble"}},
		"wrapped":                 {func(s *Scope) error { bad(s); return fmt.Errorf("session a: %w", s.Err()) }, []string{"session a: reshape of [3]"}},
		"of a scope inside": {func(s *Scope) error {
			_ = s.Inner(func(in *Scope) error { bad(in); return nil })
			return nil
		}, []string{"reshape of [3]"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := Do(t.Context(), Inference, c.f)
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error is %q", err)
			}
			at := -1
			for _, want := range c.want {
				i := strings.Index(err.Error(), want)
				if i <= at {
					t.Errorf("error is %q, want %q in this order", err, c.want)
				}
				at = i
			}
		})
	}
}

func TestPanicAndGoexitReachTheCaller(t *testing.T) {
	before := LiveTensors()
	func() {
		defer func() {
			p, ok := recover().(*Panic)
			if !ok || p.Value != "programming error" || !strings.Contains(string(p.Stack), "scope_test.go") {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = Do(t.Context(), Inference, func(s *Scope) error {
			return s.Do(t.Context(), Inference, func(s *Scope) error {
				s.Zeros(3)
				panic("programming error")
			})
		})
	}()
	returned := true
	var all sync.WaitGroup
	all.Go(func() {
		_ = Do(t.Context(), Inference, func(s *Scope) error {
			s.Zeros(3)
			runtime.Goexit()
			return nil
		})
		returned = false
	})
	all.Wait()
	if !returned {
		t.Error("Do came back though its function ended the goroutine")
	}
	if LiveTensors() != before {
		t.Error("tensors survive")
	}
	for range 2 * maxWorkers { // no worker was lost
		if err := smallStep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestComputationInsideAnotherUsesItsThread(t *testing.T) {
	do(t, Train, func(s *Scope) error {
		worker := libtorch.ThreadMark()
		err := Do(t.Context(), Inference, func(*Scope) error {
			if got := libtorch.ThreadMark(); got != worker || worker == 0 {
				t.Errorf("runs on worker %d inside one on %d", got, worker)
			}
			return nil
		})
		if before := libtorch.SetGradMode(true); !before {
			t.Error("the inner computation left its gradient mode")
		}
		return err
	})
}

func TestWaitingForAWorkerCanBeCancelled(t *testing.T) {
	release := make(chan struct{})
	var busy, started sync.WaitGroup
	for range maxWorkers {
		started.Add(1)
		busy.Go(func() {
			_ = Do(context.Background(), Inference, func(*Scope) error {
				started.Done()
				<-release
				return nil
			})
		})
	}
	started.Wait()
	why := errors.New("no patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancelled := make(chan error)
	go func() { cancelled <- Do(ctx, Inference, func(*Scope) error { return nil }) }()
	cancel(why)
	if err := <-cancelled; !errors.Is(err, why) {
		t.Errorf("error is %v", err)
	}
	close(release)
	busy.Wait()
}

// TestOneOpenMP: two of them in a process fight for the cores.
func TestOneOpenMP(t *testing.T) {
	if err := smallStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("no /proc here")
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		if i := strings.IndexByte(line, '/'); i >= 0 {
			path := strings.TrimSpace(line[i:])
			if strings.Contains(path, "libgomp") || strings.Contains(path, "libomp") || strings.Contains(path, "libiomp") {
				found[path] = true
			}
		}
	}
	if len(found) != 1 {
		t.Errorf("the process has these OpenMP libraries: %v", found)
	}
}
