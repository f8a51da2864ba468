package cli

import (
	"bytes"
	"context"
	"errors"
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

func TestStopEndsTheWatch(t *testing.T) {
	in, stop := watch(make(chan os.Signal), &bytes.Buffer{}, func(int) { t.Error("ended") })
	stop()
	if errors.Is(context.Cause(in.Soft), ErrInterrupted) {
		t.Error("stopping looks like an interrupt")
	}
}
