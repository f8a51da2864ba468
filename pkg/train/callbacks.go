package train

import (
	"github.com/open-retina/openretina-go/pkg/config"
)

// callbacks are what the node training_callbacks asks for.
type callbacks struct {
	early      *earlyStopping
	checkpoint *modelCheckpoint
	lrMonitor  *lrMonitorConfig
}

// lrMonitorConfig are the arguments of Lightning's LearningRateMonitor.
type lrMonitorConfig struct {
	LoggingInterval *string `yaml:"logging_interval"`
	LogMomentum     bool    `yaml:"log_momentum"`
	LogWeightDecay  bool    `yaml:"log_weight_decay"`
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
}

func (c earlyStoppingConfig) add(to *callbacks) (none struct{}, err error) {
	to.early = newEarlyStopping(c)
	return none, nil
}

func (c modelCheckpointConfig) add(to *callbacks) (none struct{}, err error) {
	to.checkpoint = &modelCheckpoint{modelCheckpointConfig: c}
	return none, nil
}

func (c lrMonitorConfig) add(to *callbacks) (none struct{}, err error) {
	to.lrMonitor = &c
	return none, nil
}

func (p *Plan) readCallbacks() error {
	n, err := p.section("training_callbacks")
	if n == nil {
		return err
	}
	var problems config.Problems
	for _, c := range n.Fields() {
		if c.Kind() != config.Null {
			_, err := Callbacks.Build(c, &p.callbacks)
			problems.Add(err)
		}
	}
	return problems.Err()
}
