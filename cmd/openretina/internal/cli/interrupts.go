package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// ErrInterrupted is the cause with which the contexts of Interrupts are cancelled.
var ErrInterrupted = errors.New("interrupted")

// Interrupts are the two ways in which a user stops a computation.
type Interrupts struct {
	// Soft is cancelled by the first signal: finish the batch, the step or the
	// file, save, and end.
	Soft context.Context
	// Hard is cancelled by the second one: stop at the next tensor operation and
	// save nothing. It is the context for tensor scopes.
	Hard context.Context

	orders chan<- struct{}
	quiet  *atomic.Bool
	done   <-chan struct{} // closed when the watch has ended
}

// Obey takes each byte of a stream for an interrupt, and its end for one if there
// was none before: a job of a sweep stops with the process that started it. The
// orders are counted apart from the signals, and the larger number counts, since
// Ctrl-C on a terminal reaches both processes. The other one tells the user.
func (in Interrupts) Obey(r io.Reader) {
	in.quiet.Store(true)
	var one [1]byte
	for given := 0; ; given++ {
		_, err := io.ReadFull(r, one[:])
		if err != nil && given > 0 {
			return
		}
		select {
		case in.orders <- struct{}{}:
		case <-in.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// WatchSignals cancels on Ctrl-C, SIGTERM, and the loss of the terminal where the
// program was not told to ignore that (nohup). The third signal ends the program
// at once. Stop ends the watch.
func WatchSignals(log io.Writer) (in Interrupts, stop func()) {
	// A reader that has closed its pipe must not kill a training run: writes then
	// fail, which loses a progress line, or is reported when stdout is closed.
	signal.Ignore(syscall.SIGPIPE)
	watched := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		watched = append(watched, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, watched...)
	in, end := watch(signals, log, os.Exit)
	return in, func() {
		signal.Stop(signals)
		end()
	}
}

// watch is WatchSignals on any channel.
func watch(signals <-chan os.Signal, log io.Writer, exit func(int)) (Interrupts, func()) {
	hard, cancelHard := context.WithCancelCause(context.Background())
	soft, cancelSoft := context.WithCancelCause(hard)
	done, orders, quiet := make(chan struct{}), make(chan struct{}), &atomic.Bool{}
	say := func(text string) {
		if !quiet.Load() {
			fmt.Fprintln(log, text)
		}
	}
	go func() {
		received, ordered := 0, 0
		for count := 1; ; count++ {
			for max(received, ordered) < count {
				select {
				case <-done:
					return
				case <-signals:
					received++
				case <-orders:
					ordered++
				}
			}
			switch count {
			case 1:
				say("interrupted: finishing this step and saving; interrupt again to stop without saving")
				cancelSoft(ErrInterrupted)
			case 2:
				say("interrupted again: stopping without saving; interrupt again to end at once")
				cancelHard(ErrInterrupted)
			default:
				exit(exitInterrupted)
				return
			}
		}
	}()
	return Interrupts{Soft: soft, Hard: hard, orders: orders, quiet: quiet, done: done}, func() {
		close(done)
		cancelSoft(nil)
		cancelHard(nil)
	}
}
