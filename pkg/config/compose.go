package config

import (
	"io/fs"
	"time"
)

// Source is one entry of the search path: a tree of YAML files.
type Source struct {
	// FS holds the files.
	FS fs.FS
	// Path is what errors show before the file's name: "configs".
	Path string
	// Provider says where the entry comes from, in Hydra's words: "main",
	// "command-line".
	Provider string
}

// Resolver computes ${name:args}. The parent is the mapping or list in which the
// interpolation stands. The result is nil, a bool, a number, a string, or a *Node.
type Resolver func(parent *Node, args []any) (any, error)

// Options is what a composition depends on; nothing else is read.
type Options struct {
	// Sources is the search path: first the tree in use, then what --config-dir
	// appends.
	Sources []Source
	// ConfigName is the primary config, without extension, relative to a source.
	ConfigName string
	// Overrides are the words of a command line, in Hydra's grammar.
	Overrides []string
	// Env looks up environment variables for ${oc.env:…}; nil stands for none.
	Env func(name string) (string, bool)
	// Now is the clock of ${now:…}.
	Now time.Time
	// WorkDir is the working directory, which hydra:runtime.cwd names and output
	// directories are relative to.
	WorkDir string
	// AppName is hydra.job.name unless the config sets it.
	AppName string
	// Resolvers are added to the standard ones, under their names.
	Resolvers map[string]Resolver
	// OpenDir opens a directory that hydra.searchpath names; nil refuses them.
	OpenDir func(path string) (fs.FS, error)
}

// Config is a composed config.
type Config struct {
	// Root is the composed tree without the hydra node.
	Root *Node
	// Hydra is the hydra node.
	Hydra *Node
	// OutputDir is hydra.run.dir, resolved and absolute.
	OutputDir string
	// JobName is hydra.job.name.
	JobName string
	// Choices are the chosen options of the config groups, in order.
	Choices Object
	// Overrides are the overrides that are not Hydra's own, as given.
	Overrides []string
}
