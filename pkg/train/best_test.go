package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// writeLast writes a last.ckpt whose callback had found best.
func writeLast(t *testing.T, path, best string) {
	t.Helper()
	a, err := ndarray.FromFloat32([]float32{1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &checkpoint.Checkpoint{State: &checkpoint.State{}, HyperParameters: pickle.NewDict(), HyperParametersName: "kwargs"}
	c.State.Set("a", a)
	c.Callbacks = pickle.NewDict("EarlyStopping{}", pickle.NewDict(), "ModelCheckpoint{}", pickle.NewDict("best_model_path", best))
	if err := writeWith(path, c); err != nil {
		t.Fatal(err)
	}
}

// writeWith is checkpoint.Write with what every checkpoint has.
func writeWith(path string, c *checkpoint.Checkpoint) error {
	c.OptimizerStates, c.LRSchedulers, c.Loops = []any{}, []any{}, loopsTree(0, 0, 0, 0)
	return checkpoint.Write(path, c)
}

func TestBestCheckpoint(t *testing.T) {
	const elsewhere = "/nowhere/checkpoints/epoch=3.ckpt"
	for _, test := range []struct {
		name  string
		best  string   // of last.ckpt; "-" is no such file
		files []string // in checkpoints
		want  string   // a file, or an error
	}{
		{"best", elsewhere, []string{"epoch=3.ckpt", "epoch=9.ckpt"}, "epoch=3.ckpt"},
		{"none yet", "", nil, "last.ckpt"},
		{"best removed", elsewhere, []string{"epoch=9.ckpt"}, "epoch=3.ckpt is missing"},
		{"one of the Python package", "-", []string{"epoch=9.ckpt"}, "epoch=9.ckpt"},
		{"several of the Python package", "-", []string{"a.ckpt", "b.ckpt"}, "name one of them"},
		{"no run", "-", nil, "no run directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := t.TempDir()
			dir := filepath.Join(run, "checkpoints")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range test.files {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if test.best != "-" {
				writeLast(t, filepath.Join(dir, "last.ckpt"), test.best)
			}
			got, err := BestCheckpoint(run)
			if strings.HasSuffix(test.want, ".ckpt") {
				if err != nil || got != filepath.Join(dir, test.want) {
					t.Errorf("got %s, %v", got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %s, error %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestBestCheckpointOfADamagedRun(t *testing.T) {
	run := t.TempDir()
	path := filepath.Join(run, "checkpoints", "last.ckpt")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("PK\x03\x04"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := BestCheckpoint(run); err == nil {
		t.Errorf("got %s", got)
	}
}
