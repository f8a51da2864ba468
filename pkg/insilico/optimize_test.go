package insilico

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// singles are targets of one neuron each, over both sessions.
var singles = []Neurons{{{ventral, 3}}, {{dorsal, 4}}, {{ventral, 0}}, {{dorsal, 0}}, {{ventral, 3}}}

// above stops once the objective is above a number, which neurons reach at
// different steps.
type above float64

func (above) Limit() int { return math.MaxInt }

func (a above) Watch() func(loss float64) (stop bool) {
	return func(loss float64) bool { return -loss > float64(a) }
}

// TestTargetsDoNotDependOnEachOther compares runs that end at different steps,
// alone, together, and in batches of one, with every kind of optimizer state.
func TestTargetsDoNotDependOnEachOther(t *testing.T) {
	m := recordedModel(t)
	targets := append(slices.Clone(singles), Neurons{{ventral, 1}, {dorsal, 2}, {dorsal, 0}})
	for name, optimizer := range map[string]string{
		"SGD with momentum": "{_target_: torch.optim.SGD, lr: 10.0, momentum: 0.5}",
		"Adam":              "{_target_: torch.optim.Adam, lr: 0.02}",
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t, "max_steps: 7\nframes: 38\noptimizer: "+optimizer+"\n"+normClipLowPass)
			s.Stopper = above(4)
			together := mustOptimize(t, m, targets, s, Options{})
			inBatchesOfOne := mustOptimize(t, m, targets, s, Options{MemoryBudget: 1})
			for i := range targets {
				sameStimulus(t, together, inBatchesOfOne, i, i)
			}
			sameStimulus(t, together, together, 0, 4)
			alone := mustOptimize(t, m, targets[5:], s, Options{})
			sameStimulus(t, together, alone, 5, 0)
			if slices.Max(together.Steps) == slices.Min(together.Steps) {
				t.Errorf("all targets make %d steps: the test is blind", together.Steps[0])
			}
		})
	}
}

func sameStimulus(t *testing.T, a, b *Result, i, j int) {
	t.Helper()
	if a.Steps[i] != b.Steps[j] {
		t.Errorf("%v: %d steps and %d steps", a.Targets[i], a.Steps[i], b.Steps[j])
	}
	within(t, a.Targets[i].String()+": objective", a.Objective[i], b.Objective[j], 1e-4, 1e-5)
	largest := 0.0
	for _, v := range clip(b, j) {
		largest = max(largest, math.Abs(float64(v)))
	}
	within(t, a.Targets[i].String()+": stimulus", clip(a, i), clip(b, j), 0, 1e-3*largest)
}

func TestOptimizationLeavesTheModelAlone(t *testing.T) {
	m := recordedModel(t)
	before, err := m.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	mustOptimize(t, m, singles, settings(t, "max_steps: 2"), Options{})
	after, err := m.Store().StateDict()
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range after {
		if !slices.Equal(a.Array.Data, before[i].Array.Data) {
			t.Errorf("%s has changed", a.Name)
		}
	}
	for _, e := range m.Store().Trainable() {
		if on, err := m.Store().Scope().RequiresGrad(e.Tensor); err != nil || !on {
			t.Errorf("%s collects no gradients any more, %v", e.Name, err)
		}
	}
}

func TestGroupIsTheMean(t *testing.T) {
	m := recordedModel(t)
	s := settings(t, "{max_steps: 0}")
	neurons, err := AllNeurons(m, "")
	if err != nil {
		t.Fatal(err)
	}
	each := mustOptimize(t, m, IncreaseObjective{}.Targets(neurons), s, Options{})
	group := mustOptimize(t, m, IncreaseObjective{Group: true}.Targets(neurons), s, Options{})
	mean := 0.0
	for _, row := range each.Objective {
		mean += float64(row[0]) / float64(len(neurons))
	}
	if len(neurons) != 12 || len(each.Steps) != 12 || len(group.Steps) != 1 {
		t.Fatalf("%d neurons, %d single targets, %d groups", len(neurons), len(each.Steps), len(group.Steps))
	}
	within(t, "objective of the group", []float64{float64(group.Objective[0][0])}, []float64{mean}, 1e-5, 0)
	if !slices.Equal(group.Places[0], []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) {
		t.Errorf("places are %v", group.Places)
	}
}

