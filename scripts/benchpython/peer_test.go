package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

// shell starts a worker that is a line of shell.
func shell(t *testing.T, script string) *peer {
	t.Helper()
	p, err := startPeer(t.Context(), "worker", "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func TestPeerAnswers(t *testing.T) {
	p := shell(t, `read -r line; case "$line" in *'"op":"run"'*) echo '{"versions": "run", "ms": 1.5}' ;; esac; cat`)
	a, err := p.ask(request{Op: "run"})
	if err != nil || a.Versions != "run" || a.Milliseconds != 1.5 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestPeerErrors(t *testing.T) {
	for script, words := range map[string]string{
		`read -r line; echo '{"error": "no such file"}'; cat`:            "worker: no such file",
		`read -r line; echo first >&2; echo out of memory >&2; exit 137`: "exit status 137\n  first\n  out of memory",
		`read -r line; echo no JSON; cat >/dev/null`:                     "worker ended: invalid character",
		`exit 0`: "worker ended",
	} {
		p := shell(t, script)
		if _, err := p.ask(request{Op: "run"}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", script, err, words)
		}
	}
	if _, err := startPeer(t.Context(), "worker", "/nowhere/python"); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestPeerEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := startPeer(ctx, "worker", "sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := p.ask(request{Op: "run"}); err == nil {
		t.Error("a killed worker answered")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	said := &tail{}
	for range 1000 {
		if n, err := io.WriteString(said, "0123456789"); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = io.WriteString(said, "end\n")
	if text := said.quote(); len(text) > tailLength+3 || !strings.HasSuffix(text, "end") {
		t.Errorf("%d bytes, %q", len(text), text[len(text)-20:])
	}
	if text := (&tail{}).quote(); text != "" {
		t.Errorf("%q of nothing", text)
	}
}

func TestProcess(t *testing.T) {
	took, peak, err := process(t.Context(), "it", []string{"sleep", "0.05"})
	if err != nil || took.Seconds() < 0.05 || peak <= 0 {
		t.Errorf("%v, %d, %v", took, peak, err)
	}
	if _, _, err := process(t.Context(), "it", []string{"sh", "-c", "echo no model >&2; exit 1"}); err == nil || err.Error() != "it: exit status 1\n  no model" {
		t.Errorf("%v", err)
	}
}
