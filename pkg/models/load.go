package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// Load rebuilds a model of a file: a Lightning checkpoint, of today's or the
// older kind, or a .safetensors file with its hyperparameters beside it.
func Load(path string, o Options) (*CoreReadout, error) {
	c, err := Open(path)
	if err != nil {
		return nil, err
	}
	o.beside = filepath.Dir(path)
	m, err := FromCheckpoint(c, o)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return m, nil
}

// Open reads a file of a model. Hyperparameters that it lacks, such as those that the
// Python package's SingleCellSeparatedLNP does not save, come from constructor.json
// beside it, where that is: the arguments of the model's class. Those of a seed's file
// come from the seed's others (SeedFiles).
func Open(path string) (*checkpoint.Checkpoint, error) {
	c, err := checkpoint.Open(path)
	if err != nil || c.HyperParameters != nil {
		return c, err
	}
	if seed, ok := seedOf(path); ok {
		c.HyperParameters, err = readSeedFiles(seed)
		return c, err
	}
	beside := filepath.Join(filepath.Dir(path), constructorFile)
	text, err := readConstructor(beside)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	hyper, err := config.FromYAML(beside, text)
	if err != nil {
		return nil, err
	}
	tree, ok := treeValue(hyper.Value(), false).(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("%s has no arguments by name", beside)
	}
	c.HyperParameters = tree
	return c, nil
}

// readConstructor reads a file that has the arguments of a model's class, and little else.
func readConstructor(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, mostConstructor+1))
	if err == nil && len(text) > mostConstructor {
		err = fmt.Errorf("%s has more than %d bytes: it should hold a class's arguments", path, mostConstructor)
	}
	return text, err
}

// constructorFile has the arguments of a model's class, as JSON.
const (
	constructorFile = "constructor.json"
	mostConstructor = 1 << 20
)

// FromCheckpoint is Load of a file that has been read.
func FromCheckpoint(c *checkpoint.Checkpoint, o Options) (*CoreReadout, error) {
	if c.HyperParameters == nil {
		return nil, fmt.Errorf("no hyper_parameters, so the model cannot be rebuilt: write the arguments of its class into %s beside the file", constructorFile)
	}
	if HoldsAutoencoder(c) {
		return nil, fmt.Errorf("it is a sparse autoencoder, which responds to no stimulus: predict takes responses for it")
	}
	hyper, err := hyperNode(c.HyperParameters)
	if err != nil {
		return nil, err
	}
	o.dataInfo, _ = entry[*pickle.Dict](c.HyperParameters, "data_info")
	m, err := Restore(hyper, stateOf(c), o)
	if err != nil {
		return nil, err
	}
	m.DataInfo = o.dataInfo
	m.readCellTypes()
	return m, nil
}

func stateOf(c *checkpoint.Checkpoint) []ndarray.Named {
	state := make([]ndarray.Named, 0, c.State.Len())
	for _, name := range c.State.Names() {
		a, _ := c.State.Get(name)
		state = append(state, ndarray.Named{Name: name, Array: a})
	}
	return state
}
