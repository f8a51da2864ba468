package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Classes that this package builds itself.
var (
	OrderedDict = Class{"collections", "OrderedDict"}
	DefaultDict = Class{"collections", "defaultdict"}
	Counter     = Class{"collections", "Counter"}
)

// known are the classes and functions that any pickle may name.
func (d *decoder) known(c Class) (Constructor, bool) {
	switch c.Module {
	case "builtins", "__builtin__":
		construct, ok := builtinTypes[c.Name]
		return construct, ok
	case "collections":
		switch c {
		case OrderedDict:
			return newOrderedDict, true
		case DefaultDict:
			return newDefaultDict, true
		case Counter:
			return newCounter, true
		}
	case "_codecs":
		return encodeLatin1, c.Name == "encode"
	case "numpy":
		switch c.Name {
		case "dtype":
			return newDType, true
		case "ndarray":
			return refuse, true
		}
	case "numpy.core.multiarray", "numpy._core.multiarray":
		switch c.Name {
		case "_reconstruct":
			return d.newArray, true
		case "scalar":
			return newScalar, true
		}
	case "numpy.core.numeric", "numpy._core.numeric":
		return fromBuffer, c.Name == "_frombuffer"
	}
	return nil, false
}

// builtinTypes are types only: none of Python's built-in functions is here. Those
// that nothing calls stand for themselves, as the types of settings.
var builtinTypes = map[string]Constructor{
	"dict":      newDict,
	"list":      newList,
	"set":       func(args Tuple) (any, error) { return newSet(args, false) },
	"frozenset": func(args Tuple) (any, error) { return newSet(args, true) },
	"tuple":     newTuple,
	"complex":   newComplex,
	"bytes":     encodeLatin1,
	"bytearray": encodeLatin1,
	"object":    refuse,
	"int":       refuse, "long": refuse, "float": refuse, "bool": refuse,
	"str": refuse, "unicode": refuse,
}

// refuse is for classes that may be named but not called.
func refuse(Tuple) (any, error) { return nil, errors.New("damaged: called in an unusual way") }

// items is the content of the list or tuple that is the only argument, if any.
func items(args Tuple) (Tuple, error) {
	if len(args) == 0 {
		return nil, nil
	}
	if len(args) == 1 {
		switch v := args[0].(type) {
		case Tuple:
			return v, nil
		case *List:
			return v.Items, nil
		case *Set:
			return v.Items, nil
		}
	}
	return refuseItems()
}

func refuseItems() (Tuple, error) { return nil, errors.New("damaged: unusual arguments") }

func newList(args Tuple) (any, error) {
	v, err := items(args)
	return &List{Items: append([]any{}, v...)}, err
}

func newTuple(args Tuple) (any, error) {
	v, err := items(args)
	return append(Tuple{}, v...), err
}

func newSet(args Tuple, frozen bool) (any, error) {
	v, err := items(args)
	return &Set{Items: append([]any{}, v...), Frozen: frozen}, err
}

