package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestKeyedMutex(t *testing.T) {
	m := keyedMutex{users: map[string]*keyUsers{}}
	unlock, err := m.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.lock(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := m.lock(ctx, "a"); !errors.Is(err, cause) {
		t.Errorf("a held lock was given again: %v", err)
	}
	unlock()
	if unlock, err = m.lock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	unlock()
	if len(m.users) != 0 {
		t.Errorf("names that nobody uses are kept: %v", m.users)
	}
}

// TestWaitingForAnotherProcess holds the lock as another process would.
func TestWaitingForAnotherProcess(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	path := filepath.Join(client.CacheDir, notesDir, filepath.FromSlash(largePath)+".lock")
	writeFile(t, path, "")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Fetch(ctx, Remote{Path: largePath}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock of another process was ignored: %v", err)
	}
	waited := false
	client.Progress = func(p Progress) {
		if p.Waiting && !waited {
			waited = true
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil || !waited {
		t.Errorf("%v, waited: %v", err, waited)
	}
	h.wantOnly(client.CacheDir, largePath)
}
