// Package fileio writes the files that outlive a run: a reader sees the old
// content or the new one, never half a file, also after a crash or a power loss.
package fileio

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// FS is the part of a file system that durable writes need. OS is the real one;
// package faultfs has a twin that fails on request.
type FS interface {
	// CreateTemp creates a new, empty file in dir that no other process uses,
	// for what will be renamed to dir/base.
	CreateTemp(dir, base string) (File, error)
	// Rename replaces newPath by oldPath in one step.
	Rename(oldPath, newPath string) error
	// Remove deletes one file.
	Remove(path string) error
	// Mkdir makes one directory.
	Mkdir(path string) error
	// Stat describes what path leads to.
	Stat(path string) (fs.FileInfo, error)
	// SyncDir makes the creations, renames and removals in dir durable.
	SyncDir(dir string) error
}

// File is an open file of an FS that is being written.
type File interface {
	io.Writer
	// Name is the path of the file.
	Name() string
	// Chmod sets the permission bits.
	Chmod(mode fs.FileMode) error
	// Sync makes the written bytes durable. After an error they are lost, even
	// where a second call succeeds.
	Sync() error
	Close() error
}

// OS is the file system of the machine.
var OS FS = osFS{}

type osFS struct{}

// The name of a temporary file is tempPrefix, the final name, a dot, random
// digits and tempSuffix.
const (
	tempPrefix = "."
	tempSuffix = ".partial"
)

// CreateTemp holds a lock on the file for as long as it is open, so that
// RemoveLitter can tell abandoned files from files that are being written.
func (osFS) CreateTemp(dir, base string) (File, error) {
	const attempts = 100
	for range attempts {
		var random [8]byte
		if _, err := rand.Read(random[:]); err != nil {
			return nil, fmt.Errorf("draw a temporary name: %w", err)
		}
		path := filepath.Join(dir, tempName(base, hex.EncodeToString(random[:])))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if lockNew(f) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("create a temporary file in %s: no free name in %d attempts", dir, attempts)
}

// tempName keeps the name within the 255 bytes that file systems allow.
func tempName(base, random string) string {
	const most = 200
	if len(base) > most {
		base = base[:most]
	}
	return tempPrefix + base + "." + random + tempSuffix
}

func isTempName(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix) && len(name) > len(tempPrefix)+len(tempSuffix)
}

// lockNew locks a file that was just created; false where a collector of litter
// was faster and has removed it. A file system without locks counts as locked.
func lockNew(f *os.File) bool {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false
	}
	var stat unix.Stat_t
	return unix.Fstat(int(f.Fd()), &stat) != nil || stat.Nlink > 0
}

func (osFS) Rename(oldPath, newPath string) error  { return os.Rename(oldPath, newPath) }
func (osFS) Remove(path string) error              { return os.Remove(path) }
func (osFS) Mkdir(path string) error               { return os.Mkdir(path, 0o777) }
func (osFS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	// Some file systems cannot sync a directory and say so; they have no better way.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return join(err, d.Close())
}

// RemoveLitter deletes the temporary files that interrupted writes left in dir,
// and no file that a running process still writes. It returns their number.
func RemoveLitter(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isTempName(entry.Name()) {
			continue
		}
		ok, err := removeAbandoned(filepath.Join(dir, entry.Name()))
		if err != nil {
			return removed, err
		}
		if ok {
			removed++
		}
	}
	return removed, nil
}

// removeAbandoned removes a temporary file on which no process holds the lock.
func removeAbandoned(path string) (removed bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = join(err, f.Close()) }()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return false, nil // a running process writes it, or the file system cannot tell
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}
