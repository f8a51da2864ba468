package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
)

// peer is a worker process: one side of a case.
type peer struct {
	name    string // in messages
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
	said    *tail
}

// startPeer starts a worker; it ends with ctx.
func startPeer(ctx context.Context, name string, command ...string) (*peer, error) {
	p := &peer{name: name, said: &tail{}}
	p.cmd = exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // this program, or the interpreter that the user names
	p.cmd.Stderr = p.said
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// ask sends a request and waits for its answer.
func (p *peer) ask(r any) (answer, error) {
	var a answer
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err = p.in.Write(append(line, '\n')); err == nil {
		err = p.answers.Decode(&a)
	}
	switch {
	case err != nil:
		_ = p.in.Close()
		return a, fmt.Errorf("%s ended: %w%s", p.name, errors.Join(err, p.cmd.Wait()), p.said.quote())
	case a.Error != "":
		return a, fmt.Errorf("%s: %s", p.name, a.Error)
	}
	return a, nil
}

// close ends the worker and waits for it.
func (p *peer) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailLength = 4000

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if surplus := len(t.text) - tailLength; surplus > 0 {
		t.text = t.text[surplus:]
	}
	return len(text), nil
}

// quote is what was written, below the line of an error; empty where that is
// nothing.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.text))
	if text == "" {
		return ""
	}
	return "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}
