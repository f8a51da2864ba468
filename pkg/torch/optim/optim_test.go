package optim

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

const steps = 7 // as in testdata/make.py

// recording is testdata/optimizers.npz: what torch.optim makes of two parameters.
type recording map[string]*ndarray.Array

func readRecording(t *testing.T) recording {
	t.Helper()
	arrays, err := npy.ReadZipFile("testdata/optimizers.npz")
	if err != nil {
		t.Fatal(err)
	}
	r := recording{}
	for _, a := range arrays {
		r[a.Name] = a.Array
	}
	return r
}

// training is an optimizer over the two parameters of the recording.
type training struct {
	root      *torch.Scope
	params    []*torch.Tensor
	optimizer Optimizer
}

func newTraining(t *testing.T, r recording, settings *config.Node) *training {
	t.Helper()
	build, err := FromConfig(settings)
	if err != nil {
		t.Fatal(err)
	}
	before := torch.LiveTensors()
	tr := &training{root: torch.NewScope(torch.CPU)}
	t.Cleanup(func() {
		tr.root.Close()
		if left := torch.LiveTensors() - before; left > 0 {
			t.Errorf("%d tensors are left over", left)
		}
	})
	for i := range 2 {
		start := tr.root.FromArray(r[fmt.Sprintf("start/%d", i)])
		tr.params = append(tr.params, tr.root.RequireGrad(start, true))
	}
	tr.optimizer = build(tr.root, tr.params)
	return tr
}

