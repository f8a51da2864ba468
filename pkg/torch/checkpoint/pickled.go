package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
)

// maxPickleFile bounds a file of facts about data, which holds no movies.
const maxPickleFile = 64 << 20

// OpenPickle reads a dict that Python's pickle.dump wrote, such as data_info beside a
// state dict. Tensors in it stay opaque: their elements lie in a pickle of their own.
func OpenPickle(path string) (*pickle.Dict, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxPickleFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	d, err := readPickle(data)
	if err != nil {
		return nil, fmt.Errorf("read pickle %s: %w", path, err)
	}
	return d, nil
}

func readPickle(data []byte) (*pickle.Dict, error) {
	if len(data) > maxPickleFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxPickleFile)
	}
	raw, err := pickle.Load(data, pickle.Options{Find: findPickled, Memory: baseMemory + memoryPerByte*int64(len(data))})
	if err != nil {
		return nil, err
	}
	plain, err := (&unwrapper{}).value(raw, 0)
	if err != nil {
		return nil, err
	}
	d, ok := plain.(*pickle.Dict)
	if !ok {
		return nil, errors.New("it holds a " + pickle.TypeName(raw) + ", no dict")
	}
	return d, nil
}

// findPickled allows sizes, and tensors as records.
func findPickled(c pickle.Class) (pickle.Constructor, error) {
	tensor := c.Module == "torch._utils" && strings.HasPrefix(c.Name, "_rebuild_") && identifier.MatchString(c.Name)
	storage := c == pickle.Class{Module: "torch.storage", Name: "_load_from_bytes"}
	switch {
	case c == sizeClass:
		return newSize, nil
	case tensor, storage:
		return nil, nil
	}
	return nil, pickle.ErrNotAllowed
}
