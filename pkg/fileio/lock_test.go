package fileio_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

func TestLockIsHeldByOneAndFreedByRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	lock, err := fileio.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fileio.Lock(path)
	var held *fileio.HeldError
	if !errors.As(err, &held) || !strings.HasPrefix(held.By, strconv.Itoa(os.Getpid())+" on ") {
		t.Errorf("second lock: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's file stays: %v", err)
	}
	if lock, err = fileio.Lock(path); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestLockOfADeadProcess: a process that is killed leaves the file, not the lock.
func TestLockOfADeadProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(dead.Process.Pid)+" on elsewhere\nand more text"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := fileio.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(content), strconv.Itoa(os.Getpid())+" on ") || strings.Contains(string(content), "more") {
		t.Errorf("the file says %q, %v", content, err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestLockThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("elsewhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"none/.lock", "link"} {
		if _, err := fileio.Lock(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
