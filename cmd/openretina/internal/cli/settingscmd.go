package cli

import "github.com/spf13/cobra"

type settingsOptions struct {
	IO   *IOStreams
	Find func() ([]foundSetting, error)
	JSON bool
}

func newCmdSettings(f *Factory, runF func(*settingsOptions) error) *cobra.Command {
	if runF == nil {
		runF = runSettings
	}
	opts := &settingsOptions{IO: f.IO, Find: func() ([]foundSetting, error) {
		_, list, err := findSettings(f.flags)
		return list, err
	}}
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show the program's settings and where each comes from",
		Long: long(`
			Show how the program runs: each setting, its value, where that comes from, and the
			names under which it can be set. A flag goes before the environment, that before
			the settings file, that before the default.`),
		Example: examples(`
			openretina settings
			OPENRETINA_THREADS=4 openretina settings --device cpu`),
		Args: noArgs,
		RunE: f.action(func([]string) error { return runF(opts) }),
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print JSON")
	return cmd
}

// listedSetting is an entry of settings --json.
type listedSetting struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	From        string `json:"from"`
	Flag        string `json:"flag"`
	Environment string `json:"environment"`
}

func runSettings(opts *settingsOptions) error {
	found, err := opts.Find()
	if err != nil {
		return err
	}
	list := make([]listedSetting, len(found))
	rows := [][]string{{"SETTING", "VALUE", "FROM", "FLAG", "ENVIRONMENT"}}
	for i, s := range found {
		list[i] = listedSetting{s.key, s.text, s.from, "--" + s.flag, s.env}
		rows = append(rows, []string{s.key, s.text, s.from, "--" + s.flag, s.env})
	}
	if opts.JSON {
		return writeJSON(opts.IO.Out, list)
	}
	return opts.IO.printTable(rows)
}
