package optim

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// follow is a training of which only the learning rate and the momentum matter.
type follow struct {
	optimizer Optimizer
	schedule  Schedule
}

func newFollow(t *testing.T, optimizer string, lr float64, node json.RawMessage, given Given) follow {
	t.Helper()
	n, err := config.FromYAML("schedules.json", node)
	if err != nil {
		t.Fatal(err)
	}
	s, err := SchedulerFromConfig(n)
	if err != nil {
		t.Fatal(err)
	}
	root := torch.NewScope(torch.CPU)
	t.Cleanup(root.Close)
	var o Optimizer
	switch strings.ToLower(optimizer) {
	case "adamw":
		o = NewAdamW(root, nil, DefaultAdam(true))
	case "adam":
		o = NewAdam(root, nil, DefaultAdam(false))
	default:
		o = NewSGD(root, nil, DefaultSGD())
	}
	o.SetLR(lr)
	schedule, err := s.New(o, given)
	if err != nil {
		t.Fatal(err)
	}
	return follow{o, schedule}
}

// moved is another training that goes on with this one's state.
func (f follow) moved(t *testing.T, to follow) follow {
	t.Helper()
	state, err := f.optimizer.State()
	if err != nil {
		t.Fatal(err)
	}
	if err := to.optimizer.SetState(state); err != nil {
		t.Fatal(err)
	}
	if err := to.schedule.SetState(f.schedule.State()); err != nil {
		t.Fatal(err)
	}
	return to
}

