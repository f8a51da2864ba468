// Package checkpoint reads and writes the files that hold trained models: Lightning
// checkpoints (.ckpt, zip and the older form), bare state dicts of torch.save, and
// safetensors. Reading executes nothing and trusts nothing: pickles may name the
// classes of an allow-list only, sizes are checked before memory is taken. It is
// pure Go, without libtorch.
package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Checkpoint is the content of a file. Trees (HyperParameters and below) consist of
// nil, bool, int64, float64, string, []any for a list, pickle.Tuple, *pickle.Dict,
// *Tensor for a tensor, *ndarray.Array for a NumPy array, and, where a file holds
// whole objects, opaque *pickle.Object. Arrays may share memory: do not change them.
type Checkpoint struct {
	// Format is that of the file it was read from.
	Format Format
	// State is the state dict.
	State *State
	// HyperParameters are the arguments that the model was made with; nil where the
	// file has none. OmegaConf's containers are plain dicts and lists, their
	// interpolations resolved; an outermost DictConfig is a dict of Class DictConfig.
	HyperParameters *pickle.Dict
	// HyperParametersName is the name of the argument that holds them; "kwargs"
	// where each is an argument of its own.
	HyperParametersName string

	Epoch, GlobalStep int64
	// LightningVersion is empty for files that Lightning did not write.
	LightningVersion string
	// OptimizerStates and LRSchedulers are state dicts as PyTorch writes them.
	OptimizerStates, LRSchedulers []any
	Callbacks, Loops              *pickle.Dict
	// Extra are all other keys of the file.
	Extra *pickle.Dict
}

// ResumeKey is the key of Extra under which openretina keeps what Lightning's own keys
// do not: enough to go on with a training to the same bits.
const ResumeKey = "openretina_go"

// Format is a form of files.
type Format string

// The forms that are read. Write makes Zip, WriteSafetensors makes Safetensors.
const (
	Zip         Format = "torch.save, zip"
	OlderForm   Format = "torch.save, the form before PyTorch 1.6"
	Safetensors Format = "safetensors"
)

// State is a state dict: arrays by name, in order.
type State struct {
	names  []string
	arrays map[string]*ndarray.Array
	// Metadata is PyTorch's: versions of modules by name; nil where there is none.
	Metadata *pickle.Dict
}

// Names are the names in order.
func (s *State) Names() []string { return append([]string{}, s.names...) }

// Len is the number of arrays.
func (s *State) Len() int { return len(s.names) }

// Get is the array of that name.
func (s *State) Get(name string) (*ndarray.Array, bool) {
	a, ok := s.arrays[name]
	return a, ok
}

// Set appends an array, or replaces the one of that name.
func (s *State) Set(name string, a *ndarray.Array) {
	if s.arrays == nil {
		s.arrays = map[string]*ndarray.Array{}
	}
	if _, ok := s.arrays[name]; !ok {
		s.names = append(s.names, name)
	}
	s.arrays[name] = a
}

// Tensor is a tensor outside of the state dict, to tell it from a NumPy array.
type Tensor struct {
	*ndarray.Array
	// Parameter tells that it is a torch.nn.Parameter.
	Parameter bool
	// RequiresGrad is the flag of that name.
	RequiresGrad bool
}

// Array is the array of a leaf of a tree that is a tensor or a NumPy array.
func Array(leaf any) (*ndarray.Array, bool) {
	switch v := leaf.(type) {
	case *Tensor:
		return v.Array, true
	case *ndarray.Array:
		return v, true
	}
	return nil, false
}

// Open reads a checkpoint of any of the known formats.
func Open(path string) (*Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	c, err := Read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read checkpoint %s: %w", path, err)
	}
	if c.HyperParameters == nil && strings.HasSuffix(path, safetensorsSuffix) {
		if c.HyperParameters, err = besideSafetensors(path); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Read reads a checkpoint of size bytes; safetensors come without hyperparameters.
func Read(r io.ReaderAt, size int64) (*Checkpoint, error) {
	head := make([]byte, min(size, fileio.SniffLength))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var format Format
	var read func(io.ReaderAt, int64) (*Checkpoint, error)
	switch {
	case strings.HasPrefix(string(head), "PK"):
		format, read = Zip, readZip
	case strings.HasPrefix(string(head), legacyStart):
		format, read = OlderForm, readLegacy
	case looksLikeSafetensors(head, size):
		format, read = Safetensors, readSafetensors
	default:
		return nil, fmt.Errorf("not a checkpoint: it is %s", fileio.Describe(head))
	}
	c, err := read(r, size)
	if err != nil {
		return nil, err
	}
	c.Format = format
	return c, nil
}

// Digest is the SHA-256 of a file in hexadecimal digits, for records of what was used.
func Digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

const safetensorsSuffix = ".safetensors"

// HyperParametersFile is X.json, which holds the hyperparameters of X.safetensors.
func HyperParametersFile(safetensors string) string {
	return strings.TrimSuffix(safetensors, safetensorsSuffix) + ".json"
}

// besideSafetensors reads the hyperparameters of X.safetensors from X.json, else
// from hyper_parameters.json in the same directory; nil where there is neither.
func besideSafetensors(path string) (*pickle.Dict, error) {
	for _, candidate := range []string{
		HyperParametersFile(path),
		filepath.Join(filepath.Dir(path), "hyper_parameters.json"),
	} {
		params, err := ReadHyperParameters(candidate)
		if !errors.Is(err, os.ErrNotExist) {
			return params, err
		}
	}
	return nil, nil
}
