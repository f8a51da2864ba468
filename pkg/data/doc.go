// Package data reads recordings of the retina and hands them out in batches.
//
// A Dataset holds sessions: the stimulus movie that each one saw, the responses
// of its neurons, and what else is known of them, split into training,
// validation and test. Load builds one from the data_io and dataloader nodes of
// a composed config. A Loader draws batches of clips from it, prepares them in
// the background, and can be stopped and continued at any batch.
//
// Everything is plain slices in C order. Sessions that saw the same movie share
// its frames: each holds a View, the order in which it saw them.
package data
