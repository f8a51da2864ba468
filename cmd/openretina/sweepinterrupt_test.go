package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// sweepOfTwo starts a sweep of two trainings that end by interruption only, and
// waits for the first one to be under way. More arguments come last.
func sweepOfTwo(t *testing.T, dir string, args ...string) (cmd *exec.Cmd, stderr *bufio.Reader) {
	t.Helper()
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); err != nil {
		cmd, stderr = start(t, nil, "create-data", data, "--num-colors=2", "--num-stimuli=3", "--clip-length=10")
		if code, rest := end(t, cmd, stderr); code != 0 {
			t.Fatalf("create-data: exit code %d, %s", code, rest)
		}
	}
	cmd = exec.Command("openretina", append([]string{
		"train", "--progress=none", "--config=hdf5_core_readout", "--multirun", "seed=1,2", "hydra.sweep.dir=" + filepath.Join(dir, "sweep"),
		"paths.data_dir=" + data, "paths.cache_dir=.", "data_io.color_channels=2", "data_io.test_names=[random_noise_2]",
		"model.hidden_channels=[3,4]", "model.core.temporal_kernel_sizes=[6,3]", "model.core.spatial_kernel_sizes=[5,3]",
		"model.in_shape=[2,20,16,8]", "dataloader.batch_size=16", "dataloader.train_chunk_size=20", "dataloader.clip_length=10",
		"dataloader.num_val_clips=5", "trainer.max_epochs=-1", "trainer.precision=32-true",
		"training_callbacks.early_stopping.patience=1000000",
	}, args...)...)
	cmd.Env = append(os.Environ(), "OPENRETINA_THREADS=1", "XDG_CONFIG_HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell starts it
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return cmd, waitFor(t, bufio.NewReader(pipe), "epoch ")
}

// waitFor reads up to a line that starts so.
func waitFor(t *testing.T, stderr *bufio.Reader, prefix string) *bufio.Reader {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := stderr.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("it ended before %q: %s", prefix, seen.String())
		}
		if strings.HasPrefix(line, prefix) {
			return stderr
		}
	}
}

// jobStatuses are those in the record of the sweep.
func jobStatuses(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "sweep", "sweep.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record struct {
		Jobs []struct{ Status string }
	}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, job := range record.Jobs {
		words = append(words, job.Status)
	}
	return strings.Join(words, " ")
}

// An interrupt lets the running job save and starts no other, whether it reaches
// the sweep alone or, as Ctrl-C on a terminal, its job too.
func TestInterruptedSweep(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal func(cmd *exec.Cmd) error
	}{
		{"the sweep alone", func(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }},
		{"all processes", func(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd, stderr := sweepOfTwo(t, dir)
			if err := c.signal(cmd); err != nil {
				t.Fatal(err)
			}
			code, rest := end(t, cmd, stderr)
			if code != 130 || strings.Count(rest, "interrupted: finishing this step") != 1 || strings.Contains(rest, "job 1 starts") {
				t.Errorf("exit code is %d, stderr %s", code, rest)
			}
			if got := jobStatuses(t, dir); got != "interrupted waiting" {
				t.Errorf("the jobs are %s", got)
			}
			if _, err := os.Stat(filepath.Join(dir, "sweep", "0", "checkpoints", "last.ckpt")); err != nil {
				t.Error(err)
			}
			// It goes on where it was, and the second interrupt stops without saving.
			cmd, stderr = sweepOfTwo(t, dir)
			for range 2 {
				if err := c.signal(cmd); err != nil {
					t.Fatal(err)
				}
			}
			if code, rest := end(t, cmd, stderr); code != 130 {
				t.Errorf("exit code is %d, stderr %s", code, rest)
			}
		})
	}
}

// A job whose sweep was killed saves and ends; the next sweep continues it.
func TestKilledSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, stderr := sweepOfTwo(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end(t, cmd, stderr) // once the job, which writes there too, has ended
	if got := jobStatuses(t, dir); got != "running waiting" {
		t.Errorf("the jobs are %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "sweep", "0", "checkpoints", "last.ckpt")); err != nil {
		t.Error(err)
	}
	cmd, stderr = sweepOfTwo(t, dir)
	interrupt(t, cmd, os.Interrupt)
	if code, rest := end(t, cmd, stderr); code != 130 {
		t.Errorf("exit code is %d, stderr %s", code, rest)
	}
	if got := jobStatuses(t, dir); got != "interrupted waiting" {
		t.Errorf("the jobs are %s", got)
	}
}

// A job that is killed is one job lost: the sweep goes on with the next one.
func TestKilledJob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, stderr := sweepOfTwo(t, dir)
	killChildren(t, cmd.Process.Pid)
	waitFor(t, stderr, "job 1 starts")
	waitFor(t, stderr, "epoch ")
	interrupt(t, cmd, os.Interrupt)
	if code, rest := end(t, cmd, stderr); code != 130 {
		t.Errorf("exit code is %d, stderr %s", code, rest)
	}
	if got := jobStatuses(t, dir); got != "failed interrupted" {
		t.Errorf("the jobs are %s", got)
	}
}

// killChildren kills the processes that a process has started.
func killChildren(t *testing.T, pid int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Skip("SKIPPED: /proc lists no children here")
	}
	killed := 0
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			killed++
		}
	}
	if killed != 1 {
		t.Fatalf("%d processes were killed, want 1", killed)
	}
}
