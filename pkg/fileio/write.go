package fileio

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// bufferSize is the size of the writes that reach the file.
const bufferSize = 1 << 18

// WriteFile replaces the file at path by what fill writes. It returns nil only
// after the new content is durable. After an error the old content, if any, is
// still there, except where only the last step failed, the fsync of the
// directory: then old or new content is there. No temporary file is left. A path
// that leads to a pipe or a device (/dev/stdout) is written directly.
func WriteFile(path string, fill func(io.Writer) error) error {
	return WriteFileFS(OS, path, fill)
}

// WriteBytes is WriteFile of what is in memory.
func WriteBytes(path string, content []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// WriteJSON is WriteFile of a value as indented JSON, with a line break at its end.
func WriteJSON(path string, value any) error {
	return WriteFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(value)
	})
}

// WriteFileFS is WriteFile on another file system.
func WriteFileFS(fsys FS, path string, fill func(io.Writer) error) error {
	mode := fs.FileMode(0)
	switch info, err := fsys.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("write %s: %w", path, bare(err))
	case info.IsDir():
		return fmt.Errorf("write %s: it is a directory", path)
	case !info.Mode().IsRegular():
		return writeDirect(path, fill)
	default:
		mode = info.Mode().Perm()
		if fsys == OS {
			if path, err = filepath.EvalSymlinks(path); err != nil {
				return fmt.Errorf("write %s: %w", path, bare(err))
			}
		}
	}
	f, err := fsys.CreateTemp(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, bare(err))
	}
	if err := fillTemp(f, mode, fill); err != nil {
		return join(fmt.Errorf("write %s: %w", path, err), discard(fsys, f.Name()))
	}
	if err := fsys.Rename(f.Name(), path); err != nil {
		return join(fmt.Errorf("write %s: %w", path, bare(err)), discard(fsys, f.Name()))
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: it may not survive a power loss: sync its directory: %w", path, bare(err))
	}
	return nil
}

// fillTemp writes, syncs and closes a temporary file. A failed sync is final:
// Linux then marks the pages clean, and a second sync would lie.
func fillTemp(f File, mode fs.FileMode, fill func(io.Writer) error) error {
	closed := false
	defer func() {
		if !closed { // also when fill panics
			_ = f.Close() // the file is discarded; the first error tells why
		}
	}()
	if mode != 0 {
		if err := f.Chmod(mode); err != nil {
			return bare(err)
		}
	}
	count := &counter{w: f}
	buffered := bufio.NewWriterSize(count, bufferSize)
	if err := fill(buffered); err != nil {
		return count.explain(err)
	}
	if err := buffered.Flush(); err != nil {
		return count.explain(err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync after %d bytes: %w", count.n, bare(err))
	}
	closed = true
	return bare(f.Close())
}

// writeDirect writes to what cannot be renamed over: a pipe, a terminal, a device.
func writeDirect(path string, fill func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, bare(err))
	}
	defer func() {
		if closeErr := f.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("write %s: %w", path, bare(closeErr))
		}
	}()
	count := &counter{w: f}
	buffered := bufio.NewWriterSize(count, bufferSize)
	if err := fill(buffered); err != nil {
		return fmt.Errorf("write %s: %w", path, count.explain(err))
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", path, count.explain(err))
	}
	return nil
}

// counter counts the bytes that reached the file, and remembers its own failure
// to tell it from one of the code that made the content.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

func (c *counter) explain(err error) error {
	if c.err != nil {
		return fmt.Errorf("after %d bytes: %w", c.n, bare(c.err))
	}
	return err
}

// discard removes a temporary file that did not make it.
func discard(fsys FS, path string) error {
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, bare(err))
	}
	return nil
}

// join is errors.Join on one line.
func join(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return fmt.Errorf("%w; %w", first, second)
}

// bare strips operation and path, which name the temporary file, from an error.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}

// MkdirAll makes the directory at path and the missing ones above it, durably.
func MkdirAll(path string) error { return MkdirAllFS(OS, path) }

// MkdirAllFS is MkdirAll on another file system.
func MkdirAllFS(fsys FS, path string) error {
	path = filepath.Clean(path)
	switch info, err := fsys.Stat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("make directory %s: a file of that name is in the way", path)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make directory %s: %w", path, bare(err))
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAllFS(fsys, parent); err != nil {
			return err
		}
	}
	// Another process may have made it meanwhile.
	if err := fsys.Mkdir(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory %s: %w", path, bare(err))
	}
	if err := fsys.SyncDir(parent); err != nil {
		return fmt.Errorf("make directory %s: sync its parent: %w", path, bare(err))
	}
	return nil
}
