package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Persistent is a value that the pickle names by its persistent id only.
type Persistent struct{ ID any }

// Marshal writes a value as a pickle of protocol 2, which PyTorch uses. Its bytes
// depend on the value only: on the order of dicts and on what is shared. Beside the
// types of this package it takes int and []any; replace, which may be nil, turns
// values of other types into those.
func Marshal(v any, replace func(any) (any, error)) ([]byte, error) {
	e := &encoder{out: []byte{opProto, 2}, memo: map[any]uint32{}, replace: replace}
	if err := e.value(v, 0); err != nil {
		return nil, fmt.Errorf("write pickle: %w", err)
	}
	return append(e.out, opStop), nil
}

// Bounds of what is written: its nesting, and its bytes, since a value that is read
// from hostile input may hold itself many times over.
const (
	maxDepth  = 1000
	maxOutput = 1 << 30
)

type encoder struct {
	out     []byte
	memo    map[any]uint32 // of strings, classes and pointers
	replace func(any) (any, error)
}

func (e *encoder) op(code byte) { e.out = append(e.out, code) }

// remember gives the value that was just written a number in the memo.
func (e *encoder) remember(key any) {
	at := uint32(len(e.memo))
	e.memo[key] = at
	if at < 1<<8 {
		e.out = append(e.out, opBinPut, byte(at))
		return
	}
	e.out = binary.LittleEndian.AppendUint32(append(e.out, opLongBinPut), at)
}

// recall writes a reference to a value that was written before.
func (e *encoder) recall(key any) bool {
	at, ok := e.memo[key]
	switch {
	case !ok:
	case at < 1<<8:
		e.out = append(e.out, opBinGet, byte(at))
	default:
		e.out = binary.LittleEndian.AppendUint32(append(e.out, opLongBinGet), at)
	}
	return ok
}

func (e *encoder) value(v any, depth int) error {
	if depth > maxDepth || len(e.out) > maxOutput {
		return errors.New("value is nested too deeply or too large")
	}
	switch v := v.(type) {
	case nil:
		e.op(opNone)
	case bool:
		e.op(map[bool]byte{true: opNewTrue, false: opNewFalse}[v])
	case int:
		e.int(int64(v))
	case int64:
		e.int(v)
	case float64:
		e.out = binary.BigEndian.AppendUint64(append(e.out, opBinFloat), math.Float64bits(v))
	case string:
		return e.text(v)
	case Class:
		return e.class(v)
	case *big.Int:
		return e.bigInt(v)
	default:
		return e.compound(v, depth)
	}
	return nil
}

// compound writes what is built of other values.
func (e *encoder) compound(v any, depth int) error {
	switch v := v.(type) {
	case []byte:
		return e.latin1(v)
	case complex128:
		return e.call(Class{"__builtin__", "complex"}, Tuple{real(v), imag(v)}, depth)
	case Tuple:
		return e.tuple(v, depth)
	case []any:
		e.op(opEmptyList)
		return e.run(v, opAppends, depth)
	case Persistent:
		if err := e.value(v.ID, depth+1); err != nil {
			return err
		}
		e.op(opBinPersID)
		return nil
	}
	if !reflect.TypeOf(v).Comparable() {
		return fmt.Errorf("a %T cannot be written", v)
	}
	if e.recall(v) {
		return nil
	}
	switch v := v.(type) {
	case *List:
		e.op(opEmptyList)
		e.remember(v)
		return e.run(v.Items, opAppends, depth)
	case *Set:
		name := map[bool]string{false: "set", true: "frozenset"}[v.Frozen]
		return e.remembered(v, e.call(Class{"__builtin__", name}, Tuple{v.Items}, depth))
	case *Dict:
		return e.dict(v, depth)
	case *Object:
		return e.object(v, depth)
	case *ndarray.Array:
		return e.array(v, depth)
	}
	if e.replace == nil {
		return fmt.Errorf("a %T cannot be written", v)
	}
	other, err := e.replace(v)
	if err != nil {
		return err
	}
	return e.remembered(v, e.value(other, depth+1))
}

func (e *encoder) remembered(key any, err error) error {
	if err == nil {
		e.remember(key)
	}
	return err
}

func (e *encoder) int(v int64) {
	switch {
	case v >= 0 && v < 1<<8:
		e.out = append(e.out, opBinInt1, byte(v))
	case v >= 0 && v < 1<<16:
		e.out = binary.LittleEndian.AppendUint16(append(e.out, opBinInt2), uint16(v))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		e.out = binary.LittleEndian.AppendUint32(append(e.out, opBinInt), uint32(v))
	default:
		e.out = binary.LittleEndian.AppendUint64(append(e.out, opLong1, 8), uint64(v))
	}
}

