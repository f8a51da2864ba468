package insilico

import (
	"github.com/open-retina/openretina-go/pkg/config"
)

// The tables of what the node `mei` may name under _target_: the Python
// package's classes under their full names, and under the shorter ones that
// openretina.insilico exports.
var (
	objectives     = &config.Registry[struct{}, IncreaseObjective]{What: "objective"}
	reducers       = &config.Registry[struct{}, Reducer]{What: "reducer"}
	postprocessors = &config.Registry[struct{}, Postprocessor]{What: "postprocessor"}
	regularizers   = &config.Registry[struct{}, Regularizer]{What: "regularizer"}
	stoppers       = &config.Registry[struct{}, Stopper]{What: "stopper"}
)

func init() { //nolint:gochecknoinits // fills the tables above, nothing else
	const short = "openretina.insilico."
	const full = short + "stimulus_optimization."

	for _, module := range []string{full + "objective.", short} {
		objectives.Register(module+"IncreaseObjective", increaseFromConfig)
		reducers.Register(module+"MeanReducer", meanReducerFromConfig)
		reducers.Register(module+"SliceMeanReducer", sliceMeanReducerFromConfig)
	}

	postprocessors.Register(full+"regularizer.ChangeNormJointlyClipRangeSeparately", changeNormFromConfig)
	postprocessors.Register(full+"regularizer.TemporalGaussianLowPassFilterProcessor", lowPassFromConfig)

	regularizers.Register(full+"regularizer.RangeRegularizationLoss", rangeLossFromConfig)

	stoppers.Register(full+"optimization_stopper.EarlyStopper", earlyStopperFromConfig)
	for _, module := range []string{full + "optimization_stopper.", short} {
		stoppers.Register(module+"OptimizationStopper", optimizationStopperFromConfig)
	}
}
