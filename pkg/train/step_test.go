package train

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// The recorded steps of the Python package (testdata/train_step/README.md).
type recordedSteps struct {
	Optimizer      string          `json:"optimizer"`
	ParamGroup     json.RawMessage `json:"param_group"`
	ClipNorm       float64         `json:"clip_norm"`
	ParameterOrder []string        `json:"parameter_order"`
	Steps          []struct {
		Session    string   `json:"session"`
		GradNorm   float64  `json:"grad_norm_before_clip"`
		WithoutGad []string `json:"without_gradient"`
		RegCore    float64  `json:"regularization_loss_core"`
		RegReadout float64  `json:"regularization_loss_readout"`
		Total      float64  `json:"train_total_loss"`
		Loss       float64  `json:"train_loss"`
		Evaluation float64  `json:"train_evaluation_loss"`
	} `json:"steps"`
}

func readSteps(t *testing.T, dir string) (r recordedSteps) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "steps.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func readState(t *testing.T, path string) []ndarray.Named {
	t.Helper()
	arrays, err := npy.ReadZipFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return arrays
}

func readBatch(t *testing.T, dir, session string) *data.Batch {
	t.Helper()
	arrays := readState(t, filepath.Join(dir, "batch_"+session+".npz"))
	b := &data.Batch{Session: session}
	for _, a := range arrays {
		s := a.Array.Shape
		if a.Name == "inputs" {
			b.Clips, b.Channels, b.Frames, b.Height, b.Width = s[0], s[1], s[2], s[3], s[4]
			b.Inputs = a.Array.Float32s()
		} else {
			b.Neurons, b.Targets = s[2], a.Array.Float32s()
		}
	}
	return b
}

// recordedModel builds the model of a recorded training before its first step.
func recordedModel(t *testing.T, d torch.Device, dir string, rec recordedSteps) *Stepper {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "config_model.json"))
	if err != nil {
		t.Fatal(err)
	}
	hyper, err := config.FromYAML("config_model.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"optimizer", "lr_scheduler"} {
		if err := hyper.Set(key, nil); err != nil {
			t.Fatal(err)
		}
	}
	m, err := models.Restore(hyper, readState(t, filepath.Join(dir, "state_before.npz")), models.Options{Device: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	var group map[string]any
	if err := json.Unmarshal(rec.ParamGroup, &group); err != nil {
		t.Fatal(err)
	}
	for _, implementation := range []string{"foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"} {
		delete(group, implementation)
	}
	group["_target_"] = "torch.optim." + rec.Optimizer
	node, err := config.FromValue(group)
	if err != nil {
		t.Fatal(err)
	}
	builder, err := optim.FromConfig(node)
	if err != nil {
		t.Fatal(err)
	}
	return &Stepper{
		Model: m, Optimizer: builder(m.Store().Scope(), m.Store().Parameters()), ClipNorm: rec.ClipNorm,
	}
}

func TestStepsEqualThePythonPackages(t *testing.T) {
	for _, name := range []string{"hoefling_low_res", "hoefling_low_res_sgd", "gru"} {
		t.Run(name, func(t *testing.T) {
			for _, d := range torchtest.Devices {
				t.Run(d, func(t *testing.T) { testSteps(t, torchtest.Device(t, d), name) })
			}
		})
	}
}

func testSteps(t *testing.T, d torch.Device, name string) {
	t.Helper()
	dir := filepath.Join("testdata", "train_step", name)
	rec := readSteps(t, dir)
	st := recordedModel(t, d, dir, rec)
	var order []string
	for _, e := range st.Model.Store().Entries() {
		if e.Parameter {
			order = append(order, e.Name)
		}
	}
	if !slices.Equal(order, rec.ParameterOrder) {
		t.Fatalf("parameters are %v, want %v", order, rec.ParameterOrder)
	}
	for i, want := range rec.Steps {
		got, err := st.Step(t.Context(), readBatch(t, dir, want.Session), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []struct {
			name      string
			got, want float64
		}{
			{"train_loss", got.TrainLoss, want.Loss},
			{"regularization_loss_core", got.RegularizationCore, want.RegCore},
			{"regularization_loss_readout", got.RegularizationReadout, want.RegReadout},
			{"train_total_loss", got.TotalLoss, want.Total},
			{"train_evaluation_loss", got.Evaluation, want.Evaluation},
			{"gradient norm", got.GradNorm, want.GradNorm},
		} {
			if math.Abs(v.got-v.want) > 1e-5*math.Abs(v.want)+1e-6 {
				t.Errorf("step %d: %s is %v, want %v", i+1, v.name, v.got, v.want)
			}
		}
		if i == 0 {
			compareGradients(t, st.Model, filepath.Join(dir, "grad_step1_clipped.npz"))
		}
		if i == 0 || i == 4 {
			compareState(t, st, dir, i+1)
		}
	}
}

// close tells whether values agree within 1e-4 of the largest (the tolerance of
// the recording's README).
func agree(t *testing.T, name string, got, want *ndarray.Array) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Errorf("%s has shape %v, want %v", name, got.Shape, want.Shape)
		return
	}
	largest, worst := 0.0, 0.0
	for i := range want.Len() {
		largest = math.Max(largest, math.Abs(want.At(i)))
		worst = math.Max(worst, math.Abs(want.At(i)-got.At(i)))
	}
	if worst > 1e-4*largest {
		t.Errorf("%s deviates by %v, largest value %v", name, worst, largest)
	}
}