func TestResultHoldsTheNormAndRange(t *testing.T) {
	r := mustOptimize(t, recordedModel(t), singles[:2], settings(t, ""), Options{})
	if !slices.Equal(r.Stimulus.Shape, []int{2, 2, 50, 18, 16}) {
		t.Fatalf("shape %v", r.Stimulus.Shape)
	}
	for i := range r.Targets {
		norm := 0.0
		for _, v := range clip(r, i) {
			norm += float64(v) * float64(v)
			if v < -0.913-1e-6 || v > 6.269+1e-6 {
				t.Fatalf("value %v", v)
			}
		}
		if norm = math.Sqrt(norm); norm > 30.001 {
			t.Errorf("norm %v", norm)
		}
		if row := r.Objective[i]; len(row) != 11 || row[10] <= row[0] {
			t.Errorf("objective %v", row)
		}
	}
}

func TestOneStartForEachTarget(t *testing.T) {
	m := recordedModel(t)
	shape := m.StimulusShape(40)
	shape[0] = 2
	a, err := ndarray.New(ndarray.Float64, shape...)
	if err != nil {
		t.Fatal(err)
	}
	a.Data[len(a.Data)-1] = 0x3f // the second start differs by one pixel
	a.Data[len(a.Data)-2] = 0xf0
	s := settings(t, "{max_steps: 0, frames: 40}")
	s.Init = Init{Path: write(t, a)}
	r := mustOptimize(t, m, singles[:2], s, Options{})
	if first, second := clip(r, 0), clip(r, 1); first[len(first)-1] != 0 || second[len(second)-1] != 1 {
		t.Errorf("starts end with %v and %v", first[len(first)-1], second[len(second)-1])
	}
}

func TestShortResponseWarnsAndUsesTheFirstFrames(t *testing.T) {
	m := recordedModel(t)
	late := mustOptimize(t, m, singles[:2], settings(t, `{max_steps: 1, frames: 36}`), Options{})
	if len(late.Warnings) != 1 || !strings.Contains(late.Warnings[0], "the response has 6 frames") {
		t.Errorf("warnings: %q", late.Warnings)
	}
	whole := mustOptimize(t, m, singles[:2], settings(t, `{max_steps: 1, frames: 36, reducer: null}`), Options{})
	if len(whole.Warnings) != 0 {
		t.Errorf("warnings: %q", whole.Warnings)
	}
	sameStimulus(t, late, whole, 0, 0)
}

