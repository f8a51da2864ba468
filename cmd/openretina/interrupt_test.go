package main

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stalledHub never finishes an answer; it tells when a request has come.
func stalledHub(t *testing.T) (url string, asked <-chan struct{}) {
	t.Helper()
	requests, done := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	return server.URL, requests
}

// start runs the program until it waits for the hub.
func start(t *testing.T) (cmd *exec.Cmd, stderr *bufio.Reader) {
	t.Helper()
	url, asked := stalledHub(t)
	cmd = exec.Command("openretina", "download", "sridhar_2025")
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+url, "HF_HUB_OFFLINE=", "OPENRETINA_CACHE_DIRECTORY="+t.TempDir())
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the program does not ask the hub")
	}
	return cmd, bufio.NewReader(pipe)
}

func code(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

func TestOneSignalEndsWithCode130(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd, stderr := start(t)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			line, err := stderr.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "interrupted: ") {
				t.Errorf("stderr is %q, %v", line, err)
			}
			if got := code(t, cmd.Wait()); got != 130 {
				t.Errorf("exit code is %d", got)
			}
		})
	}
}
