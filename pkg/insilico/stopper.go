package insilico

import (
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Stopper says when the optimisation of a stimulus ends.
type Stopper interface {
	// Limit is the largest number of steps; math.MaxInt is none.
	Limit() int
	// Watch begins a stimulus: the function takes the loss of each step in turn and
	// tells whether that step was the last.
	Watch() func(loss float64) (stop bool)
}

// OptimizationStopper ends after a number of steps.
type OptimizationStopper struct {
	// MaxIterations is nil where there is no limit.
	MaxIterations *int `yaml:"max_iterations"`
}

// Limit is MaxIterations.
func (o OptimizationStopper) Limit() int {
	if o.MaxIterations == nil {
		return math.MaxInt
	}
	return *o.MaxIterations
}

// Watch never stops.
func (OptimizationStopper) Watch() func(float64) bool { return func(float64) bool { return false } }

// EarlyStopper also ends once the loss was above its minimum by more than
// MinDelta for Patience steps since it last reached a new minimum. A loss that
// stays between does not count: a flat course runs on.
type EarlyStopper struct {
	OptimizationStopper `yaml:",inline"`

	Patience int     `yaml:"patience"`
	MinDelta float64 `yaml:"min_delta"`
}

// Watch counts the steps that were worse than the best.
func (e EarlyStopper) Watch() func(float64) bool {
	worse, lowest := 0, math.Inf(1)
	return func(loss float64) bool {
		switch {
		case loss < lowest:
			worse, lowest = 0, loss
		case loss > lowest+e.MinDelta:
			worse++
			return worse >= e.Patience
		}
		return false
	}
}

// Validate refuses limits below zero.
func (o OptimizationStopper) Validate() error {
	if o.Limit() < 0 {
		return config.Refuse("max_iterations", "max_iterations %d is negative", o.Limit())
	}
	return nil
}
