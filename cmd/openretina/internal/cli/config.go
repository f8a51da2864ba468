package cli

import (
	"bytes"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
)

type configOptions struct {
	f         *Factory
	Flags     configFlags
	Overrides []string
	Multirun  bool
}

func newCmdConfig(f *Factory, runF func(Interrupts, *configOptions) error) *cobra.Command {
	if runF == nil {
		runF = runConfig
	}
	opts := &configOptions{f: f}
	cmd := &cobra.Command{
		Use:   "config --config FILE [flags] [key=value…]",
		Short: "Print a composed config",
		Long: long(`
			Compose a config from its defaults list and the overrides and print it as YAML.
			Values that must still be given are printed as ???.

			--origin adds to each value the file and line, or the override, that set it;
			--info says how the config is put together. --multirun prints the overrides of
			each job of a sweep, one JSON list a line.`),
		Example: examples(`
			openretina config --config hoefling_2024
			openretina config --config configs/hoefling_2024.yaml --resolve model.learning_rate=0.005
			openretina config --config-name hdf5_core_readout --config-dir my-configs model=mine
			openretina config --config hoefling_2024 --origin --package model.core
			openretina config --config hoefling_2024 --multirun seed=1,2 model.learning_rate=0.01,0.001`),
		RunE: f.action(func(words []string) error {
			opts.Overrides = words
			return runF(f.Interrupts, opts)
		}),
	}
	opts.Flags.add(f, cmd)
	cmd.Flags().BoolVarP(&opts.Multirun, "multirun", "m", false, "print the jobs of a sweep")
	cmd.Flags().Lookup("cfg").DefValue = config.PartJob
	cmd.AddCommand(newCmdConfigInit(f, nil))
	return cmd
}

func runConfig(_ Interrupts, opts *configOptions) error {
	if opts.Flags.view.Part == "" && opts.Flags.info == "" {
		if opts.Multirun {
			return opts.printJobs()
		}
		opts.Flags.view.Part = config.PartJob
	}
	opts.Flags.sweep.multirun = opts.Multirun
	_, err := opts.Flags.show(opts.f, opts.Overrides)
	return err
}

// printJobs lists the jobs of a sweep, after composing each.
func (o *configOptions) printJobs() error {
	options, err := o.Flags.options(o.f, o.Overrides)
	if err != nil {
		return err
	}
	jobs, err := config.Sweep(options)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, job := range jobs {
		if err := encoder.Encode(append([]string{}, job.Overrides...)); err != nil {
			return err
		}
	}
	_, err = o.f.IO.Out.Write(text.Bytes())
	return err
}
