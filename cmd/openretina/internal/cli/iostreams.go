package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/term"
)

// IOStreams are the streams of the program: results go to Out, all else to Err.
type IOStreams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// OutIsTerminal and ErrIsTerminal tell whether a person reads them.
	OutIsTerminal, ErrIsTerminal bool
	// Width is the number of columns of the terminal behind Err.
	Width func() int

	// closeOut closes the stream behind Out; nil where there is none.
	closeOut func() error
}

const defaultWidth = 80

// SystemStreams are those of the process.
func SystemStreams() *IOStreams {
	return &IOStreams{
		In: os.Stdin, Out: &stickyWriter{w: os.Stdout}, Err: &lockedWriter{w: os.Stderr},
		OutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
		Width: func() int {
			if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && width > 0 {
				return width
			}
			return defaultWidth
		},
		closeOut: os.Stdout.Close,
	}
}

// TestStreams are streams in memory, for tests.
func TestStreams() (s *IOStreams, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{
		In: &bytes.Buffer{}, Out: &stickyWriter{w: out}, Err: &lockedWriter{w: errOut},
		Width: func() int { return defaultWidth },
	}, out, errOut
}

// CloseOut closes stdout and returns the first error of all that was written to
// it: a result that did not arrive is a failure.
func (s *IOStreams) CloseOut() error {
	var err error
	if sticky, ok := s.Out.(*stickyWriter); ok {
		err = sticky.err
	}
	if s.closeOut != nil {
		if closeErr := s.closeOut(); err == nil {
			err = closeErr
		}
	}
	return stdoutError(err)
}

// stdoutError names the stream instead of the device behind it.
func stdoutError(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return fmt.Errorf("write to stdout: %w", pathErr.Err)
	}
	return err
}

// stickyWriter remembers its first error, so that the code that prints results
// need not check each line.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = stdoutError(err)
	return n, s.err
}

// lockedWriter is for the log, the progress and the signal watcher, which share
// stderr. A line of progress that stands at its end is removed before others
// write, and drawn again by its owner.
type lockedWriter struct {
	mu   sync.Mutex
	w    io.Writer
	line bool
}

const clearLine = "\r\x1b[K"

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line {
		l.line = false
		if _, err := io.WriteString(l.w, clearLine); err != nil {
			return 0, err
		}
	}
	return l.w.Write(p)
}

// draw replaces the line of progress; an empty text removes it. Errors are of no
// consequence: what is lost is progress.
func (l *lockedWriter) draw(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == "" && !l.line {
		return
	}
	l.line = text != ""
	_, _ = io.WriteString(l.w, clearLine+text)
}

// end leaves the line of progress as it stands and goes to the next one.
func (l *lockedWriter) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line {
		l.line = false
		_, _ = io.WriteString(l.w, "\n")
	}
}
