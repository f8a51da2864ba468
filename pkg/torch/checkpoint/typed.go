package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// JSON has fewer types than Python. So that a tree comes back as it was, its JSON has
// a last key __types__ with what JSON does not tell, by JSON pointer (RFC 6901):
//
//	"__types__": {"/in_shape": "tuple", "/core": "omegaconf.dictconfig.DictConfig",
//	              "/data_info/mean_activity_dict/s1": "tensor float32 (7)", …}
//
// Readers that do not know the key see the plain tree.
const typesKey = "__types__"

// Types of values in __types__; dicts of a class have the class's name.
const (
	typeTuple     = "tuple"
	typeFloat     = "float"  // one that is not finite
	typeObject    = "object" // not kept
	typeTensor    = "tensor"
	typeGradient  = "tensor-requires-grad"
	typeParameter = "parameter"
	typeFrozen    = "frozen-parameter"
	typeArray     = "array" // of NumPy
)

// encodeTyped is EncodeHyperParameters with the types beside.
func encodeTyped(params *pickle.Dict) ([]byte, error) {
	types := &pickle.Dict{}
	if err := collectTypes(types, "", params, 0); err != nil {
		return nil, fmt.Errorf("hyperparameters as JSON: %w", err)
	}
	typed := &pickle.Dict{}
	if err := copyItems(typed, params, 0, func(v any, _ int) (any, error) { return v, nil }); err != nil {
		return nil, err
	}
	if types.Len() > 0 {
		typed.SetString(typesKey, types)
	}
	return EncodeHyperParameters(typed)
}

// collectTypes notes what the JSON of a value, at a pointer, does not tell.
func collectTypes(types *pickle.Dict, at string, v any, depth int) error {
	if depth > maxTreeDepth {
		return errors.New("nested too deeply")
	}
	switch v := v.(type) {
	case float64:
		if nonFinite(v) != "" {
			types.SetString(at, typeFloat)
		}
	case []any:
		return collectItems(types, at, v, depth)
	case pickle.Tuple:
		types.SetString(at, typeTuple)
		return collectItems(types, at, v, depth)
	case *pickle.Object:
		types.SetString(at, typeObject)
	case *pickle.Dict:
		if v.Class != (pickle.Class{}) {
			types.SetString(at, v.Class.String())
		}
		for i := range v.Len() {
			key, item := v.At(i)
			name, ok := key.(string)
			if !ok || at == "" && name == typesKey {
				return fmt.Errorf("%s has the key %v, which cannot be kept", pointerOrRoot(at), key)
			}
			if err := collectTypes(types, at+"/"+escapePointer(name), item, depth+1); err != nil {
				return err
			}
		}
	default:
		if a, ok := Array(v); ok {
			types.SetString(at, arrayType(v, a))
		}
	}
	return nil
}

