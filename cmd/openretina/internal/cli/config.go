package cli

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
)

// appName is hydra.job.name: what output directories may be named by.
const appName = "openretina"

// configFlags say which config is meant; train, eval and config share them.
type configFlags struct {
	config.Flags
	// cacheDefault gives ${oc.env:OPENRETINA_CACHE_DIRECTORY} the folder for
	// downloads where the variable is not set: commands that use the config need
	// it, one that shows the config must not invent it.
	cacheDefault bool
}

func (c *configFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&c.Config, "config", "", "config: a file, whose directory replaces the built-in tree, or a name in the tree")
	flags.StringVar(&c.Path, "config-path", "", "directory that replaces the built-in tree (-cp)")
	flags.StringVar(&c.Name, "config-name", "", "primary config in the tree (-cn)")
	flags.StringVar(&c.Dir, "config-dir", "", "directory that is searched after the tree (-cd)")
}

func (c *configFlags) complete(cmd *cobra.Command) {
	names := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return config.Primaries(configs.FS), cobra.ShellCompDirectiveDefault
	}
	mustComplete(cmd, "config", names)
	mustComplete(cmd, "config-name", names)
	for _, flag := range []string{"config-path", "config-dir"} {
		if err := cmd.MarkFlagDirname(flag); err != nil {
			panic(err) // the flags are those of add
		}
	}
}

// compose composes the config that the flags and the words of the line mean.
func (c *configFlags) compose(f *Factory, overrides []string) (*config.Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	options, err := config.Locate(c.Flags, configs.FS, dir)
	if err != nil {
		return nil, err
	}
	options.Overrides = overrides
	options.Env = os.LookupEnv
	if c.cacheDefault {
		if options.Env, err = f.envWithCache(); err != nil {
			return nil, err
		}
	}
	options.Now = time.Now()
	options.AppName = appName
	options.Warn = func(text string) { f.Log.Warn(text) }
	return config.Compose(options)
}

// builtinConfigs is the embedded tree.
func builtinConfigs() config.Source {
	return config.Source{FS: configs.FS, Path: "configs", Provider: "main"}
}

type configOptions struct {
	IO        *IOStreams
	Compose   func() (*config.Config, error)
	Overrides []string
	Resolve   bool
	Flags     configFlags
}

func newCmdConfig(f *Factory, runF func(Interrupts, *configOptions) error) *cobra.Command {
	if runF == nil {
		runF = runConfig
	}
	opts := &configOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "config --config FILE [flags] [key=value…]",
		Short: "Print a composed config",
		Long: long(`
			Compose a config from its defaults list and the overrides and print it as YAML.
			Values that must still be given are printed as ???.`),
		Example: examples(`
			openretina config --config hoefling_2024
			openretina config --config configs/hoefling_2024.yaml --resolve model.learning_rate=0.005
			openretina config --config-name hdf5_core_readout --config-dir my-configs model=mine`),
		RunE: f.action(func(words []string) error {
			opts.Overrides = words
			opts.Compose = func() (*config.Config, error) { return opts.Flags.compose(f, words) }
			return runF(f.Interrupts, opts)
		}),
	}
	opts.Flags.add(cmd.Flags())
	opts.Flags.complete(cmd)
	cmd.Flags().BoolVar(&opts.Resolve, "resolve", false, "replace interpolations by their values")
	return cmd
}

func runConfig(_ Interrupts, opts *configOptions) error {
	composed, err := opts.Compose()
	if err != nil {
		return err
	}
	text, err := config.Render(composed, opts.Resolve)
	if err != nil {
		return err
	}
	_, err = opts.IO.Out.Write(text)
	return err
}
