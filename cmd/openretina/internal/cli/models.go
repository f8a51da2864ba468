package cli

import (
	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/data/hub"
)

type modelsOptions struct {
	IO   *IOStreams
	Hub  func() (*hub.Client, error)
	JSON bool
}

func newCmdModels(f *Factory, runF func(Interrupts, *modelsOptions) error) *cobra.Command {
	if runF == nil {
		runF = runModels
	}
	opts := &modelsOptions{IO: f.IO, Hub: f.Hub}
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, show and convert trained models",
		Long: long(`
			List the trained models that the hub has under a name, what stimulus each takes,
			and where it is in the cache. No network is used.`),
		Example: examples(`
			openretina models
			openretina models info hoefling_2024_base_low_res
			openretina models convert model.ckpt model.safetensors`),
		Args: noArgs,
		RunE: f.action(func([]string) error {
			return runF(f.Interrupts, opts)
		}),
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print JSON")
	cmd.AddCommand(newCmdModelsInfo(f, nil), newCmdModelsConvert(f, nil))
	return cmd
}

// listedModel is an entry of models --json.
type listedModel struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Stimulus string `json:"stimulus"`
	Cached   bool   `json:"cached"`
	// File is where it lies in the cache.
	File string `json:"file,omitempty"`
}

func runModels(_ Interrupts, opts *modelsOptions) error {
	client, err := opts.Hub()
	if err != nil {
		return err
	}
	var list []listedModel
	for _, m := range hub.Models() {
		file, cached := client.Cached(hub.Remote{Name: m.Name, Path: m.Path})
		list = append(list, listedModel{Name: m.Name, Path: m.Path, Stimulus: m.Stimulus, Cached: cached, File: file})
	}
	if opts.JSON {
		return writeJSON(opts.IO.Out, list)
	}
	rows := [][]string{{"NAME", "STIMULUS", "CACHED", "PATH ON THE HUB"}}
	for _, m := range list {
		rows = append(rows, []string{m.Name, m.Stimulus, map[bool]string{true: "yes", false: "no"}[m.Cached], m.Path})
	}
	return opts.IO.printTable(rows)
}
