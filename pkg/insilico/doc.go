// Package insilico probes models: it optimises stimuli until a neuron of the
// model, or the mean of several, responds most (most exciting inputs, MEIs).
//
// The parts have the names, the settings and the arithmetic of the Python
// package's openretina.insilico.stimulus_optimization: an objective over a window
// of the response (reducer), penalties on the stimulus (regularizers), an
// optimizer, what is done to the stimulus after each step (postprocessors), and
// when to end (stopper). FromConfig reads them from a config's node `mei`,
// Optimize runs them for many targets side by side, each with an objective, a
// projection, an optimizer state and a stopper of its own, so that the result
// for a neuron does not depend on which others are asked for.
package insilico
