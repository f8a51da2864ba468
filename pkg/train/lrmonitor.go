package train

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

// lrMonitorConfig are the arguments of Lightning's LearningRateMonitor.
type lrMonitorConfig struct {
	// LoggingInterval is epoch or step; nil follows the schedule.
	LoggingInterval *string `yaml:"logging_interval"`
	LogMomentum     bool    `yaml:"log_momentum"`
	LogWeightDecay  bool    `yaml:"log_weight_decay"`
}

// Validate refuses what Lightning refuses.
func (c lrMonitorConfig) Validate() error {
	if i := orElse(c.LoggingInterval, "epoch"); i != "epoch" && i != "step" {
		return config.Refuse("logging_interval", "logging_interval must be step, epoch or null, got %q", i)
	}
	return nil
}

func (c lrMonitorConfig) add(to *callbacks) (none struct{}, err error) {
	to.lrMonitor = &c
	return none, nil
}

// learningRateName is the name under which the learning rate is logged.
func (p *Plan) learningRateName() string { return orElse(p.scheduler.Name, "lr-"+p.optimName) }

// logLearningRate is LearningRateMonitor at the start of an epoch, or of a step.
func (f *fitter) logLearningRate(interval string) error {
	c := f.callbacks.lrMonitor
	if c == nil || orElse(c.LoggingInterval, f.scheduler.Interval) != interval || interval == "step" && !f.logsStep() {
		return nil
	}
	name := f.learningRateName()
	row := []metric{{name, f.Optimizer.LR()}}
	if c.LogMomentum {
		row = append(row, metric{name + "-momentum", f.Optimizer.Momentum()})
	}
	if c.LogWeightDecay {
		row = append(row, metric{name + "-weight_decay", f.Optimizer.WeightDecay()})
	}
	f.metrics = update(f.metrics, row)
	return f.logRow(row, tracking.NoEpoch, f.globalStep)
}

// logsStep tells whether the step under way is one of those that log_every_n_steps asks
// for (lightning's _LoggerConnector.should_update_logs).
func (f *fitter) logsStep() bool {
	every := orElse(f.trainer.LogEveryNSteps, 50)
	return every > 0 && (f.globalStep+1)%every == 0
}
