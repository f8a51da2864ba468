package config

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// NodeDecoder is a type that reads itself from a node, for values of several
// kinds: a padding that is a bool, an integer, a string or a list.
type NodeDecoder interface {
	// UnmarshalNode gets the node with its interpolations resolved.
	UnmarshalNode(n *Node) error
}

// Forms are for a NodeDecoder that tells what it reads: values of the Go types whose
// forms a config may use, Words for certain strings, BuiltBy for a mapping with a
// _target_. Editors are told by them.
type Forms interface{ Forms() []any }

type (
	// Words are strings of which one is wanted.
	Words []string
	// BuiltBy is the What of the Registry that builds a mapping.
	BuiltBy string
)

// hydraKeys are accepted in every mapping, since they steer how Hydra builds the
// thing and are no parameters of it.
var hydraKeys = []string{TargetKey, "_convert_", "_partial_", "_recursive_"}

// Decode writes the tree into the value that v points to, resolving
// interpolations. It is strict: a key without a field, a value of the wrong type,
// a null where a value is needed and a ??? are errors, all of them reported
// together as an ErrorList, or an *Error if there is one.
//
// Struct fields are named by their tag, `yaml:"name"`, or by their name in lower
// case; `yaml:"-"` leaves one out and `yaml:",inline"` takes the keys of an
// embedded struct. A field keeps its value where the key is absent, so defaults
// are set before the call; the option ",required" refuses an absent key, and
// ",runtime" leaves the field alone where the value is ???, for what the program
// itself supplies. The tag `of:"core"` of a *Node names the Registry that builds what
// stands there. Pointers, slices, maps and *Node take null. The keys
// _target_, _convert_, _partial_ and _recursive_ are always accepted.
func (n *Node) Decode(v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return newError(classDecode, "cannot decode into %T, a pointer is needed", v)
	}
	var d decoder
	resolved, err := n.Resolve()
	if err != nil {
		resolved = d.resolve(newEvaluation(n), n, 0)
	}
	d.value(resolved, target.Elem())
	return d.problems.Err()
}

type decoder struct {
	problems Problems
	// unresolved are the nodes whose interpolation failed, which has been told.
	unresolved map[*Node]bool
}

// resolve is Node.Resolve for a tree where interpolations fail: it tells of each of
// them and goes on.
func (d *decoder) resolve(ev *evaluation, n *Node, depth int) *Node {
	c := &Node{shape: n.shape, scalar: n.scalar, key: n.key, parent: n.parent, origin: n.origin}
	target, err := n.dereference(ev)
	if err == nil {
		err = ev.spend(n)
	}
	if err == nil && !target.isContainer() {
		c.scalar = target.scalar
		return c
	}
	if err == nil && depth > maxYAMLDepth {
		err = newError(classInterpolation, "Recursive interpolation detected").at(n)
	}
	if err != nil {
		if d.unresolved == nil {
			d.unresolved = map[*Node]bool{}
		}
		d.unresolved[c] = true
		d.problems.Add(err)
		return c
	}
	c.shape, c.index = target.shape, map[any]int{}
	for _, child := range target.children {
		if ev.spent.steps > maxEvaluations {
			break // which was told
		}
		resolved := d.resolve(ev, child, depth+1)
		if c.shape == mapShape {
			c.put(child.key, resolved)
		} else {
			c.add(resolved)
		}
	}
	return c
}

func (d *decoder) refuse(n *Node, format string, args ...any) {
	d.problems.Add(newError(classDecode, format, args...).at(n))
}

// add takes over the errors of a type that decodes itself.
func (d *decoder) add(n *Node, err error) {
	switch err.(type) { //nolint:errorlint // a wrapped error keeps its wrapping
	case ErrorList, *Error:
		d.problems.AddAt(n, err)
	default:
		d.problems.Add(newError(classDecode, "%s", n.Path()).because(err).at(n))
	}
}

var (
	nodeType    = reflect.TypeFor[*Node]()
	decoderType = reflect.TypeFor[NodeDecoder]()
	bigIntType  = reflect.TypeFor[*big.Int]()
)

func (d *decoder) value(n *Node, v reflect.Value) {
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(n))
		return
	}
	if d.unresolved[n] {
		return
	}
	if v.CanAddr() && v.Addr().Type().Implements(decoderType) {
		if err := v.Addr().Interface().(NodeDecoder).UnmarshalNode(n); err != nil {
			d.add(n, err)
		}
		return
	}
	if n.isMissing() {
		d.refuse(n, "%s is ??? and needs a value", n.Path())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		d.pointer(n, v)
	case reflect.Interface:
		if plain := n.Value(); plain != nil && v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(plain))
		} else {
			v.SetZero()
		}
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Slice:
		d.slice(n, v)
	case reflect.Array:
		d.array(n, v)
	case reflect.Map:
		d.mapping(n, v)
	default:
		d.scalar(n, v)
	}
}

func (d *decoder) pointer(n *Node, v reflect.Value) {
	if n.isNull() {
		v.SetZero()
		return
	}
	if v.Type() == bigIntType {
		switch i := n.scalar.(type) {
		case int64:
			v.Set(reflect.ValueOf(big.NewInt(i)))
		case *big.Int:
			v.Set(reflect.ValueOf(new(big.Int).Set(i)))
		default:
			d.wrongKind(n, "an integer")
		}
		return
	}
	target := reflect.New(v.Type().Elem())
	if !v.IsNil() {
		target.Elem().Set(v.Elem())
	}
	d.value(n, target.Elem())
	v.Set(target)
}