func TestBadInput(t *testing.T) {
	m := recordedModel(t)
	wrong, err := ndarray.New(ndarray.Float32, 2, 45, 18, 16)
	if err != nil {
		t.Fatal(err)
	}
	nan, err := ndarray.New(ndarray.Float32, 2, 50, 18, 16)
	if err != nil {
		t.Fatal(err)
	}
	nan.Data[6], nan.Data[7] = 0xc0, 0x7f
	one := singles[:1]
	for _, c := range []struct {
		name, changes string
		init          string
		targets       []Neurons
		message       string
	}{
		{"no targets", "", "", nil, "no neurons"},
		{"empty group", "", "", []Neurons{{}}, "at least one neuron"},
		{"unknown session", "", "", []Neurons{{{"session_9", 0}}}, `unknown session "session_9": the model has ` + ventral},
		{"no session", "", "", []Neurons{{{"", 0}}}, `unknown session ""`},
		{"neuron too large", "", "", []Neurons{{{dorsal, 5}}}, "no neuron 5 in session " + dorsal + ": it has the neurons 0 to 4"},
		{"negative neuron", "", "", []Neurons{{{dorsal, -1}}}, "no neuron -1"},
		{"too few frames", "frames: 30", "", one, "mei.frames is 30, but the model responds only to stimuli of at least 31 frames"},
		{"one frame", "frames: 1", "", one, "mei.frames is 1, but the model responds only to stimuli of at least 31 frames"},
		{
			"window outside", "reducer: {_target_: openretina.insilico.SliceMeanReducer, start: -30, length: 10}", "", one,
			"the window of 10 frames from frame -30 on lies outside the response of 20 frames",
		},
		{
			"too few ranges", "postprocessors: {_target_: " + modules + "regularizer.ChangeNormJointlyClipRangeSeparately, norm: 1, min_max_values: [[0, 1]]}",
			"", one, "mei.postprocessors: ChangeNormJointlyClipRangeSeparately has 1 min_max_values, but the model's stimulus has 2 channels",
		},
		{
			"too many ranges", "regularizers: {_target_: " + modules + "regularizer.RangeRegularizationLoss, max_norm: 1, min_max_values: [[0, 1], [0, 1], [0, 1]]}",
			"", one, "mei.regularizers: RangeRegularizationLoss has 3 min_max_values, but the model's stimulus has only 2 channels",
		},
		{"start of another length", "", write(t, wrong), one, "has shape [2 45 18 16], a stimulus (1, channels, mei.frames, height, width) of the model is [1 2 50 18 16]"},
		{"start with NaN", "", write(t, nan), one, "has the value NaN at element 1"},
		{"no such start", "", filepath.Join(t.TempDir(), "no.npy"), one, "no such file"},
		{"start of zeros", "init: 0", "", one, "the objective of neuron 3 of session " + ventral + " is NaN after 0 steps"},
	} {
		s := settings(t, c.changes)
		if c.init != "" {
			s.Init = Init{Path: c.init}
		}
		r, err := Optimize(t.Context(), m, c.targets, s, Options{})
		if err == nil || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") || r != nil {
			t.Errorf("%s: error is %v", c.name, err)
		}
	}
	if _, err := Optimize(t.Context(), m, one, &Settings{Frames: 50}, Options{}); err == nil {
		t.Error("settings without a reducer are no error")
	}
}

func TestNotANumberNamesNeuronAndStep(t *testing.T) {
	m := recordedModel(t)
	s := settings(t, "{postprocessors: null, optimizer: {_target_: torch.optim.SGD, lr: 1.0e+38}}")
	r, err := Optimize(t.Context(), m, singles[1:], s, Options{MemoryBudget: 1})
	var bad *NonFiniteError
	if !errors.As(err, &bad) || bad.Step < 1 || bad.Target[0] != singles[1][0] || r != nil {
		t.Errorf("result %v, error %v", r, err)
	}
}

func TestCancelledRunKeepsWhatItHas(t *testing.T) {
	m := recordedModel(t)
	s := settings(t, "max_steps: 3")
	why := errors.New("the user is in a hurry")
	for _, c := range []struct {
		after                        int // steps
		targets, finished, remaining int
	}{
		{2, 1, 0, 1}, {3, 1, 1, 0}, {5, 2, 1, 1}, {9, 3, 3, 0}, {15, 5, 5, 0},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		o := Options{MemoryBudget: 1, Progress: func(p Progress) {
			if p.Total != 15 {
				t.Errorf("%d steps in all", p.Total)
			}
			if p.Done == c.after {
				cancel(why)
			}
		}}
		r, err := Optimize(ctx, m, singles, s, o)
		cancel(nil)
		if c.finished == len(singles) {
			if err != nil {
				t.Errorf("cancelled after all steps: %v", err)
			}
			continue
		}
		var stopped *InterruptedError
		if !errors.As(err, &stopped) || !errors.Is(err, why) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("error is %v", err)
		}
		if len(r.Targets) != c.targets || r.Stimulus.Shape[0] != c.targets ||
			stopped.Finished != c.finished || stopped.Unfinished != c.remaining || stopped.Total != 5 {
			t.Errorf("after %d steps: %d stimuli, %v", c.after, len(r.Targets), err)
		}
		if last := c.targets - 1; r.Steps[last] != c.after-3*last || len(r.Objective[last]) != r.Steps[last]+1 {
			t.Errorf("after %d steps the last target has %d", c.after, r.Steps[last])
		}
	}
}

