package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/train"
)

// addModelFlag adds --model, which predict, mei and eval share.
func addModelFlag(cmd *cobra.Command, word *string) {
	cmd.Flags().StringVar(word, "model", "", "model: a name known to the hub, a .ckpt or .safetensors file, or a run directory")
	mustComplete(cmd, "model", completeModelNames)
}

// ResolveModel finds the file that a user means by a model's word: a name known to
// the hub, whose checkpoint is downloaded unless it is in the cache; a file; or a
// run directory, whose best checkpoint it is. A file or directory of a hub name is
// meant by ./NAME.
func (f *Factory) ResolveModel(ctx context.Context, word string) (path string, err error) {
	if isHubModel(word) {
		remote, err := hub.Resolve(word)
		if err != nil {
			return "", err
		}
		return f.Fetch(ctx, remote)
	}
	info, err := os.Stat(word)
	switch {
	case err == nil && info.IsDir():
		return train.BestCheckpoint(word)
	case err == nil:
		return word, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("model: %w", err)
	}
	return "", unknownModel(word)
}

func isHubModel(word string) bool {
	return slices.ContainsFunc(hub.Models(), func(m hub.Model) bool { return m.Name == word })
}

// unknownModel says what a word that is no model might have meant.
func unknownModel(word string) error {
	if strings.ContainsRune(word, filepath.Separator) || filepath.Ext(word) != "" {
		return fmt.Errorf("model %s: no such file or directory", word)
	}
	near := (*hub.UnknownNameError)(nil)
	if _, err := hub.Resolve(word); errors.As(err, &near) {
		return fmt.Errorf("unknown model %q: no file, no run directory, and no name known to the hub (nearest are %s)",
			word, strings.Join(near.Nearest[:min(3, len(near.Nearest))], ", "))
	}
	return fmt.Errorf("model %s: no such file or directory", word)
}

// LoadModel finds a model by its word and loads it to the device of the settings.
// The caller closes it.
func (f *Factory) LoadModel(ctx context.Context, word string) (m *models.CoreReadout, path string, err error) {
	if path, err = f.ResolveModel(ctx, word); err != nil {
		return nil, "", err
	}
	device, err := f.Device()
	if err != nil {
		return nil, "", err
	}
	f.Log.Debug("loading the model", "file", path, "device", device.String())
	m, err = models.Load(path, models.Options{Device: device})
	if err != nil {
		return nil, "", notTheUsersConfig(err)
	}
	return m, path, nil
}

// notTheUsersConfig makes a failure of an error about a config that stands in a
// file which the user did not write.
func notTheUsersConfig(err error) error {
	if refused := (*config.Error)(nil); errors.As(err, &refused) {
		return failure{err}
	}
	return err
}

// requireFlags refuses a command line that lacks one of the flags.
func requireFlags(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if value := cmd.Flags().Lookup(name).Value.String(); value == "" {
			return flagErrorf("--%s is missing", name)
		}
	}
	return nil
}