// bigInt writes two's complement, least significant byte first.
func (e *encoder) bigInt(v *big.Int) error {
	n := v.BitLen()/8 + 1
	if n > math.MaxUint8 {
		return fmt.Errorf("an int of %d bits", v.BitLen())
	}
	positive := v
	if v.Sign() < 0 {
		positive = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	b := positive.FillBytes(make([]byte, n))
	slices.Reverse(b)
	e.out = append(append(e.out, opLong1, byte(n)), b...)
	return nil
}

func (e *encoder) text(s string) error {
	if e.recall(s) {
		return nil
	}
	if len(s) > math.MaxUint32 {
		return fmt.Errorf("a text of %d bytes", len(s))
	}
	e.out = binary.LittleEndian.AppendUint32(append(e.out, opBinUnicode), uint32(len(s)))
	e.out = append(e.out, s...)
	e.remember(s)
	return nil
}

func (e *encoder) class(c Class) error {
	if e.recall(c) {
		return nil
	}
	if strings.Contains(c.Module+c.Name, "\n") || c.Module == "" || c.Name == "" {
		return fmt.Errorf("bad class name %q", c)
	}
	e.out = append(e.out, opGlobal)
	e.out = append(e.out, c.Module+"\n"+c.Name+"\n"...)
	e.remember(c)
	return nil
}

// latin1 writes bytes the way of protocol 2, which has text only.
func (e *encoder) latin1(b []byte) error {
	if len(b) == 0 {
		return e.call(Class{"__builtin__", "bytes"}, Tuple{}, 0)
	}
	text := make([]rune, len(b))
	for i, c := range b {
		text[i] = rune(c)
	}
	return e.call(Class{"_codecs", "encode"}, Tuple{string(text), "latin1"}, 0)
}

func (e *encoder) tuple(t Tuple, depth int) error {
	if len(t) == 0 {
		e.op(opEmptyTuple)
		return nil
	}
	if len(t) > 3 {
		e.op(opMark)
	}
	for _, item := range t {
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	e.op([]byte{opTuple1, opTuple2, opTuple3, opTuple}[min(len(t), 4)-1])
	return nil
}

// run writes values for the container that was just written.
func (e *encoder) run(items []any, code byte, depth int) error {
	if len(items) == 0 {
		return nil
	}
	e.op(opMark)
	for _, item := range items {
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	e.op(code)
	return nil
}

func (e *encoder) call(c Class, args Tuple, depth int) error {
	if err := errors.Join(e.class(c), e.tuple(args, depth+1)); err != nil {
		return err
	}
	e.op(opReduce)
	return nil
}

func (e *encoder) dict(d *Dict, depth int) error {
	if d.Class == (Class{}) {
		e.op(opEmptyDict)
	} else if err := e.call(d.Class, d.Args, depth); err != nil {
		return err
	}
	e.remember(d)
	if err := e.items(d, depth); err != nil {
		return err
	}
	return e.state(d.State, depth)
}

func (e *encoder) items(d *Dict, depth int) error {
	flat := make([]any, 0, 2*d.Len())
	for i := range d.Len() {
		key, value := d.At(i)
		flat = append(flat, key, value)
	}
	return e.run(flat, opSetItems, depth)
}

func (e *encoder) state(state any, depth int) error {
	if state == nil {
		return nil
	}
	if err := e.value(state, depth+1); err != nil {
		return err
	}
	e.op(opBuild)
	return nil
}

func (e *encoder) object(o *Object, depth int) error {
	if err := errors.Join(e.class(o.Class), e.tuple(o.Args, depth)); err != nil {
		return err
	}
	e.op(map[bool]byte{true: opNewObj, false: opReduce}[o.New])
	e.remember(o)
	if err := e.run(o.Elements, opAppends, depth); err != nil {
		return err
	}
	if o.Items != nil {
		if err := e.items(o.Items, depth); err != nil {
			return err
		}
	}
	return e.state(o.State, depth)
}

// array writes a NumPy array, under the module name that NumPy 1 and 2 know.
func (e *encoder) array(a *ndarray.Array, depth int) error {
	text, ok := dtypeTexts[a.DType]
	if n, err := ndarray.NumElements(a.Shape); err != nil || !ok || n*a.DType.Size() != len(a.Data) {
		return fmt.Errorf("an array of %v of shape %v with %d bytes cannot be written", a.DType, a.Shape, len(a.Data))
	}
	order := "<"
	if a.DType.Size() == 1 {
		order = "|"
	}
	shape := make(Tuple, len(a.Shape))
	for i, d := range a.Shape {
		shape[i] = d
	}
	kind := &Object{
		Class: Class{"numpy", "dtype"}, Args: Tuple{text, false, true},
		State: Tuple{3, order, nil, nil, nil, -1, -1, 0},
	}
	return e.remembered(a, e.object(&Object{
		Class: Class{"numpy.core.multiarray", "_reconstruct"},
		Args:  Tuple{Class{"numpy", "ndarray"}, Tuple{0}, []byte("b")},
		State: Tuple{1, shape, kind, false, a.Data},
	}, depth))
}

var dtypeTexts = map[ndarray.DType]string{
	ndarray.Float16: "f2", ndarray.Float32: "f4", ndarray.Float64: "f8",
	ndarray.Int8: "i1", ndarray.Int16: "i2", ndarray.Int32: "i4", ndarray.Int64: "i8",
	ndarray.Uint8: "u1", ndarray.Uint16: "u2", ndarray.Uint32: "u4", ndarray.Uint64: "u8",
	ndarray.Bool: "b1",
}