func TestHardCancelDropsTheBatch(t *testing.T) {
	hard, cancel := context.WithCancelCause(t.Context())
	why := errors.New("twice")
	o := Options{Hard: hard, Progress: func(Progress) { cancel(why) }}
	r, err := Optimize(t.Context(), recordedModel(t), singles, settings(t, ""), o)
	if !errors.Is(err, why) || r != nil {
		t.Errorf("result %v, error %v", r, err)
	}
}

func TestCancelledBeforeTheFirstStep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Optimize(ctx, recordedModel(t), singles, settings(t, ""), Options{})
	if !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("result %v, error %v", r, err)
	}
}

func TestFindNeurons(t *testing.T) {
	m := recordedModel(t)
	got, err := FindNeurons(m, "", []int{0, 6, 7, 11})
	if want := []Neuron{{ventral, 0}, {ventral, 6}, {dorsal, 0}, {dorsal, 4}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err = FindNeurons(m, dorsal, []int{4}); err != nil || got[0] != (Neuron{dorsal, 4}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, c := range []struct {
		session string
		place   int
		message string
	}{
		{"", 12, "no neuron 12 in the model's sessions together: choose from 0 to 11"},
		{dorsal, 5, "no neuron 5 in session " + dorsal + ": choose from 0 to 4"},
		{dorsal, -1, "no neuron -1"},
		{"none", 0, `unknown session "none"`},
	} {
		if _, err := FindNeurons(m, c.session, []int{c.place}); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestBatchLimitFollowsTheBudget(t *testing.T) {
	m := recordedModel(t)
	small, large := batchLimit(m, 50, 64<<20), batchLimit(m, 50, 640<<20)
	if small < 2 || large < 9*small || batchLimit(m, 500, 64<<20) != 1 || batchLimit(m, 50, 1) != 1 {
		t.Errorf("limits %d and %d", small, large)
	}
}

// TestEveryCoreLetsGradientsThrough makes a small step on each recorded kind of
// model, which must raise the objective.
func TestEveryCoreLetsGradientsThrough(t *testing.T) {
	const root = "../models/testdata/checkpoints/"
	for _, family := range []string{
		"legacy_core_readout", "full_conv", "goldin_time_independent", "same_padding_pool", "downsample_grey",
	} {
		t.Run(family, func(t *testing.T) {
			m, err := models.Load(root+family+"/checkpoint.ckpt", models.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			neurons, err := FindNeurons(m, "", []int{1})
			if err != nil {
				t.Fatal(err)
			}
			s := settings(t, "{max_steps: 1, frames: 40, postprocessors: null, reducer: null, optimizer: {_target_: torch.optim.SGD, lr: 1}}")
			r := mustOptimize(t, m, IncreaseObjective{}.Targets(neurons), s, Options{})
			if row := r.Objective[0]; !(row[1] > row[0]) {
				t.Errorf("objective %v", row)
			}
		})
	}
}

// BenchmarkOptimize makes MEIs with the default settings: 10 steps, 50 frames.
func BenchmarkOptimize(b *testing.B) {
	m, err := models.Load("../models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt", models.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	defer torch.SetThreads(torch.Threads())
	neurons, err := AllNeurons(m, "")
	if err != nil {
		b.Fatal(err)
	}
	one := IncreaseObjective{}.Targets(neurons)
	for _, n := range []int{1, 16, 128} {
		targets := slices.Repeat(one, n/len(one)+1)[:n]
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%d/threads=%d", n, threads), func(b *testing.B) {
				torch.SetThreads(threads)
				s := settings(b, "")
				for b.Loop() {
					if _, err := Optimize(b.Context(), m, targets, s, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
