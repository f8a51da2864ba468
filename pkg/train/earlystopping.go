package train

import (
	"fmt"
	"math"
)

// earlyStoppingConfig are the arguments of Lightning's EarlyStopping.
type earlyStoppingConfig struct {
	Monitor             string   `yaml:"monitor,required"`
	MinDelta            float64  `yaml:"min_delta"`
	Patience            int      `yaml:"patience"` // checks, which are epochs unless validations are rarer
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

// stateKey names the callback's state in a checkpoint, in Lightning's words.
func (c earlyStoppingConfig) stateKey() string {
	return fmt.Sprintf("EarlyStopping{'monitor': '%s', 'mode': '%s'}", c.Monitor, c.Mode)
}

// earlyStopping ends a training whose metric has not improved for Patience checks.
type earlyStopping struct {
	earlyStoppingConfig
	earlyStoppingState

	// validates tells that each epoch ends with a validation.
	validates bool
}

type earlyStoppingState struct {
	Wait         int        `json:"wait_count"`
	StoppedEpoch int        `json:"stopped_epoch"`
	Best         exactFloat `json:"best_score"`
	// Reason is Lightning's stopping_reason, Message its stopping_reason_message.
	Reason  stoppingReason `json:"stopping_reason"`
	Message string         `json:"stopping_reason_message,omitempty"`
}

// stoppingReason is Lightning's EarlyStoppingReason.
type stoppingReason int

const (
	notStopped stoppingReason = iota
	thresholdReached
	diverged
	patienceExhausted
	notFinite
)

func newEarlyStopping(c earlyStoppingConfig) *earlyStopping {
	return &earlyStopping{earlyStoppingConfig: c, earlyStoppingState: earlyStoppingState{Best: exactFloat(worst(c.Mode))}}
}

// checksOnEpochEnd tells whether the callback looks at the end of each epoch, or after
// each validation.
func (e *earlyStopping) checksOnEpochEnd() bool { return orElse(e.CheckOnTrainEnd, e.validates) }

// check looks at the metric and gives the reason to stop, empty to go on.
func (e *earlyStopping) check(m moment) (reason string, err error) {
	current, ok := m.score(e.Monitor)
	if !ok {
		if e.Strict {
			return "", unknownMetric("EarlyStopping", e.Monitor, m.metrics)
		}
		return "", nil
	}
	if reason = e.judge(current); reason != "" {
		e.StoppedEpoch, e.Message = m.epoch, reason
	}
	return reason, nil
}

// judge compares in single precision, as PyTorch does.
func (e *earlyStopping) judge(current float64) string {
	single := func(v float64) float64 { return float64(float32(v)) }
	best := float64(e.Best)
	switch {
	case e.CheckFinite && (math.IsNaN(current) || math.IsInf(current, 0)):
		e.Reason = notFinite
		return fmt.Sprintf("%s is %v, not finite; best was %.3f", e.Monitor, current, best)
	case e.StoppingThreshold != nil && better(e.Mode, current, single(*e.StoppingThreshold)):
		e.Reason = thresholdReached
		return fmt.Sprintf("%s reached the threshold %v: %.3f", e.Monitor, *e.StoppingThreshold, current)
	case e.DivergenceThreshold != nil && better(e.Mode, single(*e.DivergenceThreshold), current):
		e.Reason = diverged
		return fmt.Sprintf("%s passed the divergence threshold %v: %.3f", e.Monitor, *e.DivergenceThreshold, current)
	case better(e.Mode, single(current-e.margin()), best):
		e.Best, e.Wait = exactFloat(current), 0
		return ""
	}
	e.Wait++
	if e.Wait >= e.Patience {
		e.Reason = patienceExhausted
		return fmt.Sprintf("%s did not improve in the last %d records; best score: %.3f", e.Monitor, e.Wait, best)
	}
	return ""
}

// margin is what a metric must be better by, with the sign of the mode.
func (e *earlyStopping) margin() float64 {
	margin := e.MinDelta
	if e.Mode == "min" {
		margin = -margin
	}
	return float64(float32(margin))
}
