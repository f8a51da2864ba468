package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// lightningFormat is the version of Lightning whose form is written.
const lightningFormat = "2.6.6"

// Write writes a Lightning checkpoint, durably, that PyTorch, Lightning and the
// Python package load. Its bytes depend on the content only.
func Write(path string, c *Checkpoint) error {
	return fileio.WriteFile(path, func(w io.Writer) error { return Encode(w, c) })
}

// WritePlain is Write for readers that accept plain values and tensors only, such as
// torch.load with weights_only: OmegaConf's configs become dicts, NumPy's arrays
// tensors, and whole Python objects (Objects names them) are left out.
func WritePlain(path string, c *Checkpoint) error {
	plain := *c
	var err error
	for _, part := range []**pickle.Dict{&plain.HyperParameters, &plain.Callbacks, &plain.Loops, &plain.Extra} {
		if *part == nil {
			continue
		}
		var v any
		if v, err = plainTree(*part, 0); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		*part, _ = v.(*pickle.Dict)
	}
	return Write(path, &plain)
}

// plainTree is a tree without classes of its own.
func plainTree(v any, depth int) (any, error) {
	if depth > maxTreeDepth {
		return nil, errors.New("nested too deeply, or cyclic")
	}
	switch v := v.(type) {
	case []any:
		return plainItems(v, depth)
	case pickle.Tuple:
		items, err := plainItems(v, depth)
		return pickle.Tuple(items), err
	case *ndarray.Array:
		return &Tensor{Array: v}, nil
	case *pickle.Dict:
		out := &pickle.Dict{}
		for i := range v.Len() {
			key, item := v.At(i)
			if _, isObject := item.(*pickle.Object); isObject {
				continue
			}
			plain, err := plainTree(item, depth+1)
			if err == nil {
				err = out.Set(key, plain)
			}
			if err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func plainItems(items []any, depth int) ([]any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = plainTree(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Encode writes a Lightning checkpoint in PyTorch's zip form.
func Encode(w io.Writer, c *Checkpoint) error {
	if c.State == nil {
		return errors.New("a checkpoint without state dict")
	}
	s := &saver{keys: map[*ndarray.Array]string{}}
	tree, err := c.tree()
	if err != nil {
		return err
	}
	program, err := pickle.Marshal(tree, s.replace)
	if err != nil {
		return err
	}
	const root = "archive/"
	archive := zipfile.NewWriter(w)
	hash := sha256.New()
	add := func(name string, data []byte) {
		hash.Write(data)
		if err == nil {
			err = archive.Add(root+name, data)
		}
	}
	add("data.pkl", program)
	add(".format_version", []byte("1"))
	add(".storage_alignment", []byte(strconv.Itoa(zipfile.Alignment)))
	add("byteorder", []byte("little"))
	for i, a := range s.arrays {
		add("data/"+strconv.Itoa(i), a.Data)
	}
	add("version", []byte("3\n"))
	// PyTorch's own id is a number that depends on the content too.
	const idLength = 40
	add(".data/serialization_id", []byte(hex.EncodeToString(hash.Sum(nil))[:idLength]))
	if err != nil {
		return err
	}
	return archive.Close()
}

// tree is what Lightning pickles, in its order.
func (c *Checkpoint) tree() (*pickle.Dict, error) {
	version := c.LightningVersion
	if version == "" {
		version = lightningFormat
	}
	t := pickle.NewDict("epoch", c.Epoch, "global_step", c.GlobalStep, "pytorch-lightning_version", version)
	t.SetString("state_dict", c.State.tree())
	var firstErr error
	set := func(key string, v any) {
		plain, err := python(v, 0)
		if err != nil && firstErr == nil {
			firstErr = fmt.Errorf("%s: %w", key, err)
		}
		t.SetString(key, plain)
	}
	if c.Loops != nil {
		set("loops", c.Loops)
	}
	if c.Callbacks != nil {
		set("callbacks", c.Callbacks)
	}
	set("optimizer_states", append([]any{}, c.OptimizerStates...))
	set("lr_schedulers", append([]any{}, c.LRSchedulers...))
	if c.HyperParameters != nil {
		name := c.HyperParametersName
		if name == "" {
			name = "kwargs"
		}
		set("hparams_name", name)
		set("hyper_parameters", c.HyperParameters)
	}
	if c.Extra != nil {
		for _, key := range c.Extra.Keys() {
			v, _ := c.Extra.Get(key)
			set(key, v)
		}
	}
	return t, firstErr
}

// tree is an OrderedDict of tensors with the versions of the modules.
func (s *State) tree() *pickle.Dict {
	d := &pickle.Dict{Class: pickle.OrderedDict}
	for _, name := range s.names {
		d.SetString(name, &Tensor{Array: s.arrays[name]})
	}
	if s.Metadata != nil {
		d.State = pickle.NewDict("_metadata", s.Metadata)
	}
	return d
}

// ConfigKeys are the hyperparameters that the Python package wants as DictConfig
// where they are dicts: it sets items of them, and makes modules of them.
var ConfigKeys = []string{"core", "readout", "n_neurons_dict", "optimizer", "lr_scheduler", "loss", "evaluation_loss"}

// MarkConfigs marks the hyperparameters of ConfigKeys that are dicts as DictConfig, so
// that the Python package can load a model that was made in Go, or whose
// hyperparameters come from plain JSON. Those of older models, whose core is no
// config, stay as they are.
func MarkConfigs(params *pickle.Dict) {
	core, _ := params.Get("core")
	if d, ok := core.(*pickle.Dict); !ok || !slices.Contains(d.Keys(), "_target_") {
		return
	}
	for _, key := range ConfigKeys {
		v, _ := params.Get(key)
		if d, ok := v.(*pickle.Dict); ok && d.Class == (pickle.Class{}) {
			d.Class = DictConfig
		}
	}
}

// python is a tree as it is pickled: each outermost DictConfig is a call of the class
// with a plain dict, which OmegaConf takes apart again.
func python(v any, depth int) (any, error) {
	if depth > maxTreeDepth {
		return nil, errors.New("nested too deeply, or cyclic")
	}
	switch v := v.(type) {
	case []any:
		return pythonItems(v, depth)
	case pickle.Tuple:
		items, err := pythonItems(v, depth)
		return pickle.Tuple(items), err
	case *pickle.Dict:
		if v.Class == DictConfig {
			plain, err := configContent(v, depth)
			return &pickle.Object{Class: DictConfig, Args: pickle.Tuple{plain}}, err
		}
		out := &pickle.Dict{Class: v.Class, Args: v.Args, State: v.State}
		return out, copyItems(out, v, depth, python)
	}
	return v, nil
}

func pythonItems(items []any, depth int) ([]any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = python(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func copyItems(to, from *pickle.Dict, depth int, convert func(any, int) (any, error)) error {
	for i := range from.Len() {
		key, v := from.At(i)
		plain, err := convert(v, depth+1)
		if err == nil {
			err = to.Set(key, plain)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", key, err)
		}
	}
	return nil
}

// configContent is a dict or leaf inside of a DictConfig, which takes plain values
// only.
func configContent(v any, depth int) (any, error) {
	if depth > maxTreeDepth {
		return nil, errors.New("nested too deeply, or cyclic")
	}
	switch v := v.(type) {
	case nil, bool, int, int64, float64, string, []byte:
		return v, nil
	case *pickle.Dict:
		out := &pickle.Dict{}
		return out, copyItems(out, v, depth, configContent)
	case []any:
		return configItems(v, depth)
	case pickle.Tuple:
		return configItems(v, depth)
	}
	return nil, fmt.Errorf("a config cannot hold a %s", pickle.TypeName(v))
}

func configItems(items []any, depth int) (any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = configContent(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// saver gives each array a storage.
type saver struct {
	arrays []*ndarray.Array
	keys   map[*ndarray.Array]string
}

// replace writes a tensor as a view of a storage.
func (s *saver) replace(v any) (any, error) {
	t, ok := v.(*Tensor)
	if !ok {
		return nil, fmt.Errorf("a %s cannot be written", pickle.TypeName(v))
	}
	a := t.Array
	n, err := ndarray.NumElements(a.Shape)
	storageName := storageName(a.DType)
	if err != nil || storageName == "" || n*a.DType.Size() != len(a.Data) {
		return nil, fmt.Errorf("a tensor of shape %v of %v with %d bytes cannot be written", a.Shape, a.DType, len(a.Data))
	}
	key, ok := s.keys[a]
	if !ok {
		key = strconv.Itoa(len(s.arrays))
		s.keys[a] = key
		s.arrays = append(s.arrays, a)
	}
	tensor := &pickle.Object{
		Class: pickle.Class{Module: "torch._utils", Name: "_rebuild_tensor_v2"},
		Args: pickle.Tuple{
			pickle.Persistent{ID: pickle.Tuple{"storage", pickle.Class{Module: "torch", Name: storageName}, key, "cpu", n}},
			0, tupleOf(a.Shape), tupleOf(layout.CStrides(a.Shape)), t.RequiresGrad && !t.Parameter, newHooks(),
		},
	}
	if !t.Parameter {
		return tensor, nil
	}
	return &pickle.Object{
		Class: pickle.Class{Module: "torch._utils", Name: "_rebuild_parameter"},
		Args:  pickle.Tuple{tensor, t.RequiresGrad, newHooks()},
	}, nil
}

// newHooks is an empty OrderedDict, which PyTorch has in place of hooks.
func newHooks() *pickle.Dict { return &pickle.Dict{Class: pickle.OrderedDict} }

func tupleOf(values []int) pickle.Tuple {
	t := make(pickle.Tuple, len(values))
	for i, v := range values {
		t[i] = v
	}
	return t
}

func storageName(dtype ndarray.DType) string {
	for name, d := range storageTypes {
		if d == dtype {
			return name
		}
	}
	return ""
}
