package train

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// callbacks are what the node training_callbacks asks for.
type callbacks struct {
	early       []*earlyStopping
	checkpoints []*modelCheckpoint
	lrMonitor   *lrMonitorConfig
	reset       *optimizerReset
	pictures    []weightPicturesConfig
}

// Callbacks are the callbacks' _target_ names; each adds itself to the callbacks of
// a plan.
var Callbacks = &config.Registry[*callbacks, struct{}]{What: "callback"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	const module = "lightning.pytorch.callbacks."
	for _, name := range []string{"EarlyStopping", "early_stopping.EarlyStopping"} {
		config.Register(Callbacks, module+name, defaultEarlyStopping(), earlyStoppingConfig.add)
	}
	for _, name := range []string{"ModelCheckpoint", "model_checkpoint.ModelCheckpoint"} {
		config.Register(Callbacks, module+name, defaultModelCheckpoint(), modelCheckpointConfig.add)
	}
	for _, name := range []string{"LearningRateMonitor", "lr_monitor.LearningRateMonitor"} {
		config.Register(Callbacks, module+name, lrMonitorConfig{}, lrMonitorConfig.add)
	}
	config.Register(Callbacks, "openretina.utils.model_utils.OptimizerResetCallback", optimizerResetConfig{}, optimizerResetConfig.add)
	config.Register(Callbacks, "openretina.callbacks.weight_visualization_callback.WeightVisualizationCallback",
		defaultWeightPictures(), weightPicturesConfig.add)
}

func (c earlyStoppingConfig) add(to *callbacks) (none struct{}, err error) {
	to.early = append(to.early, newEarlyStopping(c))
	return none, nil
}

func (c modelCheckpointConfig) add(to *callbacks) (none struct{}, err error) {
	to.checkpoints = append(to.checkpoints, &modelCheckpoint{modelCheckpointConfig: c})
	return none, nil
}

func (p *Plan) readCallbacks() error {
	n, err := p.section("training_callbacks")
	if n == nil {
		return err
	}
	var problems config.Problems
	unnamed, err := unnamedCallback(n)
	problems.Add(err)
	if unnamed != nil {
		_, err := Callbacks.Build(unnamed, &p.callbacks)
		problems.Add(err)
	}
	seen := map[string]string{}
	for name, c := range n.Fields() {
		if c.Kind() == config.Null || unnamed != nil && c.Kind() != config.Map {
			continue
		}
		before := len(p.callbacks.stateKeys())
		_, err := Callbacks.Build(c, &p.callbacks)
		problems.Add(err)
		for _, key := range p.callbacks.stateKeys()[before:] {
			if other, ok := seen[key]; ok {
				problems.Add(config.Errorf(c, "%s and %s are the same callback for a checkpoint (%s): they must differ in one of these",
					other, name, key))
			}
			seen[key] = name
		}
	}
	return problems.Err()
}

// unnamedCallback is the callback whose file gives it no name, as the Python package's
// optimizer_reset.yaml: its _target_ and its settings stand beside the other callbacks.
// It is nil where there is none.
func unnamedCallback(callbacks *config.Node) (unnamed *config.Node, err error) {
	if _, ok := callbacks.Get(config.TargetKey); !ok {
		return nil, nil
	}
	unnamed = config.NewMap()
	for name, c := range callbacks.Fields() {
		if c.Kind() != config.Map && c.Kind() != config.Null {
			err = errors.Join(err, unnamed.Set(name, c))
		}
	}
	return unnamed, err
}

// stateKeys are the names under which checkpoints hold the callbacks' states.
func (c *callbacks) stateKeys() []string {
	var keys []string
	for _, e := range c.early {
		keys = append(keys, e.stateKey())
	}
	for _, m := range c.checkpoints {
		keys = append(keys, m.stateKey())
	}
	return keys
}

// prepare tells the callbacks where the run keeps its checkpoints, and whether each
// epoch ends with a validation.
func (c *callbacks) prepare(dir string, validates bool) {
	for _, e := range c.early {
		e.validates = validates
	}
	last := filepath.Join(dir, lastName+checkpointSuffix)
	for _, m := range c.checkpoints {
		m.dir, m.validates, m.lastChecked = dir, validates, time.Now()
		if m.Dirpath != nil {
			m.dir = filepath.Clean(*m.Dirpath)
		}
		if m.dir == filepath.Clean(dir) && m.SaveLast != nil && m.SaveLast.On {
			m.LastPath, last = last, "" // the run's own is the first callback's
		}
	}
}

// each asks all callbacks that keep checkpoints.
func (c *callbacks) each(ask func(*modelCheckpoint) error) error {
	for _, m := range c.checkpoints {
		if err := ask(m); err != nil {
			return err
		}
	}
	return nil
}

// best is the first callback that has found a best checkpoint, as BestCheckpoint finds it
// in a run; nil where none has.
func (c *callbacks) best() *modelCheckpoint {
	for _, m := range c.checkpoints {
		if m.BestPath != "" {
			return m
		}
	}
	return nil
}
