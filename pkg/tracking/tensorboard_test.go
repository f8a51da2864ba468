package tracking

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/open-retina/openretina-go/pkg/tracking/tfevents/tfeventstest"
)

const tensorBoardTarget = "_target_: lightning.pytorch.loggers.TensorBoardLogger\nname: null\nversion: ''\nsave_dir: "

// fullLog is told all that there is, and of epochs.
func fullLog(t *testing.T, dir string, to int) Logger {
	t.Helper()
	l := build(t, tensorBoardTarget+dir)
	start(t, l, nil)
	if err := l.Hyperparameters(model(t)); err != nil {
		t.Fatal(err)
	}
	if err := l.Picture(Picture{Tag: "weights/layer0", Step: 0, Path: dot(t)}); err != nil {
		t.Fatal(err)
	}
	epochs(t, l, 0, to)
	return l
}

func eventFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestTensorBoardGoesOnAsIfItNeverStopped: killed between records or within one, more
// than once from the same checkpoint.
func TestTensorBoardGoesOnAsIfItNeverStopped(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	end(t, fullLog(t, whole, 5))
	l := fullLog(t, dir, 2)
	state := capture(t, l)
	for range 12 { // the number of a file has two digits then
		epochs(t, l, 2, 4)
		end(t, l)
		files := eventFiles(t, dir)
		f, err := os.OpenFile(files[len(files)-1], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("\x18\x00\x00torn"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		l = build(t, tensorBoardTarget+dir)
		start(t, l, state)
		if err := l.Hyperparameters(model(t)); err != nil {
			t.Fatal(err)
		}
		if len(eventFiles(t, dir)) != 2 {
			t.Fatalf("files are %v", eventFiles(t, dir))
		}
	}
	epochs(t, l, 2, 4)
	later := capture(t, l)
	end(t, l)
	l = build(t, tensorBoardTarget+dir)
	start(t, l, later)
	epochs(t, l, 4, 5)
	end(t, l)

	got, want := tfeventstest.ReadDir(t, dir), tfeventstest.ReadDir(t, whole)
	var restarts []int64
	for _, e := range got {
		if e.Restart {
			restarts = append(restarts, e.Step)
		}
	}
	if !slices.Equal(restarts, []int64{16, 32}) {
		t.Errorf("readers are told to forget from the steps %v on", restarts)
	}
	got = slices.DeleteFunc(got, func(e tfeventstest.Event) bool { return e.Restart })
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("events differ: %s", diff)
	}
}

// TestTensorBoardKeepsWhatTheCheckpointKnowsOfAStep: a row of the step at which the
// training goes on.
func TestTensorBoardKeepsWhatTheCheckpointKnowsOfAStep(t *testing.T) {
	dir := t.TempDir()
	l := build(t, tensorBoardTarget+dir)
	start(t, l, nil)
	tell(t, l, Row{Metrics: []Metric{{"a", 1}}, Epoch: NoEpoch, Step: 5})
	state := capture(t, l)
	end(t, l)
	l = build(t, tensorBoardTarget+dir)
	start(t, l, state)
	tell(t, l, Row{Metrics: []Metric{{"b", 2}}, Epoch: NoEpoch, Step: 5})
	end(t, l)
	events := tfeventstest.ReadDir(t, dir)
	if len(events) != 3 || !events[1].Restart || events[1].Step != 6 {
		t.Errorf("events are %+v", events)
	}
}

func TestTensorBoardInAnotherDirectoryStartsAnew(t *testing.T) {
	l := fullLog(t, t.TempDir(), 1)
	state := capture(t, l)
	end(t, l)
	dir := t.TempDir()
	l = build(t, tensorBoardTarget+dir)
	start(t, l, state)
	if err := l.Hyperparameters(model(t)); err != nil {
		t.Fatal(err)
	}
	end(t, l)
	if events := tfeventstest.ReadDir(t, dir); len(events) != 4 || events[0].Tag != "hp_metric" || events[0].Scalar != -1 {
		t.Errorf("events are %+v", events)
	}
}

// TestTensorBoardLeavesOtherFiles: those of another training in the same directory.
func TestTensorBoardLeavesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	end(t, fullLog(t, dir, 1))
	l := fullLog(t, dir, 1)
	state := capture(t, l)
	end(t, l)
	l = build(t, tensorBoardTarget+dir)
	start(t, l, state)
	end(t, l)
	if n := len(eventFiles(t, dir)); n != 3 {
		t.Errorf("there are %d files", n)
	}
}

func TestTensorBoardPlaces(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TRACKING_TEST", "from-environment")
	l := build(t, "_target_: lightning.pytorch.loggers.tensorboard.TensorBoardLogger\nname: exp\nversion: 3\nprefix: pre\n"+
		"sub_dir: $TRACKING_TEST/sub\ndefault_hp_metric: false\nfilename_suffix: .mine\nsave_dir: "+dir)
	start(t, l, nil)
	if err := l.Hyperparameters(model(t)); err != nil {
		t.Fatal(err)
	}
	epochs(t, l, 0, 1)
	end(t, l)
	events := tfeventstest.ReadDir(t, filepath.Join(dir, "exp", "version_3", "from-environment", "sub"))
	if len(events) != 5 || events[0].Tag != "pre-lr-AdamW" || events[2].Tag != "pre-epoch" {
		t.Errorf("events are %+v", events)
	}
}

func TestTensorBoardStateCannotLeaveTheDirectory(t *testing.T) {
	l := build(t, tensorBoardTarget+t.TempDir())
	err := l.Start(Session{State: json.RawMessage(`{"files":[{"name":"../events","size":1}]}`), Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "outside its directory") {
		t.Errorf("error is %v", err)
	}
}

// TestTensorBoardReadsTheFiles lets TensorBoard's own reader read a log that was cut
// and continued.
func TestTensorBoardReadsTheFiles(t *testing.T) {
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: set OPENRETINA_PYTHON to a Python interpreter with tensorboard ('make test-python' does)")
	}
	dir := t.TempDir()
	l := fullLog(t, dir, 2)
	state := capture(t, l)
	epochs(t, l, 2, 4)
	end(t, l)
	l = build(t, tensorBoardTarget+dir)
	start(t, l, state)
	epochs(t, l, 2, 3)
	tell(t, l, Row{Metrics: []Metric{{"nan", math.NaN()}}, Epoch: NoEpoch, Step: 30})
	end(t, l)
	cmd := exec.Command(python, "../../scripts/python/read_tensorboard.py", dir)
	cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &complaints)
	}
	want := `{"scalars": {"hp_metric": [[0, -1.0]], "lr-AdamW": [[0, 0.01], [8, 0.01], [16, 0.01]], ` +
		`"val_loss": [[7, 1.0], [15, 0.5], [23, 0.333333]], "epoch": [[7, 0.0], [7, 0.0], [15, 1.0], [15, 1.0], [23, 2.0], [23, 2.0]], ` +
		`"train_loss": [[7, 2.0], [15, 1.0], [23, 0.666667]], "nan": [[30, NaN]]}, ` +
		`"images": {"weights/layer0": [[0, 3, 5]]}, ` +
		`"hparams": {"core/_target_": "Core", "core/bias": 1.0, "core/channels": "[1, 3]", "core/padding": "None", ` +
		`"in_shape": "(1, 20)", "learning_rate": 0.01, "readouts/0/a": 1.0, "readouts/1/a": "b"}, ` +
		`"hparam_types": ["DATA_TYPE_FLOAT64", "DATA_TYPE_STRING"], "hparam_metrics": ["hp_metric"]}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("TensorBoard reads\n%s, want\n%s", got, want)
	}
}
