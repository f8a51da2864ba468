// Package schema describes the configs as JSON Schemas (draft 7), for editors: which
// keys there are, what they take, their defaults, and a word on what they mean.
//
// What the program builds is described by its own types: the arguments that the
// registries hold, under their _target_ names. What only the Python package builds is
// described by its signatures (python_targets.json), so that a config that trains
// there is not marked wrong. Which options there are, and what keys mean, comes from
// the shipped configs and the comments in them.
//
// Wherever a value stands, an interpolation or ??? may stand too. No key is needed,
// since each file is only a part of what is composed.
package schema
