package tracking

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
)

// build makes a logger of a config.
func build(t *testing.T, yaml string) Logger {
	t.Helper()
	n, err := config.FromYAML("logger.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Loggers.Build(n, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func start(t *testing.T, l Logger, state json.RawMessage) {
	t.Helper()
	if err := l.Start(Session{State: state, Log: quiet}); err != nil {
		t.Fatal(err)
	}
}

// epochs tells a logger of epochs as a training does, 8 steps each.
func epochs(t *testing.T, l Logger, from, to int) {
	t.Helper()
	for e := from; e < to; e++ {
		tell(t, l,
			Row{Metrics: []Metric{{"lr-AdamW", 0.01}}, Epoch: NoEpoch, Step: 8 * e},
			Row{Metrics: []Metric{{"val_loss", 1 / float64(e+1)}}, Epoch: e, Step: 8*e + 7},
			Row{Metrics: []Metric{{"train_loss", 2 / float64(e+1)}}, Epoch: e, Step: 8*e + 7})
	}
}

func tell(t *testing.T, l Logger, rows ...Row) {
	t.Helper()
	for _, r := range rows {
		if err := l.Row(r); err != nil {
			t.Fatal(err)
		}
	}
}

// capture is what a checkpoint keeps of a logger.
func capture(t *testing.T, l Logger) json.RawMessage {
	t.Helper()
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}
	state, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func end(t *testing.T, l Logger) {
	t.Helper()
	if err := l.Close(t.Context(), Finished); err != nil {
		t.Fatal(err)
	}
}

func model(t *testing.T) Hyperparameters {
	t.Helper()
	n, err := config.FromYAML("model.yaml", []byte(`
core: {_target_: Core, channels: [1, 3], bias: true, padding: null}
learning_rate: 0.01
in_shape: [1, 20]
readouts: [{a: 1}, {a: b}]
`))
	if err != nil {
		t.Fatal(err)
	}
	return Hyperparameters{Node: n, Tuples: []string{"in_shape"}}
}

// dot is a picture of 3 rows and 5 columns.
// dot is the file of a picture.
func dot(t *testing.T) (path string) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 5, 3))); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "dot.png")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHyperparametersAreFlattenedAsByLightning(t *testing.T) {
	params, err := model(t).flatten()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range params {
		lines = append(lines, p.name+"="+p.text())
	}
	want := "core/_target_=Core core/channels=[1, 3] core/bias=True core/padding=None learning_rate=0.01 " +
		"in_shape=(1, 20) readouts/0/a=1 readouts/1/a=b"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("they are %s, want %s", got, want)
	}
}

func TestBadLoggersAreRefused(t *testing.T) {
	const tensorBoard = "_target_: lightning.pytorch.loggers.TensorBoardLogger\n"
	for yaml, want := range map[string]string{
		"_target_: lightning.pytorch.loggers.CSVLogger":             "save_dir",
		tensorBoard + "save_dir: a\nversion: [1]":                   "version: want a text, a number, or null",
		tensorBoard + "save_dir: a\nversion: 1.5":                   "version: want a text, a number, or null",
		tensorBoard + "save_dir: a\nfilename_suffix: /../../b":      "must be part of a name",
		tensorBoard + "save_dirs: a":                                `did you mean "save_dir"`,
		"_target_: lightning.pytorch.loggers.CSVLoger\nsave_dir: a": "unknown logger",
	} {
		n, err := config.FromYAML("logger.yaml", []byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Loggers.Build(n, struct{}{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", yaml, err, want)
		}
	}
}

func TestGroupNamesTheLoggerThatFails(t *testing.T) {
	var g Group
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Add("good", build(t, "{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: "+t.TempDir()+"}"))
	g.Add("bad", build(t, "{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: "+blocked+"}"))
	if err := g.Start(nil, quiet); err == nil || !strings.HasPrefix(err.Error(), "logger.bad: ") {
		t.Errorf("error is %v", err)
	}
	if err := g.Close(context.Background(), Failed); err != nil {
		t.Errorf("closing what never started: %v", err)
	}
}
