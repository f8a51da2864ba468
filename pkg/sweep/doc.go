// Package sweep runs many jobs of one command: the combinations of the values
// given, or the trials of a search by a sampler. It composes nothing and computes
// nothing itself; a job is run by a function of the caller's. What happened stands
// in the directory of the sweep after each job, so that the same sweep goes on
// where it ended.
package sweep
