package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/tracking/tfevents/tfeventstest"
)

var (
	kills    = flag.Int("kills", 4, "how many trainings TestKilledTrainings kills")
	killSeed = flag.Uint64("kill-seed", 0, "seed of the moments of TestKilledTrainings; 0: by the clock")
)

// killable is a training of a second or two that saves within epochs and at their ends,
// keeps several checkpoints, and ends with a test and a final checkpoint. Its paths
// are relative to dir, so that its files are the same wherever that is.
type killable struct {
	data string
	args []string
}

func newKillable(t *testing.T) *killable {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	cmd, stderr := start(t, nil, "create-data", data, "--num-colors=2", "--num-stimuli=3", "--num-sessions=2", "--clip-length=10")
	if code, rest := end(t, cmd, stderr); code != 0 {
		t.Fatalf("create-data: exit code %d, %s", code, rest)
	}
	return &killable{data: data, args: []string{
		"train", "--progress=none", "--config=hdf5_core_readout", "paths.data_dir=" + data, "paths.output_dir=run", "paths.cache_dir=.",
		"data_io.color_channels=2", "data_io.test_names=[random_noise_2]", "model.hidden_channels=[3,4]",
		"model.core.temporal_kernel_sizes=[6,3]", "model.core.spatial_kernel_sizes=[5,3]", "model.in_shape=[2,20,16,8]",
		"model.core.dropout_rate=0.2", "dataloader.batch_size=16", "dataloader.train_chunk_size=20", "dataloader.clip_length=10",
		"dataloader.num_val_clips=5", "trainer.max_epochs=6", "trainer.precision=32-true", "seed=3", "trainer.ckpt_path=last",
		"training_callbacks.model_checkpoint.save_top_k=2",
		"+training_callbacks.steps={_target_: lightning.pytorch.callbacks.ModelCheckpoint, every_n_train_steps: 2, filename: '{step}'}",
	}}
}

// begin starts the training in a directory, whose output is in the buffer. under are the
// words before the program's name.
func (k *killable) begin(t *testing.T, dir string, under ...string) (cmd *exec.Cmd, said *bytes.Buffer) {
	t.Helper()
	words := slices.Concat(under, []string{"openretina"}, k.args)
	cmd, said = exec.Command(words[0], words[1:]...), &bytes.Buffer{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	cmd.Env = append(os.Environ(), "OPENRETINA_THREADS=1", "XDG_CONFIG_HOME="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, said
}

// finish starts the training and lets it end.
func (k *killable) finish(t *testing.T, dir string) {
	t.Helper()
	cmd, said := k.begin(t, dir)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the training ended with %v: %s", err, said)
	}
}

// results are what must be the same however often a training was killed: all its
// checkpoints, the rows of its log, TensorBoard's events and its result. Of run.json and
// the config there must only be the files.
func results(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	run := filepath.Join(dir, "run")
	err := filepath.WalkDir(run, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(run, path)
		if err != nil {
			return err
		}
		top, _, _ := strings.Cut(name, string(filepath.Separator))
		var content []byte
		switch {
		case strings.Contains(name, "tfevents"):
			return nil // below
		case top == "checkpoints":
			content = withoutLoggers(t, path)
		case top == "csv", name == "result.json":
			content, err = os.ReadFile(path)
		}
		found[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found["events"] = events(t, run)
	return found
}

// events are TensorBoard's events of a run, less what tells that it was continued, and
// less those of a training that was killed before it saved and started anew.
func events(t *testing.T, run string) string {
	t.Helper()
	all := slices.DeleteFunc(tfeventstest.ReadDir(t, filepath.Join(run, "tensorboard")),
		func(e tfeventstest.Event) bool { return e.Restart })
	for i := len(all) - 1; i > 0; i-- {
		if all[i] == all[0] {
			all = all[i:]
			break
		}
	}
	return fmt.Sprintf("%+v", all)
}

// withoutLoggers is a checkpoint less the names of event files, which hold times.
func withoutLoggers(t *testing.T, path string) []byte {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Extra != nil {
		text, _ := c.Extra.Get(checkpoint.ResumeKey)
		state := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text.(string)), &state); err != nil {
			t.Fatal(err)
		}
		delete(state, "loggers")
		left, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		c.Extra.SetString(checkpoint.ResumeKey, string(left))
	}
	var b bytes.Buffer
	if err := checkpoint.Encode(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compareResults(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name, content := range want {
		switch other, ok := got[name]; {
		case !ok:
			t.Errorf("%s: %s is missing", what, name)
		case other != content:
			t.Errorf("%s: %s differs (%d bytes, %d in the training that was not killed)", what, name, len(other), len(content))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is left over", what, name)
		}
	}
}

// TestKilledTrainings kills trainings at random moments, from the start of the program to
// its end, and continues them until they are done. Each ends with the same files, byte
// for byte, as one that was never killed.
func TestKilledTrainings(t *testing.T) {
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	random := rand.New(rand.NewPCG(seed, 0))
	k, whole := newKillable(t), t.TempDir()
	started := time.Now()
	k.finish(t, whole)
	duration := time.Since(started)
	want := results(t, whole)
	t.Logf("%d trainings of %v, -kill-seed=%d", *kills, duration.Round(10*time.Millisecond), seed)
	all := 0
	for run := range *kills {
		dir := t.TempDir()
		for n := 1; ; n++ {
			cmd, said := k.begin(t, dir)
			if n == 1 || random.IntN(3) > 0 {
				time.Sleep(time.Duration(random.Float64() * float64(duration)))
				_ = cmd.Process.Kill() // it may have ended
			}
			if err := cmd.Wait(); err == nil {
				all += n - 1
				break
			} else if cmd.ProcessState.ExitCode() != -1 {
				t.Fatalf("training %d, start %d: %v: %s", run, n, err, said)
			}
		}
		compareResults(t, "training "+filepath.Base(dir), results(t, dir), want)
	}
	t.Logf("%d trainings were killed %d times", *kills, all)
}

// TestKilledAtSystemCalls kills trainings at system calls of saving: before a file is
// made, written, made durable, renamed, linked or removed.
func TestKilledAtSystemCalls(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIPPED: install strace to kill trainings at system calls")
	}
	if err := exec.Command(strace, "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("SKIPPED: strace does not work here: %v", err)
	}
	calls := []string{"fsync", "renameat,renameat2,rename", "unlinkat,unlink", "flock", "fsync"}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	k, whole := newKillable(t), t.TempDir()
	k.finish(t, whole)
	want := results(t, whole)
	killed := 0
	for i := range max(*kills/2, 2) {
		const most = 90 // about what a training makes
		call, n, dir := calls[i%len(calls)], 1+random.IntN(most), t.TempDir()
		cmd, said := k.begin(t, dir, strace, "-f", "-qq", "-o", os.DevNull, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n))
		switch err := cmd.Wait(); {
		case err == nil:
		case cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
			killed++
		default:
			t.Fatalf("%s %d: %v: %s", call, n, err, said)
		}
		k.finish(t, dir)
		compareResults(t, fmt.Sprintf("%s %d", call, n), results(t, dir), want)
	}
	t.Logf("%d trainings were killed", killed)
}
