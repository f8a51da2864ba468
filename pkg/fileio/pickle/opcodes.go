package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Opcodes of protocols 0 to 5 (Python's pickletools describes each). The extension
// registry (EXT1 ...) and buffers out of band are left out: they refer to what is
// not in the file.
const (
	opMark            = '('
	opStop            = '.'
	opPop             = '0'
	opPopMark         = '1'
	opDup             = '2'
	opFloat           = 'F'
	opInt             = 'I'
	opBinInt          = 'J'
	opBinInt1         = 'K'
	opLong            = 'L'
	opBinInt2         = 'M'
	opNone            = 'N'
	opPersID          = 'P'
	opBinPersID       = 'Q'
	opReduce          = 'R'
	opString          = 'S'
	opBinString       = 'T'
	opShortBinString  = 'U'
	opUnicode         = 'V'
	opBinUnicode      = 'X'
	opAppend          = 'a'
	opBuild           = 'b'
	opGlobal          = 'c'
	opDict            = 'd'
	opEmptyDict       = '}'
	opAppends         = 'e'
	opGet             = 'g'
	opBinGet          = 'h'
	opInst            = 'i'
	opLongBinGet      = 'j'
	opList            = 'l'
	opEmptyList       = ']'
	opObj             = 'o'
	opPut             = 'p'
	opBinPut          = 'q'
	opLongBinPut      = 'r'
	opSetItem         = 's'
	opTuple           = 't'
	opEmptyTuple      = ')'
	opSetItems        = 'u'
	opBinFloat        = 'G'
	opProto           = 0x80
	opNewObj          = 0x81
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opNewTrue         = 0x88
	opNewFalse        = 0x89
	opLong1           = 0x8a
	opLong4           = 0x8b
	opBinBytes        = 'B'
	opShortBinBytes   = 'C'
	opShortBinUnicode = 0x8c
	opBinUnicode8     = 0x8d
	opBinBytes8       = 0x8e
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opNewObjEx        = 0x92
	opStackGlobal     = 0x93
	opMemoize         = 0x94
	opFrame           = 0x95
	opByteArray8      = 0x96
)

// operations are the meanings of the opcodes; nil: unknown.
var operations [256]func(*decoder) error

func init() {
	for _, group := range []map[byte]func(*decoder) error{numberOps, textOps, containerOps, objectOps, memoOps} {
		for code, op := range group {
			operations[code] = op
		}
	}
}

var numberOps = map[byte]func(*decoder) error{
	opNone:     func(d *decoder) error { return d.push(nil) },
	opNewTrue:  func(d *decoder) error { return d.push(true) },
	opNewFalse: func(d *decoder) error { return d.push(false) },
	opBinInt1:  func(d *decoder) error { return d.pushUint(1) },
	opBinInt2:  func(d *decoder) error { return d.pushUint(2) },
	opBinInt: func(d *decoder) error {
		v, err := d.uint(4)
		return d.pushed(int64(int32(v)), err)
	},
	opBinFloat: func(d *decoder) error {
		b, err := d.take(8)
		if err != nil {
			return err
		}
		return d.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	},
	opLong1: func(d *decoder) error { return d.pushLong(1) },
	opLong4: func(d *decoder) error { return d.pushLong(4) },
	opInt:   func(d *decoder) error { return d.pushIntText("") },
	opLong:  func(d *decoder) error { return d.pushIntText("L") },
	opFloat: func(d *decoder) error {
		text, err := d.line()
		if err != nil {
			return err
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("damaged: bad float %.40q", text)
		}
		return d.push(v)
	},
}

func (d *decoder) pushUint(size int) error {
	v, err := d.uint(size)
	return d.pushed(int64(v), err)
}

// pushLong reads a two's complement number after its length.
func (d *decoder) pushLong(size int) error {
	b, err := d.counted(size)
	if err != nil {
		return err
	}
	if len(b) > 8 {
		return d.pushBig(b)
	}
	v := uint64(0)
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		v = math.MaxUint64
	}
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return d.push(int64(v))
}

