// Package tracking logs what a training measures, as the loggers of Lightning do that
// a config names under logger: the same files, names of metrics and steps.
//
// A training has several loggers at once, a Group. Each gives its State with a
// checkpoint; a training that continues from there starts its loggers with it, and
// what they hold is the same as if it had never stopped.
package tracking
