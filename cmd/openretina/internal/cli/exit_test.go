package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

func TestExitCodes(t *testing.T) {
	refused := &config.Error{Message: "no"}
	for _, test := range []struct {
		err         error
		interrupted bool
		want        int
	}{
		{errors.New("disk full"), false, exitFailed},
		{flagErrorf("bad"), false, exitUsage},
		{fmt.Errorf("composing: %w", refused), false, exitUsage},
		{fmt.Errorf("composing: %w", config.ErrorList{refused, refused}), false, exitUsage},
		{notTheUsersConfig(fmt.Errorf("model m.ckpt: %w", refused)), false, exitFailed},
		{fmt.Errorf("saved: %w", ErrInterrupted), true, exitInterrupted},
		{errors.Join(ErrInterrupted, errors.New("disk full")), true, exitInterrupted},
		{fmt.Errorf("get: %w", context.Canceled), true, exitInterrupted},
		{fmt.Errorf("get: %w", context.Canceled), false, exitFailed},
		{&internalError{value: "x"}, false, exitFailed},
	} {
		if got := exitCode(test.err, test.interrupted); got != test.want {
			t.Errorf("%v: code %d, want %d", test.err, got, test.want)
		}
	}
}

// runWith runs a program whose only command is run.
func runWith(t *testing.T, args string, run func(*Factory) error) (code int, stdout, stderr string) {
	t.Helper()
	f := newTestFactory(t)
	var out, errOut bytes.Buffer
	f.IO.Out, f.IO.Err = &stickyWriter{w: &out}, &lockedWriter{w: &errOut}
	root := newCmdRoot(f)
	root.AddCommand(&cobra.Command{Use: "do", RunE: f.action(func([]string) error { return run(f) })})
	code = f.run(root, strings.Fields(args))
	return code, out.String(), errOut.String()
}

func TestErrorsAreOneLine(t *testing.T) {
	code, _, stderr := runWith(t, "do", func(*Factory) error {
		return errors.Join(errors.New("first\n  continued"), errors.New("second"))
	})
	if code != exitFailed || stderr != "error: first; continued; second\n" {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}

func TestProblemsOfAConfigHaveALineEach(t *testing.T) {
	problems := config.ErrorList{
		{Message: "a is wrong", Origin: config.Origin{File: "a.yaml", Line: 3}, Hint: "did you mean \"b\"?"},
		{Message: "so is\nc", Origin: config.Origin{File: "command line", Text: "c=1"}},
	}
	code, stdout, stderr := runWith(t, "do", func(*Factory) error { return problems })
	want := "a.yaml:3: a is wrong (did you mean \"b\"?)\ncommand line 'c=1': so is c\nerror: 2 problems in the config, listed above\n"
	if code != exitUsage || stdout != "" || stderr != want {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	code, _, stderr := runWith(t, "do", func(*Factory) error {
		list := strings.Fields("one two")
		return errors.New(list[len(list)+1])
	})
	match := regexp.MustCompile(`^error: internal error: runtime error: index out of range .* please report it with (.*)\)\n$`).FindStringSubmatch(stderr)
	if code != exitFailed || match == nil {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	trace, err := os.ReadFile(match[1])
	if err != nil || !bytes.Contains(trace, []byte("exit_test.go")) || !bytes.Contains(trace, []byte("libtorch")) {
		t.Errorf("trace is %s, %v", trace, err)
	}
}

func TestDebugShowsWhere(t *testing.T) {
	_, _, stderr := runWith(t, "do --debug", func(*Factory) error { panic("wrong") })
	if !strings.HasPrefix(stderr, "error: internal error: wrong\n") || !strings.Contains(stderr, "exit_test.go") {
		t.Errorf("stderr is %q", stderr)
	}
	failed := fmt.Errorf("step 3: %w", &torch.Error{Op: "conv3d", Msg: "no", Trace: "frame #0: conv3d"})
	_, _, stderr = runWith(t, "do --debug", func(*Factory) error { return failed })
	if stderr != "error: step 3: conv3d: no\nframe #0: conv3d\n" {
		t.Errorf("stderr is %q", stderr)
	}
	_, _, stderr = runWith(t, "do", func(*Factory) error { return failed })
	if stderr != "error: step 3: conv3d: no\n" {
		t.Errorf("stderr is %q", stderr)
	}
}

// brokenWriter fails after a few bytes.
type brokenWriter struct{ left int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: errors.New("no space left on device")}
	}
	b.left -= len(p)
	return len(p), nil
}

func TestLostResultsAreFailures(t *testing.T) {
	for _, args := range []string{"do", "--help", "completion bash", "models"} {
		f := newTestFactory(t)
		f.IO.Out = &stickyWriter{w: &brokenWriter{left: 3}}
		root := newCmdRoot(f)
		root.AddCommand(&cobra.Command{Use: "do", RunE: f.action(func([]string) error {
			fmt.Fprintln(f.IO.Out, "a result")
			fmt.Fprintln(f.IO.Out, "another")
			return nil
		})})
		code := f.run(root, strings.Fields(args))
		stderr := f.IO.Err.(*lockedWriter).w.(*bytes.Buffer).String()
		if code != exitFailed || stderr != "error: write to stdout: no space left on device\n" {
			t.Errorf("%s: code %d, stderr %q", args, code, stderr)
		}
	}
}

func TestAllCommandsHaveHelpWithExamples(t *testing.T) {
	f := newTestFactory(t)
	for _, cmd := range newCmdRoot(f).Commands() {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if cmd.Short == "" || !strings.Contains(cmd.Example, "openretina "+cmd.Name()) {
			t.Errorf("%s has no example", cmd.Name())
		}
	}
}
