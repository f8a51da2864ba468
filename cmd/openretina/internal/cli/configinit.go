package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/fileio"
)

type configInitOptions struct {
	IO    *IOStreams
	Dir   string
	Force bool
}

func newCmdConfigInit(f *Factory, runF func(*configInitOptions) error) *cobra.Command {
	if runF == nil {
		runF = runConfigInit
	}
	opts := &configInitOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "init DIR [--force]",
		Short: "Write out the built-in configs for editing",
		Long: long(`
			Write the built-in tree of configs into a directory and print its path. A config
			in it is then used by --config DIR/NAME.yaml: the directory takes the place of the
			built-in tree.

			Files that are there and differ are kept, and the command refuses to go on, unless
			--force is given.`),
		Example: examples(`
			openretina config init configs
			openretina train --config configs/hoefling_2024.yaml`),
		Args: wordsNamed("the directory", 1),
		RunE: f.action(func(words []string) error {
			opts.Dir = words[0]
			return runF(opts)
		}),
	}
	cmd.Flags().BoolVar(&opts.Force, "force", false, "replace files that differ")
	return cmd
}

func runConfigInit(opts *configInitOptions) error {
	files, err := builtinFiles()
	if err != nil {
		return err
	}
	if !opts.Force {
		if err := refuseChanged(opts.Dir, files); err != nil {
			return err
		}
	}
	for name, content := range files {
		path := filepath.Join(opts.Dir, name)
		if err := fileio.MkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		if err := fileio.WriteBytes(path, content); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(opts.IO.Out, opts.Dir)
	return err
}

// builtinFiles are the files of the embedded tree, by their paths.
func builtinFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(configs.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[filepath.FromSlash(name)], err = fs.ReadFile(configs.FS, name)
		return err
	})
	return files, err
}

// refuseChanged is an error if one of the files is there with another content.
func refuseChanged(dir string, files map[string][]byte) error {
	var changed []string
	for name, content := range files {
		old, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case string(old) != string(content):
			changed = append(changed, name)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	return fmt.Errorf("%s in %s: changed by hand; nothing was written, --force replaces what differs",
		strings.Join(changed, ", "), dir)
}
