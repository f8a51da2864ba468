package checkpoint

import (
	"errors"
	"math"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Bounds of a tree: a pickle can hold itself many times over, or be cyclic.
const (
	maxTreeDepth = 200
	maxTreeNodes = 1 << 20
)

// unwrapper makes plain trees of what a pickle holds.
type unwrapper struct {
	nodes   int
	configs int // that the value lies in
}

func (u *unwrapper) value(v any, depth int) (any, error) {
	if u.nodes++; depth > maxTreeDepth || u.nodes > maxTreeNodes {
		return nil, errors.New("nested too deeply, or cyclic")
	}
	switch v := v.(type) {
	case pickle.Tuple:
		items, err := u.items(v, depth)
		return pickle.Tuple(items), err
	case *pickle.List:
		return u.items(v.Items, depth)
	case *pickle.Dict:
		return u.dict(v, depth)
	case *pickle.Object:
		return u.object(v, depth)
	case *ndarray.Array:
		return scalar(v), nil
	}
	return v, nil
}

func (u *unwrapper) items(items []any, depth int) ([]any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = u.value(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (u *unwrapper) dict(d *pickle.Dict, depth int) (*pickle.Dict, error) {
	out := &pickle.Dict{Class: d.Class, Args: d.Args, State: d.State}
	for i := range d.Len() {
		key, v := d.At(i)
		plain, err := u.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		if err := out.Set(key, plain); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// object unwraps OmegaConf's containers and leaves; others stay as they are.
func (u *unwrapper) object(o *pickle.Object, depth int) (any, error) {
	switch {
	case o.Class == DictConfig || o.Class == listConfig:
		return u.container(o, depth)
	case o.Class.Module == nodesModule:
		return u.leaf(o, "_val", depth)
	}
	return o, nil
}

// container unwraps a DictConfig or ListConfig, which is pickled as an object with
// its content, or as a call with the plain content.
func (u *unwrapper) container(o *pickle.Object, depth int) (any, error) {
	content, ok := o.Attr("_content")
	if !ok && len(o.Args) == 1 {
		content, ok = o.Args[0], true
	}
	if !ok {
		return nil, errors.New("damaged: a config without content")
	}
	switch c := content.(type) {
	case *pickle.Dict:
		u.configs++
		d, err := u.dict(c, depth)
		u.configs--
		if err != nil {
			return nil, err
		}
		d.Class, d.Args, d.State = pickle.Class{}, nil, nil
		if u.configs == 0 {
			d.Class = DictConfig
		}
		return d, nil
	case *pickle.List:
		return u.items(c.Items, depth)
	}
	return u.leaf(o, "_content", depth) // nil, "???" or an interpolation
}

// leaf is the value of a node, its interpolation resolved where it can be.
func (u *unwrapper) leaf(o *pickle.Object, attribute string, depth int) (any, error) {
	v, _ := o.Attr(attribute)
	if text, ok := v.(string); ok && hasInterpolation(text) {
		return (&resolver{u, o, depth}).resolve(text)
	}
	return u.value(v, depth+1)
}

// scalar is the plain number of a NumPy scalar, else the array.
func scalar(a *ndarray.Array) any {
	if len(a.Shape) > 0 || a.Len() != 1 {
		return a
	}
	switch a.DType {
	case ndarray.Float16, ndarray.Float32, ndarray.Float64:
		return a.At(0)
	case ndarray.Bool:
		return a.Int64At(0) != 0
	case ndarray.Uint64:
		if a.Int64At(0) < 0 {
			return float64(math.MaxInt64)
		}
	}
	return a.Int64At(0)
}