// step makes one step with the recorded gradients, unless a guard is not finite.
func (tr *training) step(t *testing.T, r recording, step int, guards ...float64) {
	t.Helper()
	err := torch.Do(t.Context(), torch.Train, func(s *torch.Scope) error {
		loss := s.Zeros()
		for i, p := range tr.params {
			s.ClearGrad(p)
			if g, ok := r[fmt.Sprintf("gradient/%d/%d", step, i)]; ok {
				loss = s.Add(loss, s.Sum(s.Mul(p, s.FromArray(g))))
			}
		}
		s.Backward(loss)
		values := make([]*torch.Tensor, len(guards))
		for i, g := range guards {
			values[i] = s.Full(g)
		}
		tr.optimizer.Step(s, values...)
		return s.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (tr *training) values(t *testing.T) [][]float32 {
	t.Helper()
	var list [][]float32
	for _, p := range tr.params {
		v, err := tr.root.Float32s(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

func cases(t *testing.T) map[string]*config.Node {
	t.Helper()
	text, err := os.ReadFile("testdata/optimizers.json")
	if err != nil {
		t.Fatal(err)
	}
	n, err := config.FromYAML("optimizers.json", text)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]*config.Node{}
	for name, settings := range n.Fields() {
		list[name] = settings
	}
	return list
}

func near(got float32, want float64) bool {
	return math.Abs(float64(got)-want) <= 1e-6+1e-6*math.Abs(want)
}

func TestStepsEqualPyTorchs(t *testing.T) {
	r := readRecording(t)
	for name, settings := range cases(t) {
		t.Run(name, func(t *testing.T) {
			tr := newTraining(t, r, settings)
			for step := range steps {
				tr.step(t, r, step)
			}
			for i, values := range tr.values(t) {
				want := r[fmt.Sprintf("%s/end/%d", name, i)]
				for j, v := range values {
					if !near(v, want.At(j)) {
						t.Errorf("parameter %d ends as %v, want %v at %d", i, v, want.At(j), j)
						break
					}
				}
			}
			compareStates(t, r, name, tr.optimizer)
		})
	}
}

func compareStates(t *testing.T, r recording, name string, o Optimizer) {
	t.Helper()
	state, err := o.State()
	if err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for key := range r {
		if strings.HasPrefix(key, name+"/state/") {
			recorded++
		}
	}
	for i, p := range state.Params {
		if p == nil {
			continue
		}
		for _, a := range p.Arrays {
			want := r[fmt.Sprintf("%s/state/%d/%s", name, i, a.Name)]
			if want == nil || want.Len() != a.Array.Len() {
				t.Errorf("parameter %d has state %s of shape %v", i, a.Name, a.Array.Shape)
				continue
			}
			recorded--
			for j := range want.Len() {
				if !near(float32(a.Array.At(j)), want.At(j)) {
					t.Errorf("%s of parameter %d is %v, want %v at %d", a.Name, i, a.Array.At(j), want.At(j), j)
					break
				}
			}
		}
	}
	if recorded != 0 {
		t.Errorf("%d arrays of the state are missing", recorded)
	}
}

// TestStateContinuesToTheSameBits saves after some steps, and goes on with another
// optimizer that was given the state.
func TestStateContinuesToTheSameBits(t *testing.T) {
	r := readRecording(t)
	for name, settings := range cases(t) {
		t.Run(name, func(t *testing.T) {
			first := newTraining(t, r, settings)
			for step := range 3 {
				first.step(t, r, step)
			}
			first.optimizer.SetLR(0.02)
			second := newTraining(t, r, settings)
			state, err := first.optimizer.State()
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range second.params {
				second.root.CopyInto(p, first.params[i])
			}
			if err := second.optimizer.SetState(state); err != nil {
				t.Fatal(err)
			}
			for step := 3; step < steps; step++ {
				first.step(t, r, step)
				second.step(t, r, step)
			}
			if second.optimizer.LR() != 0.02 {
				t.Errorf("learning rate is %v", second.optimizer.LR())
			}
			a, b := first.values(t), second.values(t)
			for i := range a {
				if !slices.Equal(a[i], b[i]) {
					t.Errorf("parameter %d is %v, want %v", i, b[i], a[i])
				}
			}
		})
	}
}

func TestGuardsStopTheUpdate(t *testing.T) {
	r := readRecording(t)
	for name, settings := range cases(t) {
		t.Run(name, func(t *testing.T) {
			plain := newTraining(t, r, settings)
			plain.step(t, r, 0)
			before := plain.values(t)
			guarded := newTraining(t, r, settings)
			guarded.step(t, r, 0, 1, -1e30)
			for _, guards := range [][]float64{{math.NaN()}, {1, math.Inf(1)}, {math.Inf(-1), 1}} {
				guarded.step(t, r, 1, guards...)
				if got := guarded.values(t); !slices.EqualFunc(got, before, slices.Equal) {
					t.Errorf("guards %v: parameters are %v, want %v", guards, got, before)
				}
			}
		})
	}
}

func TestStateThatDoesNotFitIsRefused(t *testing.T) {
	r := readRecording(t)
	tr := newTraining(t, r, cases(t)["adam"])
	tr.step(t, r, 0)
	whole, err := tr.optimizer.State()
	if err != nil {
		t.Fatal(err)
	}
	lacking := &ParamState{Arrays: whole.Params[0].Arrays[:1]}
	for want, params := range map[string][]*ParamState{
		"for 1 parameters, the model has 2": whole.Params[:1],
		"parameter 1 lacks exp_avg":         {whole.Params[0], lacking},
		"parameter 1: copy of [5]":          {whole.Params[0], whole.Params[0]},
	} {
		fresh := newTraining(t, r, cases(t)["adam"])
		if err := fresh.optimizer.SetState(&State{Params: params}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q in it", err, want)
		}
	}
}

func TestBadOptionsAreRefusedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"_target_: torch.optim.AdamX":                    "unknown optimizer",
		"_target_: torch.optim.Adam\nlearning_rate: 1":   "x.yaml:2: ",
		"_target_: torch.optim.Adam\nlr: -1":             "x.yaml:2: invalid learning rate: -1",
		"_target_: torch.optim.Adam\nlr: .nan":           "invalid learning rate: NaN",
		"_target_: torch.optim.AdamW\nbetas: [0.9, 1.0]": "x.yaml:2: invalid beta parameter at index 1: 1",
		"_target_: torch.optim.AdamW\nbetas: [0.9]":      "x.yaml:2: ",
		"_target_: torch.optim.AdamW\neps: -1":           "invalid epsilon value: -1",
		"_target_: torch.optim.AdamW\nweight_decay: -1":  "invalid weight_decay value: -1",
		"_target_: torch.optim.SGD\nlr: 1\nmomentum: -1": "x.yaml:3: invalid momentum value: -1",
		"_target_: torch.optim.SGD\nnesterov: true":      "x.yaml:2: nesterov momentum requires a momentum and zero dampening",
		"_target_: torch.optim.SGD\nlr: fast":            "x.yaml:2: ",
		"_target_: torch.optim.SGD\nweight_decay: -0.1":  "invalid weight_decay value: -0.1",
	} {
		n, err := config.FromYAML("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromConfig(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q in it", text, err, want)
		}
	}
	n, err := config.FromYAML("x.yaml", []byte("_target_: torch.optim.AdamW\nfused: true\nforeach: null\ncapturable: false"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromConfig(n); err != nil {
		t.Errorf("options of PyTorch's implementation are refused: %v", err)
	}
}
