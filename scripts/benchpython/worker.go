package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/train"
)

// runner is a case with its model and its inputs in memory.
type runner interface {
	// run makes one call: what is timed.
	run(ctx context.Context) error
	// results are the outputs of the calls so far, under peer.py's names.
	results() ([]ndarray.Named, error)
}

// worker is our side of a case.
type worker struct {
	model *models.CoreReadout
	runner
}

// serve answers requests until there are no more.
func serve(ctx context.Context, requests io.Reader, answers io.Writer) error {
	w := &worker{}
	defer w.close()
	lines, out := json.NewDecoder(bufio.NewReader(requests)), json.NewEncoder(answers)
	for {
		var r request
		if err := lines.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("worker: a request that is no JSON: %w", err)
		}
		a, err := w.answer(ctx, r)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return fmt.Errorf("worker: %w", err)
		}
	}
}

func (w *worker) close() {
	if w.model != nil {
		w.model.Close()
	}
}

func (w *worker) answer(ctx context.Context, r request) (answer, error) {
	if w.runner == nil && r.Op != "load" {
		return answer{}, fmt.Errorf("%s before load", r.Op)
	}
	switch r.Op {
	case "load":
		return answer{Versions: "libtorch " + torch.Version()}, w.load(r)
	case "idle":
		return idle()
	case "run":
		calls := max(r.Calls, 1)
		start := time.Now()
		for range calls {
			if err := w.run(ctx); err != nil {
				return answer{}, err
			}
		}
		return answer{Milliseconds: time.Since(start).Seconds() * 1e3 / float64(calls)}, nil
	case "save":
		arrays, err := w.results()
		if err != nil {
			return answer{}, err
		}
		return answer{}, npy.WriteZipFile(r.Path, arrays)
	case "peak":
		_, peak, err := residentMemory()
		return answer{Bytes: peak}, err
	}
	return answer{}, fmt.Errorf("unknown request %q", r.Op)
}

// idle gives back to the system what reading the files has left behind, so that it
// does not count as idle memory.
func idle() (a answer, err error) {
	debug.FreeOSMemory()
	a.Bytes, a.PeakBefore, err = residentMemory()
	a.WholeLife = !resetPeak()
	return a, err
}

func (w *worker) load(r request) (err error) {
	w.close()
	torch.SetThreads(r.Threads)
	if w.model, err = models.Load(r.Model, models.Options{}); err != nil {
		return err
	}
	stimulus, err := npy.ReadFile(r.Stimulus)
	if err != nil {
		return err
	}
	switch r.Kind {
	case forward:
		w.runner = &forwardRunner{model: w.model, session: r.Session, stimulus: stimulus}
	case trainStep:
		w.runner, err = newTrainRunner(w.model, r, stimulus)
	case mei:
		w.runner = newMEIRunner(w.model, r)
	default:
		err = fmt.Errorf("unknown kind of case %q", r.Kind)
	}
	return err
}

// forwardRunner computes responses.
type forwardRunner struct {
	model               *models.CoreReadout
	session             string
	stimulus, responses *ndarray.Array
}

func (f *forwardRunner) run(ctx context.Context) (err error) {
	f.responses, err = f.model.Respond(ctx, f.stimulus, f.session)
	return err
}

func (f *forwardRunner) results() ([]ndarray.Named, error) {
	return []ndarray.Named{{Name: "responses", Array: f.responses}}, nil
}

// trainRunner makes training steps on the same batch.
type trainRunner struct {
	train.Stepper
	batch  *data.Batch
	losses []float64
}

func newTrainRunner(m *models.CoreReadout, r request, stimulus *ndarray.Array) (*trainRunner, error) {
	targets, err := npy.ReadFile(r.Targets)
	if err != nil {
		return nil, err
	}
	node, ok := m.Hyper.Get("optimizer")
	if !ok {
		return nil, fmt.Errorf("%s has no optimizer among its hyperparameters", r.Model)
	}
	builder, err := optim.FromConfig(node)
	if err != nil {
		return nil, err
	}
	s := stimulus.Shape
	return &trainRunner{
		Stepper: train.Stepper{Model: m, Optimizer: builder(m.Store().Scope(), m.Store().Parameters()), ClipNorm: r.ClipNorm},
		batch: &data.Batch{
			Session: r.Session, Clips: s[0], Channels: s[1], Frames: s[2], Height: s[3], Width: s[4], Neurons: targets.Shape[2],
			Inputs: stimulus.Float32s(), Targets: targets.Float32s(),
		},
	}, nil
}

func (t *trainRunner) run(ctx context.Context) error {
	m, err := t.Step(ctx, t.batch, true)
	t.losses = append(t.losses, m.TotalLoss)
	return err
}

func (t *trainRunner) results() ([]ndarray.Named, error) {
	losses, err := ndarray.FromFloat64(t.losses, len(t.losses))
	if err != nil {
		return nil, err
	}
	state, err := t.Model.Store().StateDict()
	return append([]ndarray.Named{{Name: "losses", Array: losses}}, state...), err
}

// meiRunner optimises stimuli of many neurons side by side.
type meiRunner struct {
	model    *models.CoreReadout
	targets  []insilico.Neurons
	settings *insilico.Settings
	result   *insilico.Result
}

func newMEIRunner(m *models.CoreReadout, r request) *meiRunner {
	c := r.MEI
	ranges := make(insilico.Ranges, len(c.Ranges))
	for i, bounds := range c.Ranges {
		ranges[i] = insilico.Range(bounds)
	}
	runner := &meiRunner{model: m, settings: &insilico.Settings{
		MaxSteps: c.Iterations, Frames: usualFrames, Init: insilico.Init{Path: r.Stimulus},
		Reducer: insilico.SliceMeanReducer{Start: c.Start, Length: c.Length},
		Optimizer: func(root *torch.Scope, params []*torch.Tensor) optim.Optimizer {
			o := optim.DefaultSGD()
			o.LR = c.LearningRate
			return optim.NewSGD(root, params, o)
		},
		Postprocessors: []insilico.Postprocessor{insilico.ChangeNormJointlyClipRangeSeparately{MinMaxValues: ranges, Norm: c.Norm}},
		Regularizers:   []insilico.Regularizer{insilico.RangeRegularizationLoss{MinMaxValues: ranges, MaxNorm: c.PenaltyNorm, Factor: c.Penalty}},
	}}
	for i := range r.Neurons {
		runner.targets = append(runner.targets, insilico.Neurons{{Session: r.Session, Index: i}})
	}
	return runner
}

func (m *meiRunner) run(ctx context.Context) (err error) {
	m.result, err = insilico.Optimize(ctx, m.model, m.targets, m.settings, insilico.Options{})
	return err
}

// results are the stimuli and, for each, the objective before every step.
func (m *meiRunner) results() ([]ndarray.Named, error) {
	var objective []float32
	for _, row := range m.result.Objective {
		objective = append(objective, row[:len(row)-1]...)
	}
	scores, err := ndarray.FromFloat32(objective, len(m.targets), m.settings.MaxSteps)
	return []ndarray.Named{{Name: "stimulus", Array: m.result.Stimulus}, {Name: "objective", Array: scores}}, err
}
