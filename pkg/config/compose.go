package config

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
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
// interpolation stands; lists and mappings among the arguments are *Nodes. The
// result is what FromValue takes.
type Resolver func(parent *Node, args []any) (any, error)

// Choice is an option of a config group.
type Choice struct{ Group, Option string }

// Options is what a composition depends on; nothing else is read.
type Options struct {
	// Sources is the search path: first the tree in use, then what --config-dir
	// appends. The first source that has a file wins.
	Sources []Source
	// ConfigName is the primary config, relative to a source; its extension may be
	// left out. Without one the primary config is empty.
	ConfigName string
	// StartFrom are choices that stand before the primary config's defaults list,
	// except of groups from which that list chooses itself: the built-in settings of
	// a command that works without a config.
	StartFrom []Choice
	// Overrides are the words of a command line, in Hydra's grammar.
	Overrides []string
	// Sweeping allows values that stand for several (a=1,2) and groups without a
	// choice, as the first composition of a sweep does.
	Sweeping bool
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
	// Warn takes warnings, one line each; nil drops them.
	Warn func(text string)

	// job is set for the jobs of a sweep.
	job *sweepJob
}

// Config is a composed config.
type Config struct {
	// Root is the composed tree without the hydra node.
	Root *Node
	// Hydra is the hydra node.
	Hydra *Node
	// OutputDir is hydra.run.dir, resolved and made absolute; empty if that fails,
	// which RunDir tells the reason of.
	OutputDir string
	// JobName is hydra.job.name.
	JobName string
	// Choices are the chosen options of the config groups, Hydra's own included.
	Choices Object
	// Overrides are the overrides that are not Hydra's own, as given.
	Overrides []string

	outputErr error
	tree      *treeNode    // of the defaults
	list      []resultItem // the final defaults list
}

// hydraVersion is the version of Hydra that this package follows.
const hydraVersion, hydraVersionBase = "1.3.8", "1.3"

// Missing lists the paths whose value is ??? and must be given before it is used.
func (c *Config) Missing() []string { return c.Root.Missing() }

// RunDir is the output directory, or the reason why it has none.
func (c *Config) RunDir() (string, error) { return c.OutputDir, c.outputErr }

// Compose builds a config. It is refused with an *Error whose class and message
// are Hydra's.
func Compose(o Options) (*Config, error) {
	overrides, err := parseOverrides(o.Overrides)
	if err != nil {
		return nil, err
	}
	env := &environment{getenv: o.Env, now: o.Now, resolvers: o.Resolvers, warn: o.Warn}
	repo := newRepository(o.Sources, env)
	if err := extendSearchPath(repo, o, overrides); err != nil {
		return nil, err
	}
	if err := checkSweeps(overrides, o.Sweeping); err != nil {
		return nil, err
	}
	groups, err := newGroupOverrides(repo, overrides)
	if err != nil {
		return nil, err
	}
	tree, list, err := buildDefaults(repo, &o, groups)
	if err != nil {
		return nil, err
	}
	root, err := mergeDefaults(repo, list)
	if err != nil {
		return nil, err
	}
	root.env = env
	for _, ov := range groups.config {
		if err := applyOverride(root, ov); err != nil {
			return nil, err
		}
	}
	c := &Config{Choices: groups.known, tree: tree, list: list}
	if err := c.finish(o, root, repo, overrides); err != nil {
		return nil, err
	}
	return c, nil
}

// primary is the name of the primary config.
func (o *Options) primary() string {
	if o.ConfigName == "" {
		return emptyConfig
	}
	return o.ConfigName
}

// checkSweeps refuses values that stand for several where one is needed.
func checkSweeps(list []*override, sweeping bool) error {
	for _, o := range list {
		if !o.isSweep() {
			continue
		}
		var e *Error
		choice, isChoice := o.value.(*choiceSweep)
		switch {
		case sweeping && o.isHydra():
			e = newError(classComposition, "Sweeping over Hydra's configuration is not supported : '%s'", o.input)
		case sweeping:
			continue
		case isChoice && choice.simple:
			e = newError(classComposition, "Ambiguous value for argument '%s'", o.input).
				hint("for a list write key=[value1,value2], for a text quote it: key=\\'value1,value2\\', to sweep over it add --multirun")
		default:
			e = newError(classComposition, "Sweep parameters '%s' requires --multirun", o.input)
		}
		e.Key = o.key
		return e
	}
	return nil
}

func (o *Options) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(oneLine(fmt.Sprintf(format, args...)))
	}
}

