package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestSignalsCancelInThreeSteps(t *testing.T) {
	signals := make(chan os.Signal)
	exited := make(chan int, 1)
	var log bytes.Buffer
	in, stop := watch(signals, &log, func(code int) { exited <- code })
	defer stop()

	if in.Soft.Err() != nil || in.Hard.Err() != nil {
		t.Fatal("cancelled before any signal")
	}
	signals <- os.Interrupt
	<-in.Soft.Done()
	if in.Hard.Err() != nil {
		t.Error("the first signal cancelled tensor operations")
	}
	if !errors.Is(context.Cause(in.Soft), ErrInterrupted) {
		t.Errorf("cause is %v", context.Cause(in.Soft))
	}
	signals <- os.Interrupt
	<-in.Hard.Done()
	if !errors.Is(context.Cause(in.Hard), ErrInterrupted) {
		t.Errorf("cause is %v", context.Cause(in.Hard))
	}
	select {
	case <-exited:
		t.Error("the second signal ended the program")
	default:
	}
	signals <- os.Interrupt
	if code := <-exited; code != exitInterrupted {
		t.Errorf("exit code is %d", code)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("told the user %q", log.String())
	}
}

// TestOrders: what a parent orders and what signals say is not added up.
func TestOrders(t *testing.T) {
	for _, c := range []struct {
		name       string
		signals    int
		orders     string
		thenEnds   bool
		hard, gone bool
	}{
		{"one order", 0, ".", false, false, false},
		{"Ctrl-C on a terminal", 1, ".", false, false, false},
		{"two of both", 2, "..", false, true, false},
		{"a signal and two orders", 1, "..", false, true, false},
		{"the parent was killed", 0, "", true, false, false},
		{"the parent was killed while this saves", 0, ".", true, false, false},
		{"three orders", 0, "...", false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			signals := make(chan os.Signal)
			var log bytes.Buffer
			exited := make(chan int, 1)
			in, stop := watch(signals, &log, func(code int) { exited <- code })
			defer stop()
			parent, child := io.Pipe()
			obeyed := make(chan struct{})
			go func() {
				in.Obey(parent)
				close(obeyed)
			}()
			for range c.signals {
				signals <- os.Interrupt
			}
			if _, err := child.Write([]byte(c.orders)); err != nil {
				t.Fatal(err)
			}
			if c.thenEnds {
				_ = child.Close() // never fails
				<-obeyed
			}
			<-in.Soft.Done()
			if c.hard {
				<-in.Hard.Done()
			} else if in.Hard.Err() != nil {
				t.Error("stopped without saving")
			}
			if c.gone {
				if code := <-exited; code != exitInterrupted {
					t.Errorf("exit code is %d", code)
				}
			}
			_ = child.Close() // never fails
		})
	}
}

func TestStopEndsTheWatch(t *testing.T) {
	in, stop := watch(make(chan os.Signal), &bytes.Buffer{}, func(int) { t.Error("ended") })
	stop()
	if errors.Is(context.Cause(in.Soft), ErrInterrupted) {
		t.Error("stopping looks like an interrupt")
	}
}
