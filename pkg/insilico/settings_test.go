package insilico

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
)

func TestDefaultSettings(t *testing.T) {
	s := settings(t, "")
	if s.MaxSteps != 10 || s.Frames != 50 || s.Init.Scale != 0.1 || s.Objective.Group || s.Steps() != 10 {
		t.Errorf("settings are %+v", s)
	}
	if s.Reducer != (SliceMeanReducer{10, 10}) {
		t.Errorf("reducer is %v", s.Reducer)
	}
	change, ok := s.Postprocessors[0].(ChangeNormJointlyClipRangeSeparately)
	if !ok || len(s.Postprocessors) != 1 || *change.Norm != 30 || *change.MinMaxValues[1][0] != -0.913 {
		t.Errorf("postprocessors are %+v", s.Postprocessors)
	}
	if s.Regularizers != nil || s.Stopper != nil {
		t.Errorf("regularizers %v, stopper %v", s.Regularizers, s.Stopper)
	}
}

const modules = "openretina.insilico.stimulus_optimization."

func TestPartsCanBeSwitchedOffAndChosen(t *testing.T) {
	off := settings(t, "{postprocessors: null, regularizers: null, stopper: null, reducer: null, objective: null}")
	if off.Postprocessors != nil || off.Regularizers != nil || off.Stopper != nil || off.Reducer != (MeanReducer{}) {
		t.Errorf("settings are %+v", off)
	}
	if empty := settings(t, "{postprocessors: [], regularizers: []}"); empty.Postprocessors != nil || empty.Regularizers != nil {
		t.Errorf("settings are %+v", empty)
	}
	s := settings(t, `
max_steps: 100
objective: {_target_: openretina.insilico.IncreaseObjective, group: true}
reducer: {_target_: openretina.insilico.SliceMeanReducer, axis: -1, start: -10, length: 10}
regularizers: {_target_: `+modules+`regularizer.RangeRegularizationLoss, min_max_values: [[null, 1]], max_norm: null}
postprocessors: {_target_: `+modules+`regularizer.TemporalGaussianLowPassFilterProcessor, sigma: 0.5, kernel_size: 5, device: cuda}
stopper: {_target_: `+modules+`optimization_stopper.OptimizationStopper, max_iterations: 20}`)
	if !s.Objective.Group || s.Reducer != (SliceMeanReducer{-10, 10}) || len(s.Postprocessors) != 1 || s.Steps() != 20 {
		t.Errorf("settings are %+v", s)
	}
	if r := s.Regularizers[0].(RangeRegularizationLoss); r.Factor != 1 || r.MaxNorm != nil || r.MinMaxValues[0][0] != nil {
		t.Errorf("regularizer is %+v", r)
	}
	if s.Stopper.Watch()(math.Inf(1)) {
		t.Error("an OptimizationStopper stops by the loss")
	}
	s = settings(t, "{max_steps: 7, init: start.npy, stopper: {_target_: "+modules+"optimization_stopper.EarlyStopper, max_iterations: null}}")
	if s.Steps() != 7 || s.Init.Path != "start.npy" || s.Stopper.(EarlyStopper).Patience != 1 {
		t.Errorf("settings are %+v", s)
	}
}

func TestBadSettingsNamePlaceAndRemedy(t *testing.T) {
	for _, c := range []struct{ changes, message string }{
		{"max_steps: -1", "mei.yaml:1: max_steps -1 is not from 0 to 1000000"},
		{"frames: 0", "frames 0 is not from 1 to"},
		{"max_steps: many", "max_steps must be an integer"},
		{"seed: -1", "seed is -1"},
		{"init: [1]", "init must be a number, the scale of the random start, or the path of an .npy file"},
		{"init: null", "init must be a number"},
		{"init: .inf", "init is +Inf, not a finite number"},
		{"optimizer: null", "no _target_"},
		{"optimizer: {_target_: torch.optim.SDG}", `did you mean "torch.optim.SGD"?`},
		{"optimizer: {_target_: torch.optim.SGD, learning_rate: 1}", `unknown key "learning_rate"`},
		{"reducer: {_target_: openretina.insilico.SliceMeanReduce, start: 1, length: 1}", `unknown reducer "openretina.insilico.SliceMeanReduce" (did you mean "openretina.insilico.SliceMeanReducer"?)`},
		{"reducer: {_target_: openretina.insilico.SliceMeanReducer, start: 1, lenght: 1}", `unknown key "lenght"`},
		{"reducer: {_target_: openretina.insilico.SliceMeanReducer, start: 1, length: 0}", "length 0: a window has at least one frame"},
		{"reducer: {_target_: openretina.insilico.MeanReducer, axis: 1}", "axis 1: the mean response of the neurons has one axis"},
		{"objective: {_target_: openretina.insilico.IncreaseObjective, groups: true}", `unknown key "groups"`},
		{"stopper: {_target_: " + modules + "optimization_stopper.EarlyStopper, max_iterations: -2}", "max_iterations -2 is negative"},
		{"postprocessors: [3]", "_target_"},
		{"postprocessors: {_target_: " + modules + "regularizer.ChangeNormJointlyClipRangeSeparately, norm: 0, min_max_values: []}", "norm 0 is not a positive number"},
		{"postprocessors: {_target_: " + modules + "regularizer.ChangeNormJointlyClipRangeSeparately, norm: 1, min_max_values: [[2, 1]]}", "the range of channel 0 starts at 2, above its end 1"},
		{"postprocessors: {_target_: " + modules + "regularizer.ChangeNormJointlyClipRangeSeparately, norm: 1, min_max_values: [[1]]}", "2 are needed"},
		{"postprocessors: {_target_: " + modules + "regularizer.TemporalGaussianLowPassFilterProcessor, sigma: 0, kernel_size: 5}", "sigma 0 is not a positive number of frames"},
		{"postprocessors: {_target_: " + modules + "regularizer.TemporalGaussianLowPassFilterProcessor, sigma: 1, kernel_size: 0}", "kernel_size 0 is not a number of frames from 1"},
		{"regularizers: {_target_: " + modules + "regularizer.RangeRegularizationLoss, max_norm: null}", `has no "min_max_values"`},
	} {
		_, err := FromConfig(defaultNode(t, c.changes))
		if err == nil || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v", c.changes, err)
			continue
		}
		if ce := (*config.Error)(nil); !errors.As(err, &ce) {
			t.Errorf("%s: %T is no *config.Error", c.changes, err)
		}
	}
	if _, err := FromConfig(node(t, "{frames: 50}")); err == nil || !strings.Contains(err.Error(), `has no "max_steps"`) {
		t.Errorf("missing keys: error is %v", err)
	}
}
