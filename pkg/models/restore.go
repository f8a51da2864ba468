package models

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Restore rebuilds a model of a checkpoint's hyperparameters and state dict:
// UnifiedCoreReadout, or the older CoreReadout.
func Restore(hyper *config.Node, state []ndarray.Named, o Options) (*CoreReadout, error) {
	m, err := rebuild(hyper, o)
	if err != nil {
		return nil, err
	}
	if m.Hyper == nil {
		m.Hyper = hyper
	}
	if err := m.store.Load(renameLegacyBias(state)); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func rebuild(hyper *config.Node, o Options) (*CoreReadout, error) {
	if hyper == nil {
		return nil, errors.New("the file has no hyper_parameters, so the model cannot be rebuilt")
	}
	sessions, err := sessionsOf(hyper)
	if err != nil {
		return nil, err
	}
	if _, flat := hyper.Get("temporal_kernel_sizes"); flat {
		c := defaultLegacy()
		if err := hyper.Decode(&c); err != nil {
			return nil, err
		}
		if !c.GaussianMasks {
			return nil, errors.New("readouts without Gaussian masks (readout_gaussian_masks=False) are not supported")
		}
		return build(o, func(m *CoreReadout) error { return m.legacy(c, sessions) })
	}
	if _, unified := hyper.Get("core"); !unified {
		return nil, fmt.Errorf("hyper_parameters (%s) are not those of a core-readout model", strings.Join(hyper.Keys(), ", "))
	}
	c := struct {
		UnifiedConfig `yaml:",inline"`

		DataInfo *config.Node `yaml:"data_info"`
	}{UnifiedConfig: defaultUnified()}
	if err := hyper.Decode(&c); err != nil {
		return nil, err
	}
	return newUnified(c.UnifiedConfig, sessions, o, false)
}

// sessionsOf reads n_neurons_dict.
func sessionsOf(hyper *config.Node) ([]Session, error) {
	dict, ok := hyper.Get("n_neurons_dict")
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
