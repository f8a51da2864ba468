package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// resumeVersion is that of resumeState's form.
const resumeVersion = 2

// resumeState is checkpoint.ResumeKey's entry, as JSON. Paths in it are relative to the run directory
// where they lie in it, so that it may be moved.
type resumeState struct {
	Version     int           `json:"version"`
	Environment machine       `json:"environment"`
	Loader      data.State    `json:"loader"` // its Epoch is the epoch under way
	GlobalStep  int           `json:"global_step"`
	Sums        *averages     `json:"sums"`
	Metrics     []savedMetric `json:"metrics,omitempty"` // the newest of all that was logged
	Rand        []byte        `json:"rand"`              // torch.Generator state
	StopReason  string        `json:"stop_reason,omitempty"`
	Settled     int           `json:"settled_batch"`
	// Elapsed is kept where trainer.max_time needs it: else the same training gives the
	// same bytes.
	Elapsed time.Duration `json:"elapsed,omitempty"`
	// OptimizerReset is the callback's state.
	OptimizerReset *optimizerReset `json:"optimizer_reset,omitempty"`
	// Early and Checkpoints are the callbacks' states by their keys.
	Early       map[string]earlyStoppingState `json:"early_stopping,omitempty"`
	Checkpoints map[string]checkpointState    `json:"checkpoints,omitempty"`
	// Loggers are the loggers' states by their names in the config.
	Loggers map[string]json.RawMessage `json:"loggers,omitempty"`
	// Changes are what is done once last.ckpt is written.
	Changes *changes `json:"changes,omitempty"`
}

// machine is what the last bits of a training's numbers depend on.
type machine struct {
	Device   string `json:"device"`
	Threads  int    `json:"threads"`
	Kernels  string `json:"kernels"`
	Libtorch string `json:"libtorch"`
}

// differences names what is not as it was, "threads 2 → 1"; empty where all is.
func (e machine) differences(now machine) string {
	var parts []string
	for _, p := range []struct {
		name     string
		was, now any
	}{
		{"device", e.Device, now.Device},
		{"threads", e.Threads, now.Threads},
		{"kernels", e.Kernels, now.Kernels},
		{"libtorch", e.Libtorch, now.Libtorch},
	} {
		if p.was != p.now {
			parts = append(parts, fmt.Sprintf("%s %v → %v", p.name, p.was, p.now))
		}
	}
	return strings.Join(parts, ", ")
}

type savedMetric struct {
	Name  string     `json:"name"`
	Value exactFloat `json:"value"`
}

// exactFloat is a number in JSON with all its bits, infinities too.
type exactFloat float64

// MarshalText writes the shortest text that reads back the same.
func (f exactFloat) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(f), 'g', -1, 64), nil
}

// UnmarshalText reads what MarshalText wrote.
func (f *exactFloat) UnmarshalText(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	*f = exactFloat(v)
	return err
}

// capture takes the state of the training as it is now.
func (f *fitter) capture() (*resumeState, error) {
	rand, err := f.Model.Rand().State()
	if err != nil {
		return nil, err
	}
	r := &resumeState{
		Version: resumeVersion, Environment: f.machine, Loader: f.train.State(), GlobalStep: f.globalStep, Sums: f.sums,
		Rand: rand.Data, StopReason: f.stopReason, Early: map[string]earlyStoppingState{}, Checkpoints: map[string]checkpointState{},
		Changes: f.pending.renamed(f.relative),
		Settled: f.settled, OptimizerReset: f.callbacks.reset,
	}
	if f.trainer.MaxTime != nil {
		r.Elapsed = f.clock.elapsed()
	}
	for _, m := range f.metrics {
		r.Metrics = append(r.Metrics, savedMetric{m.name, exactFloat(m.value)})
	}
	if r.Loggers, err = f.loggers.States(); err != nil {
		return nil, err
	}
	for _, e := range f.callbacks.early {
		r.Early[e.stateKey()] = e.earlyStoppingState
	}
	for _, c := range f.callbacks.checkpoints {
		r.Checkpoints[c.stateKey()] = c.renamed(f.relative)
	}
	return r, nil
}

// relative is a path as checkpoints hold it, absolute is its inverse.
func (f *fitter) relative(path string) string {
	if inside, err := filepath.Rel(f.OutputDir, path); err == nil && filepath.IsLocal(inside) {
		return inside
	}
	return path
}

func (f *fitter) absolute(path string) string {
	if path == "" || filepath.IsAbs(path) || !filepath.IsLocal(path) {
		return path
	}
	return filepath.Join(f.OutputDir, path)
}

// renamed gives the state with other paths.
func (s checkpointState) renamed(rename func(path string) string) checkpointState {
	s.Best = slices.Clone(s.Best)
	for i := range s.Best {
		s.Best[i].Path = rename(s.Best[i].Path)
	}
	for _, path := range []*string{&s.BestPath, &s.KthPath, &s.LastPath, &s.SavedPath} {
		if *path != "" {
			*path = rename(*path)
		}
	}
	return s
}

