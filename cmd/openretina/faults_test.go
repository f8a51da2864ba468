package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fails wants a training to end with code 1 and one line of error with some words in it.
func (k *killable) fails(t *testing.T, dir string, under []string, words ...string) {
	t.Helper()
	cmd, said := k.begin(t, dir, under...)
	_ = cmd.Wait() // the code is looked at
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	last := lines[len(lines)-1]
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(last, "error: ") {
		t.Errorf("exit code %d, said %s", code, said)
	}
	for _, word := range words {
		if !strings.Contains(last, word) {
			t.Errorf("error is %q, want %q in it", last, word)
		}
	}
}

// interruptedRun is a training that was killed after it had saved a few times.
func (k *killable) interruptedRun(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd, said := k.begin(t, dir)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(dir, "run", "checkpoints", "epoch=*.ckpt")); len(found) > 0 {
			break
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	if err := cmd.Wait(); err == nil {
		t.Logf("the training was faster than the test: %s", said)
	}
	return dir
}

// copyRun copies a training's directory.
func copyRun(t *testing.T, from string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTrainingSurvivesFaults: whatever goes wrong with the run directory, the training
// ends with one line that says so, and continues to the same files once that is mended.
func TestTrainingSurvivesFaults(t *testing.T) {
	t.Parallel()
	k, whole := newKillable(t), t.TempDir()
	k.finish(t, whole)
	want := results(t, whole)
	broken := k.interruptedRun(t)
	continues := func(t *testing.T, dir string) {
		t.Helper()
		k.finish(t, dir)
		compareResults(t, "continued", results(t, dir), want)
	}

	t.Run("torn last.ckpt", func(t *testing.T) {
		dir := copyRun(t, broken)
		tear(t, filepath.Join(dir, "run", "checkpoints", "last.ckpt"))
		cmd, said := k.begin(t, dir)
		if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "last.ckpt is damaged: continuing from the newest valid checkpoint") {
			t.Errorf("%v, said %s", err, said)
		}
		compareResults(t, "continued", results(t, dir), want)
	})
	t.Run("no last.ckpt", func(t *testing.T) {
		dir := copyRun(t, broken)
		if err := os.Remove(filepath.Join(dir, "run", "checkpoints", "last.ckpt")); err != nil {
			t.Fatal(err)
		}
		continues(t, dir)
	})
	t.Run("all checkpoints torn", func(t *testing.T) {
		dir := copyRun(t, broken)
		all, err := filepath.Glob(filepath.Join(dir, "run", "checkpoints", "*.ckpt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			tear(t, path)
		}
		k.fails(t, dir, nil, "last.ckpt", "remove it to start anew")
	})
	t.Run("half written files", func(t *testing.T) {
		dir := copyRun(t, broken)
		if err := os.WriteFile(filepath.Join(dir, "run", "checkpoints", ".last.ckpt.0123456789abcdef.partial"), []byte("PK"), 0o600); err != nil {
			t.Fatal(err)
		}
		continues(t, dir)
	})
	t.Run("read-only", func(t *testing.T) {
		dir := copyRun(t, broken)
		k.fails(t, dir, isolated(t, "mount --bind run run && mount -o remount,ro,bind run run"), "read-only file system")
		continues(t, dir)
	})
	for _, room := range []int{8, 100, 200, 250, 300, 350} {
		t.Run(fmt.Sprintf("disk with %d KiB", room), func(t *testing.T) {
			dir := t.TempDir()
			cleanUp := fmt.Sprintf("mkdir run; mount -t tmpfs -o size=%dk t run; trap 'cp -r run kept' EXIT", room)
			k.fails(t, dir, isolated(t, cleanUp), "no space left on device", "run/")
			if err := os.Remove(filepath.Join(dir, "run")); err != nil { // under the mount
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "kept"), filepath.Join(dir, "run")); err != nil {
				t.Fatal(err)
			}
			if litter, _ := filepath.Glob(filepath.Join(dir, "run", "*", ".*.partial")); len(litter) > 0 {
				t.Errorf("half written files are left: %v", litter)
			}
			continues(t, dir)
		})
	}
	t.Run("two at once", func(t *testing.T) {
		dir := copyRun(t, broken)
		long := *k
		long.args = append(append([]string{}, k.args...), "trainer.max_epochs=1000000")
		first, said := long.begin(t, dir)
		process := fmt.Sprintf("%d on ", first.Process.Pid)
		for started := time.Now(); !strings.HasPrefix(lockText(dir), process); time.Sleep(time.Millisecond) {
			if time.Since(started) > time.Minute {
				t.Fatalf("the first training does not start: %s", said)
			}
		}
		k.fails(t, dir, nil, "another training writes to run", "process "+process)
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = first.Wait() // it was killed
		k.finish(t, dir)
	})
}

func lockText(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "run", ".lock")) // absent is empty
	return string(text)
}

// tear cuts a file off in its middle.
func tear(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// isolated are the words that run a program after a shell command in a namespace of its
// own, where anybody may mount.
func isolated(t *testing.T, setUp string) []string {
	t.Helper()
	words := []string{"unshare", "-Urm", "sh", "-c", setUp + ` && "$@"`, "sh"}
	if out, err := exec.Command("unshare", "-Urm", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no namespaces to mount a full or read-only disk in: %v %s", err, out)
	}
	return words
}
