package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// bench runs cases.
type bench struct {
	python  string // interpreter with the Python package
	script  string // peer.py
	self    string // this program
	program string // bin/openretina
	configs string // folder of configs
	dir     string // for models, inputs and outputs
	pairs   int    // 0: as many as take a few seconds
	log     io.Writer

	models    map[modelSpec]*benchModel
	versions  string // of the Python package and its PyTorch
	wholeLife bool   // a process cannot reset the peak of its memory
}

// benchModel is a checkpoint.
type benchModel struct {
	path     string
	clipNorm float64 // of its config
}

const (
	// pause lets the threads of the side that has just computed go to sleep: they
	// spin for some milliseconds, waiting for more work.
	pause = 30 * time.Millisecond
	// enough is how long the pairs of a case may take together where their number is
	// not given, within leastPairs and mostPairs.
	enough                = 6 * time.Second
	leastPairs, mostPairs = 3, 40
	// long is how long one side of a pair takes at least: short calls are repeated, and
	// count with their mean, so that waking up from the pause and cold caches, the same
	// for both sides, do not count.
	long      = 100 * time.Millisecond
	mostCalls = 100
)

// side is one of the two that are compared.
type side int

const (
	python side = iota
	ours
)

var sideNames = [...]string{python: "the Python package", ours: "openretina-go"}

// measure runs a case with a number of threads.
func (b *bench) measure(ctx context.Context, c benchCase, threads int) (row, error) {
	r := row{Case: c.name, Threads: threads, kind: c.kind}
	model, err := b.model(ctx, c.model())
	if err != nil {
		return r, err
	}
	if c.kind == predictProcess {
		err := b.measureProcesses(ctx, c, model, &r)
		return r, err
	}
	workers, err := b.start(ctx, c, model, threads)
	defer workers.close()
	if err != nil {
		return r, err
	}
	err = b.measureWorkers(c, workers, &r)
	return r, err
}

// model makes the checkpoint of a kind of model, once.
func (b *bench) model(ctx context.Context, spec modelSpec) (*benchModel, error) {
	if m, ok := b.models[spec]; ok {
		return m, nil
	}
	p, err := startPeer(ctx, sideNames[python], b.python, b.script, "model")
	if err != nil {
		return nil, err
	}
	defer p.close()
	m := &benchModel{path: filepath.Join(b.dir, fmt.Sprintf("model%d.ckpt", len(b.models)))}
	a, err := p.ask(modelRequest{
		Op: "model", Path: m.path, Seed: 1, Configs: b.configs, Config: "hoefling_2024_core_readout_low_res",
		Overrides: spec.overrides(), Neurons: spec.sessions(),
	})
	if err != nil {
		return nil, fmt.Errorf("making the model: %w", err)
	}
	m.clipNorm = a.ClipNorm
	b.models[spec] = m
	return m, nil
}

// pair are the workers of both sides.
type pair [2]*peer

func (p pair) close() {
	for _, worker := range p {
		if worker != nil {
			worker.close()
		}
	}
}

// start starts both workers and lets them load model and inputs.
func (b *bench) start(ctx context.Context, c benchCase, model *benchModel, threads int) (workers pair, err error) {
	load, err := b.request(c, model, threads)
	if err != nil {
		return workers, err
	}
	for s, command := range [][]string{python: {b.python, b.script, "worker"}, ours: {b.self, "worker"}} {
		if workers[s], err = startPeer(ctx, sideNames[s], command...); err != nil {
			return workers, err
		}
		load.Neurons = c.neurons
		if side(s) == python {
			load.Neurons = c.pythonNeurons()
		}
		a, err := workers[s].ask(load)
		if err != nil {
			return workers, err
		}
		if side(s) == python {
			b.versions = a.Versions
		}
	}
	return workers, nil
}

// request writes the inputs of a case and asks for it.
func (b *bench) request(c benchCase, model *benchModel, threads int) (request, error) {
	r := request{Op: "load", Kind: c.kind, Threads: threads, Model: model.path, Session: usualSession}
	deviation := 1.0
	if c.kind == mei {
		r.Session, r.MEI = largeSession, c.settings()
		deviation = 0.1
	}
	var err error
	rng := c.generator()
	draw := func() float32 { return float32(rng.NormFloat64() * deviation) }
	if r.Stimulus, err = b.input("stimulus.npy", draw, c.stimulusShape()...); err != nil {
		return r, err
	}
	if c.kind == trainStep {
		r.ClipNorm = model.clipNorm
		rate := func() float32 { return float32(math.Abs(rng.NormFloat64())) }
		r.Targets, err = b.input("targets.npy", rate, c.clips, c.frames, usualNeurons)
	}
	return r, err
}

