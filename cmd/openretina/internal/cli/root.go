package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// newCmdRoot is the program with all its commands.
func newCmdRoot(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "openretina",
		Short: "Train, evaluate and probe models of the retina",
		Long: long(`
			Train, evaluate and probe models of the retina.

			A model M is a name known to the hub (openretina models lists them), the path
			of a Lightning .ckpt or a .safetensors file, or the directory of a training run.
			Words that are no flags, and all that follows --, override the config, as in Hydra.

			Results go to files and stdout, everything else to stderr. The exit code is 0 when
			all is done, 1 after a failure, 2 for a bad command line or config, and 130 when
			interrupted. The first Ctrl-C ends after the step under way and saves; the second
			stops without saving.

			The settings device, threads, cache_dir, log_level and progress have their flags. What
			no flag gives comes from the environment: OPENRETINA_DEVICE, OPENRETINA_THREADS,
			OPENRETINA_CACHE_DIRECTORY, OPENRETINA_LOG_LEVEL, OPENRETINA_PROGRESS; else from the
			YAML file openretina/settings.yaml in the user's folder for configuration (~/.config),
			or the file that OPENRETINA_SETTINGS names. openretina settings shows them.`),
		Example: examples(`
			openretina models
			openretina predict --model hoefling_2024_base_low_res --stimulus movie.npy --output responses.npy
			openretina mei --model model.ckpt --neuron 12 --output meis
			openretina create-data demo-data
			openretina train --config simulated_retina paths.data_dir=demo-data`),
		Args: func(cmd *cobra.Command, args []string) error {
			return unknownCommand(cmd, args)
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f.flags = root.PersistentFlags()
	addSettingFlags(f.flags)
	root.SetFlagErrorFunc(explainFlag)
	cobra.EnableCommandSorting = false
	root.AddCommand(
		newCmdTrain(f, nil),
		newCmdPredict(f, nil),
		newCmdEval(f, nil),
		newCmdMEI(f, nil),
		newCmdConfig(f, nil),
		newCmdModels(f, nil),
		newCmdDownload(f, nil),
		newCmdCreateData(f, nil),
		newCmdSettings(f, nil),
		newCmdVersion(f, nil),
	)
	root.SetHelpCommand(newCmdHelp())
	completeSettings(root)
	return root
}

// newCmdHelp is cobra's help command, except that it fails for what is no command.
func newCmdHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Show what a command does",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), args)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// unknownCommand refuses the first of some words, which is no command.
func unknownCommand(root *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	return flagErrorf("unknown command %q%s", words[0], suggest(words[0], commandNames(root), ""))
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// completeSettings completes the values of the settings' flags.
func completeSettings(root *cobra.Command) {
	for flag, words := range map[string][]string{
		"device":    {"auto", "cpu", "cuda"},
		"log-level": {"debug", "info", "warn", "error"},
		"progress":  {"auto", "bar", "lines", "none"},
	} {
		mustComplete(root, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// mustComplete registers the completion of a flag's value.
func mustComplete(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // a command without that flag: a mistake in its constructor
	}
}

// long removes the indentation that a text has in the source.
func long(text string) string { return unindent(text, "") }

// examples is long for the lines of an Example, which help shows indented.
func examples(text string) string { return unindent(text, "  ") }

func unindent(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(prefix + line)
		}
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n")
}
