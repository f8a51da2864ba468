package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// Pair is one key and value of an ordered mapping. Keys are strings, or the
// integers, floats and bools that YAML allows.
type Pair struct {
	Key   any
	Value any
}

// Object is an ordered mapping of plain values.
type Object []Pair

// Value gives the tree as plain values: nil, bool, int64, *big.Int, float64,
// string, []any and Object. Interpolations and ??? stay text; see Resolve.
func (n *Node) Value() any {
	switch n.shape {
	case listShape:
		list := make([]any, len(n.children))
		for i, c := range n.children {
			list[i] = c.Value()
		}
		return list
	case mapShape:
		object := make(Object, len(n.children))
		for i, c := range n.children {
			object[i] = Pair{c.key, c.Value()}
		}
		return object
	}
	return n.scalar
}

// Text is the value as a text, as Python's str gives it: what stands in a text for
// an interpolation.
func (n *Node) Text() string { return pyNode(n) }

// FromValue makes a tree of plain values: nil, bool, numbers, strings, *Node
// (copied), lists, Object or []Pair, maps with string keys, which are sorted, and
// structs, by the fields that Decode fills. Nil pointers and slices are null.
func FromValue(v any) (*Node, error) { return fromValue(v, Origin{}, 0) }

func fromValue(v any, o Origin, depth int) (*Node, error) {
	if depth > maxYAMLDepth {
		return nil, newError(classValue, "nested deeper than %d levels", maxYAMLDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return newScalar(v, o), nil
	case *Node:
		if v == nil {
			return newScalar(nil, o), nil
		}
		return v.clone(), nil
	case *big.Int:
		return newScalar(smallInt(v), o), nil
	case Object:
		return fromPairs(v, o, depth)
	case []Pair:
		return fromPairs(v, o, depth)
	case []any:
		return fromList(reflect.ValueOf(v), o, depth)
	case *choiceSweep, *rangeSweep, *intervalSweep:
		return nil, newError(classValidation, "Unexpected type annotation: Set[str]").hint("a sweep cannot be a part of a value")
	}
	if m, ok := v.(NodeMarshaler); ok {
		return fromValue(m.MarshalNode(), o, depth+1)
	}
	return fromReflect(reflect.ValueOf(v), o, depth)
}

// NodeMarshaler is a value that a config writes in another form: the inverse of a
// method UnmarshalNode.
type NodeMarshaler interface{ MarshalNode() any }

func fromPairs(pairs []Pair, o Origin, depth int) (*Node, error) {
	n := newMap(o)
	for _, p := range pairs {
		key, err := normalKey(p.Key)
		if err != nil {
			return nil, err
		}
		c, err := fromValue(p.Value, o, depth+1)
		if err != nil {
			return nil, err
		}
		n.put(key, c)
	}
	return n, nil
}

func normalKey(key any) (any, error) {
	switch k := key.(type) {
	case string, bool, int64, float64, *big.Int:
		return k, nil
	case int:
		return int64(k), nil
	case nil:
		return nil, newError(classKeyValidation, "Incompatible key type 'NoneType'")
	}
	return nil, newError(classKeyValidation, "Incompatible key type '%T'", key)
}

func fromList(list reflect.Value, o Origin, depth int) (*Node, error) {
	n := newList(o)
	for i := range list.Len() {
		c, err := fromValue(list.Index(i).Interface(), o, depth+1)
		if err != nil {
			return nil, err
		}
		n.add(c)
	}
	return n, nil
}

func fromReflect(v reflect.Value, o Origin, depth int) (*Node, error) {
	switch v.Kind() {
	case reflect.Bool:
		return newScalar(v.Bool(), o), nil
	case reflect.String:
		return newScalar(v.String(), o), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return newScalar(v.Int(), o), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return newScalar(smallInt(new(big.Int).SetUint64(v.Uint())), o), nil
	case reflect.Float32, reflect.Float64:
		return newScalar(v.Float(), o), nil
	case reflect.Slice:
		if v.IsNil() {
			return newScalar(nil, o), nil
		}
		return fromList(v, o, depth)
	case reflect.Array:
		return fromList(v, o, depth)
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			keys := v.MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			pairs := make(Object, len(keys))
			for i, k := range keys {
				pairs[i] = Pair{k.String(), v.MapIndex(k).Interface()}
			}
			return fromPairs(pairs, o, depth)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return newScalar(nil, o), nil
		}
		return fromValue(v.Elem().Interface(), o, depth+1)
	case reflect.Struct:
		return fromStruct(v, o, depth)
	}
	return nil, newError(classValue, "a value of type %s cannot be part of a config", v.Type())
}

// fromStruct makes a mapping of the fields that Decode fills.
func fromStruct(v reflect.Value, o Origin, depth int) (*Node, error) {
	fields := map[string]*field{}
	var names []string
	collectFields(v, fields, &names)
	pairs := make([]Pair, len(names))
	for i, name := range names {
		pairs[i] = Pair{name, fields[name].value.Interface()}
	}
	return fromPairs(pairs, o, depth)
}

// MarshalJSON gives the tree as JSON with the keys in order. Interpolations and
// ??? stay text; inf and nan, which JSON lacks, become the strings "inf", "-inf"
// and "nan".
func (n *Node) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, n); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ToJSON gives the tree as indented JSON, after resolving it if asked to.
func ToJSON(n *Node, resolve bool) ([]byte, error) {
	if resolve {
		r, err := n.Resolve()
		if err != nil {
			return nil, err
		}
		n = r
	}
	return json.MarshalIndent(n, "", "  ")
}

func writeJSON(b *bytes.Buffer, n *Node) error {
	if n.shape == scalarShape {
		return writeJSONScalar(b, n.scalar)
	}
	open, end := byte('['), byte(']')
	if n.shape == mapShape {
		open, end = '{', '}'
	}
	b.WriteByte(open)
	for i, c := range n.children {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.shape == mapShape {
			if err := writeJSONScalar(b, keyText(c.key)); err != nil {
				return err
			}
			b.WriteByte(':')
		}
		if err := writeJSON(b, c); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

func writeJSONScalar(b *bytes.Buffer, v any) error {
	if f, ok := v.(float64); ok {
		text := pyFloat(f)
		if math.IsInf(f, 0) || math.IsNaN(f) {
			text = `"` + text + `"`
		}
		b.WriteString(text)
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("config value %v: %w", v, err)
	}
	b.Write(data)
	return nil
}
