package fileio_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// childVariable holds, in the child process of TestKill, the file to write.
const childVariable = "FILEIO_TEST_WRITE"

func TestMain(m *testing.M) {
	if target := os.Getenv(childVariable); target != "" {
		if err := fileio.WriteFile(target, fill); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKill kills a process that writes a file at each of its system calls: the old
// content or the new is there, and what else is left gets collected.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: many processes")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIPPED: install strace to kill the writer at each system call")
	}
	if err := exec.Command(strace, "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("SKIPPED: strace does not work here: %v", err)
	}
	for _, call := range []string{"flock", "write", "fsync", "renameat,renameat2,rename", "openat", "close"} {
		kills, wrote := 0, false
		// A process makes far fewer calls; those of the Go runtime count too.
		for n := 1; n < 100 && !wrote; n++ {
			wrote = killAt(t, strace, call, n)
			kills++
		}
		t.Logf("%s: %d kills", call, kills-1)
		if !wrote || kills < 2 {
			t.Errorf("%s: %d processes killed, the last one wrote: %v", call, kills-1, wrote)
		}
	}
}

// killAt lets a child write and be killed at the n-th system call of a kind; true
// where it ended before.
func killAt(t *testing.T, strace, call string, n int) bool {
	t.Helper()
	dir := t.TempDir()
	target := filepath.Join(dir, "best.ckpt")
	if err := os.WriteFile(target, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+target, "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%s %d: %v: %s", call, n, err, out)
	}
	content, readErr := os.ReadFile(target)
	if readErr != nil || string(content) != old && string(content) != fresh || err == nil && string(content) != fresh {
		t.Fatalf("%s %d: %d bytes, %v (exit: %v)", call, n, len(content), readErr, err)
	}
	if _, err := fileio.RemoveLitter(dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Fatalf("%s %d: left behind %v, %v", call, n, entries, err)
	}
	return err == nil
}
