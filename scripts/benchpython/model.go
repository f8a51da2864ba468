package main

import (
	"fmt"
	"slices"
)

// The sessions of a benchmark's model, about as many neurons each as recordings
// have. Forward passes and training steps use the one of usual size; most exciting
// stimuli are made for neurons of the large one.
const (
	usualSession, usualNeurons = "session_usual", 80
	largeSession, largeNeurons = "session_large", 128
)

// modelSpec says which model a case is run with: hoefling_2024's, with two layers
// of 16 channels, or with the core of GRU_core_readout.
type modelSpec struct {
	channels, height, width int
	temporalKernels         [2]int // frames
	spatialKernels          [2]int // pixels
	largeNeurons            int    // of largeSession
	gru                     bool
}

// model is the one of the case's stimulus size: one channel at 60×80 pixels (a
// stimulus for salamander or axolotl), green and UV at all other sizes.
func (c benchCase) model() modelSpec {
	spec := modelSpec{
		channels: 2, height: c.height, width: c.width, temporalKernels: [2]int{21, 11}, spatialKernels: [2]int{11, 5},
		largeNeurons: max(largeNeurons, c.neurons), gru: c.gru,
	}
	if c.height == 60 && c.width == 80 {
		spec.channels = 1
	}
	if c.highRes() {
		spec.spatialKernels[0] = 21
	}
	return spec
}

// leastFrames give one frame of response.
func (m modelSpec) leastFrames() int { return m.temporalKernels[0] + m.temporalKernels[1] - 1 }

// sessions are the numbers of neurons by session.
func (m modelSpec) sessions() map[string]int {
	return map[string]int{
		largeSession: m.largeNeurons, usualSession: usualNeurons,
		"session_a": 95, "session_b": 72, "session_c": 66, "session_d": 60,
	}
}

// overrides make this model of the config hoefling_2024_core_readout_low_res.
// The kernels of the GRU are odd, since the Python package fails with its config's own.
func (m modelSpec) overrides() []string {
	kind := []string{"model.hidden_channels=[16,16]"}
	if m.gru {
		kind = []string{
			"model=GRU_core_readout", "model.core.use_gru=true", "model.core.gru_kwargs.input_kern=3", "model.core.gru_kwargs.rec_kern=3",
		}
	}
	return slices.Concat([]string{fmt.Sprintf("model.in_shape=[%d,150,%d,%d]", m.channels, m.height, m.width)}, kind, []string{
		fmt.Sprintf("model.core.temporal_kernel_sizes=[%d,%d]", m.temporalKernels[0], m.temporalKernels[1]),
		fmt.Sprintf("model.core.spatial_kernel_sizes=[%d,%d]", m.spatialKernels[0], m.spatialKernels[1]),
	})
}

// settings are those of openretina's visualize: the last ten frames of the response
// to 50, norm and ranges for green and UV, none for other stimuli. But there the
// penalty begins at the norm itself, to which the postprocessor has just scaled the
// stimulus, so that rounding decides on a step with or without its gradient, and no
// two programs take the same; here it begins a little above.
func (c benchCase) settings() *meiSettings {
	s := &meiSettings{Iterations: c.iterations(), LearningRate: 100, Start: 10, Length: 10, Penalty: 0.1}
	if c.model().channels == 2 {
		low, high, norm, free := [2]float64{-0.654, -0.913}, 6.269, 30.0, 31.0
		s.Ranges = [][2]*float64{{&low[0], &high}, {&low[1], &high}}
		s.Norm, s.PenaltyNorm = &norm, &free
		return s
	}
	s.Ranges = make([][2]*float64, c.model().channels)
	return s
}
