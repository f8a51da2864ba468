package train

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// autoencoderPlan is the plan of the built-in config for a small autoencoder, with
// further words of the command line.
func autoencoderPlan(t *testing.T, dir string, words ...string) (*AutoencoderPlan, error) {
	t.Helper()
	o, err := config.Locate(config.Flags{Config: "sparse_autoencoder"}, configs.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides = append([]string{
		"paths.output_dir=" + dir, "seed=7", "batch_size=5", "model.hidden_dim=9", "model.loss.sparsity_factor=0.01",
		"model.learning_rate=0.01", "trainer.max_epochs=3",
	}, words...)
	c, err := config.Compose(o)
	if err != nil {
		t.Fatal(err)
	}
	return NewAutoencoderPlan(c)
}

// TestAutoencoderTrainsLikeThePythonPackage compares weights from the seed, what steps
// and the epoch log, and the weights after.
func TestAutoencoderTrainsLikeThePythonPackage(t *testing.T) {
	for _, d := range torchtest.Devices {
		t.Run(d, func(t *testing.T) { testAutoencoderSteps(t, torchtest.Device(t, d)) })
	}
}

func testAutoencoderSteps(t *testing.T, d torch.Device) {
	t.Helper()
	const folder = "testdata/sparse_autoencoder"
	text, err := os.ReadFile(filepath.Join(folder, "steps.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Steps []map[string]float64 `json:"steps"`
		Epoch map[string]float64   `json:"epoch"`
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	arrays := map[string]*ndarray.Array{}
	for _, a := range readState(t, filepath.Join(folder, "steps.npz")) {
		arrays[a.Name] = a.Array
	}
	p, err := autoencoderPlan(t, t.TempDir(), "activations=[x.npy]")
	if err != nil {
		t.Fatal(err)
	}
	p.arguments.InputDim = 4
	f := &autoencoderFitter{AutoencoderPlan: p}
	if f.model, err = models.NewAutoencoder(p.arguments, models.Options{Device: d, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	defer f.model.Close()
	r := recordedLNP{arrays: arrays}
	r.compare(t, f.model.Store(), "before/", 1e-6)
	o := optim.DefaultAdam(false)
	o.LR = 0.01
	f.optimizer = optim.NewAdam(f.model.Store().Scope(), f.model.Store().Parameters(), o)
	hidden := newHiddenActivity(9)
	batches := arrays["batches"].Float32s()
	for i, step := range want.Steps {
		got, err := f.step(t.Context(), batches[i*20:(i+1)*20], 5, hidden)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got {
			closeTo(t, m.name, m.value, step[m.name])
		}
	}
	for _, m := range hidden.metrics() {
		closeTo(t, m.name, m.value, want.Epoch[m.name])
	}
	r.compare(t, f.model.Store(), "after/", 1e-4)
}

func closeTo(t *testing.T, name string, got, want float64) {
	t.Helper()
	if d := got - want; d > 1e-4*want+1e-5 || d < -1e-4*want-1e-5 {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// cancelAfter shows nothing, and cancels a training after some batches.
type cancelAfter struct {
	batches int
	cancel  context.CancelCauseFunc
}

func (*cancelAfter) Epoch(int, int, int) {}

func (*cancelAfter) EpochEnd(EpochReport) {}

func (c *cancelAfter) Batch(int, int, StepMetrics) {
	if c.batches--; c.batches == 0 {
		c.cancel(errors.New("enough"))
	}
}

// TestAutoencoderContinuesToTheSameBits interrupts a training in its second epoch.
func TestAutoencoderContinuesToTheSameBits(t *testing.T) {
	dir := t.TempDir()
	activations := filepath.Join(dir, "activations.npy")
	values := make([]float32, 2*9*4)
	for i := range values {
		values[i] = float32(i*i%17) / 5
	}
	a, err := ndarray.FromFloat32(values, 2, 9, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.WriteFile(activations, a); err != nil {
		t.Fatal(err)
	}
	run := func(name, start string, cancelAt int) (*Result, error) {
		p, err := autoencoderPlan(t, filepath.Join(dir, name), "activations=["+activations+"]", "++trainer.ckpt_path="+start)
		if err != nil {
			t.Fatal(err)
		}
		soft, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		return p.Run(soft, t.Context(), Environment{Log: slog.New(slog.DiscardHandler), Progress: &cancelAfter{batches: cancelAt, cancel: cancel}})
	}
	whole, err := run("whole", "null", -1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = run("cut", "last", 6) // of 4 steps an epoch; there is none yet
	var interrupted *Interrupted
	if !errors.As(err, &interrupted) {
		t.Fatalf("error is %v", err)
	}
	again, err := run("cut", "last", -1)
	if err != nil {
		t.Fatal(err)
	}
	first, second := openState(t, whole.Final), openState(t, again.Final)
	for _, name := range first.Names() {
		x, _ := first.Get(name)
		y, _ := second.Get(name)
		if string(x.Data) != string(y.Data) {
			t.Errorf("%s differs", name)
		}
	}
	logs := [2]string{}
	for i, name := range []string{"whole", "cut"} {
		text, err := os.ReadFile(filepath.Join(dir, name, "csv", "metrics.csv"))
		if err != nil {
			t.Fatal(err)
		}
		logs[i] = string(text)
	}
	if logs[0] != logs[1] || !strings.HasPrefix(logs[0], "active_neurons,decoder_norm_diff,epoch,") {
		t.Errorf("metrics.csv:\n%s\n%s", logs[0], logs[1])
	}
	checkInPython(t, dir, whole.Final, activations)
}

// TestAutoencoderRefusesWhatItHasNot: keys of other trainings, which it would ignore.
func TestAutoencoderRefusesWhatItHasNot(t *testing.T) {
	for _, word := range []string{
		"ensemble_seeds=[1,2]", "objective_target=val_loss", "freeze=[core]", "only_train_readout=true", "paths.load_model_path=hoefling_2024_base_low_res",
	} {
		_, err := autoencoderPlan(t, t.TempDir(), "activations=[a.npy]", "+"+word)
		if key, _, _ := strings.Cut(word, "="); err == nil || !strings.Contains(err.Error(), key+" is not for a sparse autoencoder") {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func openState(t *testing.T, path string) *checkpoint.State {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c.State
}

// checkInPython loads a checkpoint of ours with the class, and compares.
func checkInPython(t *testing.T, dir, path, activations string) {
	t.Helper()
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		return
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.AutoencoderFrom(c, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := npy.ReadFile(activations)
	if err != nil {
		t.Fatal(err)
	}
	a.Shape = []int{18, 4}
	got, _, err := m.Reconstruct(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	got.Shape = []int{2, 9, 4}
	reconstruction := filepath.Join(dir, "reconstruction.npy")
	if err := npy.WriteFile(reconstruction, got); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "../../scripts/python/check_autoencoder.py", path, activations, reconstruction)
	cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBadAutoencoderTrainingsAreRefused(t *testing.T) {
	dir := t.TempDir()
	for word, want := range map[string]string{
		"activations=[]":        "activations are missing",
		"seed=1":                "activations is ???",
		"batch_size=0":          "batch_size must be at least 1",
		"trainer.max_epochs=-1": "max_epochs must not be negative",
		"model.hidden_dim=0":    "hidden_dim must be at least 1",
		"+model.hidden=3":       "unknown key \"hidden\"",
	} {
		words := []string{"activations=[x.npy]", word}
		if word == "seed=1" {
			words = words[1:]
		}
		if _, err := autoencoderPlan(t, dir, words...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	for name, c := range map[string]struct {
		values []float32
		want   string
	}{
		"nan.npy":   {[]float32{1, 2, float32(math.NaN()), 4}, "hold NaN at value 2"},
		"short.npy": {[]float32{1, 2, 3}, "3 neurons in the last dimension, not input_dim=4"},
		"gone.npy":  {nil, "gone.npy"},
	} {
		path := filepath.Join(dir, name)
		if c.values != nil {
			a, err := ndarray.FromFloat32(c.values, 1, len(c.values))
			if err != nil {
				t.Fatal(err)
			}
			if err := npy.WriteFile(path, a); err != nil {
				t.Fatal(err)
			}
		}
		p, err := autoencoderPlan(t, filepath.Join(dir, "run"), "activations=["+path+"]", "model.input_dim=4")
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(t.Context(), t.Context(), Environment{Log: slog.New(slog.DiscardHandler), Progress: &cancelAfter{}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s", name, err, c.want)
		}
	}
}