// generator draws the inputs of a case, always the same.
func (c benchCase) generator() *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, c.name)
	return rand.New(rand.NewPCG(h.Sum64(), 0))
}

func (b *bench) input(name string, draw func() float32, shape ...int) (path string, err error) {
	n, err := ndarray.NumElements(shape)
	if err != nil {
		return "", err
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = draw()
	}
	a, err := ndarray.FromFloat32(values, shape...)
	if err != nil {
		return "", err
	}
	path = filepath.Join(b.dir, name)
	return path, npy.WriteFile(path, a)
}

// measureWorkers warms up, compares outputs, then times calls in alternation.
func (b *bench) measureWorkers(c benchCase, workers pair, r *row) error {
	var before [2]answer
	for s, w := range workers {
		var err error
		if before[s], err = w.ask(request{Op: "idle"}); err != nil {
			return err
		}
		b.wholeLife = b.wholeLife || before[s].WholeLife
	}
	call := func(s side, calls int) (time.Duration, error) {
		a, err := workers[s].ask(request{Op: "run", Calls: calls})
		return time.Duration(a.Milliseconds * float64(time.Millisecond)), err
	}
	compare := func() error { return b.compareWorkers(c, workers) }
	t, err := b.alternate(c.warmUps(), call, compare)
	if err != nil {
		return err
	}
	t.scale(c)
	t.into(r)
	return b.memory(workers, before, r)
}

// alternate makes calls of both sides in turn: first those that warm up, then,
// when the outputs have been compared, the pairs that count. call makes some calls
// and says how long each took.
func (b *bench) alternate(warmUps int, call func(s side, calls int) (time.Duration, error), compare func() error) (t times, err error) {
	calls := 1
	both := func() (took [2]time.Duration, err error) {
		for _, s := range []side{python, ours} {
			if took[s], err = call(s, calls); err != nil {
				return took, err
			}
			time.Sleep(pause)
		}
		return took, nil
	}
	var took [2]time.Duration
	for range warmUps {
		if took, err = both(); err != nil {
			return t, err
		}
	}
	if err := compare(); err != nil {
		return t, err
	}
	calls = min(max(int(long/max(took[ours], 1)), 1), mostCalls)
	for range b.pairsFor(time.Duration(calls) * (took[python] + took[ours])) {
		if took, err = both(); err != nil {
			return t, err
		}
		t.python = append(t.python, took[python].Seconds()*1e3)
		t.ours = append(t.ours, took[ours].Seconds()*1e3)
	}
	return t, nil
}

// pairsFor is the number of pairs, of which one takes about so long.
func (b *bench) pairsFor(one time.Duration) int {
	if b.pairs > 0 {
		return b.pairs
	}
	return min(max(int(enough/(one+2*pause)), leastPairs), mostPairs)
}

// scale turns the time of a call into that of an iteration for all neurons.
func (t times) scale(c benchCase) {
	if c.kind != mei {
		return
	}
	for i := range t.python {
		t.python[i] *= float64(c.neurons) / float64(c.pythonNeurons()*c.iterations())
		t.ours[i] /= float64(c.iterations())
	}
}

func (b *bench) compareWorkers(c benchCase, workers pair) error {
	var outputs [2][]ndarray.Named
	for s, w := range workers {
		path := filepath.Join(b.dir, "outputs"+strconv.Itoa(s)+".npz")
		if _, err := w.ask(request{Op: "save", Path: path}); err != nil {
			return err
		}
		var err error
		if outputs[s], err = npy.ReadZipFile(path); err != nil {
			return err
		}
	}
	return compareOutputs(c.kind, outputs[ours], outputs[python])
}

// memory asks for the peaks since the workers were idle.
func (b *bench) memory(workers pair, before [2]answer, r *row) error {
	var above, whole [2]float64
	for s, w := range workers {
		a, err := w.ask(request{Op: "peak"})
		if err != nil {
			return err
		}
		above[s] = float64(a.Bytes-before[s].Bytes) / megabyte
		whole[s] = float64(max(a.Bytes, before[s].PeakBefore)) / megabyte
	}
	r.PythonMB, r.OursMB, r.PythonPeakMB, r.OursPeakMB = above[python], above[ours], whole[python], whole[ours]
	return nil
}

// remove deletes the models and inputs.
func (b *bench) remove() { _ = os.RemoveAll(b.dir) }
