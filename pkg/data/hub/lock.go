package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"sync"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"golang.org/x/sys/unix"
)

const lockPoll = 100 * time.Millisecond

// lock makes this goroutine the only one, in all processes, that downloads what
// name stands for. waiting is called once where another one has to finish first.
//
// On some network file systems a lock holds nothing back. Then two processes
// download the same file, each into a partial file of its own, and the second
// one replaces the first one's result by the same bytes.
func (k *cache) lock(ctx context.Context, name string, waiting func()) (release func() error, err error) {
	if err := fileio.MkdirAllFS(k.fs, path.Dir(name)); err != nil {
		return nil, err
	}
	unlock, err := inProcess.lock(ctx, k.local(name))
	if err != nil {
		return nil, err
	}
	f, err := k.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := flock(ctx, f, waiting); err != nil {
		unlock()
		return nil, errors.Join(err, f.Close())
	}
	return func() error { defer unlock(); return f.Close() }, nil
}

// flock polls, because a blocking call cannot be cancelled.
func flock(ctx context.Context, f *os.File, waiting func()) error {
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil // locked, or a file system without locks
		}
		if !told {
			waiting()
		}
		if err := sleep(ctx, lockPoll); err != nil {
			return err
		}
	}
}

// keyedMutex has one lock per name.
type keyedMutex struct {
	mu    sync.Mutex
	users map[string]*keyUsers
}

type keyUsers struct {
	n    int
	held chan struct{}
}

// inProcess keeps the goroutines of this process apart, which the file lock
// cannot be trusted to do everywhere.
var inProcess = keyedMutex{users: map[string]*keyUsers{}}

func (m *keyedMutex) lock(ctx context.Context, key string) (unlock func(), err error) {
	m.mu.Lock()
	u := m.users[key]
	if u == nil {
		u = &keyUsers{held: make(chan struct{}, 1)}
		m.users[key] = u
	}
	u.n++
	m.mu.Unlock()
	leave := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if u.n--; u.n == 0 {
			delete(m.users, key)
		}
	}
	select {
	case u.held <- struct{}{}:
		return func() { <-u.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
