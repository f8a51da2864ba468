package cli

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
)

// appName is hydra.job.name, that of the Python package's command line.
const appName = "openretina_main"

// builtin is the tree of configs that the program brings along.
var builtin fs.FS = configs.FS

// configFlags are the flags of Hydra's command line, which all commands share that
// compose a config: they say which config is meant, and whether to show it instead
// of using it.
type configFlags struct {
	config.Flags
	// startFrom are the built-in settings of a command that works without a config.
	startFrom []config.Choice
	// cacheDefault gives ${oc.env:OPENRETINA_CACHE_DIRECTORY} the folder for
	// downloads where the variable is not set: commands that use the config need
	// it, one that shows the config must not invent it.
	cacheDefault bool

	view config.View
	info string
	// sweep is used by commands that run as sweeps.
	sweep multirunFlags
}

// add gives a command the flags, with the completion of flags and overrides.
func (c *configFlags) add(f *Factory, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.Config, "config", "", "config: a file, whose directory replaces the built-in tree, or a name in the tree")
	flags.StringVar(&c.Path, "config-path", "", "directory that replaces the built-in tree (-cp)")
	flags.StringVar(&c.Name, "config-name", "", "primary config in the tree (-cn)")
	flags.StringVar(&c.Dir, "config-dir", "", "directory that is searched after the tree (-cd)")
	flags.StringVarP(&c.view.Part, "cfg", "c", "", "print the composed config instead of running: job, hydra or all")
	flags.StringVarP(&c.view.Package, "package", "p", "", "with --cfg: print this node only")
	flags.BoolVar(&c.view.Resolve, "resolve", false, "with --cfg: replace interpolations by their values")
	flags.BoolVar(&c.view.Origin, "origin", false, "with --cfg: add to each value the file and line that set it")
	flags.StringVarP(&c.info, "info", "i", "", "print how the config is put together: all, searchpath, defaults-tree, defaults or config")
	c.complete(cmd)
	cmd.ValidArgsFunction = func(_ *cobra.Command, words []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		options, err := c.options(f, words)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		options.Warn = nil
		return config.Complete(options, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

func (c *configFlags) complete(cmd *cobra.Command) {
	names := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return config.Primaries(builtin), cobra.ShellCompDirectiveDefault
	}
	mustComplete(cmd, "config", names)
	mustComplete(cmd, "config-name", names)
	mustComplete(cmd, "cfg", cobra.FixedCompletions(config.Parts(), cobra.ShellCompDirectiveNoFileComp))
	mustComplete(cmd, "info", cobra.FixedCompletions(config.InfoNames(), cobra.ShellCompDirectiveNoFileComp))
	for _, flag := range []string{"config-path", "config-dir"} {
		if err := cmd.MarkFlagDirname(flag); err != nil {
			panic(err) // the flags are those of add
		}
	}
}

// options are what composing depends on, for the flags and the words of the line.
func (c *configFlags) options(f *Factory, overrides []string) (config.Options, error) {
	dir, err := os.Getwd()
	if err != nil {
		return config.Options{}, err
	}
	options, err := config.Locate(c.Flags, builtin, dir)
	if err != nil {
		return options, err
	}
	if options.StartFrom = c.startFrom; len(c.startFrom) > 0 && options.Sources[0].FS != builtin {
		options.Sources = append(options.Sources, config.Source{FS: builtin, Path: "configs", Provider: "builtin"})
	}
	options.Overrides = overrides
	options.Sweeping = c.sweep.multirun
	options.Env = os.LookupEnv
	if c.cacheDefault {
		if options.Env, err = f.envWithCache(); err != nil {
			return options, err
		}
	}
	options.Now = time.Now()
	options.AppName = appName
	options.Warn = func(text string) { f.Log.Warn(text) }
	return options, nil
}

// compose composes the config that the flags and the words of the line mean.
func (c *configFlags) compose(f *Factory, overrides []string) (*config.Config, error) {
	options, err := c.options(f, overrides)
	if err != nil {
		return nil, err
	}
	if c.sweep.isJob() {
		return c.sweep.compose(options)
	}
	composed, err := config.Compose(options)
	return composed, withoutBuiltin(options, err)
}

// withoutBuiltin tells who misses a config that the built-in tree would have how to
// keep that tree.
func withoutBuiltin(o config.Options, err error) error {
	missing := (*config.Error)(nil)
	if !errors.As(err, &missing) || missing.Class != "MissingConfigException" || o.Sources[0].FS == builtin {
		return err
	}
	o.Sources = append(slices.Clone(o.Sources), config.Source{FS: builtin, Path: "configs"})
	o.Warn = nil
	if _, err := config.Compose(o); err == nil {
		missing.Hint += "; the built-in configs have it: keep them by --config-dir DIR --config-name NAME, or write them out by openretina config init DIR"
	}
	return err
}

// show prints the config where the flags ask for that, instead of using it.
func (c *configFlags) show(f *Factory, overrides []string) (shown bool, err error) {
	if err := c.checkShown(); err != nil {
		return false, err
	}
	if c.view.Part == "" && c.info == "" {
		return false, nil
	}
	composed, err := c.compose(f, overrides)
	if err != nil {
		return true, err
	}
	var text []byte
	if c.info != "" {
		text, err = composed.Info(c.info)
	} else {
		text, err = composed.Render(c.view)
	}
	if err == nil {
		_, err = f.IO.Out.Write(text)
	}
	return true, err
}

// checkShown refuses flags that do not go together.
func (c *configFlags) checkShown() error {
	switch {
	case c.view.Part == "" && (c.view.Resolve || c.view.Origin || c.view.Package != ""):
		return flagErrorf("--package, --resolve and --origin need --cfg job, hydra or all")
	case c.view.Part != "" && c.info != "":
		return flagErrorf("--cfg and --info cannot be given together")
	}
	return nil
}

// builtinSettings are the flags of a command that works without a config: its
// settings are the node of its name, which starts from the built-in ones.
func builtinSettings(group string) *configFlags {
	return &configFlags{
		Flags: config.Flags{Optional: true}, startFrom: []config.Choice{{Group: group, Option: "default"}},
	}
}

// fillFlags gives the flags that the line leaves out the values that a node of the
// config has under their names, with _ for -.
func fillFlags(cmd *cobra.Command, c *config.Config, node string, names ...string) error {
	n, err := c.Root.Select(node)
	if err != nil || n == nil {
		return err
	}
	if n, err = n.Resolve(); err != nil {
		return err
	}
	for name, value := range n.Fields() {
		flag := strings.ReplaceAll(name, "_", "-")
		kind := value.Kind()
		switch {
		case !slices.Contains(names, name):
			return config.Errorf(value, "unknown key %q%s", name, suggest(name, names, ""))
		case kind == config.List || kind == config.Map:
			return config.Errorf(value, "%s must be a word", value.Path())
		case kind == config.Null || kind == config.Missing || cmd.Flags().Changed(flag):
			continue
		}
		if err := cmd.Flags().Set(flag, value.Text()); err != nil {
			return config.Errorf(value, "%s: %v", value.Path(), err)
		}
	}
	return nil
}
