// Package pickle reads Python's pickles without Python and without executing
// anything: classes are names that must be allowed, objects are records, memory is
// bounded by the input. It writes the few forms that PyTorch files need.
//
// Python values are these Go values: None nil, bool bool, int int64 or (beyond 64
// bits) *big.Int, float float64, complex complex128, str string, bytes and
// bytearray []byte, tuple Tuple, list *List, dict and its kin *Dict, set and
// frozenset *Set, NumPy arrays and scalars *ndarray.Array, a class or function
// Class, any other object *Object. Values may be shared and, through lists, dicts
// and objects, cyclic.
package pickle

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Class is the name of a Python class or function.
type Class struct{ Module, Name string }

// String is the dotted name.
func (c Class) String() string { return c.Module + "." + c.Name }

// Tuple is a Python tuple.
type Tuple []any

// List is a Python list.
type List struct{ Items []any }

// Set is a Python set or frozenset, its items in the order of the pickle.
type Set struct {
	Items  []any
	Frozen bool
}

// Object is an instance of an allowed class, or the result of an allowed function,
// that this package does not know more of: what Python would have called, and what
// it would have given to the result.
type Object struct {
	Class Class
	Args  Tuple
	// New tells that Python would have called __new__ rather than the class itself.
	New bool
	// State is what __setstate__ or __dict__ would have got; nil where nothing.
	State any
	// Items and Elements are what a subclass of dict or list would have got.
	Items    *Dict
	Elements []any
}

// Attr is an attribute of an object: a key of its State, which is a dict or a pair
// of two dicts (the second for slots).
func (o *Object) Attr(name string) (any, bool) {
	states := []any{o.State}
	if pair, ok := o.State.(Tuple); ok {
		states = pair
	}
	for _, state := range states {
		if d, ok := state.(*Dict); ok {
			if v, ok := d.Get(name); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// Dict is a Python dict in its order. The zero value is an empty dict.
type Dict struct {
	// Class is the subclass of dict (collections.OrderedDict, ...), or the zero
	// Class. Args are its constructor's arguments, State its attributes.
	Class Class
	Args  Tuple
	State any

	keys, values []any
	index        map[any]int
}

// NewDict returns a dict of keys and values in turn. It panics where a key is no
// string: it is for literals in code.
func NewDict(keysAndValues ...any) *Dict {
	d := &Dict{}
	for ; len(keysAndValues) > 1; keysAndValues = keysAndValues[2:] {
		d.SetString(keysAndValues[0].(string), keysAndValues[1])
	}
	return d
}

// Len is the number of items.
func (d *Dict) Len() int { return len(d.keys) }

// At is the i-th item in the order of the dict.
func (d *Dict) At(i int) (key, value any) { return d.keys[i], d.values[i] }

// Get is the value of a key.
func (d *Dict) Get(key any) (any, bool) {
	k, err := hashable(key)
	if err != nil {
		return nil, false
	}
	i, ok := d.index[k]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// SetString sets the value of a string key.
func (d *Dict) SetString(key string, value any) { d.set(key, key, value) }

// Set sets the value of a key; an error where the key is not hashable in Python.
func (d *Dict) Set(key, value any) error {
	k, err := hashable(key)
	if err != nil {
		return err
	}
	d.set(k, key, value)
	return nil
}

func (d *Dict) set(hash, key, value any) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = value
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[hash] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
}

// Delete removes a string key, if it is there.
func (d *Dict) Delete(key string) {
	at, ok := d.index[key]
	if !ok {
		return
	}
	delete(d.index, key)
	for k, i := range d.index {
		if i > at {
			d.index[k] = i - 1
		}
	}
	d.keys = append(d.keys[:at], d.keys[at+1:]...)
	d.values = append(d.values[:at], d.values[at+1:]...)
}

// Keys are the string keys in the order of the dict; others are left out.
func (d *Dict) Keys() []string {
	names := make([]string, 0, len(d.keys))
	for _, k := range d.keys {
		if s, ok := k.(string); ok {
			names = append(names, s)
		}
	}
	return names
}

// Types of keys in Dict.index that Go could not tell apart or compare.
type (
	noneKey  struct{}
	bytesKey string
	bigKey   string
	tupleKey string
)

// hashable is what stands for a key in the index of a dict. As in Python, True is 1
// and 1.0 is 1.
func hashable(key any) (any, error) {
	switch k := key.(type) {
	case nil:
		return noneKey{}, nil
	case bool:
		if k {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return int64(k), nil
		}
		return k, nil
	case string, int64, complex128, Class, *Object:
		return k, nil
	case []byte:
		return bytesKey(k), nil
	case *big.Int:
		return bigKey(k.String()), nil
	case *Set:
		if k.Frozen {
			return k, nil
		}
	case Tuple:
		var text strings.Builder
		if err := writeTuple(&text, k, 0); err != nil {
			return nil, err
		}
		return tupleKey(text.String()), nil
	}
	return nil, fmt.Errorf("a %s cannot be a key", TypeName(key))
}

// maxKeyText bounds the text that stands for a tuple.
const maxKeyText = 1 << 12

// writeTuple writes a text that is equal for equal tuples only. Both its limits are
// for hostile input: a tuple may hold itself many times over.
func writeTuple(text *strings.Builder, t Tuple, depth int) error {
	const maxDepth = 50
	if depth > maxDepth {
		return errors.New("a key is nested too deeply")
	}
	text.WriteByte('(')
	for _, item := range t {
		if inner, ok := item.(Tuple); ok {
			if err := writeTuple(text, inner, depth+1); err != nil {
				return err
			}
			continue
		}
		k, err := hashable(item)
		if err != nil {
			return err
		}
		if keyLength(k) > maxKeyText {
			return errors.New("a key is too long")
		}
		part := strconv.Quote(fmt.Sprintf("%T %v", k, k))
		if object, ok := k.(*Object); ok {
			part = fmt.Sprintf("%p", object)
		} else if set, ok := k.(*Set); ok {
			part = fmt.Sprintf("%p", set)
		}
		text.WriteString(part + ",")
		if text.Len() > maxKeyText {
			return errors.New("a key is too long")
		}
	}
	text.WriteByte(')')
	return nil
}

// keyLength is that of what hashable gives for a text.
func keyLength(k any) int {
	switch k := k.(type) {
	case string:
		return len(k)
	case bytesKey:
		return len(k)
	case bigKey:
		return len(k)
	}
	return 0
}

// TypeName is the Python name of a value's type, for messages.
func TypeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case complex128:
		return "complex"
	case string:
		return "str"
	case []byte:
		return "bytes"
	case Tuple:
		return "tuple"
	case *List:
		return "list"
	case *Dict:
		return "dict"
	case *Set:
		return "set"
	case *Object:
		return v.Class.String()
	case *ndarray.Array:
		return "numpy.ndarray"
	case Class:
		return "class"
	}
	return fmt.Sprintf("%T", v)
}
