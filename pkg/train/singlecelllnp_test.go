package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

const lnpFolder = "testdata/single_cell_lnp"

// recordedLNP is a short training of SingleCellSeparatedLNP (make.py).
type recordedLNP struct {
	Model      map[string]any       `json:"model"`
	Steps      []map[string]float64 `json:"steps"`
	Validation map[string]float64   `json:"validation"`
	arrays     map[string]*ndarray.Array
}

func readLNP(t *testing.T) (r recordedLNP) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(lnpFolder, "steps.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	r.arrays = map[string]*ndarray.Array{}
	for _, a := range readState(t, filepath.Join(lnpFolder, "steps.npz")) {
		r.arrays[a.Name] = a.Array
	}
	return r
}

// model builds the model of the recording by the config and seed that it had.
func (r recordedLNP) model(t *testing.T, d torch.Device) *models.CoreReadout {
	t.Helper()
	text, err := json.Marshal(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	n, err := config.FromYAML("steps.json", text)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Set(config.TargetKey, "openretina.models.linear_nonlinear.SingleCellSeparatedLNP"); err != nil {
		t.Fatal(err)
	}
	m, err := models.New(n, []models.Session{{Name: "session", Neurons: 1}}, models.Options{Device: d, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func (r recordedLNP) batch() *data.Batch {
	s := r.arrays["inputs"].Shape
	return &data.Batch{
		Session: "session", Clips: s[0], Channels: s[1], Frames: s[2], Height: s[3], Width: s[4], Neurons: 1,
		Inputs: r.arrays["inputs"].Float32s(), Targets: r.arrays["targets"].Float32s(),
	}
}

// TestSingleCellLNPTrainsLikeThePythonPackage compares weights from the seed, losses
// and penalties of steps, and what a validation logs.
func TestSingleCellLNPTrainsLikeThePythonPackage(t *testing.T) {
	r := readLNP(t)
	for _, d := range torchtest.Devices {
		t.Run(d, func(t *testing.T) { r.train(t, torchtest.Device(t, d)) })
	}
}

func (r recordedLNP) train(t *testing.T, d torch.Device) {
	t.Helper()
	m := r.model(t, d)
	r.compare(t, m.Store(), "before/", 1e-6)
	o := optim.DefaultAdam(true)
	o.LR = m.LearningRate
	st := &Stepper{Model: m, Optimizer: optim.NewAdamW(m.Store().Scope(), m.Store().Parameters(), o)}
	for i, want := range r.Steps {
		got, err := st.Step(t.Context(), r.batch(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, logged := range m.Conventions.Train {
			nearly(t, i, logged.Name, got.value(logged.Quantity), want[logged.Name])
		}
	}
	v, err := evaluateBatch(t.Context(), m, r.batch())
	if err != nil {
		t.Fatal(err)
	}
	for _, logged := range m.Conventions.Validation {
		nearly(t, len(r.Steps), logged.Name, v.value(logged.Quantity), r.Validation[logged.Name])
	}
}

func nearly(t *testing.T, step int, name string, got, want float64) {
	t.Helper()
	if want == 0 || math.Abs(got-want) > 1e-4*math.Abs(want)+1e-5 {
		t.Errorf("step %d: %s is %v, want %v", step, name, got, want)
	}
}

// compare holds a state dict against what was recorded under a prefix.
func (r recordedLNP) compare(t *testing.T, store *nn.Store, prefix string, tolerance float64) {
	t.Helper()
	state, err := store.StateDict()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range state {
		want := r.arrays[prefix+n.Name]
		if want == nil || want.Len() != n.Array.Len() {
			t.Fatalf("the class has no %s of %v", n.Name, n.Array.Shape)
		}
		for i := range want.Len() {
			if math.Abs(n.Array.At(i)-want.At(i)) > tolerance {
				t.Errorf("%s%s: value %d is %v, want %v", prefix, n.Name, i, n.Array.At(i), want.At(i))
				break
			}
		}
	}
}

// TestPythonLoadsSingleCellLNP: load_from_checkpoint of the class reads our file, and
// answers as we do.
func TestPythonLoadsSingleCellLNP(t *testing.T) {
	pythonOrSkip(t)
	r := readLNP(t)
	checkAnswersInPython(t, r.model(t, torch.CPU), nil, r.arrays["inputs"], "", "../../scripts/python/check_single_cell.py")
}
