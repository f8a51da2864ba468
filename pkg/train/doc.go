// Package train fits models as Lightning's Trainer does in the Python package:
// the same losses, optimizer steps, schedules, callbacks, metric names and files.
//
// Plan reads a composed config and checks all of it; Run then loads the data,
// builds the model and fits it, writing a run directory that is enough to go on
// from the same bits (on the CPU) after an interruption.
package train