func compareGradients(t *testing.T, m *models.CoreReadout, path string) {
	t.Helper()
	want := readState(t, path)
	byName := map[string]*ndarray.Array{}
	for _, a := range want {
		byName[a.Name] = a.Array
	}
	err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		for _, e := range m.Store().Entries() {
			g := s.Grad(e.Tensor)
			if (g == nil) != (byName[e.Name] == nil) {
				t.Errorf("gradient of %s: there is %v, want %v", e.Name, g != nil, byName[e.Name] != nil)
				continue
			}
			if g == nil {
				continue
			}
			a, err := s.Array(g)
			if err != nil {
				return err
			}
			agree(t, "gradient of "+e.Name, a, byName[e.Name])
		}
		return s.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func compareState(t *testing.T, st *Stepper, dir string, step int) {
	t.Helper()
	got, err := st.Model.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range readState(t, filepath.Join(dir, "state_after_"+strconv.Itoa(step)+".npz")) {
		if got[i].Name != want.Name {
			t.Fatalf("entry %d is %s, want %s", i, got[i].Name, want.Name)
		}
		agree(t, "state "+want.Name, got[i].Array, want.Array)
	}
	state, err := st.Optimizer.State()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]*ndarray.Array{}
	for i, e := range st.Model.Store().Trainable() {
		if state.Params[i] == nil {
			continue
		}
		for _, a := range state.Params[i].Arrays {
			have[e.Name+"/"+a.Name] = a.Array
		}
	}
	want := readState(t, filepath.Join(dir, "optimizer_after_"+strconv.Itoa(step)+".npz"))
	if len(want) != len(have) {
		t.Errorf("optimizer has %d arrays, want %d", len(have), len(want))
	}
	for _, a := range want {
		if have[a.Name] == nil {
			t.Errorf("optimizer lacks %s", a.Name)
			continue
		}
		agree(t, "optimizer "+a.Name, have[a.Name], a.Array)
	}
}

// flatLoss is zero with a gradient that is no number, as the square root has at 0.
type flatLoss struct{ models.Loss }

func (flatLoss) Forward(s *torch.Scope, output, _ *torch.Tensor) *torch.Tensor {
	return s.Sum(s.Sqrt(s.Sub(output, output)))
}

// TestWhatIsNotFiniteLeavesTheParameters makes a good step, a bad one, and looks
// whether the bad one moved anything.
func TestWhatIsNotFiniteLeavesTheParameters(t *testing.T) {
	dir := filepath.Join("testdata", "train_step", "hoefling_low_res")
	rec := readSteps(t, dir)
	session := rec.Steps[0].Session
	for name, c := range map[string]struct {
		spoil func(*Stepper, *data.Batch)
		want  string
	}{
		"stimulus": {func(_ *Stepper, b *data.Batch) { b.Inputs[5] = float32(math.NaN()) }, "the training loss is NaN in session "},
		"response": {func(_ *Stepper, b *data.Batch) { b.Targets[len(b.Targets)-1] = float32(math.Inf(1)) }, "the training loss is "},
		"gradient": {func(st *Stepper, _ *data.Batch) { st.Model.Loss = flatLoss{} }, "the norm of the gradient is NaN in session "},
	} {
		t.Run(name, func(t *testing.T) {
			st, b := recordedModel(t, torch.CPU, dir, rec), readBatch(t, dir, session)
			if _, err := st.Step(t.Context(), b, true); err != nil {
				t.Fatal(err)
			}
			before := parameterValues(t, st)
			c.spoil(st, b)
			_, err := st.Step(t.Context(), b, true)
			var bad *NonFiniteError
			if !errors.As(err, &bad) || bad.Session != session || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			if !slices.EqualFunc(before, parameterValues(t, st), slices.Equal) {
				t.Error("the parameters moved")
			}
		})
	}
}

// TestStepsAreTheSameFromRunToRun compares bits, on two threads.
func TestStepsAreTheSameFromRunToRun(t *testing.T) {
	defer torch.SetThreads(torch.Threads())
	torch.SetThreads(2)
	var first [][]float32
	for range 3 {
		st, b := lowResStepper(t, torch.CPU), noiseBatch(3, 50, 300)
		for range 3 {
			if _, err := st.Step(t.Context(), b, true); err != nil {
				t.Fatal(err)
			}
		}
		if first == nil {
			first = parameterValues(t, st)
		}
		if !slices.EqualFunc(first, parameterValues(t, st), slices.Equal) {
			t.Error("the parameters differ")
		}
	}
}

// parameterValues are all parameters, the readouts' features cut off at zero as
// each forward pass does.
func parameterValues(t *testing.T, st *Stepper) (values [][]float32) {
	t.Helper()
	for _, e := range st.Model.Store().Trainable() {
		v, err := st.Model.Store().Scope().Float32s(e.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		for i := range v {
			if strings.HasSuffix(e.Name, ".features") {
				v[i] = max(v[i], 0)
			}
		}
		values = append(values, v)
	}
	return values
}
