// Package npy reads and writes NumPy's .npy and .npz files.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// maxHeader bounds the text of a header; NumPy's own limit is lower.
const maxHeader = 64 << 10

const magic = "\x93NUMPY"

// Header describes the array of an .npy file (NumPy enhancement proposal 1).
type Header struct {
	DType ndarray.DType
	Shape []int
	// Fortran tells that the file has the first axis fastest.
	Fortran bool
	// BigEndian tells that the file has the most significant byte first.
	BigEndian bool
}

// Bytes is the size of the data that the header declares.
func (h *Header) Bytes() (int64, error) {
	n, err := ndarray.NumElements(h.Shape)
	if err != nil {
		return 0, err
	}
	if n > math.MaxInt/h.DType.Size() {
		return 0, fmt.Errorf("shape %v of %v is too large", h.Shape, h.DType)
	}
	return int64(n) * int64(h.DType.Size()), nil
}

// readHeader reads magic, version and header, and tells how many bytes they take.
func readHeader(r io.Reader) (*Header, int64, error) {
	fixed := make([]byte, len(magic)+2, len(magic)+6)
	if _, err := io.ReadFull(r, fixed); err != nil {
		return nil, 0, short("header", err)
	}
	if string(fixed[:len(magic)]) != magic {
		return nil, 0, errors.New("not an .npy file: it does not start with NumPy's magic bytes")
	}
	major, minor := fixed[len(magic)], fixed[len(magic)+1]
	lengthSize := 4
	switch {
	case minor != 0 || major < 1 || major > 3:
		return nil, 0, fmt.Errorf("npy version %d.%d is not known", major, minor)
	case major == 1:
		lengthSize = 2
	}
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length[:lengthSize]); err != nil {
		return nil, 0, short("header", err)
	}
	n := binary.LittleEndian.Uint32(length)
	if n > maxHeader {
		return nil, 0, fmt.Errorf("npy header of %d bytes; at most %d are read", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, short("header", err)
	}
	h, err := parseHeader(string(text))
	if err != nil {
		return nil, 0, fmt.Errorf("npy header: %w", err)
	}
	return h, int64(len(fixed)+lengthSize) + int64(n), nil
}

// short says that a file ends in the middle of something.
func short(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the npy file ends in its %s: it is truncated", what)
	}
	return err
}

