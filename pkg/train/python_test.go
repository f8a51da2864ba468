package train

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// pythonOrSkip is the interpreter that has the Python package.
func pythonOrSkip(t *testing.T) string {
	t.Helper()
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: set OPENRETINA_PYTHON to a Python interpreter with openretina ('make test-python' does)")
	}
	return python
}

// checkAnswersInPython writes a model, a stimulus and the model's responses, and lets a
// script load the model and compare its own: script words… checkpoint stimulus responses.
func checkAnswersInPython(
	t *testing.T, m *models.CoreReadout, info *pickle.Dict, stimulus *ndarray.Array, session string, words ...string,
) {
	t.Helper()
	python := pythonOrSkip(t)
	content, err := modelContent(m, info)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := writeFinal(file("model.ckpt"), content); err != nil {
		t.Fatal(err)
	}
	responses, err := m.Respond(t.Context(), stimulus, session)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*ndarray.Array{"stimulus.npy": stimulus, "responses.npy": responses} {
		if err := npy.WriteFile(file(name), a); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, append(words, file("model.ckpt"), file("stimulus.npy"), file("responses.npy"))...)
	cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPythonLoadsEveryFamily lets the Python package load what is written here of every
// recorded model, and compares its outputs with the recorded ones.
func TestPythonLoadsEveryFamily(t *testing.T) {
	python := pythonOrSkip(t)
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
