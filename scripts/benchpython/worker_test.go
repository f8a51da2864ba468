package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// asWorker makes the test's program a worker.
const asWorker = "BENCHPYTHON_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	if err := run(context.Background(), []string{"worker"}, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A checkpoint of the Python package with a stimulus and its responses.
const (
	checkpointDir = "../../pkg/models/testdata/checkpoints/hoefling_low_res/"
	testSession   = "session_1_ventral1_20200226"
)

// loads are requests to load, one for each kind of case.
func loads(t *testing.T) map[kind]request {
	t.Helper()
	stimulus, err := npy.ReadFile(checkpointDir + "input.npy")
	if err != nil {
		t.Fatal(err)
	}
	responses, err := npy.ReadFile(checkpointDir + "output_" + testSession + ".npy")
	if err != nil {
		t.Fatal(err)
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 0))
	write := func(name string, scale float64, shape ...int) string {
		values := make([]float32, shape[0]*shape[1]*shape[2]*product(shape[3:]))
		for i := range values {
			values[i] = float32(rng.Float64() * scale)
		}
		a, err := ndarray.FromFloat32(values, shape...)
		if err == nil {
			err = npy.WriteFile(filepath.Join(dir, name), a)
		}
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	s := stimulus.Shape
	common := request{Op: "load", Threads: 1, Model: checkpointDir + "checkpoint.ckpt", Stimulus: checkpointDir + "input.npy", Session: testSession}
	all := map[kind]request{forward: common, trainStep: common, mei: common}
	step, stimuli := common, common
	step.Kind, step.ClipNorm, step.Targets = trainStep, 1, write("targets.npy", 1, s[0], s[2], responses.Shape[2])
	stimuli.Kind, stimuli.Neurons, stimuli.MEI = mei, 2, mustParse(t, "mei_2").settings()
	stimuli.MEI.Iterations = 2
	stimuli.Stimulus = write("start.npy", 0.1, 1, s[1], usualFrames, s[3], s[4])
	common.Kind = forward
	all[forward], all[trainStep], all[mei] = common, step, stimuli
	return all
}

func product(numbers []int) int {
	n := 1
	for _, k := range numbers {
		n *= k
	}
	return n
}

// converse gives a worker's answers to requests.
func converse(t *testing.T, requests ...request) []answer {
	t.Helper()
	var lines, said strings.Builder
	out := json.NewEncoder(&lines)
	for _, r := range requests {
		if err := out.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve(t.Context(), strings.NewReader(lines.String()), &said); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	for line := range strings.Lines(said.String()) {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(answers), len(requests))
	}
	return answers
}

func TestWorkerRunsAllKinds(t *testing.T) {
	for k, load := range loads(t) {
		t.Run(string(k), func(t *testing.T) {
			outputs := filepath.Join(t.TempDir(), "outputs.npz")
			answers := converse(t, load, request{Op: "idle"}, request{Op: "run"}, request{Op: "run"}, request{Op: "save", Path: outputs}, request{Op: "peak"})
			for i, a := range answers {
				if a.Error != "" {
					t.Errorf("answer %d: %s", i, a.Error)
				}
			}
			if answers[1].Bytes <= 0 || answers[2].Milliseconds <= 0 || answers[5].Bytes <= 0 {
				t.Errorf("%+v", answers)
			}
			arrays, err := npy.ReadZipFile(outputs)
			if err != nil {
				t.Fatal(err)
			}
			checkOutputs(t, k, arrays)
		})
	}
}

func checkOutputs(t *testing.T, k kind, arrays []ndarray.Named) {
	t.Helper()
	shape := func(name string) []int {
		a, err := npy.Find(arrays, name)
		if err != nil {
			t.Fatal(err)
		}
		return a.Shape
	}
	switch k {
	case forward:
		want, err := npy.ReadFile(checkpointDir + "output_" + testSession + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if err := compareOutputs(k, arrays, []ndarray.Named{{Name: "responses", Array: want}}); err != nil {
			t.Error(err)
		}
	case trainStep:
		if losses := shape("losses"); !slices.Equal(losses, []int{2}) {
			t.Errorf("losses of shape %v", losses)
		}
		shape("core.features.layer0.conv.weight_spatial")
	case mei:
		if s, o := shape("stimulus"), shape("objective"); s[0] != 2 || len(s) != 5 || !slices.Equal(o, []int{2, 2}) {
			t.Errorf("stimuli of shape %v, objectives of shape %v", s, o)
		}
	}
}

func TestWorkerErrors(t *testing.T) {
	load := loads(t)[forward]
	noModel, noStimulus, unknown := load, load, load
	noModel.Model, noStimulus.Stimulus, unknown.Kind = "/nowhere.ckpt", "/nowhere.npy", "backward"
	for _, c := range []struct {
		requests []request
		words    string
	}{
		{[]request{{Op: "run"}}, "run before load"},
		{[]request{load, {Op: "dance"}}, `unknown request "dance"`},
		{[]request{noModel}, "/nowhere.ckpt"},
		{[]request{noStimulus}, "/nowhere.npy"},
		{[]request{unknown}, `unknown kind of case "backward"`},
		{[]request{load, {Op: "run"}, {Op: "save", Path: "/nowhere/outputs.npz"}}, "/nowhere/outputs.npz"},
	} {
		answers := converse(t, c.requests...)
		if last := answers[len(answers)-1].Error; !strings.Contains(last, c.words) {
			t.Errorf("%q, want %q", last, c.words)
		}
	}
	if err := serve(t.Context(), strings.NewReader("no JSON"), io.Discard); err == nil {
		t.Error("a request that is no JSON was taken")
	}
}

// Both sides are workers of ours here.
func TestMeasureWorkers(t *testing.T) {
	t.Setenv(asWorker, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	requests := loads(t)
	for _, name := range []string{"forward_2x50", "train_step_2x50", "mei_2"} {
		c := mustParse(t, name)
		var workers pair
		for s := range workers {
			if workers[s], err = startPeer(t.Context(), sideNames[s], self); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(workers[s].close)
			if _, err := workers[s].ask(requests[c.kind]); err != nil {
				t.Fatal(err)
			}
		}
		b, r := &bench{dir: t.TempDir(), pairs: 2}, row{}
		if err := b.measureWorkers(c, workers, &r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.Pairs != 2 || r.PythonMS <= 0 || r.OursMS <= 0 || r.OursPeakMB <= 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
