package checkpoint

import (
	"errors"
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// loader turns the pickle of a torch file into values. Tensors are views of
// storages; they get their elements at the end, by finish.
type loader struct {
	storages  map[string]*storage
	views     []view
	bigEndian bool
	budget    int64 // bytes that may still be taken
}

// What reading a file takes at most: pickle, its values, tensors. A view of one element
// may declare any shape, and storages may be compressed.
const (
	baseMemory    = 64 << 20
	memoryPerByte = 4 // of the file
)

// newLoader returns a loader for a file of size bytes.
func newLoader(size int64) *loader {
	return &loader{storages: map[string]*storage{}, budget: baseMemory + memoryPerByte*size}
}

// storage is a run of elements that tensors are views of.
type storage struct {
	key   string
	class pickle.Class
	dtype ndarray.DType // Uint8 for an untyped one
	len   int           // in elements
	data  []byte
}

// view is a tensor that waits for its storage; offset and strides count elements.
type view struct {
	array   *ndarray.Array
	storage *storage
	offset  int
	strides []int
}

// options are what the pickle of a torch file may name.
func (l *loader) options() pickle.Options {
	return pickle.Options{Find: l.find, Persistent: l.persistent, Memory: l.budget / 2}
}

// persistent reads the id of a storage: ("storage", type, key, location, length),
// or of a module's class in older files: ("module", class, file, source).
func (l *loader) persistent(id any) (any, error) {
	t, ok := id.(pickle.Tuple)
	if ok && len(t) == 4 && t[0] == "module" {
		return t[1], nil
	}
	if !ok || len(t) < 5 || len(t) > 6 || t[0] != "storage" || len(t) == 6 && t[5] != nil {
		return nil, errors.New("damaged: unknown persistent id")
	}
	class, ok1 := t[1].(pickle.Class)
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	if !ok1 || !ok2 || !ok3 || n < 0 {
		return nil, errors.New("damaged: persistent id of a storage")
	}
	if s, ok := l.storages[key]; ok {
		if s.class != class || s.len != int(n) {
			return nil, fmt.Errorf("damaged: storage %.40q is described in two ways", key)
		}
		return s, nil
	}
	dtype := storageTypes[class.Name]
	switch {
	case class == untypedStorage:
		dtype = ndarray.Uint8
	case dtype == ndarray.Invalid || class.Module != "torch":
		return nil, fmt.Errorf("tensors of %s are not read", class)
	}
	if n > l.budget/int64(dtype.Size()) {
		return nil, fmt.Errorf("damaged: storage %.40q of %d elements is larger than the file", key, n)
	}
	s := &storage{key: key, class: class, dtype: dtype, len: int(n)}
	l.storages[key] = s
	return s, nil
}

// rebuildTensor takes (storage, offset, size, stride, ...), all counted in elements.
func (l *loader) rebuildTensor(args pickle.Tuple) (any, error) {
	if len(args) < 4 {
		return nil, errors.New("damaged: arguments of a tensor")
	}
	s, ok := args[0].(*storage)
	if !ok || s.class == untypedStorage {
		return nil, errors.New("damaged: a tensor without storage")
	}
	t, err := l.view(s, s.dtype, args)
	if err == nil && len(args) > 4 {
		t.RequiresGrad, _ = args[4].(bool)
	}
	return t, err
}

// rebuildUntyped takes (storage, offset, size, stride, requires grad, hooks, type,
// ...) with an untyped storage.
func (l *loader) rebuildUntyped(args pickle.Tuple) (any, error) {
	if len(args) < 7 {
		return nil, errors.New("damaged: arguments of a tensor")
	}
	s, ok := args[0].(*storage)
	class, ok2 := args[6].(pickle.Class)
	if !ok || !ok2 || class.Module != "torch" || torchTypes[class.Name] == ndarray.Invalid {
		return nil, errors.New("damaged: a tensor without storage or type")
	}
	t, err := l.view(s, torchTypes[class.Name], args)
	if err == nil {
		t.RequiresGrad, _ = args[4].(bool)
	}
	return t, err
}

// view checks that a tensor lies within its storage, before memory is taken.
func (l *loader) view(s *storage, dtype ndarray.DType, args pickle.Tuple) (*Tensor, error) {
	offset, ok := args[1].(int64)
	shape, err := intsOf(args[2])
	if err != nil || !ok {
		return nil, errors.New("damaged: shape or offset of a tensor")
	}
	strides, err := intsOf(args[3])
	if err != nil {
		return nil, err
	}
	extent, err := layout.Extent(int(offset), shape, strides)
	if err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	if have := s.len * s.dtype.Size() / dtype.Size(); extent > have {
		return nil, fmt.Errorf("damaged: a tensor of shape %v reaches element %d of a storage of %d", shape, extent, have)
	}
	a := &ndarray.Array{DType: dtype, Shape: shape}
	l.views = append(l.views, view{a, s, int(offset), strides})
	return &Tensor{Array: a}, nil
}

// Build refuses a state: no tensor of a file has one.
func (t *Tensor) Build(any) error { return errors.New("damaged: a tensor is given a state") }

// intsOf is a tuple of integers.
func intsOf(v any) ([]int, error) {
	const maxDims = 64 // PyTorch's
	t, ok := v.(pickle.Tuple)
	if !ok || len(t) > maxDims {
		return nil, errors.New("damaged: a shape that is no tuple of up to 64")
	}
	out := make([]int, len(t))
	for i, item := range t {
		n, ok := item.(int64)
		if !ok {
			return nil, errors.New("damaged: a shape that is not of integers")
		}
		out[i] = int(n)
	}
	return out, nil
}

// rebuildParameter takes (tensor, requires grad, hooks).
func rebuildParameter(args pickle.Tuple) (any, error) {
	if len(args) >= 2 {
		t, ok1 := args[0].(*Tensor)
		grad, ok2 := args[1].(bool)
		if ok1 && ok2 {
			return &Tensor{Array: t.Array, Parameter: true, RequiresGrad: grad}, nil
		}
	}
	return nil, errors.New("damaged: arguments of a parameter")
}

// finish reads the storages that are used and gives the tensors their elements.
func (l *loader) finish(fetch func(*storage) ([]byte, error)) error {
	for _, v := range l.views {
		s := v.storage
		if s.data == nil {
			var err error
			if s.data, err = l.load(s, fetch); err != nil {
				return fmt.Errorf("storage %.40q: %w", s.key, err)
			}
		}
		data, err := l.elements(v)
		if err != nil {
			return err
		}
		if v.array.DType == ndarray.Bool {
			if err := layout.CheckBools(data); err != nil {
				return err
			}
		}
		v.array.Data = data
	}
	return nil
}

func (l *loader) load(s *storage, fetch func(*storage) ([]byte, error)) ([]byte, error) {
	size := int64(s.len) * int64(s.dtype.Size())
	if l.budget -= size; l.budget < 0 {
		return nil, errors.New("the tensors are much larger than the file")
	}
	data, err := fetch(s)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != size {
		return nil, fmt.Errorf("damaged: %d elements of %s in %d bytes", s.len, s.class, len(data))
	}
	if l.bigEndian {
		if s.class == untypedStorage {
			return nil, errors.New("an untyped storage in big-endian order is not read")
		}
		data = slices.Clone(data)
		layout.SwapBytes(data, s.dtype.Size())
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// elements are those of a view in C order: part of the storage where they lie so.
func (l *loader) elements(v view) ([]byte, error) {
	size := v.array.DType.Size()
	n, err := ndarray.NumElements(v.array.Shape)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return []byte{}, nil
	}
	if inOrder(v.array.Shape, v.strides) {
		from, to := v.offset*size, (v.offset+n)*size
		return v.storage.data[from:to:to], nil
	}
	if int64(n) > l.budget/int64(size) {
		return nil, fmt.Errorf("a view of shape %v is much larger than the file", v.array.Shape)
	}
	l.budget -= int64(n) * int64(size)
	return layout.Gather(v.storage.data, size, v.offset, v.array.Shape, v.strides)
}

// inOrder tells whether a view is contiguous; strides of axes of length 1 are free.
func inOrder(shape, strides []int) bool {
	for i, want := range layout.CStrides(shape) {
		if shape[i] != 1 && strides[i] != want {
			return false
		}
	}
	return true
}
