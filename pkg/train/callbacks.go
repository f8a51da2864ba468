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

// callbackTable are the callbacks' _target_ names.
var callbackTable = func() *config.Registry[*callbacks, struct{}] {
	r := &config.Registry[*callbacks, struct{}]{What: "callback"}
	for names, read := range map[[2]string]config.Factory[*callbacks, struct{}]{
		{"EarlyStopping", "early_stopping.EarlyStopping"}:         readEarlyStopping,
		{"ModelCheckpoint", "model_checkpoint.ModelCheckpoint"}:   readModelCheckpoint,
		{"LearningRateMonitor", "lr_monitor.LearningRateMonitor"}: readLRMonitor,
	} {
		for _, name := range names {
			r.Register("lightning.pytorch.callbacks."+name, read)
		}
	}
	return r
}()

func (p *Plan) readCallbacks() error {
	n, ok := p.cfg.Root.Get("training_callbacks")
	if !ok || n.Kind() == config.Null {
		return nil
	}
	for _, c := range n.Fields() {
		if c.Kind() == config.Null {
			continue
		}
		if _, err := callbackTable.Build(c, &p.callbacks); err != nil {
			return err
		}
	}
	return nil
}

func readEarlyStopping(n *config.Node, to *callbacks) (none struct{}, err error) {
	c := defaultEarlyStopping()
	if err := n.Decode(&c); err != nil {
		return none, err
	}
	to.early, err = newEarlyStopping(c)
	return none, err
}

func readModelCheckpoint(n *config.Node, to *callbacks) (none struct{}, err error) {
	c := defaultModelCheckpoint()
	if err := n.Decode(&c); err != nil {
		return none, err
	}
	to.checkpoint, err = newModelCheckpoint(c)
	return none, err
}

func readLRMonitor(n *config.Node, to *callbacks) (none struct{}, err error) {
	var c lrMonitorConfig
	err = n.Decode(&c)
	to.lrMonitor = &c
	return none, err
}
