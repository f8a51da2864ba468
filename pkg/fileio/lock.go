package fileio

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FileLock is a lock that this process holds. The end of the process frees it too,
// however that comes.
type FileLock struct {
	file *os.File
	path string
}

// HeldError tells that another process holds a lock.
type HeldError struct {
	Path string
	// By is its process number, with the machine's name.
	By string
}

func (e *HeldError) Error() string { return fmt.Sprintf("%s: process %s holds the lock", e.Path, e.By) }

// Lock takes the lock of the file at path, which it makes and which holds the process
// number. It does not wait: where another process has it the error is a *HeldError. On
// a file system without locks the process that the file names holds it for as long as
// it runs, as far as can be seen from this machine.
func Lock(path string) (*FileLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o666)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, bare(err))
		}
		l := &FileLock{file: f, path: path}
		current, err := l.take()
		if err != nil {
			return nil, join(err, f.Close())
		}
		if current {
			return l, nil
		}
		// The holder removed the file after it was opened here.
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// take locks the open file and writes this process into it; false where the file is
// no longer the one at the path.
func (l *FileLock) take() (current bool, err error) {
	switch err := unix.Flock(int(l.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, &HeldError{Path: l.path, By: l.holder()}
	case err != nil && l.holderRuns():
		return false, &HeldError{Path: l.path, By: l.holder()}
	}
	opened, err := l.file.Stat()
	if err != nil {
		return false, err
	}
	switch there, err := os.Lstat(l.path); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !os.SameFile(opened, there):
		return false, nil
	}
	if err := l.file.Truncate(0); err != nil {
		return false, fmt.Errorf("lock %s: %w", l.path, bare(err))
	}
	if _, err := l.file.WriteAt([]byte(thisProcess()+"\n"), 0); err != nil {
		return false, fmt.Errorf("lock %s: %w", l.path, bare(err))
	}
	return true, nil
}

// thisProcess is the process number and the machine's name.
func thisProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return strconv.Itoa(os.Getpid()) + " on " + host
}

// holder is what the file says about the process that locked it.
func (l *FileLock) holder() string {
	const most = 300
	text, err := io.ReadAll(io.NewSectionReader(l.file, 0, most))
	if by := strings.TrimSpace(string(text)); err == nil && by != "" {
		return by
	}
	return "of unknown number"
}

// holderRuns tells whether the process that the file names is running here.
func (l *FileLock) holderRuns() bool {
	number, host, ok := strings.Cut(l.holder(), " on ")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || pid == os.Getpid() {
		return false
	}
	if _, here, _ := strings.Cut(thisProcess(), " on "); host != here {
		return true // nothing can be known about it
	}
	return unix.Kill(pid, 0) == nil || errors.Is(unix.Kill(pid, 0), unix.EPERM)
}

// Release removes the file and frees the lock.
func (l *FileLock) Release() error {
	err := os.Remove(l.path) // while it is locked: nobody else's is removed
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // with the whole directory
	}
	return join(err, l.file.Close())
}
