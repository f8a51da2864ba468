// Package faultfs is the faulty twin of fileio.OS for tests: a file system in
// memory that fails at the operation asked for, and that knows what a power loss
// may leave behind.
package faultfs

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// Op is a kind of operation.
type Op string

// The operations that can fail.
const (
	Create  Op = "create"
	Write   Op = "write"
	Chmod   Op = "chmod"
	Sync    Op = "sync"
	Close   Op = "close"
	Rename  Op = "rename"
	Remove  Op = "remove"
	Mkdir   Op = "mkdir"
	SyncDir Op = "syncdir"
)

// Fault tells which operation fails and how.
type Fault struct {
	// N is the operation that fails, counting all operations from 1; 0: none.
	N int
	// Err is what it returns.
	Err error
	// Forever lets all later operations fail too, but for removals: a disk that is
	// full or broken still forgets.
	Forever bool
	// Short lets a failing write take half of its bytes first.
	Short bool
}

// FS is a file system in memory. It is not safe for concurrent use.
type FS struct {
	Fault Fault
	// Ops are the operations so far.
	Ops []Op

	names   map[string]*inode // as a running process sees them
	durable map[string]*inode // as of the last SyncDir of each directory
	pending []func(names map[string]*inode)
	dirs    map[string]bool
	temps   int
}

var _ fileio.FS = (*FS)(nil)

// inode is the content of a file: what was written, and how much of it is synced.
type inode struct {
	data   []byte
	synced int
	mode   fs.FileMode
}

// New returns a file system that holds the directory dir and, durably, files in it.
func New(dir string, files map[string]string) *FS {
	f := &FS{names: map[string]*inode{}, dirs: map[string]bool{"/": true, ".": true}}
	for d := filepath.Clean(dir); !f.dirs[d]; d = filepath.Dir(d) {
		f.dirs[d] = true
	}
	for name, content := range files {
		f.names[filepath.Join(dir, name)] = &inode{data: []byte(content), synced: len(content), mode: 0o644}
	}
	f.durable = maps.Clone(f.names)
	return f
}

// Files are the paths of all files, sorted.
func (f *FS) Files() []string { return slices.Sorted(maps.Keys(f.names)) }

// ReadFile is the content that a running process sees.
func (f *FS) ReadFile(path string) (string, error) {
	if node, ok := f.names[path]; ok {
		return string(node.data), nil
	}
	return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
}

// step records an operation and tells whether it fails.
func (f *FS) step(op Op, path string) error {
	f.Ops = append(f.Ops, op)
	at := len(f.Ops)
	if at == f.Fault.N || f.Fault.Forever && f.Fault.N > 0 && at > f.Fault.N && op != Remove {
		return &fs.PathError{Op: string(op), Path: path, Err: f.Fault.Err}
	}
	return nil
}

// change applies a change of the names now, and lets it be lost by a power loss
// until the next SyncDir.
func (f *FS) change(apply func(names map[string]*inode)) {
	apply(f.names)
	f.pending = append(f.pending, apply)
}

// CreateTemp is fileio.FS's.
func (f *FS) CreateTemp(dir, base string) (fileio.File, error) {
	f.temps++
	path := filepath.Join(dir, fmt.Sprintf(".%s.%d.partial", base, f.temps))
	if err := f.step(Create, path); err != nil {
		return nil, err
	}
	if !f.dirs[filepath.Clean(dir)] {
		return nil, &fs.PathError{Op: "create", Path: path, Err: syscall.ENOENT}
	}
	node := &inode{mode: 0o644}
	f.change(func(names map[string]*inode) { names[path] = node })
	return &file{fs: f, path: path, node: node}, nil
}

// Rename is fileio.FS's.
func (f *FS) Rename(oldPath, newPath string) error {
	if err := f.step(Rename, newPath); err != nil {
		return err
	}
	if _, ok := f.names[oldPath]; !ok {
		return &fs.PathError{Op: "rename", Path: oldPath, Err: syscall.ENOENT}
	}
	node := f.names[oldPath]
	f.change(func(names map[string]*inode) {
		delete(names, oldPath)
		names[newPath] = node
	})
	return nil
}