// mergeDefaults merges the configs of the final list, each in its package.
func mergeDefaults(repo *repository, list []resultItem) (*Node, error) {
	root := newMap(Origin{})
	root.env = repo.env
	for _, item := range list {
		loaded, err := repo.load(item.configPath)
		if err != nil {
			return nil, err
		}
		content := loaded.root
		if err := repo.env.spendNodes(content.size()); err != nil {
			return nil, err
		}
		if item.pkg != "" {
			content = newMap(loaded.root.origin)
			inner := loaded.root.clone()
			if err := content.update(item.pkg, inner, false, true); err != nil {
				return nil, err
			}
		}
		if !item.primary && item.configPath != "hydra/config" {
			if n, ok := content.At("hydra.searchpath"); ok && !n.isNull() {
				return nil, newError(classComposition, "In '%s': Overriding hydra.searchpath is only supported from the primary config", item.configPath).at(n)
			}
		}
		if err := checkHydraKeys(root, content); err != nil {
			return nil, composing(item.configPath, err)
		}
		if err := mergeInto(root, content, false); err != nil {
			return nil, composing(item.configPath, err)
		}
	}
	return root, nil
}

// composing names the config whose content does not fit.
func composing(configPath string, err error) error {
	e, ok := asError(err)
	if !ok {
		return err
	}
	out := newError(classComposition, "In '%s': %s raised while composing config:", configPath, e.Class)
	out.Key, out.Origin = e.Key, e.Origin
	out.Hint = e.Message
	if e.Key != "" {
		out.Hint += ": " + e.Key
	}
	return out
}

// finish fills in what Hydra tells the application, and takes the hydra node out.
func (c *Config) finish(o Options, root *Node, repo *repository, overrides []*override) error {
	hydra := root.child("hydra")
	if hydra == nil || hydra.shape != mapShape {
		return newError(classComposition, "the hydra node must be a mapping").at(hydra)
	}
	convertHydraValues(hydra, "hydra")
	if err := copyEnvironment(hydra, o.Env); err != nil {
		return err
	}
	var own []string
	var task []*override
	for _, ov := range overrides {
		if ov.isHydra() {
			own = append(own, ov.input)
			continue
		}
		task = append(task, ov)
		c.Overrides = append(c.Overrides, ov.input)
	}
	facts := []Pair{
		{"overrides.hydra", own},
		{"overrides.task", c.Overrides},
		{"runtime.choices", c.Choices},
		{"runtime.version", hydraVersion},
		{"runtime.version_base", hydraVersionBase},
		{"runtime.cwd", o.WorkDir},
		{"runtime.config_sources", describeSources(repo)},
	}
	if o.ConfigName != "" {
		facts = append(facts, Pair{"job.config_name", o.ConfigName})
	} else {
		facts = append(facts, Pair{"job.config_name", nil})
	}
	if name, ok := hydra.At("job.name"); !ok || name.isMissing() {
		facts = append(facts, Pair{"job.name", o.AppName})
	}
	if o.job != nil {
		facts = append(facts, Pair{"job.num", o.job.number}, Pair{"job.id", o.job.number})
	}
	for _, f := range facts {
		if err := hydra.Set(keyText(f.Key), f.Value); err != nil {
			return err
		}
	}
	dirname, err := overrideDirname(hydra, task)
	if err != nil {
		return err
	}
	if err := hydra.Set("job.override_dirname", dirname); err != nil {
		return err
	}
	return c.separate(o, root)
}

// overrideDirname joins the overrides in sorted order, for use in the names of
// directories.
func overrideDirname(hydra *Node, task []*override) (string, error) {
	settings := struct {
		KVSep   string   `yaml:"kv_sep"`
		ItemSep string   `yaml:"item_sep"`
		Exclude []string `yaml:"exclude_keys"`
	}{"=", ",", nil}
	n, err := hydra.Select("job.config.override_dirname")
	if err != nil {
		return "", err
	}
	if n != nil {
		if err := n.Decode(&settings); err != nil {
			return "", err
		}
	}
	var lines []string
	for _, o := range task {
		if !slices.Contains(settings.Exclude, o.key) {
			lines = append(lines, o.input)
		}
	}
	slices.Sort(lines)
	return strings.ReplaceAll(strings.Join(lines, settings.ItemSep), "=", settings.KVSep), nil
}

// separate resolves the output directory and splits the tree in two: the
// application's and Hydra's, which the application reads through ${hydra:…}.
func (c *Config) separate(o Options, root *Node) error {
	full := root.Clone()
	env := *root.env
	full.env = &env
	env.hydra = full.child("hydra")
	c.Hydra = env.hydra
	root.remove("hydra")
	root.env = &env
	c.Root = root
	name, err := c.Hydra.Select("job.name")
	if err != nil {
		return err
	}
	c.JobName = pyNode(name)
	dir, err := o.outputDir(c.Hydra)
	if err != nil {
		c.outputErr = err
		env.outputErr = err
		return nil
	}
	c.OutputDir = dir
	return c.Hydra.Set("runtime.output_dir", dir)
}
