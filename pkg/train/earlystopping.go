package train

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
)

// earlyStoppingConfig are the arguments of Lightning's EarlyStopping.
type earlyStoppingConfig struct {
	Monitor             string   `yaml:"monitor,required"`
	MinDelta            float64  `yaml:"min_delta"`
	Patience            int      `yaml:"patience"`
	Verbose             bool     `yaml:"verbose"`
	Mode                string   `yaml:"mode"`
	Strict              bool     `yaml:"strict"`
	CheckFinite         bool     `yaml:"check_finite"`
	StoppingThreshold   *float64 `yaml:"stopping_threshold"`
	DivergenceThreshold *float64 `yaml:"divergence_threshold"`
	CheckOnTrainEnd     *bool    `yaml:"check_on_train_epoch_end"`
	LogRankZeroOnly     bool     `yaml:"log_rank_zero_only"`
}

func defaultEarlyStopping() earlyStoppingConfig {
	return earlyStoppingConfig{Patience: 3, Mode: "min", Strict: true, CheckFinite: true}
}

// Validate refuses what Lightning refuses.
func (c earlyStoppingConfig) Validate() error { return checkMode("EarlyStopping", c.Mode) }

// earlyStopping ends a training whose metric has not improved for Patience
// epochs.
type earlyStopping struct {
	earlyStoppingConfig
	earlyStoppingState
}

type earlyStoppingState struct {
	Wait         int     `json:"wait_count"`
	StoppedEpoch int     `json:"stopped_epoch"`
	Best         float64 `json:"-"`
}

func newEarlyStopping(c earlyStoppingConfig) *earlyStopping {
	e := &earlyStopping{earlyStoppingConfig: c}
	e.Best = worst(c.Mode)
	return e
}

// check takes an epoch's metrics and gives the reason to stop, empty to go on.
func (e *earlyStopping) check(metrics []metric, epoch int) (reason string, err error) {
	current, ok := lookup(metrics, e.Monitor)
	if !ok {
		if e.Strict {
			return "", unknownMetric("EarlyStopping", e.Monitor, metrics)
		}
		return "", nil
	}
	reason = e.judge(current)
	if reason != "" {
		e.StoppedEpoch = epoch
	}
	return reason, nil
}

func (e *earlyStopping) judge(current float64) string {
	switch {
	case e.CheckFinite && (math.IsNaN(current) || math.IsInf(current, 0)):
		return fmt.Sprintf("%s is %v, not finite; best was %.3f", e.Monitor, current, e.Best)
	case e.StoppingThreshold != nil && better(e.Mode, current, *e.StoppingThreshold):
		return fmt.Sprintf("%s reached the threshold %v: %.3f", e.Monitor, *e.StoppingThreshold, current)
	case e.DivergenceThreshold != nil && better(e.Mode, *e.DivergenceThreshold, current):
		return fmt.Sprintf("%s passed the divergence threshold %v: %.3f", e.Monitor, *e.DivergenceThreshold, current)
	}
	margin := math.Abs(e.MinDelta)
	if e.Mode == "max" {
		margin = -margin
	}
	if better(e.Mode, current+margin, e.Best) {
		e.Best, e.Wait = current, 0
		return ""
	}
	e.Wait++
	if e.Wait >= e.Patience {
		return fmt.Sprintf("%s did not improve in the last %d records; best score: %.3f", e.Monitor, e.Wait, e.Best)
	}
	return ""
}

func checkMode(what, mode string) error {
	if mode != "min" && mode != "max" {
		return config.Refuse("mode", "%s: mode %q is neither min nor max", what, mode)
	}
	return nil
}

func worst(mode string) float64 {
	if mode == "min" {
		return math.Inf(1)
	}
	return math.Inf(-1)
}

func better(mode string, a, b float64) bool {
	if mode == "min" {
		return a < b
	}
	return a > b
}

func unknownMetric(what, name string, metrics []metric) error {
	known := make([]string, len(metrics))
	for i, m := range metrics {
		known[i] = m.name
	}
	return fmt.Errorf("%s monitors %q, which is not logged; logged are %v", what, name, known)
}