// maxBigInt bounds the bytes of a number, since decimal text of it takes time.
const maxBigInt = 1 << 10

func (d *decoder) pushBig(b []byte) error {
	if len(b) > maxBigInt {
		return fmt.Errorf("an int of %d bytes", len(b))
	}
	reversed := make([]byte, len(b))
	for i, x := range b {
		reversed[len(b)-1-i] = x
	}
	v := new(big.Int).SetBytes(reversed)
	if b[len(b)-1] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return d.push(narrow(v))
}

// narrow is an int64 where the number fits.
func narrow(v *big.Int) any {
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

// pushIntText reads a decimal number; 00 and 01 are the bools of protocol 0.
func (d *decoder) pushIntText(suffix string) error {
	text, err := d.line()
	if err != nil {
		return err
	}
	switch {
	case suffix == "" && text == "00":
		return d.push(false)
	case suffix == "" && text == "01":
		return d.push(true)
	case len(text) > maxBigInt:
		return fmt.Errorf("an int of %d digits", len(text))
	}
	v, ok := new(big.Int).SetString(strings.TrimSuffix(text, suffix), 10)
	if !ok {
		return fmt.Errorf("damaged: bad int %.40q", text)
	}
	return d.push(narrow(v))
}

var textOps = map[byte]func(*decoder) error{
	opBinUnicode:      func(d *decoder) error { return d.pushUnicode(4) },
	opShortBinUnicode: func(d *decoder) error { return d.pushUnicode(1) },
	opBinUnicode8:     func(d *decoder) error { return d.pushUnicode(8) },
	opBinBytes:        func(d *decoder) error { return d.pushBytes(4) },
	opShortBinBytes:   func(d *decoder) error { return d.pushBytes(1) },
	opBinBytes8:       func(d *decoder) error { return d.pushBytes(8) },
	opByteArray8:      func(d *decoder) error { return d.pushBytes(8) },
	opBinString:       func(d *decoder) error { return d.pushPython2String(4) },
	opShortBinString:  func(d *decoder) error { return d.pushPython2String(1) },
	opUnicode: func(d *decoder) error {
		text, err := d.line()
		if err != nil {
			return err
		}
		s, err := unescape(text, true)
		return d.pushed(s, err)
	},
	opString: func(d *decoder) error {
		text, err := d.line()
		if err != nil {
			return err
		}
		if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '\'' && text[0] != '"' {
			return fmt.Errorf("damaged: bad string %.40q", text)
		}
		s, err := unescape(text[1:len(text)-1], false)
		return d.pushed(python2String([]byte(s)), err)
	},
}

func (d *decoder) pushUnicode(size int) error {
	b, err := d.counted(size)
	return d.pushed(string(b), err) // lone surrogates are kept as Python encodes them
}

func (d *decoder) pushBytes(size int) error {
	b, err := d.counted(size)
	return d.pushed(b, err)
}

func (d *decoder) pushPython2String(size int) error {
	b, err := d.counted(size)
	return d.pushed(python2String(b), err)
}

// python2String is text where it can be: Python 2 had one type for text and bytes.
func python2String(b []byte) any {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return b
		}
	}
	return string(b)
}

// unescape reads the escapes of Python's string literals: with unicode, \u and \U
// in Latin-1 text, as protocol 0 writes it, else those of byte strings.
func unescape(text string, unicode bool) (string, error) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			if unicode {
				out.WriteRune(rune(c))
			} else {
				out.WriteByte(c)
			}
			continue
		}
		i++
		digits, known := map[byte]int{'u': 4, 'U': 8, 'x': 2}[text[i]]
		if known && unicode == (text[i] != 'x') {
			if i+digits >= len(text) {
				return "", fmt.Errorf("damaged: bad escape in %.40q", text)
			}
			v, err := strconv.ParseUint(text[i+1:i+1+digits], 16, 32)
			if err != nil || v > utf8.MaxRune {
				return "", fmt.Errorf("damaged: bad escape in %.40q", text)
			}
			i += digits
			if unicode {
				out.WriteRune(rune(v))
			} else {
				out.WriteByte(byte(v))
			}
			continue
		}
		if plain, ok := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '\'': '\'', '"': '"'}[text[i]]; ok && !unicode {
			out.WriteByte(plain)
			continue
		}
		out.WriteString(text[i-1 : i+1])
	}
	return out.String(), nil
}