// content makes the content of a checkpoint of the training as it is now.
func (f *fitter) content() (*checkpoint.Checkpoint, error) {
	c, err := modelContent(f.Model, f.info)
	if err != nil {
		return nil, err
	}
	if err := f.checkParameters(c.State); err != nil {
		return nil, err
	}
	resume, err := f.capture()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(resume)
	if err != nil {
		return nil, err
	}
	c.Extra = pickle.NewDict(checkpoint.ResumeKey, string(text))
	optimizer, err := optimizerTree(f.Optimizer)
	if err != nil {
		return nil, err
	}
	c.Epoch, c.GlobalStep = int64(f.epoch), int64(f.globalStep)
	c.OptimizerStates = []any{optimizer}
	c.LRSchedulers = []any{groupTree(f.schedule.State())}
	c.Callbacks = f.callbacks.tree()
	c.Loops = loopsTree(f.epoch+1, f.globalStep, f.trainBatches(), f.validationBatches())
	return c, nil
}

// modelContent is a checkpoint with the model alone.
func modelContent(m *models.CoreReadout, dataInfo *pickle.Dict) (*checkpoint.Checkpoint, error) {
	arrays, err := m.Store().StateDict()
	if err != nil {
		return nil, err
	}
	state := &checkpoint.State{}
	for _, a := range arrays {
		state.Set(a.Name, a.Array)
	}
	hyper, err := m.HyperParameters(dataInfo)
	if err != nil {
		return nil, err
	}
	return &checkpoint.Checkpoint{State: state, HyperParameters: hyper, HyperParametersName: "kwargs"}, nil
}

// lastPath is the checkpoint that continues the training.
func (f *fitter) lastPath() string {
	return filepath.Join(f.checkpointDir(), lastName+checkpointSuffix)
}

// checkpointDir is the directory of the run's own checkpoints: that of the first
// callback, which need not name one.
func (p *Plan) checkpointDir() string {
	if all := p.callbacks.checkpoints; len(all) > 0 && all[0].Dirpath != nil {
		return filepath.Clean(*all[0].Dirpath)
	}
	return filepath.Join(p.OutputDir, checkpointsDir)
}

// restore continues from a checkpoint: to the same bits where it is one of ours, else
// (Lightning's own) from its weights, optimizer and epoch.
func (f *fitter) restore(c *checkpoint.Checkpoint) error {
	state := make([]ndarray.Named, 0, c.State.Len())
	for _, name := range c.State.Names() {
		a, _ := c.State.Get(name)
		state = append(state, ndarray.Named{Name: name, Array: a})
	}
	if err := f.Model.Store().Load(state); err != nil {
		return err
	}
	if len(c.OptimizerStates) == 0 {
		return errors.New("it holds no optimizer state (saved with save_weights_only?)")
	}
	numbers := numbersIn(c.State.Names(), f.Model.Store())
	if err := f.Optimizer.SetState(optimizerState(c.OptimizerStates[0], numbers)); err != nil {
		return err
	}
	if len(c.LRSchedulers) > 0 {
		d, _ := c.LRSchedulers[0].(*pickle.Dict)
		if err := f.schedule.SetState(groupOf(d)); err != nil {
			return err
		}
	}
	r, err := ownState(c)
	if err != nil {
		return err
	}
	if r == nil {
		return f.restoreForeign(c)
	}
	return f.restoreOwn(r)
}

// ownState is what the checkpoint holds for us; nil where Lightning wrote it.
func ownState(c *checkpoint.Checkpoint) (*resumeState, error) {
	if c.Extra == nil {
		return nil, nil //nolint:nilnil // absent is not wrong
	}
	text, ok := get[string](c.Extra, checkpoint.ResumeKey)
	if !ok {
		return nil, nil //nolint:nilnil // absent is not wrong
	}
	r := &resumeState{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, fmt.Errorf("its state of the training: %w", err)
	}
	if r.Version != resumeVersion {
		return nil, fmt.Errorf("its state of the training has the form %d, this program knows %d: "+
			"continue with the version of the program that wrote it", r.Version, resumeVersion)
	}
	return r, nil
}

func (f *fitter) restoreOwn(r *resumeState) error {
	if err := f.train.Restore(r.Loader); err != nil {
		return err
	}
	rand, err := ndarray.New(ndarray.Uint8, len(r.Rand))
	if err != nil {
		return err
	}
	copy(rand.Data, r.Rand)
	if err := f.Model.Rand().SetState(rand); err != nil {
		return err
	}
	f.epoch, f.globalStep, f.sums, f.stopReason = r.Loader.Epoch, r.GlobalStep, r.Sums, r.StopReason
	f.settled, f.clock.before = r.Settled, r.Elapsed
	if f.callbacks.reset != nil && r.OptimizerReset != nil {
		f.callbacks.reset = r.OptimizerReset
	}
	f.metrics = nil
	for _, m := range r.Metrics {
		f.metrics = append(f.metrics, metric{m.Name, float64(m.Value)})
	}
	for _, e := range f.callbacks.early {
		if state, ok := r.Early[e.stateKey()]; ok {
			e.earlyStoppingState = state
		}
	}
	if r.Changes == nil {
		r.Changes = &changes{}
	}
	f.pending = r.Changes.renamed(f.absolute)
	for _, c := range f.callbacks.checkpoints {
		if state, ok := r.Checkpoints[c.stateKey()]; ok {
			c.adopt(state.renamed(f.absolute), f.pending.exists)
		}
	}
	f.logStates = r.Loggers
	return nil
}

// restoreForeign starts the epoch after the one that a checkpoint of Lightning
// ended with; the order of clips starts anew from the seed.
func (f *fitter) restoreForeign(c *checkpoint.Checkpoint) error {
	f.epoch, f.globalStep = int(c.Epoch)+1, int(c.GlobalStep)
	state := f.train.State()
	state.Epoch = f.epoch
	return f.train.Restore(state)
}
