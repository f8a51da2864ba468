// Package config composes and reads experiment configurations with the
// semantics of Hydra 1.3 and OmegaConf 2.3, so that a lab's own configs run
// unchanged.
//
// Compose builds one tree out of a primary config, the options of config groups
// that its defaults list names, and the overrides of a command line. A tree is
// made of Nodes, which keep the order of keys, their case, and the file and line
// that set each value. Values may be interpolations (${a.b}, ${oc.env:HOME})
// that are resolved when they are read, or ??? where one must be given later.
//
// Decode turns a tree into typed Go structs and refuses unknown keys; a Registry
// maps the name under _target_ to the Go function that builds the thing.
package config