func newDict(args Tuple) (any, error) {
	pairs, err := items(args)
	if err != nil {
		return nil, err
	}
	d := &Dict{}
	for _, p := range pairs {
		pair, err := items(Tuple{p})
		if err != nil || len(pair) != 2 {
			return refuseItems()
		}
		if err := d.Set(pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func newOrderedDict(args Tuple) (any, error) {
	v, err := newDict(args)
	if err != nil {
		return nil, err
	}
	d := v.(*Dict)
	d.Class = OrderedDict
	return d, nil
}

func newDefaultDict(args Tuple) (any, error) {
	if len(args) > 1 {
		return refuseItems()
	}
	return &Dict{Class: DefaultDict, Args: args}, nil
}

// newCounter is collections.Counter, which is pickled as a call with a plain dict.
func newCounter(args Tuple) (any, error) {
	d := &Dict{Class: Counter}
	if len(args) == 0 {
		return d, nil
	}
	counts, ok := args[0].(*Dict)
	if !ok || len(args) > 1 {
		return refuseItems()
	}
	for i := range counts.Len() {
		key, times := counts.At(i)
		if err := d.Set(key, times); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func newComplex(args Tuple) (any, error) {
	if len(args) == 2 {
		re, ok1 := args[0].(float64)
		im, ok2 := args[1].(float64)
		if ok1 && ok2 {
			return complex(re, im), nil
		}
	}
	return refuseItems()
}

// encodeLatin1 is _codecs.encode(text, "latin1") and bytearray of the like: protocol
// 2 stores bytes as text.
func encodeLatin1(args Tuple) (any, error) {
	switch len(args) {
	case 0:
		return []byte{}, nil
	case 1:
		if b, ok := args[0].([]byte); ok {
			return b, nil
		}
	case 2:
		text, ok := args[0].(string)
		if codec := args[1]; !ok || codec != "latin1" && codec != "latin-1" {
			break
		}
		out := make([]byte, 0, len(text))
		for _, r := range text {
			if r > 0xff {
				return nil, errors.New("damaged: text that is not Latin-1")
			}
			out = append(out, byte(r))
		}
		return out, nil
	}
	return refuseItems()
}

// dtype is numpy.dtype: the type's text such as "f4", and its byte order.
type dtype struct {
	text  string
	order string
	plain bool // without fields, sub-arrays or units
}

func newDType(args Tuple) (any, error) {
	if len(args) == 0 {
		return refuseItems()
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, errors.New("damaged: unusual arguments")
	}
	return &dtype{text: text, order: "|", plain: true}, nil
}

// build takes (version, byte order, subdtype, names, fields, ...).
func (t *dtype) build(state any) error {
	s, ok := state.(Tuple)
	if !ok || len(s) < 5 {
		return errors.New("damaged: state of a dtype")
	}
	if t.order, ok = s[1].(string); !ok {
		return errors.New("damaged: byte order of a dtype")
	}
	t.plain = s[2] == nil && s[3] == nil && s[4] == nil
	return nil
}

// array is the array of the type's elements in data. Where the type is not one of
// package ndarray (objects, texts, records), it is an array of ndarray.Invalid
// without data.
func (t *dtype) array(shape []int, fortran bool, data []byte) (*ndarray.Array, error) {
	n, err := ndarray.NumElements(shape)
	if err != nil {
		return nil, err
	}
	kind, bigEndian, err := npy.ParseDescr(t.order + t.text)
	if err != nil || !t.plain {
		return &ndarray.Array{DType: ndarray.Invalid, Shape: shape}, nil
	}
	size := kind.Size()
	if len(data)%size != 0 || len(data)/size != n {
		return nil, fmt.Errorf("shape %v of %v does not fit %d bytes of data", shape, kind, len(data))
	}
	if fortran && len(shape) > 1 {
		if data, err = layout.Gather(data, size, 0, shape, layout.FortranStrides(shape)); err != nil {
			return nil, err
		}
	} else if bigEndian {
		data = append([]byte{}, data...)
	}
	if bigEndian {
		layout.SwapBytes(data, size)
	}
	if kind == ndarray.Bool {
		err = layout.CheckBools(data)
	}
	return &ndarray.Array{DType: kind, Shape: shape, Data: data}, err
}

// newArray is numpy's _reconstruct: an array that is built later.
func (d *decoder) newArray(Tuple) (any, error) {
	a := &ndarray.Array{}
	d.unbuilt[a] = true
	return a, nil
}

// buildArray takes (version, shape, dtype, is Fortran, data).
func buildArray(a *ndarray.Array, state any) error {
	s, ok := state.(Tuple)
	if !ok || len(s) != 5 {
		return errors.New("damaged: state of an array")
	}
	shape, err := ints(s[1])
	if err != nil {
		return err
	}
	kind, ok1 := s[2].(*dtype)
	fortran, ok2 := s[3].(bool)
	if !ok1 || !ok2 {
		return errors.New("damaged: state of an array")
	}
	built, err := kind.array(shape, fortran, rawBytes(s[4]))
	if err != nil {
		return err
	}
	*a = *built
	return nil
}

// rawBytes is the data of an array; none where it is a list of objects.
func rawBytes(v any) []byte {
	switch b := v.(type) {
	case []byte:
		return b
	case string: // of Python 2
		return []byte(b)
	}
	return nil
}

// ints is a tuple of integers that fit.
func ints(v any) ([]int, error) {
	t, ok := v.(Tuple)
	if !ok {
		return nil, errors.New("damaged: shape of an array")
	}
	out := make([]int, len(t))
	for i, item := range t {
		n, ok := item.(int64)
		if !ok {
			return nil, errors.New("damaged: shape of an array")
		}
		out[i] = int(n)
	}
	return out, nil
}

// newScalar takes (dtype, data); text becomes a string.
func newScalar(args Tuple) (any, error) {
	if len(args) != 2 {
		return refuseItems()
	}
	kind, ok := args[0].(*dtype)
	if !ok {
		return refuseItems()
	}
	data := rawBytes(args[1])
	if strings.HasPrefix(kind.text, "U") {
		return ucs4(data, kind.order == ">")
	}
	return kind.array([]int{}, false, data)
}

// ucs4 is the string in four bytes a character, padded with zeros.
func ucs4(data []byte, bigEndian bool) (string, error) {
	if len(data)%4 != 0 {
		return "", errors.New("damaged: text of a NumPy scalar")
	}
	var text strings.Builder
	for i := 0; i < len(data); i += 4 {
		r := binary.LittleEndian.Uint32(data[i:])
		if bigEndian {
			r = binary.BigEndian.Uint32(data[i:])
		}
		if r != 0 {
			text.WriteRune(rune(r))
		}
	}
	return text.String(), nil
}

// fromBuffer takes (data, dtype, shape, order), as protocol 5 writes arrays, or with
// order "K" also the order of the axes in memory.
func fromBuffer(args Tuple) (any, error) {
	const least, most = 4, 5
	if len(args) < least || len(args) > most {
		return refuseItems()
	}
	kind, ok := args[1].(*dtype)
	if !ok {
		return refuseItems()
	}
	shape, err := ints(args[2])
	if err != nil {
		return nil, err
	}
	a, err := kind.array(shape, args[3] == "F", rawBytes(args[0]))
	if err != nil || len(args) < most || args[4] == nil {
		return a, err
	}
	axes, err := ints(args[4])
	if err != nil {
		return nil, err
	}
	return transpose(a, axes)
}

// transpose reorders the axes of an array.
func transpose(a *ndarray.Array, axes []int) (*ndarray.Array, error) {
	strides := layout.CStrides(a.Shape)
	shape, steps := make([]int, len(axes)), make([]int, len(axes))
	seen := map[int]bool{}
	for i, axis := range axes {
		if axis < 0 || axis >= len(a.Shape) || seen[axis] || len(axes) != len(a.Shape) {
			return nil, errors.New("damaged: axes of an array")
		}
		seen[axis] = true
		shape[i], steps[i] = a.Shape[axis], strides[axis]
	}
	if a.DType == ndarray.Invalid {
		return &ndarray.Array{Shape: shape}, nil
	}
	data, err := layout.Gather(a.Data, a.DType.Size(), 0, shape, steps)
	return &ndarray.Array{DType: a.DType, Shape: shape, Data: data}, err
}
