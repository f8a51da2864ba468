package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// start starts the program; what it says on stderr is in the reader.
func start(t *testing.T, env []string, args ...string) (cmd *exec.Cmd, stderr *bufio.Reader) {
	t.Helper()
	cmd = exec.Command("openretina", args...)
	cmd.Env = append(append(os.Environ(), "OPENRETINA_THREADS=1", "XDG_CONFIG_HOME="+t.TempDir()), env...)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewReader(pipe)
}

// end waits for the program and returns its exit code and the rest of stderr.
func end(t *testing.T, cmd *exec.Cmd, stderr *bufio.Reader) (code int, rest string) {
	t.Helper()
	text, err := io.ReadAll(stderr)
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

func interrupt(t *testing.T, cmd *exec.Cmd, signal os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// stalledHub never finishes an answer; it tells when a request has come.
func stalledHub(t *testing.T) (url string, asked <-chan struct{}) {
	t.Helper()
	requests, done := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	return server.URL, requests
}

func TestSignalEndsADownload(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			url, asked := stalledHub(t)
			env := []string{"HF_ENDPOINT=" + url, "HF_HUB_OFFLINE=", "OPENRETINA_CACHE_DIRECTORY=" + t.TempDir()}
			cmd, stderr := start(t, env, "download", "sridhar_2025")
			<-asked
			interrupt(t, cmd, signal)
			if code, rest := end(t, cmd, stderr); code != 130 || !strings.HasPrefix(rest, "interrupted: ") {
				t.Errorf("exit code is %d, stderr %s", code, rest)
			}
		})
	}
}

// train starts a training without end and waits for its first epoch.
func train(t *testing.T, run string) (cmd *exec.Cmd, stderr *bufio.Reader) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	cmd, stderr = start(t, nil, "create-data", data, "--num-colors=2", "--num-stimuli=3", "--clip-length=10")
	if code, rest := end(t, cmd, stderr); code != 0 {
		t.Fatalf("create-data: exit code %d, %s", code, rest)
	}
	cmd, stderr = start(t, nil, "train", "--progress=none", "--config=hdf5_core_readout", "paths.data_dir="+data, "paths.output_dir="+run,
		"paths.cache_dir=.", "data_io.color_channels=2", "data_io.test_names=[random_noise_2]", "model.hidden_channels=[3,4]",
		"model.core.temporal_kernel_sizes=[6,3]", "model.core.spatial_kernel_sizes=[5,3]", "model.in_shape=[2,20,16,8]",
		"dataloader.batch_size=16", "dataloader.train_chunk_size=20", "dataloader.clip_length=10", "dataloader.num_val_clips=5",
		"trainer.max_epochs=-1", "trainer.precision=32-true", "training_callbacks.early_stopping.patience=1000000")
	for {
		line, err := stderr.ReadString('\n')
		if err != nil {
			code, _ := end(t, cmd, stderr)
			t.Fatalf("the training ended with code %d: %s", code, line)
		}
		if strings.HasPrefix(line, "epoch 0") {
			return cmd, stderr
		}
	}
}

func TestSignalSavesATraining(t *testing.T) {
	t.Parallel()
	run := filepath.Join(t.TempDir(), "run")
	cmd, stderr := train(t, run)
	interrupt(t, cmd, os.Interrupt)
	code, rest := end(t, cmd, stderr)
	last := filepath.Join(run, "checkpoints", "last.ckpt")
	if code != 130 || !strings.Contains(rest, "trainer.ckpt_path="+last) {
		t.Errorf("exit code is %d, stderr %s", code, rest)
	}
	if _, err := os.Stat(last); err != nil {
		t.Error(err)
	}
}

// A second signal drops the batch under way: what was saved after an epoch stays.
func TestSecondSignalSavesNothing(t *testing.T) {
	t.Parallel()
	run := filepath.Join(t.TempDir(), "run")
	cmd, stderr := train(t, run)
	interrupt(t, cmd, os.Interrupt)
	// The first one may have ended the program already.
	if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	if code, rest := end(t, cmd, stderr); code != 130 || strings.Contains(rest, "error: ") {
		t.Errorf("exit code is %d, stderr %s", code, rest)
	}
}