// field is a struct field that a key of a mapping fills.
type field struct {
	value             reflect.Value
	required, runtime bool
	given             bool
}

func (d *decoder) structure(n *Node, v reflect.Value) {
	if n.shape != mapShape {
		d.wrongKind(n, "a mapping")
		return
	}
	fields := map[string]*field{}
	var names []string
	collectFields(v, fields, &names)
	for _, c := range n.children {
		key := keyText(c.key)
		f, ok := fields[key]
		switch {
		case !ok && slices.Contains(hydraKeys, key):
		case !ok:
			e := newError(classDecode, "unknown key %q", key).at(c)
			e.Hint = didYouMean(key, names)
			d.problems.Add(e)
		case f.runtime && c.isMissing():
			f.given = true
		default:
			f.given = true
			d.value(c, f.value)
		}
	}
	for _, name := range names {
		if f := fields[name]; f.required && !f.given {
			e := newError(classDecode, "%s has no %q, which is needed", describePath(n), name)
			e.Key = joinKey(n.Path(), name)
			d.problems.Add(e.at(n))
		}
	}
}

func collectFields(v reflect.Value, fields map[string]*field, names *[]string) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		list := strings.Split(options, ",")
		switch {
		case name == "-":
			continue
		case slices.Contains(list, "inline"):
			collectFields(v.Field(i), fields, names)
			continue
		case name == "":
			name = strings.ToLower(sf.Name)
		}
		fields[name] = &field{
			value:    v.Field(i),
			required: slices.Contains(list, "required"),
			runtime:  slices.Contains(list, "runtime"),
		}
		*names = append(*names, name)
	}
}

func (d *decoder) slice(n *Node, v reflect.Value) {
	if n.isNull() {
		v.SetZero()
		return
	}
	if n.shape != listShape {
		d.wrongKind(n, "a list")
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.children), len(n.children))
	for i, c := range n.children {
		d.value(c, s.Index(i))
	}
	v.Set(s)
}

func (d *decoder) array(n *Node, v reflect.Value) {
	if n.shape != listShape {
		d.wrongKind(n, fmt.Sprintf("a list of %d elements", v.Len()))
		return
	}
	if len(n.children) != v.Len() {
		d.refuse(n, "%s has %d elements, %d are needed", n.Path(), len(n.children), v.Len())
		return
	}
	for i, c := range n.children {
		d.value(c, v.Index(i))
	}
}

func (d *decoder) mapping(n *Node, v reflect.Value) {
	if n.isNull() {
		v.SetZero()
		return
	}
	if n.shape != mapShape || v.Type().Key().Kind() != reflect.String {
		d.wrongKind(n, "a mapping")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.children))
	for _, c := range n.children {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(c, value)
		m.SetMapIndex(reflect.ValueOf(keyText(c.key)).Convert(v.Type().Key()), value)
	}
	v.Set(m)
}

func (d *decoder) scalar(n *Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		if b, ok := n.scalar.(bool); ok && n.shape == scalarShape {
			v.SetBool(b)
			return
		}
		d.wrongKind(n, "a bool")
	case reflect.String:
		if s, ok := n.scalar.(string); ok && n.shape == scalarShape {
			v.SetString(s)
			return
		}
		d.wrongKind(n, "a string")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := n.scalar.(int64)
		if ok && !v.OverflowInt(i) {
			v.SetInt(i)
			return
		}
		d.integer(n, v, ok)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, ok := n.scalar.(int64)
		if ok && i >= 0 && !v.OverflowUint(uint64(i)) {
			v.SetUint(uint64(i))
			return
		}
		d.integer(n, v, ok)
	case reflect.Float32, reflect.Float64:
		d.float(n, v)
	default:
		d.refuse(n, "%s cannot be read into the Go type %s", n.Path(), v.Type())
	}
}

func (d *decoder) integer(n *Node, v reflect.Value, isInt bool) {
	if _, isBig := n.scalar.(*big.Int); isBig || isInt {
		d.refuse(n, "%s is %s, which does not fit %s", n.Path(), pyText(n.scalar), v.Type())
		return
	}
	d.wrongKind(n, "an integer")
}

func (d *decoder) float(n *Node, v reflect.Value) {
	switch f := n.scalar.(type) {
	case float64:
		v.SetFloat(f)
		return
	case int64:
		v.SetFloat(float64(f))
		return
	case *big.Int:
		g, _ := new(big.Float).SetInt(f).Float64()
		if !math.IsInf(g, 0) {
			v.SetFloat(g)
			return
		}
	}
	d.wrongKind(n, "a number")
}

// wrongKind reports what was wanted and what stands there.
func (d *decoder) wrongKind(n *Node, wanted string) {
	got := n.Kind().String()
	if n.shape == scalarShape && n.scalar != nil {
		got += " (" + oneLine(shorten(pyText(n.scalar))) + ")"
	}
	d.refuse(n, "%s must be %s, not %s", describePath(n), wanted, got)
}

func shorten(s string) string {
	const limit = 60
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
