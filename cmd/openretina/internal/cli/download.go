package cli

import (
	"context"
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/data/hub"
)

type downloadOptions struct {
	IO      *IOStreams
	Fetch   func(context.Context, hub.Remote) (string, error)
	Remotes []hub.Remote
}

func newCmdDownload(f *Factory, runF func(Interrupts, *downloadOptions) error) *cobra.Command {
	if runF == nil {
		runF = runDownload
	}
	opts := &downloadOptions{IO: f.IO, Fetch: f.Fetch}
	return &cobra.Command{
		Use:   "download NAME…",
		Short: "Bring models and data sets from the hub into the cache",
		Long: long(`
			Bring models and data sets from the hub into the cache and print where they are,
			one path for each name. What is there already is not fetched again, what was
			interrupted is continued, and every file is checked before it gets its name.

			NAME is the name of a model (openretina models lists them), a path on the hub, with
			a slash at its end for a folder, or its address.

			Environment: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, OPENRETINA_CACHE_DIRECTORY.`),
		Example: examples(`
			openretina download hoefling_2024_base_low_res
			openretina download euler_lab/hoefling_2024/responses/rgc_natstim_2024-08-14.zip`),
		Args:              wordsNamed("NAME", 0),
		ValidArgsFunction: completeModelNames,
		RunE: f.action(func(args []string) error {
			for _, arg := range args {
				remote, err := hub.Resolve(arg)
				if err != nil {
					return flagErrorf("%w", err)
				}
				opts.Remotes = append(opts.Remotes, remote)
			}
			return runF(f.Interrupts, opts)
		}),
	}
}

func runDownload(in Interrupts, opts *downloadOptions) error {
	for _, remote := range opts.Remotes {
		file, err := opts.Fetch(in.Soft, remote)
		if err != nil {
			return err
		}
		fmt.Fprintln(opts.IO.Out, file)
	}
	return nil
}

// Fetch brings a file or a folder from the hub into the cache, unless it is there,
// and shows how far it is.
func (f *Factory) Fetch(ctx context.Context, remote hub.Remote) (string, error) {
	client, err := f.Hub()
	if err != nil {
		return "", err
	}
	progress := f.NewByteProgress(path.Base(remote.Path))
	defer progress.Close()
	client.Progress = func(p hub.Progress) {
		if progress.Note(""); p.Waiting {
			progress.Note("(another process downloads it)")
		}
		progress.Set(p.Done, p.Total)
	}
	return client.Fetch(ctx, remote)
}

// completeModelNames completes the names that the hub knows.
func completeModelNames(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	for _, m := range hub.Models() {
		names = append(names, cobra.CompletionWithDesc(m.Name, m.Stimulus))
	}
	return names, cobra.ShellCompDirectiveDefault
}