func same(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

// TestSchedulesEqualPyTorchs goes over all recorded learning rates (the README of the
// fixtures train_step says how they were made), once through and once with the state
// moved to a fresh training in the middle.
func TestSchedulesEqualPyTorchs(t *testing.T) {
	text, err := os.ReadFile("testdata/schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Epochs        int                  `json:"epochs"`
		StepsPerEpoch int                  `json:"steps_per_epoch"`
		Metrics       map[string][]float64 `json:"metrics"`
		Cases         map[string]struct {
			Config    json.RawMessage `json:"config"`
			Optimizer string          `json:"optimizer"`
			Initial   float64         `json:"initial_learning_rate"`
			Monitor   *string         `json:"monitor"`
			Metric    string          `json:"metric"`
			Rates     []float64       `json:"learning_rates"`
			Momenta   []float64       `json:"momentum_or_beta1"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	for name, c := range recorded.Cases {
		for _, interrupted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s interrupted=%v", name, interrupted), func(t *testing.T) {
				fresh := func() follow {
					return newFollow(t, c.Optimizer, c.Initial, c.Config, Given{c.Initial, recorded.Epochs * recorded.StepsPerEpoch})
				}
				f := fresh()
				for i, want := range c.Rates {
					if got := f.optimizer.LR(); !same(got, want) {
						t.Fatalf("after %d steps the learning rate is %v, want %v", i, got, want)
					}
					if i == len(c.Rates)-1 {
						break
					}
					if interrupted && i == len(c.Rates)/3 {
						f = f.moved(t, fresh())
					}
					metric := math.NaN()
					if c.Metric != "" {
						metric = recorded.Metrics[c.Metric][i]
					}
					if err := f.schedule.Step(metric); err != nil {
						t.Fatal(err)
					}
					if i < len(c.Momenta) && !same(f.optimizer.Momentum(), c.Momenta[i]) {
						t.Fatalf("after %d steps the momentum is %v, want %v", i+1, f.optimizer.Momentum(), c.Momenta[i])
					}
				}
			})
		}
	}
}

// TestStatesOfSchedulesEqualPyTorchs compares rates, momenta, and at the end the states
// of schedule and optimizer.
func TestStatesOfSchedulesEqualPyTorchs(t *testing.T) {
	text, err := os.ReadFile("testdata/more_schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Metric []float64 `json:"metric"`
		Cases  []struct {
			Config    json.RawMessage `json:"config"`
			Optimizer string          `json:"optimizer"`
			Rates     []float64       `json:"rates"`
			Momenta   []float64       `json:"momenta"`
			State     map[string]any  `json:"state"`
			Group     map[string]any  `json:"group"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	for _, c := range recorded.Cases {
		t.Run(string(c.Config), func(t *testing.T) {
			f := newFollow(t, c.Optimizer, 0.01, c.Config, Given{})
			for i, want := range c.Rates {
				if got := f.optimizer.LR(); !same(got, want) {
					t.Errorf("after %d steps the learning rate is %v, want %v", i, got, want)
				}
				if got := f.optimizer.Momentum(); !same(got, c.Momenta[i]) {
					t.Errorf("after %d steps the momentum is %v, want %v", i, got, c.Momenta[i])
				}
				if err := f.schedule.Step(recorded.Metric[i]); err != nil {
					t.Fatal(err)
				}
			}
			compareGroups(t, "state", f.schedule.State(), c.State)
			compareGroups(t, "group", *f.optimizer.Group(), c.Group)
		})
	}
}

func compareGroups(t *testing.T, what string, got Group, want map[string]any) {
	t.Helper()
	plain := plainGroup(got)
	for name, v := range want {
		if have, ok := plain[name]; !ok || !alike(have, v) {
			t.Errorf("%s: %s is %v, want %v", what, name, have, v)
		}
	}
	if len(plain) != len(want) {
		t.Errorf("%s has %v, want %v", what, got, want)
	}
}

// plainGroup is a state as JSON has it.
func plainGroup(g Group) map[string]any {
	plain := map[string]any{}
	for _, s := range g {
		plain[s.Name] = plainValue(s.Value)
	}
	return plain
}

func plainValue(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		if math.IsInf(v, 0) {
			return strings.TrimPrefix(strings.ToLower(fmt.Sprint(v)), "+")
		}
	case [2]float64:
		return []any{v[0], v[1]}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plainValue(v[i])
		}
		return list
	case Group:
		return plainGroup(v)
	case Counter:
		counts := map[string]any{}
		for _, c := range v {
			counts[fmt.Sprint(c.Number)] = float64(c.Times)
		}
		return counts
	}
	return v
}

// alike compares two values of JSON, numbers within 1e-9.
func alike(a, b any) bool {
	switch a := a.(type) {
	case float64:
		v, ok := b.(float64)
		return ok && same(a, v)
	case []any:
		v, ok := b.([]any)
		if !ok || len(a) != len(v) {
			return false
		}
		for i := range a {
			if !alike(a[i], v[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		v, ok := b.(map[string]any)
		if !ok || len(a) != len(v) {
			return false
		}
		for key := range a {
			if !alike(a[key], v[key]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func TestBadSchedulesAreRefusedWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"ReduceLROnPlateau\nmode: up":                            "x.yaml:2: ReduceLROnPlateau: mode \"up\" is neither min nor max",
		"ReduceLROnPlateau\nthreshold_mode: more":                "neither rel nor abs",
		"ReduceLROnPlateau\nmode: max\nfactor: 1":                "x.yaml:3: ReduceLROnPlateau: factor 1 should be < 1.0",
		"ReduceLROnPlateau\npatience: 1.5":                       "x.yaml:2: ",
		"ReduceLROnPlateau\ninterval: batch":                     "x.yaml:2: interval must be epoch or step, got \"batch\"",
		"ReduceLROnPlateau\nlast_epoch: -1":                      "unknown key \"last_epoch\"",
		"StepLR":                                                 "step_size",
		"StepLR\nstep_size: 0":                                   "x.yaml:2: StepLR: step_size must be at least 1, got 0",
		"StepLR\nstep_size: 3\nlast_epoch: 4":                    "x.yaml:3: last_epoch must be -1, got 4",
		"StepLR\nstep_size: 3\nfrequency: 0":                     "x.yaml:3: frequency must be at least 1, got 0",
		"MultiStepLR\nmilestones: 3":                             "x.yaml:2: ",
		"ExponentialLR\ngama: 1":                                 "did you mean \"gamma\"?",
		"CosineAnnealingLR\nT_max: 0":                            "x.yaml:2: CosineAnnealingLR: T_max must be at least 1, got 0",
		"CosineAnnealingWarmRestarts\nT_0: 3\nT_mult: 0":         "x.yaml:3: CosineAnnealingWarmRestarts: T_mult must be at least 1, got 0",
		"OneCycleLR\nmax_lr: 1\nepochs: 3":                       "needs both epochs and steps_per_epoch",
		"OneCycleLR\nmax_lr: [1, 2]":                             "x.yaml:2: ",
		"OneCycleLR\nmax_lr: 1\ntotal_steps: 0":                  "x.yaml:3: OneCycleLR: total_steps must be positive",
		"OneCycleLR\nmax_lr: 1\npct_start: 1.5":                  "x.yaml:3: OneCycleLR: pct_start must be in [0, 1], got 1.5",
		"OneCycleLR\nmax_lr: 1\nanneal_strategy: no":             "x.yaml:3: ",
		"LinearLR\nstart_factor: 0":                              "x.yaml:2: LinearLR: start_factor must be above 0",
		"ConstantLR\nfactor: 2":                                  "x.yaml:2: ConstantLR: factor must be above 0 and at most 1, got 2",
		"PolynomialLR\ntotal_iters: 0":                           "x.yaml:2: PolynomialLR: total_iters must be at least 1, got 0",
		"StepLRs\nstep_size: 1":                                  "did you mean \"torch.optim.lr_scheduler.StepLR\"?",
		"OneCycleLR\nmax_lr: 1\nlast_epoch: 3\nfrequency: -1":    "frequency must be at least 1, got -1",
		"OneCycleLR\nmax_lr: 1\ndiv_factor: 0\ntotal_steps: 100": "x.yaml:3: OneCycleLR: div_factor must be positive, got 0",
	} {
		n, err := config.FromYAML("x.yaml", []byte("_target_: torch.optim.lr_scheduler."+text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := SchedulerFromConfig(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q in it", text, err, want)
		}
	}
}

// TestStatesThatCannotBeAreRefused: a checkpoint may hold anything.
func TestStatesThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []struct {
		config string
		state  Group
		want   string
	}{
		{"StepLR, step_size: 3", Group{{"step_size", 0}}, "step_size must be at least 1, got 0"},
		{"StepLR, step_size: 3", Group{{"gamma", "x"}}, "gamma is x"},
		{"CosineAnnealingLR, T_max: 3", Group{{"T_max", 0}}, "T_max must be at least 1"},
		{"MultiStepLR, milestones: [1]", Group{{"milestones", Counter{{1, 1 << 40}}}}, "milestones counts a milestone"},
		{"OneCycleLR, max_lr: 1, total_steps: 9", Group{{"_schedule_phases", []any{}}}, "there are no phases"},
		{"OneCycleLR, max_lr: 1, total_steps: 9", Group{{"_schedule_phases", []any{Group{{"end_step", 0.}}}}}, "begins and ends at step 0"},
		{"CosineAnnealingWarmRestarts, T_0: 3", Group{{"T_mult", 0}}, "T_mult must be at least 1"},
		{"ReduceLROnPlateau, mode: max", Group{{"mode", "up"}}, "neither min nor max"},
		{"ReduceLROnPlateau, mode: max", Group{{"min_lrs", []any{1., 2.}}}, "must be a list of one number"},
	} {
		f := newFollow(t, "adamw", 0.01, json.RawMessage("{_target_: torch.optim.lr_scheduler."+c.config+"}"), Given{})
		if err := f.schedule.SetState(c.state); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", c.config, err, c.want)
		}
	}
	f := newFollow(t, "sgd", 0.01, json.RawMessage("{_target_: torch.optim.lr_scheduler.StepLR, step_size: 3}"), Given{})
	if err := f.optimizer.SetState(&State{Group: Group{{"nesterov", "yes"}}}); err == nil || !strings.Contains(err.Error(), "nesterov") {
		t.Errorf("error is %v", err)
	}
}

// TestOneCycleEndsWithItsSteps: the next one is an error, as in PyTorch.
func TestOneCycleEndsWithItsSteps(t *testing.T) {
	f := newFollow(t, "sgd", 0.01, json.RawMessage("{_target_: torch.optim.lr_scheduler.OneCycleLR, max_lr: 1, total_steps: 4}"), Given{})
	for range 4 {
		if err := f.schedule.Step(0); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.schedule.Step(0); err == nil || !strings.Contains(err.Error(), "step 5 is beyond its total_steps, 4") {
		t.Errorf("error is %v", err)
	}
}
