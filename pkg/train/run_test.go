package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/simulate"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/tracking/tfevents/tfeventstest"
)

func TestMain(m *testing.M) {
	torch.SetThreads(1) // the models are tiny
	code := m.Run()
	if noiseDir != "" {
		_ = os.RemoveAll(noiseDir) // only litter is at stake
	}
	if left := torch.LiveTensors(); left != 0 && code == 0 {
		println("tensors left over:", left)
		code = 1
	}
	os.Exit(code)
}

// noiseDir is where noiseData is, once it was asked for.
var noiseDir string

// noiseData is a small data set of two sessions, made once.
var noiseData = sync.OnceValues(func() (path string, err error) {
	if noiseDir, err = os.MkdirTemp("", "openretina-train-test"); err != nil {
		return "", err
	}
	path = filepath.Join(noiseDir, "data")
	return path, simulate.WriteNoise(context.Background(), path,
		simulate.NoiseOptions{NumColors: 2, NumStimuli: 3, NumSessions: 2, ClipLength: 10})
})

// tinyRun composes a training that takes a moment: 3 steps for each session an
// epoch.
func tinyRun(t *testing.T, dir string, overrides ...string) *config.Config {
	t.Helper()
	data, err := noiseData()
	if err != nil {
		t.Fatal(err)
	}
	o, err := config.Locate(config.Flags{Config: "hdf5_core_readout"}, configs.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides = append([]string{
		"paths.data_dir=" + data, "paths.output_dir=" + dir, "paths.cache_dir=.", "data_io.color_channels=2",
		"data_io.test_names=[random_noise_2]", "model.hidden_channels=[3,4]", "model.core.temporal_kernel_sizes=[6,3]",
		"model.core.spatial_kernel_sizes=[5,3]", "model.core.dropout_rate=0.2", "model.in_shape=[2,20,16,8]",
		"dataloader.batch_size=16", "dataloader.train_chunk_size=20", "dataloader.clip_length=10",
		"dataloader.num_val_clips=5", "trainer.max_epochs=3", "trainer.precision=32-true", "seed=3",
	}, overrides...)
	for i, word := range o.Overrides {
		if strings.HasPrefix(word, "trainer.ckpt_path") {
			o.Overrides[i] = "++" + word
		}
	}
	c, err := config.Compose(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recorder counts batches and may act after one of them.
type recorder struct {
	batches int
	after   func(batches int)
}

func (*recorder) Epoch(int, int, int)  {}
func (*recorder) EpochEnd(EpochReport) {}
func (r *recorder) Batch(int, int, StepMetrics) {
	r.batches++
	if r.after != nil {
		r.after(r.batches)
	}
}

func environment(p Progress) Environment {
	return Environment{Progress: p, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"}
}

func train(t *testing.T, soft context.Context, c *config.Config, p Progress) (*Result, error) {
	t.Helper()
	plan, err := NewPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Run(soft, t.Context(), environment(p))
}

// trainLogged trains and keeps what is said meanwhile.
func trainLogged(t *testing.T, c *config.Config, said io.Writer) (*Result, error) {
	t.Helper()
	plan, err := NewPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	env := environment(&recorder{})
	env.Log = slog.New(slog.NewTextHandler(said, nil))
	return plan.Run(t.Context(), t.Context(), env)
}

func TestRunLeavesWhatTheRunIs(t *testing.T) {
	dir := t.TempDir()
	counted := &recorder{}
	result, err := train(t, t.Context(), tinyRun(t, dir), counted)
	if err != nil {
		t.Fatal(err)
	}
	if result.Epochs != 3 || result.Best == "" || len(result.Tests) != 3 || counted.batches == 0 {
		t.Errorf("result is %+v after %d batches", result, counted.batches)
	}
	if name := filepath.Base(result.Best); !strings.HasPrefix(name, "epoch=0") || !strings.Contains(name, "_val_evaluation_loss=") {
		t.Errorf("best checkpoint is called %s", name)
	}
	var record map[string]any
	raw, err := os.ReadFile(filepath.Join(dir, RunFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &record); err != nil || record["seed"] != 3.0 || len(record["data"].(map[string]any)) < 5 {
		t.Errorf("run.json is %s, %v", raw, err)
	}
	for _, file := range []string{".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "checkpoints/last.ckpt"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "csv", "metrics.csv"))
	if err != nil {
		t.Fatal(err)
	}
	want := "CorrelationLoss3d/dataloader_idx_0,CorrelationLoss3d/dataloader_idx_1,CorrelationLoss3d/dataloader_idx_2," +
		"PoissonLoss3d/dataloader_idx_0,PoissonLoss3d/dataloader_idx_1,PoissonLoss3d/dataloader_idx_2," +
		"PoissonLoss3d_per_neuron_frame/dataloader_idx_0,PoissonLoss3d_per_neuron_frame/dataloader_idx_1,PoissonLoss3d_per_neuron_frame/dataloader_idx_2," +
		"epoch,lr-AdamW,lr-AdamW-momentum,lr-AdamW-weight_decay,regularization_loss_core,regularization_loss_readout," +
		"step,train_evaluation_loss,train_loss,train_total_loss,val_evaluation_loss,val_loss,val_loss_per_neuron_frame," +
		"val_regularization_loss_core,val_regularization_loss_readout,val_total_loss"
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	if lines[0] != want || len(lines) != 1+3*3+1 {
		t.Errorf("metrics.csv has %d lines, columns %s", len(lines), lines[0])
	}
	m, err := models.Load(result.Final, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, key := range []string{"pretrained_performance", "model_cut_frames", "mean_activity_dict"} {
		if _, ok := m.DataInfo.Get(key); !ok {
			t.Errorf("data_info lacks %s", key)
		}
	}
}

// TestInterruptedTrainingContinuesToTheSameBits stops after a dozen batches spread
// over the run, the last of an epoch among them where the spread meets it (the
// classic mistakes: an epoch's edge, generators saved too late).
func TestInterruptedTrainingContinuesToTheSameBits(t *testing.T) {
	whole := t.TempDir()
	counted := &recorder{}
	want, err := train(t, t.Context(), tinyRun(t, whole), counted)
	if err != nil {
		t.Fatal(err)
	}
	step := max(1, counted.batches/12)
	if testing.Short() {
		step = counted.batches / 3
	}
	for k := 1; k <= counted.batches; k += step {
		dir := t.TempDir()
		soft, stop := context.WithCancelCause(t.Context())
		_, err := train(t, soft, tinyRun(t, dir), &recorder{after: func(n int) {
			if n == k {
				stop(errors.New("test"))
			}
		}})
		var interrupted *Interrupted
		if !errors.As(err, &interrupted) {
			t.Fatalf("stopped after batch %d of %d: error is %v", k, counted.batches, err)
		}
		got, err := train(t, t.Context(), tinyRun(t, dir, "trainer.ckpt_path=last"), &recorder{})
		if err != nil {
			t.Fatalf("continued after batch %d: %v", k, err)
		}
		if filepath.Base(got.Best) != filepath.Base(want.Best) {
			t.Errorf("after batch %d: best is %s, want %s", k, got.Best, want.Best)
		}
		sameModel(t, k, filepath.Join(dir, "checkpoints", "last.ckpt"), filepath.Join(whole, "checkpoints", "last.ckpt"))
		a, _ := os.ReadFile(filepath.Join(dir, "csv", "metrics.csv"))
		b, _ := os.ReadFile(filepath.Join(whole, "csv", "metrics.csv"))
		if string(a) != string(b) {
			t.Errorf("after batch %d: metrics.csv differs", k)
		}
		if diff := cmp.Diff(events(t, whole), events(t, dir), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("after batch %d: TensorBoard's events differ: %s", k, diff)
		}
	}
}

// events are those in TensorBoard's files of a run, less what tells that it was
// continued.
func events(t *testing.T, dir string) []tfeventstest.Event {
	t.Helper()
	return slices.DeleteFunc(tfeventstest.ReadDir(t, filepath.Join(dir, "tensorboard")),
		func(e tfeventstest.Event) bool { return e.Restart })
}

// TestCheckpointReadIsCheckpointWritten: what a killed training did not write is written
// from what last.ckpt holds, to the same bytes.
func TestCheckpointReadIsCheckpointWritten(t *testing.T) {
	result, err := train(t, t.Context(), tinyRun(t, t.TempDir(), "trainer.max_epochs=1"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	last := filepath.Join(filepath.Dir(result.Best), "last.ckpt")
	c, err := checkpoint.Open(last)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := checkpoint.Encode(&again, c); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{last, result.Best} {
		if written, err := os.ReadFile(path); err != nil || !bytes.Equal(written, again.Bytes()) {
			t.Errorf("%s differs: %v", path, err)
		}
	}
}

// TestContinuesFromEveryStep continues a training from each checkpoint that it wrote
// within its epochs, those after an epoch's last step among them.
func TestContinuesFromEveryStep(t *testing.T) {
	whole := t.TempDir()
	everyStep := "+training_callbacks.steps={_target_: lightning.pytorch.callbacks.ModelCheckpoint, every_n_train_steps: 1, " +
		"save_top_k: -1, filename: '{step}'}"
	limits := []string{everyStep, "trainer.max_epochs=-1", "+trainer.max_steps=16", "trainer.accumulate_grad_batches=2"}
	if _, err := train(t, t.Context(), tinyRun(t, whole, limits...), &recorder{}); err != nil {
		t.Fatal(err)
	}
	steps, err := filepath.Glob(filepath.Join(whole, "checkpoints", "step=*.ckpt"))
	if err != nil || len(steps) < 12 {
		t.Fatalf("%d checkpoints, %v", len(steps), err)
	}
	want := filesBelow(t, filepath.Join(whole, "csv"))
	for i, step := range steps {
		if testing.Short() && i%4 != 0 {
			continue
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		last := filepath.Join(dir, "checkpoints", "last.ckpt")
		if err := os.Rename(filepath.Join(dir, "checkpoints", filepath.Base(step)), last); err != nil {
			t.Fatal(err)
		}
		if _, err := train(t, t.Context(), tinyRun(t, dir, append(limits, "trainer.ckpt_path=last")...), &recorder{}); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		sameModel(t, i, last, filepath.Join(whole, "checkpoints", "last.ckpt"))
		if got := filesBelow(t, filepath.Join(dir, "csv")); !maps.Equal(got, want) {
			t.Errorf("%s: the log differs", step)
		}
	}
}

// TestAnotherMachineIsNotExact: a checkpoint of two threads continues with one, and the
// program says that the bits may differ.
func TestAnotherMachineIsNotExact(t *testing.T) {
	dir := t.TempDir()
	if _, err := train(t, t.Context(), tinyRun(t, dir, "trainer.max_epochs=1"), &recorder{}); err != nil {
		t.Fatal(err)
	}
	torch.SetThreads(2)
	defer torch.SetThreads(1)
	said := &strings.Builder{}
	_, err := trainLogged(t, tinyRun(t, dir, "trainer.max_epochs=1", "trainer.ckpt_path=last"), said)
	if err != nil || !strings.Contains(said.String(), "not exact: threads 1 → 2") {
		t.Errorf("%v, said %s", err, said)
	}
}

// TestContinuingElsewhereLeavesTheRun: another directory's best checkpoint stays.
func TestContinuingElsewhereLeavesTheRun(t *testing.T) {
	first, err := train(t, t.Context(), tinyRun(t, t.TempDir(), "trainer.max_epochs=1"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	last, elsewhere := filepath.Join(filepath.Dir(first.Best), "last.ckpt"), t.TempDir()
	second, err := train(t, t.Context(), tinyRun(t, elsewhere, "trainer.ckpt_path="+last), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Best); err != nil {
		t.Errorf("the best checkpoint of the run that was continued: %v", err)
	}
	if filepath.Dir(filepath.Dir(second.Best)) != elsewhere {
		t.Errorf("best is %s, want one in %s", second.Best, elsewhere)
	}
}

func sameModel(t *testing.T, k int, a, b string) {
	t.Helper()
	ca, err := checkpoint.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	cb, err := checkpoint.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range cb.State.Names() {
		x, _ := ca.State.Get(name)
		y, _ := cb.State.Get(name)
		if x == nil || string(x.Data) != string(y.Data) {
			t.Errorf("after batch %d: %s differs", k, name)
		}
	}
}

func TestSameSeedSameBits(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if _, err := train(t, t.Context(), tinyRun(t, dir, "trainer.max_epochs=1"), &recorder{}); err != nil {
			t.Fatal(err)
		}
	}
	sameModel(t, 0, filepath.Join(a, "checkpoints", "last.ckpt"), filepath.Join(b, "checkpoints", "last.ckpt"))
}

func TestEarlyStoppingAndLimitsEndTheTraining(t *testing.T) {
	result, err := train(t, t.Context(), tinyRun(t, t.TempDir(), "trainer.max_epochs=40", "+trainer.limit_train_batches=1",
		"training_callbacks.early_stopping.patience=2", "training_callbacks.early_stopping.min_delta=10"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Epochs != 3 || !strings.Contains(result.StopReason, "did not improve in the last 2 records") {
		t.Errorf("stopped after %d epochs: %q", result.Epochs, result.StopReason)
	}
}

func TestNaNStopsWithStepAndSession(t *testing.T) {
	_, err := train(t, t.Context(), tinyRun(t, t.TempDir(), "model.learning_rate=1e30"), &recorder{})
	if err == nil || !strings.Contains(err.Error(), "session session_") || !strings.Contains(err.Error(), "step ") {
		t.Errorf("error is %v", err)
	}
}

func TestBadTrainingConfigsAreRefusedBeforeDataIsRead(t *testing.T) {
	for _, c := range []struct{ override, want string }{
		{"+trainer.max_epoch=3", `did you mean "max_epochs"`},
		{"trainer.gradient_clip_val=x", "trainer.gradient_clip_val"},
		{"+trainer.gradient_clip_algorithm=size", "must be norm or value"},
		{"training_callbacks.early_stopping.mode=best", "neither min nor max"},
		{"training_callbacks.early_stopping._target_=lightning.pytorch.callbacks.EarlyStoping", "did you mean"},
		{"lr_scheduler._target_=torch.optim.lr_scheduler.StepLRs", "unknown lr_scheduler"},
		{"optimizer._target_=torch.optim.AdamQ", "unknown optimizer"},
		{"optimizer.lr=fast", "optimizer.lr"},
		{"+paths.load_model_path=model.ckpt", "there is no file or run directory model.ckpt"},
		{"+trainer.accelerator=tpu", "must be auto, cpu, gpu or cuda"},
		{"trainer.precision=64-true", "trainer.precision=64-true is not supported: weights are float32"},
		{"+trainer.max_time=soon", "must be a time as DD:HH:MM:SS"},
		{"+trainer.fast_dev_run=-1", "trainer.fast_dev_run must not be negative"},
		{"+trainer.limit_val_batches=1.5", "a part of them between 0.0 and 1.0"},
		{"+trainer.check_val_every_n_epoch=null", "must be a number of batches where check_val_every_n_epoch is null"},
		{"+trainer.profiler=simple", "is not supported"},
		{"+trainer.strategy=ddp", "runs in one process"},
		{"training_callbacks.lr_monitor.logging_interval=batch", "must be step, epoch or null"},
		{"++trainer.ckpt_path=absent.ckpt", "there is no checkpoint absent.ckpt"},
		{"+trainer.devices=2", "runs on one device"},
	} {
		_, err := NewPlan(tinyRun(t, t.TempDir(), c.override))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.override, err, c.want)
		}
	}
}

func TestMonitorOfAMetricThatIsNotLogged(t *testing.T) {
	_, err := NewPlan(tinyRun(t, t.TempDir(), "training_callbacks.early_stopping.monitor=val_correlation"))
	if err == nil || !strings.Contains(err.Error(), `monitor: "val_correlation" is not logged (logged are val_loss, `) {
		t.Errorf("error is %v", err)
	}
}

// TestContinueWithoutCheckpoint: a run that was killed before it saved starts anew.
func TestContinueWithoutCheckpoint(t *testing.T) {
	said := &strings.Builder{}
	result, err := trainLogged(t, tinyRun(t, t.TempDir(), "trainer.ckpt_path=last", "trainer.max_epochs=1"), said)
	if err != nil || result.Epochs != 1 || !strings.Contains(said.String(), "there is no checkpoint yet, starting anew") {
		t.Errorf("%+v, %v, said %s", result, err, said)
	}
}

// TestTrainingEqualsThePythonPackages trains two epochs of the recorded experiment
// (its own config, data and seed) and wants the test scores that openretina 1.1.1
// with torch 2.11.0 logs: weights, order of clips, steps and the clips drawn for the
// test on the training data are all the same.
func TestTrainingEqualsThePythonPackages(t *testing.T) {
	o, err := config.Locate(config.Flags{Config: "../evaluation/testdata/create_data/config.yaml"}, configs.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides = []string{
		"paths.data_dir=../evaluation/testdata/create_data/data", "paths.output_dir=" + t.TempDir(), "paths.log_dir=.",
		"trainer.max_epochs=2", "seed=1",
	}
	c, err := config.Compose(o)
	if err != nil {
		t.Fatal(err)
	}
	result, err := train(t, t.Context(), c, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	want := []TestScore{
		{"train", 3.052565813064575, 0.01658708229660988},
		{"validation", 4.434287071228027, 0.05470426008105278},
		{"random_noise_1", 13.938619613647461, 0.098752461373806},
		{"random_noise_2", 12.937972068786621, 0.1548580825328827},
	}
	for i, got := range result.Tests {
		w := want[i]
		if got.Name != w.Name || math.Abs(got.Loss-w.Loss) > 1e-4*w.Loss || math.Abs(got.Evaluation-w.Evaluation) > 2e-4 {
			t.Errorf("test %d is %+v, want %+v", i, got, w)
		}
	}
}
