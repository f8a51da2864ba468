package insilico

import (
	"github.com/open-retina/openretina-go/pkg/config"
)

// The tables of what the node `mei` may name under _target_: the Python
// package's classes under their full names, and under the shorter ones that
// openretina.insilico exports.
var (
	Objectives     = &config.Registry[struct{}, IncreaseObjective]{What: "objective"}
	Reducers       = &config.Registry[struct{}, Reducer]{What: "reducer"}
	Postprocessors = &config.Registry[struct{}, Postprocessor]{What: "postprocessor"}
	Regularizers   = &config.Registry[struct{}, Regularizer]{What: "regularizer"}
	Stoppers       = &config.Registry[struct{}, Stopper]{What: "stopper"}
)

func init() { //nolint:gochecknoinits // fills the tables above, nothing else
	const short = "openretina.insilico."
	const full = short + "stimulus_optimization."

	for _, module := range []string{full + "objective.", short} {
		config.Register(Objectives, module+"IncreaseObjective", IncreaseObjective{}, itself[IncreaseObjective, IncreaseObjective])
		config.Register(Reducers, module+"MeanReducer", meanArguments{}, meanArguments.reducer)
		config.Register(Reducers, module+"SliceMeanReducer", sliceArguments{}, sliceArguments.reducer)
	}

	config.Register(Postprocessors, full+"regularizer.ChangeNormJointlyClipRangeSeparately",
		ChangeNormJointlyClipRangeSeparately{}, itself[ChangeNormJointlyClipRangeSeparately, Postprocessor])
	config.Register(Postprocessors, full+"regularizer.TemporalGaussianLowPassFilterProcessor",
		lowPassArguments{}, lowPassArguments.filter)

	config.Register(Regularizers, full+"regularizer.RangeRegularizationLoss",
		RangeRegularizationLoss{Factor: 1}, itself[RangeRegularizationLoss, Regularizer])

	config.Register(Stoppers, full+"optimization_stopper.EarlyStopper", EarlyStopper{Patience: 1}, itself[EarlyStopper, Stopper])
	for _, module := range []string{full + "optimization_stopper.", short} {
		config.Register(Stoppers, module+"OptimizationStopper", OptimizationStopper{}, itself[OptimizationStopper, Stopper])
	}
}

// itself is for things that are their own arguments.
func itself[A, T any](arguments A, _ struct{}) (T, error) { return any(arguments).(T), nil } //nolint:unparam // Register wants an error
