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
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/train"
)

// addModelFlag adds --model, which predict, mei and eval share.
func addModelFlag(cmd *cobra.Command, word *string) {
	cmd.Flags().StringVar(word, "model", "", "model: a name known to the hub, a .ckpt or .safetensors file, the directory of a run or an ensemble, or A,B,… for the mean of several")
	mustComplete(cmd, "model", completeModelNames)
}

// addCenterFlag adds --center-readout, which predict and mei share.
func addCenterFlag(cmd *cobra.Command, center *bool) {
	cmd.Flags().BoolVar(center, "center-readout", false,
		"let all neurons look at the middle of the features (the Python package's center_readout)")
}

// loadCentered loads a model and centres its readouts where that is asked for.
func loadCentered(
	ctx context.Context, load func(context.Context, string) (*models.CoreReadout, modelFiles, error), word string, center bool,
) (*models.CoreReadout, modelFiles, error) {
	m, files, err := load(ctx, word)
	if err != nil || !center {
		return m, files, err
	}
	if err := m.Center(); err != nil {
		m.Close()
		return nil, files, fmt.Errorf("model %s: %w", word, err)
	}
	return m, files, nil
}

// addSessionFlag adds --session, completed from the model's file.
func (f *Factory) addSessionFlag(cmd *cobra.Command, session, model *string, usage string) {
	cmd.Flags().StringVar(session, "session", "", usage)
	mustComplete(cmd, "session", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f.sessionNames(*model), cobra.ShellCompDirectiveNoFileComp
	})
}

// sessionNames are the sessions of a model that needs no download; none where it
// cannot be read: a completion tells no errors.
func (f *Factory) sessionNames(model string) []string {
	path, err := f.localModel(memberWords(model)[0])
	if isEnsemble(model) {
		var members modelFiles
		if members, err = train.EnsembleMembers(model); err == nil {
			path = members[0]
		}
	}
	if err != nil {
		return nil
	}
	c, err := openModel(path)
	if err != nil || c.HyperParameters == nil {
		return nil
	}
	value, _ := c.HyperParameters.Get("n_neurons_dict")
	sessions, ok := value.(*pickle.Dict)
	if !ok {
		return nil
	}
	var names []string
	for i := range sessions.Len() {
		if key, _ := sessions.At(i); key != nil {
			names = append(names, fmt.Sprint(key))
		}
	}
	slices.Sort(names)
	return names
}

// localModel is ResolveModel without the network.
func (f *Factory) localModel(word string) (string, error) {
	if !isHubModel(word) {
		return modelFile(word)
	}
	remote, err := hub.Resolve(word)
	if err != nil {
		return "", err
	}
	client, err := f.Hub()
	if err != nil {
		return "", err
	}
	if path, ok := client.Cached(remote); ok {
		return path, nil
	}
	return "", fs.ErrNotExist
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
	return modelFile(word)
}

// modelFile finds the file of a model that is here.
func modelFile(word string) (string, error) {
	info, err := os.Stat(word)
	switch {
	case err == nil && isEnsemble(word):
		members, err := train.EnsembleMembers(word)
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("model %s is an ensemble: name a member, such as %s", word, members[0])
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

// LoadModel finds a model by its word and loads it to the device of the settings:
// its file, or those of an ensemble's members. The caller closes it.
func (f *Factory) LoadModel(ctx context.Context, word string) (m *models.CoreReadout, files modelFiles, err error) {
	if files, err = f.resolveFiles(ctx, word); err != nil {
		return nil, nil, err
	}
	device, err := f.Device()
	if err != nil {
		return nil, nil, err
	}
	f.Log.Debug("loading the model", "file", files.String(), "device", device.String())
	options := models.Options{Device: device}
	if len(files) == 1 {
		m, err = models.Load(files[0], options)
	} else {
		m, err = models.LoadEnsemble(files, options)
	}
	if err != nil {
		return nil, nil, notTheUsersConfig(err)
	}
	if names := m.NotStored(); len(names) > 0 {
		f.Log.Debug("the model's file lacks tensors, which have their initial values", "tensors", strings.Join(names, ","))
	}
	return m, files, nil
}

// openModel is models.Open.
func openModel(path string) (*checkpoint.Checkpoint, error) {
	c, err := models.Open(path)
	return c, notTheUsersConfig(err)
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
	// An empty shell variable must not stand for all sessions.
	if session := cmd.Flags().Lookup("session"); session != nil && session.Changed && session.Value.String() == "" {
		return flagErrorf("--session is empty: leave it out for all sessions")
	}
	return nil
}
