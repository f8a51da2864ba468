package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// resumeState is checkpoint.ResumeKey's entry, as JSON.
type resumeState struct {
	Version    int          `json:"version"`
	Loader     data.State   `json:"loader"` // its Epoch is the epoch under way
	GlobalStep int          `json:"global_step"`
	Sums       *averages    `json:"sums"`
	Rand       []byte       `json:"rand"` // torch.Generator state
	LogRows    int          `json:"log_rows"`
	Early      *earlyState  `json:"early_stopping,omitempty"`
	Best       []savedModel `json:"best,omitempty"`
	StopReason string       `json:"stop_reason,omitempty"`
}

type earlyState struct {
	Best         exactFloat `json:"best_score"`
	Wait         int        `json:"wait_count"`
	StoppedEpoch int        `json:"stopped_epoch"`
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
		Version: 1, Loader: f.train.State(), GlobalStep: f.globalStep, Sums: f.sums, Rand: rand.Data,
		StopReason: f.stopReason,
	}
	if f.csv != nil {
		r.LogRows = len(f.csv.rows)
	}
	if e := f.callbacks.early; e != nil {
		r.Early = &earlyState{exactFloat(e.Best), e.Wait, e.StoppedEpoch}
	}
	if c := f.callbacks.checkpoint; c != nil {
		r.Best = c.best
	}
	return r, nil
}

// content makes the content of a checkpoint of the training as it is now.
func (f *fitter) content() (*checkpoint.Checkpoint, error) {
	c, err := modelContent(f.Model, f.info)
	if err != nil {
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
	c.Loops = loopsTree(f.epoch+1, f.globalStep, f.trainer.LimitTrainBatches.of(f.train.Batches()),
		f.trainer.LimitValBatches.of(f.val.Batches()))
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

func (f *fitter) save(path string) error {
	c, err := f.content()
	if err != nil {
		return err
	}
	return checkpoint.Write(path, c)
}

// lastPath is the checkpoint that continues the training.
func (f *fitter) lastPath() string { return filepath.Join(f.checkpointDir(), "last.ckpt") }

func (p *Plan) checkpointDir() string {
	if c := p.callbacks.checkpoint; c != nil && c.Dirpath != nil {
		return *c.Dirpath
	}
	return filepath.Join(p.OutputDir, "checkpoints")
}

// restore continues from a checkpoint: to the same bits where it is one of ours,
// else (Lightning's own) from its weights, optimizer and epoch.
func (f *fitter) restore(path string) error {
	c, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	if err := f.restoreContent(c); err != nil {
		return fmt.Errorf("cannot continue from %s: %w", path, err)
	}
	return nil
}

func (f *fitter) restoreContent(c *checkpoint.Checkpoint) error {
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
	params := len(f.Model.Store().Parameters())
	if err := f.Optimizer.SetState(optimizerState(c.OptimizerStates[0], params)); err != nil {
		return err
	}
	if len(c.LRSchedulers) > 0 {
		d, _ := c.LRSchedulers[0].(*pickle.Dict)
		if err := f.schedule.SetState(groupOf(d)); err != nil {
			return err
		}
	}
	var text string
	if c.Extra != nil {
		text, _ = get[string](c.Extra, checkpoint.ResumeKey)
	}
	if text == "" {
		return f.restoreForeign(c)
	}
	var r resumeState
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	return f.restoreOwn(&r)
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
	if e := r.Early; e != nil && f.callbacks.early != nil {
		f.callbacks.early.earlyStoppingState = earlyStoppingState{Wait: e.Wait, StoppedEpoch: e.StoppedEpoch, Best: float64(e.Best)}
	}
	if f.callbacks.checkpoint != nil {
		f.callbacks.checkpoint.restore(r.Best)
	}
	if f.csv != nil {
		return f.csv.restore(r.LogRows)
	}
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
