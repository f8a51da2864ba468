package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

const contrastFolder = "testdata/spatial_contrast"

// recordedContrast is a short training of a spatial contrast model (make.py).
type recordedContrast struct {
	Model      map[string]any       `json:"model"`
	Steps      []map[string]float64 `json:"steps"`
	Validation map[string]float64   `json:"validation"`
	arrays     map[string]*ndarray.Array
}

func readContrast(t *testing.T) map[string]recordedContrast {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(contrastFolder, "steps.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]recordedContrast{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	state := readState(t, filepath.Join(contrastFolder, "steps.npz"))
	for name, r := range all {
		r.arrays = map[string]*ndarray.Array{}
		for _, a := range state {
			r.arrays[strings.TrimPrefix(a.Name, name+"/")] = a.Array
		}
		all[name] = r
	}
	return all
}

func (r recordedContrast) model(t *testing.T) *models.CoreReadout {
	t.Helper()
	text, err := json.Marshal(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	n, err := config.FromYAML("steps.json", text)
	if err != nil {
		t.Fatal(err)
	}
	session := models.Session{Name: "01", Neurons: r.arrays["targets"].Shape[2]}
	if session.Neurons == 3 {
		session.Cells = []int64{2, 5, 8}
	}
	m, err := models.New(n, []models.Session{session}, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func (r recordedContrast) batch() *data.Batch {
	s := r.arrays["inputs"].Shape
	return &data.Batch{
		Session: "01", Clips: s[0], Channels: s[1], Frames: s[2], Height: s[3], Width: s[4], Neurons: r.arrays["targets"].Shape[2],
		Inputs: r.arrays["inputs"].Float32s(), Targets: r.arrays["targets"].Float32s(),
	}
}

// TestSpatialContrastModelsTrainLikeThePythonPackage compares what steps and a
// validation log, and the parameters after them: the single cell's w and a gain of the
// population reach zero, where they are kept.
func TestSpatialContrastModelsTrainLikeThePythonPackage(t *testing.T) {
	for name, r := range readContrast(t) {
		t.Run(name, func(t *testing.T) {
			m := r.model(t)
			o := optim.DefaultAdam(true)
			o.LR = m.LearningRate
			st := &Stepper{Model: m, Optimizer: optim.NewAdamW(m.Store().Scope(), m.Store().Parameters(), o)}
			for i, want := range r.Steps {
				got, err := st.Step(t.Context(), r.batch(), false)
				if err != nil {
					t.Fatal(err)
				}
				for _, logged := range m.Conventions.Train {
					same(t, i, logged.Name, got.value(logged.Quantity), want)
				}
			}
			v, err := evaluateBatch(t.Context(), m, r.batch())
			if err != nil {
				t.Fatal(err)
			}
			for _, logged := range m.Conventions.Validation {
				if _, recorded := r.Validation[logged.Name]; !recorded && logged.Name == "val_evaluation_loss" {
					continue // beside val_correlation, ours alone
				}
				same(t, len(r.Steps), logged.Name, v.value(logged.Quantity), r.Validation)
			}
			r.compareAfter(t, m)
		})
	}
}

func same(t *testing.T, step int, name string, got float64, all map[string]float64) {
	t.Helper()
	if want, ok := all[name]; !ok || math.Abs(got-want) > 1e-4*math.Abs(want)+1e-5 {
		t.Errorf("step %d: %s is %v, want %v", step, name, got, want)
	}
}

func (r recordedContrast) compareAfter(t *testing.T, m *models.CoreReadout) {
	t.Helper()
	for name, want := range r.arrays {
		key, ok := strings.CutPrefix(name, "after/")
		if !ok {
			continue
		}
		e, ok := m.Store().Lookup(key)
		if !ok {
			t.Errorf("the model has no %s", key)
			continue
		}
		got, err := m.Store().Scope().Float32s(e.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if math.Abs(float64(v)-want.At(i)) > 1e-5 {
				t.Errorf("%s[%d] is %v, want %v", key, i, v, want.At(i))
			}
		}
	}
}

// TestPythonLoadsSpatialContrastModels: load_from_checkpoint of the classes reads our
// files, with the STAs that they are made of, and answers as we do.
func TestPythonLoadsSpatialContrastModels(t *testing.T) {
	pythonOrSkip(t)
	for name, r := range readContrast(t) {
		t.Run(name, func(t *testing.T) {
			class, _ := r.Model["_target_"].(string)
			checkAnswersInPython(t, r.model(t), pickle.NewDict(), r.arrays["inputs"], "01",
				"../../scripts/python/check_spatial_contrast.py", class[strings.LastIndexByte(class, '.')+1:])
		})
	}
}
