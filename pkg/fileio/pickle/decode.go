package pickle

import (
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Options say what a pickle may name.
type Options struct {
	// Find allows a class or function beyond those of this package. It returns
	// what makes a value of the arguments; nil for an *Object. An error refuses.
	Find func(c Class) (Constructor, error)
	// Persistent is the value of a persistent id. Without it there may be none.
	Persistent func(id any) (any, error)
	// Memory bounds what the values take beside the data, in bytes and roughly; 0 allows
	// 64 MiB and 64 for each byte of the data.
	Memory int64
}

// Constructor makes a value of the arguments that the pickle has for a class or
// function. It is Go code chosen by name and must have no effect beyond its result.
type Constructor func(args Tuple) (any, error)

// ErrNotAllowed is wrapped by the error for a class that is not allowed.
var ErrNotAllowed = errors.New("which is not allowed")

// maxOps bounds the opcodes of a pickle, each of which may take some memory.
const maxOps = 1 << 24

// Load reads a pickle that fills data. Arrays and bytes in the result share memory
// with data.
func Load(data []byte, opts Options) (any, error) {
	v, n, err := Decode(data, opts)
	if err != nil {
		return nil, err
	}
	if n < len(data) {
		return nil, fmt.Errorf("pickle ends at byte %d of %d", n, len(data))
	}
	return v, nil
}

// Decode reads the pickle at the start of data and tells where it ends.
func Decode(data []byte, opts Options) (v any, n int, err error) {
	d := &decoder{
		data: data, opts: opts,
		memo:         map[uint32]any{},
		constructors: map[Class]Constructor{},
		unbuilt:      map[*ndarray.Array]bool{},
		memory:       opts.Memory,
	}
	if d.memory == 0 {
		d.memory = leastMemory + memoryPerByte*int64(len(data))
	}
	for range maxOps {
		at := d.pos
		code, err := d.byte()
		if err != nil {
			return nil, 0, errTruncated
		}
		if code == opStop {
			v, err := d.pop()
			if err != nil || len(d.stack) > 0 || len(d.marks) > 0 {
				return nil, 0, fmt.Errorf("pickle is damaged: it stops at byte %d with %d values too many", at, len(d.stack))
			}
			return v, d.pos, nil
		}
		op := operations[code]
		if op == nil {
			return nil, 0, fmt.Errorf("not a pickle, or damaged: unknown opcode %#02x at byte %d", code, at)
		}
		err = op(d)
		if err == nil {
			err = d.charge(costOfOp + extraCost[code] + d.pos - at)
		}
		if err != nil {
			if errors.Is(err, ErrNotAllowed) || errors.Is(err, errTruncated) {
				return nil, 0, err
			}
			return nil, 0, fmt.Errorf("pickle at byte %d: %w", at, err)
		}
	}
	return nil, 0, fmt.Errorf("pickle of more than %d operations", maxOps)
}

var (
	errTruncated = errors.New("pickle is truncated")
	errStack     = errors.New("damaged: a value is missing on the stack")
)

// decoder is the machine that a pickle is a program for.
type decoder struct {
	data []byte
	pos  int
	opts Options

	stack        []any
	marks        []int // heights of the stack
	memo         map[uint32]any
	constructors map[Class]Constructor
	unbuilt      map[*ndarray.Array]bool // waiting for shape and data
	memory       int64                   // that values may still take
}

func (d *decoder) byte() (byte, error) {
	if d.pos >= len(d.data) {
		return 0, errTruncated
	}
	d.pos++
	return d.data[d.pos-1], nil
}

// take is the next n bytes; they share memory with the input.
func (d *decoder) take(n uint64) ([]byte, error) {
	if n > uint64(len(d.data)-d.pos) {
		return nil, errTruncated
	}
	b := d.data[d.pos : d.pos+int(n) : d.pos+int(n)]
	d.pos += int(n)
	return b, nil
}

// uint is a little-endian number of size bytes.
func (d *decoder) uint(size int) (uint64, error) {
	b, err := d.take(uint64(size))
	v := uint64(0)
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, err
}

// counted is the bytes after a length of size bytes.
func (d *decoder) counted(size int) ([]byte, error) {
	n, err := d.uint(size)
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

// line is the text up to the next newline.
func (d *decoder) line() (string, error) {
	for i := d.pos; i < len(d.data); i++ {
		if d.data[i] == '\n' {
			text := string(d.data[d.pos:i])
			d.pos = i + 1
			return text, nil
		}
	}
	return "", errTruncated
}

func (d *decoder) push(v any) error {
	d.stack = append(d.stack, v)
	return nil
}

// pushed pushes a value that came with an error.
func (d *decoder) pushed(v any, err error) error {
	if err != nil {
		return err
	}
	return d.push(v)
}

// floor is the height of the stack below which no operation may reach.
func (d *decoder) floor() int {
	if len(d.marks) == 0 {
		return 0
	}
	return d.marks[len(d.marks)-1]
}

func (d *decoder) pop() (any, error) {
	if len(d.stack) <= d.floor() {
		return nil, errStack
	}
	v := d.stack[len(d.stack)-1]
	d.stack = d.stack[:len(d.stack)-1]
	return v, nil
}

// popN is a copy of the n topmost values.
func (d *decoder) popN(n int) (Tuple, error) {
	if len(d.stack)-d.floor() < n {
		return nil, errStack
	}
	at := len(d.stack) - n
	values := append(Tuple{}, d.stack[at:]...)
	d.stack = d.stack[:at]
	return values, nil
}

// popMark is a copy of the values above the last mark, which is removed.
func (d *decoder) popMark() (Tuple, error) {
	if len(d.marks) == 0 {
		return nil, errors.New("damaged: a mark is missing")
	}
	values, err := d.popN(len(d.stack) - d.floor())
	d.marks = d.marks[:len(d.marks)-1]
	return values, err
}

func (d *decoder) top() (any, error) {
	if len(d.stack) <= d.floor() {
		return nil, errStack
	}
	return d.stack[len(d.stack)-1], nil
}

// global checks that a class is allowed and pushes its name.
func (d *decoder) global(module, name string) error {
	c := Class{module, name}
	if _, ok := d.constructors[c]; !ok {
		construct, err := d.find(c)
		if err != nil {
			return fmt.Errorf("pickle names the class %s, %w", printable(c), ErrNotAllowed)
		}
		d.constructors[c] = construct
	}
	return d.push(c)
}

// printable is a class's name for a message: of one line and bounded.
func printable(c Class) string {
	text := fmt.Sprintf("%.200q", c.String())
	if plain := text[1 : len(text)-1]; len(c.String()) == len(plain) {
		return plain
	}
	return text
}

func (d *decoder) find(c Class) (Constructor, error) {
	if construct, ok := d.known(c); ok {
		return construct, nil
	}
	if d.opts.Find == nil {
		return nil, ErrNotAllowed
	}
	return d.opts.Find(c)
}

// construct makes the value of a class and arguments.
func (d *decoder) construct(callable any, args Tuple, isNew bool) (any, error) {
	c, ok := callable.(Class)
	if !ok {
		return nil, fmt.Errorf("damaged: a %s is called", TypeName(callable))
	}
	if construct := d.constructors[c]; construct != nil {
		if err := d.chargeCopies(args...); err != nil {
			return nil, err
		}
		v, err := construct(args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(c), err)
		}
		return v, nil
	}
	return &Object{Class: c, Args: args, New: isNew}, nil
}

// build gives a state to the value on top of the stack. Only kinds that can have
// one accept it.
func (d *decoder) build(target, state any) error {
	switch v := target.(type) {
	case *Object:
		if v.State != nil {
			return errors.New("damaged: an object is built twice")
		}
		v.State = state
	case *Dict:
		v.State = state
	case *dtype:
		return v.build(state)
	case *ndarray.Array:
		if !d.unbuilt[v] {
			return errors.New("damaged: an array is built twice")
		}
		delete(d.unbuilt, v)
		if parts, ok := state.(Tuple); ok {
			if err := d.chargeCopies(parts...); err != nil {
				return err
			}
		}
		return buildArray(v, state)
	case Builder:
		return v.Build(state)
	default:
		return fmt.Errorf("damaged: a %s is given a state", TypeName(target))
	}
	return nil
}

// Builder is a value of a Constructor that accepts a state.
type Builder interface{ Build(state any) error }

// setItems adds keys and values, in turn, to a dict.
func (d *decoder) setItems(target any, items Tuple) error {
	var dict *Dict
	switch v := target.(type) {
	case *Dict:
		dict = v
	case *Object:
		if v.Items == nil {
			v.Items = &Dict{}
		}
		dict = v.Items
	default:
		return fmt.Errorf("damaged: an item is set in a %s", TypeName(target))
	}
	if len(items)%2 != 0 {
		return errors.New("damaged: a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if _, isTuple := items[i].(Tuple); isTuple {
			if err := d.charge(costOfKey); err != nil {
				return err
			}
		}
		if err := dict.Set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// appendItems adds items to a list.
func appendItems(target any, items Tuple) error {
	switch v := target.(type) {
	case *List:
		v.Items = append(v.Items, items...)
	case *Object:
		v.Elements = append(v.Elements, items...)
	default:
		return fmt.Errorf("damaged: something is appended to a %s", TypeName(target))
	}
	return nil
}
