package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// Load rebuilds a model of a file: a Lightning checkpoint, of today's or the
// older kind, or a .safetensors file with its hyperparameters beside it.
func Load(path string, o Options) (*CoreReadout, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := FromCheckpoint(c, o)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return m, nil
}

// FromCheckpoint is Load of a file that has been read.
func FromCheckpoint(c *checkpoint.Checkpoint, o Options) (*CoreReadout, error) {
	if c.HyperParameters == nil {
		return nil, fmt.Errorf("no hyper_parameters, so the model cannot be rebuilt: it is a bare state dict")
	}
	hyper, err := hyperNode(c.HyperParameters)
	if err != nil {
		return nil, err
	}
	state := make([]ndarray.Named, 0, c.State.Len())
	for _, name := range c.State.Names() {
		a, _ := c.State.Get(name)
		state = append(state, ndarray.Named{Name: name, Array: a})
	}
	m, err := Restore(hyper, state, o)
	if err != nil {
		return nil, err
	}
	if info, ok := c.HyperParameters.Get("data_info"); ok {
		m.DataInfo, _ = info.(*pickle.Dict)
	}
	m.readCellTypes()
	return m, nil
}