func collectItems(types *pickle.Dict, at string, items []any, depth int) error {
	for i, item := range items {
		if err := collectTypes(types, at+"/"+strconv.Itoa(i), item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func pointerOrRoot(at string) string {
	if at == "" {
		return "the tree"
	}
	return at
}

func escapePointer(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// arrayType is KIND ELEMENTS (SHAPE).
func arrayType(v any, a *ndarray.Array) string {
	kind := typeArray
	if t, ok := v.(*Tensor); ok {
		switch {
		case t.Parameter && t.RequiresGrad:
			kind = typeParameter
		case t.Parameter:
			kind = typeFrozen
		case t.RequiresGrad:
			kind = typeGradient
		default:
			kind = typeTensor
		}
	}
	sizes := make([]string, len(a.Shape))
	for i, n := range a.Shape {
		sizes[i] = strconv.Itoa(n)
	}
	return fmt.Sprintf("%s %v (%s)", kind, a.DType, strings.Join(sizes, " "))
}

// restoreTypes takes __types__ off a tree that was read, and gives the values their
// types. Objects, which were not kept, are taken off with it.
func restoreTypes(tree *pickle.Dict) error {
	v, ok := tree.Get(typesKey)
	if !ok {
		return nil
	}
	types, ok := v.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("%s is no JSON object", typesKey)
	}
	tree.Delete(typesKey)
	_, err := typed(types, "", tree)
	return err
}

// dropped stands for a value that was not kept.
type dropped struct{}

// typed is a value at a pointer with its types. What the file was changed to has the
// type that JSON gives it.
func typed(types *pickle.Dict, at string, v any) (any, error) {
	t, _ := types.Get(at)
	name, _ := t.(string)
	switch v := v.(type) {
	case string:
		if number, ok := nonFiniteTexts[v]; ok && name == typeFloat {
			return number, nil
		}
	case []any:
		kind, elements, isArray := strings.Cut(name, " ")
		if isArray {
			return typedArray(at, kind, elements, v)
		}
		if err := typedItems(types, at, v); err != nil {
			return nil, err
		}
		if name == typeTuple {
			return pickle.Tuple(v), nil
		}
	case *pickle.Dict:
		return typedDict(types, at, name, v)
	case nil:
	default:
		if kind, elements, isArray := strings.Cut(name, " "); isArray { // without dimensions
			return typedArray(at, kind, elements, v)
		}
	}
	return v, nil
}

func typedItems(types *pickle.Dict, at string, items []any) (err error) {
	for i, item := range items {
		if items[i], err = typed(types, at+"/"+strconv.Itoa(i), item); err != nil {
			return err
		}
	}
	return nil
}

func typedDict(types *pickle.Dict, at, name string, d *pickle.Dict) (any, error) {
	if name == typeObject {
		return dropped{}, nil
	}
	for _, key := range d.Keys() {
		item, _ := d.Get(key)
		value, err := typed(types, at+"/"+escapePointer(key), item)
		if err != nil {
			return nil, err
		}
		if value == (dropped{}) {
			d.Delete(key)
			continue
		}
		d.SetString(key, value)
	}
	for _, class := range []pickle.Class{DictConfig, pickle.OrderedDict} {
		if name == class.String() {
			d.Class = class
		}
	}
	return d, nil
}

// typedArray makes an array of what stands in JSON as nested lists.
func typedArray(at, kind, elements string, v any) (any, error) {
	bad := func(why string) error { return fmt.Errorf("%s of %s: %s", typesKey, at, why) }
	dtypeName, sizes, ok := strings.Cut(elements, " (")
	dtype, known := dtypeNamed(dtypeName)
	if !ok || !known || !strings.HasSuffix(sizes, ")") {
		return nil, bad(fmt.Sprintf("unknown type %.80q", kind+" "+elements))
	}
	shape := []int{}
	for _, size := range strings.Fields(strings.TrimSuffix(sizes, ")")) {
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 {
			return nil, bad("bad shape")
		}
		shape = append(shape, n)
	}
	numbers := flat(v, nil)
	if n, err := ndarray.NumElements(shape); err != nil || n != len(numbers) {
		return nil, bad(fmt.Sprintf("%d numbers are no array of shape %v", len(numbers), shape))
	}
	a, err := ndarray.New(dtype, shape...)
	if err != nil {
		return nil, err
	}
	for i, number := range numbers {
		if err := setElement(a, i, number); err != nil {
			return nil, bad(err.Error())
		}
	}
	switch kind {
	case typeArray:
		return a, nil
	case typeTensor, typeGradient, typeParameter, typeFrozen:
		return &Tensor{
			Array: a, Parameter: kind == typeParameter || kind == typeFrozen,
			RequiresGrad: kind == typeParameter || kind == typeGradient,
		}, nil
	}
	return nil, bad(fmt.Sprintf("unknown kind %.40q", kind))
}

func dtypeNamed(name string) (ndarray.DType, bool) {
	d, ok := torchTypes[name]
	return d, ok
}

// flat are the leaves of nested lists, which are bounded by the JSON that they are of.
func flat(v any, to []any) []any {
	list, ok := v.([]any)
	if !ok {
		return append(to, v)
	}
	for _, item := range list {
		to = flat(item, to)
	}
	return to
}

// setElement writes a number of JSON into an array.
func setElement(a *ndarray.Array, i int, v any) error {
	size := a.DType.Size()
	to := a.Data[i*size : (i+1)*size]
	if text, ok := v.(string); ok {
		if number, ok := nonFiniteTexts[text]; ok {
			v = number
		}
	}
	switch v := v.(type) {
	case bool:
		if a.DType == ndarray.Bool && v {
			to[0] = 1
		}
		return nil
	case int64:
		return setNumber(a.DType, to, float64(v), uint64(v))
	case float64:
		return setNumber(a.DType, to, v, uint64(int64(v)))
	}
	return fmt.Errorf("%.40q is no number", fmt.Sprint(v))
}

// setNumber writes a number, which is given in both forms, with the bits of a type.
func setNumber(dtype ndarray.DType, to []byte, real float64, whole uint64) error {
	le := binary.LittleEndian
	var eight [8]byte
	switch dtype {
	case ndarray.Float64:
		le.PutUint64(eight[:], math.Float64bits(real))
	case ndarray.Float32:
		le.PutUint32(eight[:], math.Float32bits(float32(real)))
	case ndarray.BFloat16:
		le.PutUint16(eight[:], uint16(math.Float32bits(float32(real))>>16))
	case ndarray.Float16:
		le.PutUint16(eight[:], halfBits(float32(real)))
	case ndarray.Bool:
		return errors.New("a number among booleans")
	default:
		le.PutUint64(eight[:], whole)
	}
	copy(to, eight[:len(to)])
	return nil
}

// halfBits are the bits of a number that is a float16.
func halfBits(v float32) uint16 {
	const exponentShift, bias = 23, 127 - 15
	bits := math.Float32bits(v)
	sign, exponent, mantissa := uint16(bits>>16&0x8000), int(bits>>exponentShift&0xff), bits&(1<<exponentShift-1)
	switch {
	case exponent == 0xff: // infinity and NaN
		return sign | 0x7c00 | uint16(mantissa>>13)
	case exponent <= bias: // zero and subnormals are multiples of 2^-24
		return sign | uint16(math.Abs(float64(v))*(1<<24))
	}
	return sign | uint16(exponent-bias)<<10 | uint16(mantissa>>13)
}

// Lost says what a safetensors file with its JSON does not keep of a checkpoint, each
// with its place; nothing where all is kept.
func (c *Checkpoint) Lost() []string {
	var lost []string
	if len(c.OptimizerStates) > 0 || len(c.LRSchedulers) > 0 {
		lost = append(lost, "the state of optimizer and schedule")
	}
	if c.Callbacks != nil && c.Callbacks.Len() > 0 {
		lost = append(lost, "the state of callbacks")
	}
	if c.Extra != nil {
		lost = append(lost, c.Extra.Keys()...)
	}
	return append(lost, c.Objects()...)
}

// Objects are the whole Python objects among the hyperparameters, each with its place
// and class.
func (c *Checkpoint) Objects() []string {
	return objectsIn("hyper_parameters", c.HyperParameters, 0)
}

// objectsIn are the opaque objects of a tree, each with its place and class.
func objectsIn(at string, v any, depth int) (found []string) {
	d, ok := v.(*pickle.Dict)
	if o, isObject := v.(*pickle.Object); isObject {
		return []string{fmt.Sprintf("%s (a Python object %s)", at, o.Class)}
	}
	if !ok || d == nil || depth > maxTreeDepth {
		return nil
	}
	for i := range d.Len() {
		key, item := d.At(i)
		found = append(found, objectsIn(fmt.Sprintf("%s.%v", at, key), item, depth+1)...)
	}
	return found
}
