package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
)

// ModelResolver finds the file of a model by its word: a name of the hub, a file, or a
// run directory.
type ModelResolver func(ctx context.Context, word string) (path string, err error)

// localModel is the ModelResolver that knows files and run directories.
func localModel(_ context.Context, word string) (string, error) {
	info, err := os.Stat(word)
	if err == nil && info.IsDir() {
		return BestCheckpoint(word)
	}
	return word, err
}

// checkStart refuses a paths.load_model_path that must be a file and is none.
func (p *Plan) checkStart() error {
	p.startFrom = orElse(p.root.Paths.LoadModel, "")
	isPath := strings.ContainsRune(p.startFrom, filepath.Separator) || filepath.Ext(p.startFrom) != ""
	if _, err := os.Stat(p.startFrom); isPath && errors.Is(err, fs.ErrNotExist) {
		return config.Refuse("paths.load_model_path", "paths.load_model_path: there is no file or run directory %s", p.startFrom)
	}
	return nil
}

// startModel loads the model of paths.load_model_path and adds readouts for the sessions
// that it does not have, as train.py of the Python package does.
func (p *Plan) startModel(ctx context.Context, sessions []models.Session, env Environment, o models.Options) (*models.CoreReadout, error) {
	resolve := env.ResolveModel
	if resolve == nil {
		resolve = localModel
	}
	path, err := resolve(ctx, p.startFrom)
	if err != nil {
		return nil, fmt.Errorf("paths.load_model_path: %w", err)
	}
	m, err := models.Load(path, o)
	if err != nil {
		return nil, fmt.Errorf("paths.load_model_path: %w", err)
	}
	added, err := addMissing(m, sessions)
	if err == nil {
		err = p.takeTraining(m)
	}
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("paths.load_model_path: %s: %w", path, err)
	}
	env.Log.Info("starting from a trained model", "file", path, "new_sessions", strings.Join(added, ","))
	env.Log.Info("paths.load_model_path: core, readouts and losses are the file's; learning_rate, optimizer and lr_scheduler are the config's")
	if differing := modelDifferences(p.model, m.Hyper); len(differing) > 0 {
		env.Log.Warn("the file's model wins over the config's: " + strings.Join(differing, "; "))
	}
	return m, nil
}

// addMissing adds readouts for the sessions that the model does not have.
func addMissing(m *models.CoreReadout, sessions []models.Session) (names []string, err error) {
	var missing []models.Session
	for _, s := range sessions {
		if !slices.Contains(m.Sessions(), s.Name) {
			missing = append(missing, s)
			names = append(names, s.Name)
			continue
		}
		if n, err := m.NumNeurons(s.Name); err != nil || n != s.Neurons {
			return nil, errors.Join(err, fmt.Errorf("session %s has %d neurons in the model and %d in the data: "+
				"give the session of the data another name", s.Name, n, s.Neurons))
		}
	}
	if missing == nil {
		return nil, nil
	}
	return names, m.AddSessions(missing)
}

// takeTraining gives a loaded model what the config says about training it.
func (p *Plan) takeTraining(m *models.CoreReadout) error {
	var changed config.Object
	for _, name := range []string{"learning_rate", "optimizer", "lr_scheduler"} {
		if n, ok := p.model.Get(name); ok {
			changed = append(changed, config.Pair{Key: name, Value: n})
		}
	}
	if n, ok := p.model.Get("learning_rate"); ok {
		if err := n.Decode(&m.LearningRate); err != nil {
			return err
		}
	}
	return m.SetHyper(changed)
}

// modelDifferences tells what of a model's config is not so in a file.
func modelDifferences(model, file *config.Node) []string {
	if _, ok := file.Get("core"); !ok {
		return []string{"the file's model is of another class"}
	}
	var found []string
	for _, name := range []string{"in_shape", "hidden_channels", "core", "readout", "loss", "evaluation_loss"} {
		if n, ok := model.Get(name); ok {
			if other, ok := file.Get(name); ok {
				found = append(found, nodeDifferences("model."+name, n, other)...)
			}
		}
	}
	return found
}

func nodeDifferences(path string, n, other *config.Node) []string {
	if n.Kind() == config.Map && other.Kind() == config.Map {
		var found []string
		for key, value := range n.Fields() {
			if theirs, ok := other.Get(key); ok && value.Kind() != config.Missing {
				found = append(found, nodeDifferences(path+"."+key, value, theirs)...)
			}
		}
		return found
	}
	if ours, theirs := fmt.Sprint(n.Value()), fmt.Sprint(other.Value()); ours != theirs && other.Kind() != config.Null {
		return []string{fmt.Sprintf("%s is %s in the file, %s in the config", path, theirs, ours)}
	}
	return nil
}

// freezeParts keeps parts of the model as they are: the core for only_train_readout, and
// those that freeze names.
func (p *Plan) freezeParts(m *models.CoreReadout) error {
	parts := p.root.Freeze
	if p.root.OnlyReadout {
		parts = append([]string{"core"}, parts...)
	}
	for _, part := range parts {
		found := false
		for _, e := range m.Store().Entries() {
			found = found || e.Name == part || strings.HasPrefix(e.Name, part+".")
		}
		if !found && part != "core" {
			return fmt.Errorf("freeze: the model has no part %q: there are core, its layers (core.features.layer0) and readout.SESSION, of %s",
				part, strings.Join(m.Sessions(), ", "))
		}
		if err := m.Store().Freeze(part + "."); err != nil {
			return err
		}
		if _, ok := m.Store().Lookup(part); ok { // a single parameter
			if err := m.Store().Freeze(part); err != nil {
				return err
			}
		}
	}
	if len(m.Store().Trainable()) == 0 {
		return errors.New("freeze: nothing is left to train")
	}
	return nil
}

// modelSessions are the sessions of the data as models take them.
func modelSessions(dataset *data.Dataset) []models.Session {
	var sessions []models.Session
	for _, s := range dataset.Sessions {
		sessions = append(sessions, models.Session{
			Name: s.Name, Neurons: s.Neurons, MeanActivity: s.MeanActivity, CellTypes: s.CellTypes(), Cells: s.Cells(),
		})
	}
	return sessions
}
