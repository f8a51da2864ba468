package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

type modelsConvertOptions struct {
	IO      *IOStreams
	Resolve func(ctx context.Context, word string) (path string, err error)
	Log     *slog.Logger

	Model, Output string
	Force         bool
}

func newCmdModelsConvert(f *Factory, runF func(Interrupts, *modelsConvertOptions) error) *cobra.Command {
	if runF == nil {
		runF = runModelsConvert
	}
	opts := &modelsConvertOptions{IO: f.IO, Resolve: f.ResolveModel, Log: f.Log}
	cmd := &cobra.Command{
		Use:   "convert M OUT [--force]",
		Short: "Write a trained model in another format",
		Long: long(`
			Write a trained model in the format that the ending of OUT names, and print OUT:

			.safetensors  the tensors, and beside them OUT with the ending .json, which holds
			              the hyperparameters and data_info
			.ckpt         a Lightning checkpoint, which the Python package loads
			.pt, .pth     the same in plain values and tensors, which torch.load reads with
			              weights_only=True

			M is what models info takes. Tensors and hyperparameters stay as they are, to the
			bit, through any number of conversions; what a format does not keep (the state of an
			optimizer) is told. A file that is there is kept, unless --force is given.`),
		Example: examples(`
			openretina models convert model.ckpt model.safetensors
			openretina models convert model.safetensors model.ckpt`),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return completeModelNames(cmd, args, word)
		},
		Args: func(cmd *cobra.Command, words []string) error {
			if len(words) == 1 {
				return flagErrorf("OUT is missing")
			}
			return wordsNamed("M", 2)(cmd, words)
		},
		RunE: f.action(func(words []string) error {
			opts.Model, opts.Output = words[0], words[1]
			if modelWriters[filepath.Ext(opts.Output)] == nil {
				return flagErrorf("%s: the ending names the format: .safetensors, .ckpt, .pt or .pth", opts.Output)
			}
			return runF(f.Interrupts, opts)
		}),
	}
	cmd.Flags().BoolVar(&opts.Force, "force", false, "replace a file that is there")
	return cmd
}

// modelWriters are the formats by the endings of their files.
var modelWriters = map[string]func(path string, c *checkpoint.Checkpoint) error{
	".safetensors": checkpoint.WriteSafetensors,
	".ckpt":        checkpoint.Write,
	".pt":          checkpoint.WritePlain,
	".pth":         checkpoint.WritePlain,
}

func runModelsConvert(in Interrupts, opts *modelsConvertOptions) error {
	path, err := opts.Resolve(in.Soft, opts.Model)
	if err != nil {
		return err
	}
	c, err := openModel(path)
	if err != nil {
		return err
	}
	if err := opts.checkOutputs(path); err != nil {
		return err
	}
	format := filepath.Ext(opts.Output)
	lost := c.Objects()
	switch format {
	case ".safetensors":
		lost = c.Lost()
	case ".ckpt":
		lost = nil
		if c.HyperParameters != nil {
			checkpoint.MarkConfigs(c.HyperParameters)
		}
	}
	for _, what := range lost {
		opts.Log.Warn(fmt.Sprintf("%s is not kept in %s files", what, format))
	}
	if err := modelWriters[format](opts.Output, c); err != nil {
		return err
	}
	_, err = fmt.Fprintln(opts.IO.Out, opts.Output)
	return err
}

// checkOutputs refuses to write over files.
func (o *modelsConvertOptions) checkOutputs(source string) error {
	outputs := []string{o.Output}
	if strings.HasSuffix(o.Output, ".safetensors") {
		outputs = append(outputs, checkpoint.HyperParametersFile(o.Output))
	}
	for _, path := range outputs {
		if err := checkOutput(path); err != nil {
			return err
		}
		switch info, err := os.Stat(path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("output: %w", err)
		case sameFile(info, source):
			return fmt.Errorf("output %s is the model itself", path)
		case !o.Force:
			return fmt.Errorf("output %s is there already: --force replaces it", path)
		}
	}
	return nil
}

func sameFile(info fs.FileInfo, path string) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(info, other)
}
