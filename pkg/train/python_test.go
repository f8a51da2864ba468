package train

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/models"
)

// TestPythonLoadsEveryFamily lets the Python package load what is written here of every
// recorded model, and compares its outputs with the recorded ones.
func TestPythonLoadsEveryFamily(t *testing.T) {
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: set OPENRETINA_PYTHON to a Python interpreter with openretina ('make test-python' does)")
	}
	outputs, err := filepath.Glob("../models/testdata/checkpoints/*/output_all_sessions.npy")
	if err != nil || len(outputs) < 7 {
		t.Fatalf("%d recorded models: %v", len(outputs), err)
	}
	args := []string{filepath.Join("..", "..", "scripts", "python", "check_models.py")}
	for _, output := range outputs {
		folder := filepath.Dir(output)
		if filepath.Base(folder) == "spatial_contrast" {
			continue // its class loads its files itself: TestPythonLoadsSpatialContrastModels
		}
		m, err := models.Load(filepath.Join(folder, "checkpoint.ckpt"), models.Options{})
		if err != nil {
			t.Fatal(err)
		}
		content, err := modelContent(m, m.DataInfo)
		m.Close()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "written.ckpt")
		if err := writeFinal(path, content); err != nil {
			t.Fatal(err)
		}
		args = append(args, folder, path)
	}
	cmd := exec.Command(python, args...)
	cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%v: %v", cmd, err)
	}
}
