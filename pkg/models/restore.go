package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// Restore rebuilds a model of a checkpoint's hyperparameters and state dict. Files do
// not name their class: its arguments tell it.
func Restore(hyper *config.Node, state []ndarray.Named, o Options) (*CoreReadout, error) {
	if hyper == nil {
		return nil, errors.New("the file has no hyper_parameters, so the model cannot be rebuilt")
	}
	f, err := storedFamily(hyper)
	if err != nil {
		return nil, err
	}
	if c, ok := f.(sizedByState); ok {
		if f, err = c.sized(state, o.beside); err != nil {
			return nil, err
		}
	}
	sessions, err := sessionsOf(f, hyper)
	if err != nil {
		return nil, err
	}
	partial, isPartial := f.(partlyStored)
	if isPartial {
		o.Seed, sessions = partial.seed(), withMeanActivity(sessions, o.dataInfo)
	}
	m, err := build(f, sessions, o, false)
	if err != nil {
		return nil, err
	}
	if isPartial {
		m.notStored, err = m.store.LoadPart(state)
	} else {
		err = m.store.Load(renameLegacyBias(state))
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// partlyStored is a family whose files may lack tensors. Those have the initial values
// that a seed draws.
type partlyStored interface {
	seed() uint64
}

// withMeanActivity has the mean activity that data_info tells of sessions.
func withMeanActivity(sessions []Session, info *pickle.Dict) []Session {
	if info == nil {
		return sessions
	}
	means, ok := entry[*pickle.Dict](info, "mean_activity_dict")
	if !ok {
		return sessions
	}
	known := slices.Clone(sessions)
	for i, s := range known {
		v, _ := means.Get(s.Name)
		if mean, ok := checkpoint.Array(v); ok && mean.Len() == s.Neurons {
			known[i].MeanActivity = mean.Float32s()
		}
	}
	return known
}

// sizedByState is a family whose arguments do not tell the shapes of all tensors. It
// gives itself for those of a state dict, whose file lies in the directory beside; that
// is empty where there is none.
type sizedByState interface {
	sized(state []ndarray.Named, beside string) (Family, error)
}

// storedClasses tell a class by an argument that only it has, and read its arguments.
var storedClasses = []struct {
	class, argument string
	read            func(hyper *config.Node) (Family, error)
}{
	{exampleClass, "temporal_kernel_sizes", readStoredExample},            // has core and readout too: whole modules
	{spatialContrastClass, "sta_file_pattern", readStoredSpatialContrast}, // likewise
	{singleContrastClass, "sta_file_name", readStoredSingleContrast},
	{legacyModel, "model_fn", readStoredLegacy},
	{DefaultFamily, "core", readStoredUnified},
	{lnpClass, "spat_kernel_size", readStoredLNP},
}

func storedFamily(hyper *config.Node) (Family, error) {
	for _, f := range storedClasses {
		if _, ok := hyper.Get(f.argument); ok {
			return f.read(hyper)
		}
	}
	return nil, fmt.Errorf("hyper_parameters (%s) are not those of a core-readout model", strings.Join(hyper.Keys(), ", "))
}

func readStoredUnified(hyper *config.Node) (Family, error) {
	c := struct {
		UnifiedConfig `yaml:",inline"`

		DataInfo *config.Node `yaml:"data_info"`
	}{UnifiedConfig: defaultUnified()}
	err := hyper.Read(&c)
	return unifiedFamily{c.UnifiedConfig}, err
}

func readStoredExample(hyper *config.Node) (Family, error) {
	c := struct {
		ExampleConfig `yaml:",inline"`
		Modules       storedModules `yaml:",inline"`
	}{ExampleConfig: defaultExample()}
	err := hyper.Read(&c)
	return exampleFamily{c.ExampleConfig}, err
}

// storedModules are what files of classes that build their own core and readout hold
// beside their arguments: these modules whole, and data_info.
type storedModules struct {
	Core           *config.Node `yaml:"core"`
	Readout        *config.Node `yaml:"readout"`
	Loss           *config.Node `yaml:"loss"`
	EvaluationLoss *config.Node `yaml:"evaluation_loss"`
	DataInfo       *config.Node `yaml:"data_info"`
}

// sessionsOf reads n_neurons_dict, which a class of a single cell has no use for.
func sessionsOf(f Family, hyper *config.Node) ([]Session, error) {
	dict, ok := hyper.Get("n_neurons_dict")
	if _, single := f.(interface{ singleCell() }); single && !ok {
		return []Session{{Name: "cell", Neurons: 1}}, nil
	}
	if !ok || dict.Kind() != config.Map {
		return nil, errors.New("hyper_parameters have no n_neurons_dict")
	}
	var sessions []Session
	for name, n := range dict.Fields() {
		s := Session{Name: name}
		if err := n.Decode(&s.Neurons); err != nil {
			return nil, err
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// renameLegacyBias gives readouts' biases their present name, as the Python
// package does when it loads older files.
func renameLegacyBias(state []ndarray.Named) []ndarray.Named {
	renamed := make([]ndarray.Named, len(state))
	for i, n := range state {
		if base, ok := strings.CutSuffix(n.Name, ".bias_param"); ok && strings.HasPrefix(n.Name, "readout.") {
			n.Name = base + ".bias"
		}
		renamed[i] = n
	}
	return renamed
}