var containerOps = map[byte]func(*decoder) error{
	opMark: func(d *decoder) error {
		d.marks = append(d.marks, len(d.stack))
		return nil
	},
	opPop: func(d *decoder) error {
		if len(d.marks) > 0 && d.floor() == len(d.stack) { // as in Python, POP may take a mark
			_, err := d.popMark()
			return err
		}
		_, err := d.pop()
		return err
	},
	opPopMark: func(d *decoder) error { _, err := d.popMark(); return err },
	opDup: func(d *decoder) error {
		v, err := d.top()
		return d.pushed(v, err)
	},
	opEmptyTuple: func(d *decoder) error { return d.push(Tuple{}) },
	opTuple1:     func(d *decoder) error { return d.pushTuple(1) },
	opTuple2:     func(d *decoder) error { return d.pushTuple(2) },
	opTuple3:     func(d *decoder) error { return d.pushTuple(3) },
	opTuple: func(d *decoder) error {
		items, err := d.popMark()
		return d.pushed(items, err)
	},
	opEmptyList: func(d *decoder) error { return d.push(&List{}) },
	opList: func(d *decoder) error {
		items, err := d.popMark()
		return d.pushed(&List{Items: items}, err)
	},
	opEmptyDict: func(d *decoder) error { return d.push(&Dict{}) },
	opDict: func(d *decoder) error {
		items, err := d.popMark()
		if err != nil {
			return err
		}
		dict := &Dict{}
		return d.pushed(dict, d.setItems(dict, items))
	},
	opEmptySet: func(d *decoder) error { return d.push(&Set{}) },
	opFrozenSet: func(d *decoder) error {
		items, err := d.popMark()
		return d.pushed(&Set{Items: items, Frozen: true}, err)
	},
	opAddItems: func(d *decoder) error { return d.fill(true, addItems) },
	opAppends:  func(d *decoder) error { return d.fill(true, appendItems) },
	opAppend:   func(d *decoder) error { return d.fill(false, appendItems) },
	opSetItems: func(d *decoder) error { return d.fill(true, d.setItems) },
	opSetItem: func(d *decoder) error {
		items, err := d.popN(2)
		if err != nil {
			return err
		}
		target, err := d.top()
		if err != nil {
			return err
		}
		return d.setItems(target, items)
	},
}

func (d *decoder) pushTuple(n int) error {
	items, err := d.popN(n)
	return d.pushed(items, err)
}

// fill adds one value, or those above the mark, to the container below.
func (d *decoder) fill(marked bool, add func(target any, items Tuple) error) error {
	take := d.popMark
	if !marked {
		take = func() (Tuple, error) { return d.popN(1) }
	}
	items, err := take()
	if err != nil {
		return err
	}
	target, err := d.top()
	if err != nil {
		return err
	}
	return add(target, items)
}

func addItems(target any, items Tuple) error {
	set, ok := target.(*Set)
	if !ok || set.Frozen {
		return fmt.Errorf("damaged: something is added to a %s", TypeName(target))
	}
	set.Items = append(set.Items, items...)
	return nil
}