// Remove is fileio.FS's.
func (f *FS) Remove(path string) error {
	if err := f.step(Remove, path); err != nil {
		return err
	}
	if _, ok := f.names[path]; !ok {
		return &fs.PathError{Op: "remove", Path: path, Err: syscall.ENOENT}
	}
	f.change(func(names map[string]*inode) { delete(names, path) })
	return nil
}

// Mkdir is fileio.FS's.
func (f *FS) Mkdir(path string) error {
	if err := f.step(Mkdir, path); err != nil {
		return err
	}
	if !f.dirs[filepath.Dir(path)] {
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOENT}
	}
	f.dirs[path] = true
	return nil
}

// SyncDir is fileio.FS's. It makes all changes of names durable, whatever their
// directory.
func (f *FS) SyncDir(dir string) error {
	if err := f.step(SyncDir, dir); err != nil {
		return err
	}
	f.durable = maps.Clone(f.names)
	f.pending = nil
	return nil
}

// Stat is fileio.FS's. It never fails on request.
func (f *FS) Stat(path string) (fs.FileInfo, error) {
	path = filepath.Clean(path)
	if f.dirs[path] {
		return info{name: filepath.Base(path), mode: fs.ModeDir | 0o755}, nil
	}
	if node, ok := f.names[path]; ok {
		return info{name: filepath.Base(path), mode: node.mode, size: int64(len(node.data))}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: path, Err: syscall.ENOENT}
}

// A disk writes sectors, so a power loss may tear a file between any two of them;
// of a long file tears are tried.
const (
	sector = 512
	tears  = 32
)

// CrashStates are the contents, path to bytes, that the disk may hold after a
// power loss now: every subset of the changes of names that are not synced, in
// order, each with the unsynced bytes of all files lost, kept, torn between
// sectors, or replaced by zeros (the size was written before the data).
func (f *FS) CrashStates() []map[string]string {
	var states []map[string]string
	for subset := range 1 << len(f.pending) {
		names := maps.Clone(f.durable)
		for i, apply := range f.pending {
			if subset&(1<<i) != 0 {
				apply(names)
			}
		}
		longest := 0
		for _, node := range names {
			longest = max(longest, len(node.data)-node.synced)
		}
		step := max(1, longest/sector/tears) * sector
		for lost := 0; lost < longest+step; lost += step {
			states = append(states, contents(names, func(n *inode) []byte {
				return n.data[:max(n.synced, len(n.data)-lost)]
			}))
		}
		states = append(states,
			contents(names, func(n *inode) []byte { return n.data[:n.synced] }),
			contents(names, func(n *inode) []byte {
				return append(slices.Clone(n.data[:n.synced]), make([]byte, len(n.data)-n.synced)...)
			}))
	}
	return states
}

func contents(names map[string]*inode, surviving func(*inode) []byte) map[string]string {
	state := make(map[string]string, len(names))
	for path, node := range names {
		state[path] = string(surviving(node))
	}
	return state
}

type file struct {
	fs   *FS
	path string
	node *inode
	lost bool // a sync failed: what was not synced then never will be
}

func (f *file) Name() string { return f.path }

func (f *file) Write(p []byte) (int, error) {
	if err := f.fs.step(Write, f.path); err != nil {
		n := 0
		if f.fs.Fault.Short {
			n = len(p) / 2
		}
		f.node.data = append(f.node.data, p[:n]...)
		return n, err
	}
	f.node.data = append(f.node.data, p...)
	return len(p), nil
}

func (f *file) Chmod(mode fs.FileMode) error {
	if err := f.fs.step(Chmod, f.path); err != nil {
		return err
	}
	f.node.mode = mode
	return nil
}

func (f *file) Sync() error {
	if err := f.fs.step(Sync, f.path); err != nil {
		f.lost = true
		return err
	}
	if !f.lost {
		f.node.synced = len(f.node.data)
	}
	return nil
}

func (f *file) Close() error { return f.fs.step(Close, f.path) }

type info struct {
	name string
	mode fs.FileMode
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
