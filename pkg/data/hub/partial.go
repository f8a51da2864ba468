package hub

import (
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // git names its blobs so; it is compared, not trusted for secrecy
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	partSuffix = ".part"
	// maxPartBase keeps the name of a partial file below 255 bytes.
	maxPartBase = 120
	// abandonedAfter is the age at which a partial file has no owner any more,
	// where it cannot be asked: a transfer that stalls longer is ended.
	abandonedAfter = time.Hour
)

// errNotDir is what a path below a file gives.
var errNotDir = unix.ENOTDIR

// partial is a file on its way: .BASE.KEY.HOST-PID.part beside its final name.
// KEY stands for the content that it is meant to become, so that bytes of two
// versions never mix. One process owns it; a later one takes it over, by a
// rename, once the owner is gone.
type partial struct {
	cache *cache
	name  string
	file  *os.File
}

// openPartial takes over what an earlier process left of this content, or
// starts an empty file. Left-overs of other contents are removed.
func (k *cache) openPartial(p string, content facts) (*partial, error) {
	dir, prefix := path.Dir(p), partPrefix(p)
	key := contentKey(content)
	own := path.Join(dir, prefix+key+"."+owner()+partSuffix)
	left, err := k.leftovers(dir, prefix)
	if err != nil {
		return nil, err
	}
	for _, name := range left {
		if strings.HasPrefix(path.Base(name), prefix+key+".") {
			err = k.root.Rename(name, own)
		} else {
			err = k.root.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("take over a partial file: %w", err)
		}
	}
	f, err := k.root.OpenFile(own, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open a partial file: %w", err)
	}
	return &partial{cache: k, name: own, file: f}, nil
}

func partPrefix(p string) string {
	base := path.Base(p)
	return "." + base[:min(len(base), maxPartBase)] + "."
}

func contentKey(content facts) string {
	sum := sha256.Sum256([]byte(content.etag))
	return shortHash(sum[:])
}

// owner names this process on this machine.
var owner = sync.OnceValue(func() string {
	return host() + "-" + strconv.Itoa(os.Getpid())
})

func host() string {
	// Without a name all machines look like one, as they do to the lock.
	name, _ := os.Hostname()
	sum := sha256.Sum256([]byte(name))
	return shortHash(sum[:])
}

// leftovers are the partial files in dir, for the file of that prefix, whose
// owners are gone, the largest one last.
func (k *cache) leftovers(dir, prefix string) ([]string, error) {
	d, err := k.root.Open(dir)
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	type leftover struct {
		name string
		size int64
	}
	var found []leftover
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), prefix)
		rest, ok2 := strings.CutSuffix(rest, partSuffix)
		_, who, ok3 := strings.Cut(rest, ".")
		if !ok || !ok2 || !ok3 || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if err == nil && (isGone(who) || time.Since(info.ModTime()) > abandonedAfter) {
			found = append(found, leftover{path.Join(dir, entry.Name()), info.Size()})
		}
	}
	slices.SortFunc(found, func(a, b leftover) int { return cmp.Compare(a.size, b.size) })
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = f.name
	}
	return names, nil
}

// isGone is true for an owner that certainly does not write any more. A file of
// this very process is one that an earlier fetch left: the lock inside the
// process sees to it that there is no other.
func isGone(who string) bool {
	where, number, _ := strings.Cut(who, "-")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 || where != host() {
		return false
	}
	if pid == os.Getpid() || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return true
	}
	// A process that was killed, and not waited for, has no command line any more.
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(command) == 0
}

func (p *partial) size() (int64, error) {
	info, err := p.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// restart throws all bytes away.
func (p *partial) restart() error { return p.file.Truncate(0) }

// room is an error where the disk has less space than the missing bytes need.
func (p *partial) room(missing int64) error {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(p.file.Fd()), &stat); err != nil || stat.Bsize <= 0 {
		return nil // the write will tell
	}
	if free := float64(stat.Bavail) * float64(stat.Bsize); free < float64(missing) {
		return fmt.Errorf("the disk of %s has %.1f MB free, %.1f MB are missing", p.cache.dir, free/1e6, float64(missing)/1e6)
	}
	return nil
}

// digests reads the file back and computes what the hub may know it by.
func (p *partial) digests(ctx context.Context) (sha256Hex, blobHex string, err error) {
	size, err := p.size()
	if err != nil {
		return "", "", err
	}
	return digests(ctx, io.NewSectionReader(p.file, 0, size), size)
}

// digests are the SHA-256 of size bytes, and their git blob id: the SHA-1 of
// "blob SIZE", a zero byte, and the bytes.
func digests(ctx context.Context, r io.Reader, size int64) (sha256Hex, blobHex string, err error) {
	large := sha256.New()
	small := sha1.New() //nolint:gosec // see above
	fmt.Fprintf(small, "blob %d\x00", size)
	both := io.MultiWriter(large, small)
	for {
		if ctx.Err() != nil {
			return "", "", context.Cause(ctx)
		}
		switch _, err := io.CopyN(both, r, 1<<20); {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(large.Sum(nil)), hex.EncodeToString(small.Sum(nil)), nil
		case err != nil:
			return "", "", err
		}
	}
}

// publish makes the file durable under its final name. The partial file is
// closed whatever happens.
func (p *partial) publish(final string) error {
	// A failed sync is final: Linux then marks the pages clean, and a second
	// sync would lie. The bytes are not trusted for a resume either.
	if err := p.file.Sync(); err != nil {
		return errors.Join(fmt.Errorf("make the file durable: %w", bare(err)), p.discard())
	}
	if err := p.close(); err != nil {
		return fmt.Errorf("close the file: %w", bare(err))
	}
	if err := p.cache.fs.Rename(p.name, final); err != nil {
		return err
	}
	return p.cache.fs.SyncDir(path.Dir(final))
}

func (p *partial) close() error {
	if err := p.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// discard closes and removes the file.
func (p *partial) discard() error {
	err := p.cache.root.Remove(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, p.close())
}