var objectOps = map[byte]func(*decoder) error{
	opGlobal: (*decoder).readGlobal,
	opStackGlobal: func(d *decoder) error {
		pair, err := d.popN(2)
		if err != nil {
			return err
		}
		module, ok1 := pair[0].(string)
		name, ok2 := pair[1].(string)
		if !ok1 || !ok2 {
			return errors.New("damaged: a class that is not named by two strings")
		}
		return d.global(module, name)
	},
	opReduce:   func(d *decoder) error { return d.call(false) },
	opNewObj:   func(d *decoder) error { return d.call(true) },
	opNewObjEx: (*decoder).callKeywords,
	opInst: func(d *decoder) error {
		args, err := d.popMark()
		if err != nil {
			return err
		}
		if err := d.readGlobal(); err != nil {
			return err
		}
		class, err := d.pop()
		if err != nil {
			return err
		}
		return d.instantiate(class, args)
	},
	opObj: func(d *decoder) error {
		args, err := d.popMark()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return errStack
		}
		return d.instantiate(args[0], args[1:])
	},
	opBuild: func(d *decoder) error {
		state, err := d.pop()
		if err != nil {
			return err
		}
		target, err := d.top()
		if err != nil {
			return err
		}
		return d.build(target, state)
	},
	opPersID: func(d *decoder) error {
		id, err := d.line()
		return d.persistent(id, err)
	},
	opBinPersID: func(d *decoder) error {
		id, err := d.pop()
		return d.persistent(id, err)
	},
}

func (d *decoder) readGlobal() error {
	module, err := d.line()
	if err != nil {
		return err
	}
	name, err := d.line()
	if err != nil {
		return err
	}
	return d.global(module, name)
}

// call makes a value of the callable and the arguments on the stack.
func (d *decoder) call(isNew bool) error {
	pair, err := d.popN(2)
	if err != nil {
		return err
	}
	args, ok := pair[1].(Tuple)
	if !ok {
		return fmt.Errorf("damaged: arguments are a %s", TypeName(pair[1]))
	}
	v, err := d.construct(pair[0], args, isNew)
	return d.pushed(v, err)
}

// callKeywords allows no keyword arguments: none of the allowed classes has them.
func (d *decoder) callKeywords() error {
	keywords, err := d.pop()
	if err != nil {
		return err
	}
	if k, ok := keywords.(*Dict); !ok || k.Len() > 0 {
		return errors.New("keyword arguments are not read")
	}
	return d.call(true)
}

// instantiate is the way of protocols 0 and 1.
func (d *decoder) instantiate(class any, args Tuple) error {
	v, err := d.construct(class, args, false)
	return d.pushed(v, err)
}

func (d *decoder) persistent(id any, err error) error {
	if err != nil {
		return err
	}
	if d.opts.Persistent == nil {
		return errors.New("refers to something outside the pickle")
	}
	v, err := d.opts.Persistent(id)
	return d.pushed(v, err)
}

var memoOps = map[byte]func(*decoder) error{
	opBinPut:     func(d *decoder) error { return d.put(d.uint(1)) },
	opLongBinPut: func(d *decoder) error { return d.put(d.uint(4)) },
	opPut:        func(d *decoder) error { return d.put(d.uintText()) },
	opMemoize:    func(d *decoder) error { return d.put(uint64(len(d.memo)), nil) },
	opBinGet:     func(d *decoder) error { return d.get(d.uint(1)) },
	opLongBinGet: func(d *decoder) error { return d.get(d.uint(4)) },
	opGet:        func(d *decoder) error { return d.get(d.uintText()) },
	opProto: func(d *decoder) error {
		const newest = 5
		v, err := d.byte()
		if err == nil && v > newest {
			return fmt.Errorf("protocol %d is not known", v)
		}
		return err
	},
	opFrame: func(d *decoder) error {
		n, err := d.uint(8)
		if err == nil && n > uint64(len(d.data)-d.pos) {
			return errTruncated
		}
		return err
	},
}

func (d *decoder) uintText() (uint64, error) {
	text, err := d.line()
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("damaged: bad number %.40q", text)
	}
	return v, nil
}

func (d *decoder) put(at uint64, err error) error {
	if err != nil {
		return err
	}
	v, err := d.top()
	if err != nil {
		return err
	}
	d.memo[uint32(at)] = v
	return nil
}

func (d *decoder) get(at uint64, err error) error {
	if err != nil {
		return err
	}
	v, ok := d.memo[uint32(at)]
	if !ok {
		return fmt.Errorf("damaged: value %d is not in the memo", at)
	}
	return d.push(v)
}