// parseHeader reads the text of a header, a Python dict of three known keys.
func parseHeader(text string) (*Header, error) {
	p := &parser{rest: text}
	h := &Header{}
	seen := map[string]bool{}
	p.expect("{")
	for p.err == nil && !p.accept("}") {
		key := p.str()
		p.expect(":")
		if seen[key] {
			p.fail("key %q occurs twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			p.descr(h)
		case "fortran_order":
			h.Fortran = p.boolean()
		case "shape":
			h.Shape = p.shape()
		default:
			p.fail("unknown key %q", key)
		}
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	if p.skip(); p.err == nil && p.rest != "" {
		p.fail("%q after its end", clip(p.rest))
	}
	if p.err == nil && len(seen) != 3 {
		p.fail("descr, fortran_order or shape is missing")
	}
	if p.err != nil {
		return nil, p.err
	}
	_, err := h.Bytes()
	return h, err
}

// parser reads the few Python literals that occur; its first error sticks.
type parser struct {
	rest string
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *parser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *parser) accept(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok && p.err == nil {
		p.rest = rest
	}
	return ok && p.err == nil
}

func (p *parser) expect(token string) {
	if !p.accept(token) {
		p.fail("%q expected at %q", token, clip(p.rest))
	}
}

func clip(s string) string { return s[:min(len(s), 20)] }

// str reads a string without escapes.
func (p *parser) str() string {
	for _, quote := range []string{"'", `"`} {
		if p.accept(quote) {
			s, rest, ok := strings.Cut(p.rest, quote)
			if !ok || strings.ContainsAny(s, "\\\n") {
				break
			}
			p.rest = rest
			return s
		}
	}
	p.fail("a string expected at %q", clip(p.rest))
	return ""
}

func (p *parser) boolean() bool {
	if p.accept("True") {
		return true
	}
	if !p.accept("False") {
		p.fail("True or False expected at %q", clip(p.rest))
	}
	return false
}

// shape reads a tuple of integers; Python 2 wrote them as 3L.
func (p *parser) shape() []int {
	const maxAxes = 64 // NumPy 2's
	shape := []int{}
	p.expect("(")
	for p.err == nil && !p.accept(")") {
		p.skip()
		n := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		v, err := strconv.Atoi(p.rest[:n])
		if err != nil || len(shape) == maxAxes {
			p.fail("bad shape at %q", clip(p.rest))
			return nil
		}
		p.rest = strings.TrimPrefix(p.rest[n:], "L")
		shape = append(shape, v)
		if !p.accept(",") {
			p.expect(")")
			break
		}
	}
	return shape
}

func (p *parser) descr(h *Header) {
	if p.skip(); strings.HasPrefix(p.rest, "[") {
		p.fail("structured arrays are not read; save one array per field")
		return
	}
	text := p.str()
	if p.err != nil {
		return
	}
	var err error
	if h.DType, h.BigEndian, err = ParseDescr(text); err != nil {
		p.fail("%w", err)
	}
}

var kinds = map[string]ndarray.DType{
	"f2": ndarray.Float16, "f4": ndarray.Float32, "f8": ndarray.Float64,
	"i1": ndarray.Int8, "i2": ndarray.Int16, "i4": ndarray.Int32, "i8": ndarray.Int64,
	"u1": ndarray.Uint8, "u2": ndarray.Uint16, "u4": ndarray.Uint32, "u8": ndarray.Uint64,
	"b1": ndarray.Bool, "?": ndarray.Bool,
}

// ParseDescr reads NumPy's text for an element type, such as "<f4".
func ParseDescr(text string) (dtype ndarray.DType, bigEndian bool, err error) {
	kind := strings.TrimLeft(text, "<>|=")
	dtype, ok := kinds[kind]
	switch {
	case len(text)-len(kind) > 1:
		ok = false
	case strings.HasPrefix(kind, "O"):
		return 0, false, errors.New("it holds Python objects, which are not read; save numbers instead")
	}
	if !ok {
		return 0, false, fmt.Errorf("element type %q is not read; convert the array to float32", text)
	}
	return dtype, text[0] == '>' && dtype.Size() > 1, nil
}

// descr is NumPy's text for an element type; "" where NumPy has none.
func descr(dtype ndarray.DType) string {
	order := "<"
	if dtype.Size() == 1 {
		order = "|"
	}
	for kind, d := range kinds {
		if d == dtype && len(kind) == 2 {
			return order + kind
		}
	}
	return ""
}

// encode is magic, version and header for an array in C order, the bytes of NumPy:
// it leaves room for the first axis to grow to 21 digits.
func (h *Header) encode() ([]byte, error) {
	kind := descr(h.DType)
	if kind == "" {
		return nil, fmt.Errorf("NumPy has no %v; convert to float32 first", h.DType)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", kind, shapeText(h.Shape))
	if len(h.Shape) > 0 {
		const growth = 21
		text.WriteString(strings.Repeat(" ", growth-len(strconv.Itoa(h.Shape[0]))))
	}
	const fixed = len(magic) + 4
	pad := 64 - (fixed+text.Len()+1)%64
	text.WriteString(strings.Repeat(" ", pad) + "\n")
	if text.Len() > math.MaxUint16 {
		return nil, fmt.Errorf("an array of %d axes cannot be written", len(h.Shape))
	}
	out := append([]byte(magic), 1, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(text.Len()))
	return append(out, text.String()...), nil
}

func shapeText(shape []int) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.Itoa(d)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
