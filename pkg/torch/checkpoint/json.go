package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// maxJSON bounds a file of hyperparameters.
const maxJSON = 64 << 20

// ReadHyperParameters reads a JSON file of hyperparameters as a plain tree. Where it
// has no types (typed.go), arrays and tuples come as lists.
func ReadHyperParameters(path string) (*pickle.Dict, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxJSON {
		return nil, fmt.Errorf("read %s: more than %d bytes of hyperparameters", path, maxJSON)
	}
	params, err := DecodeHyperParameters(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return params, nil
}

// WriteHyperParameters writes hyperparameters as a JSON file, durably, with the types
// that JSON does not have beside them (typed.go).
func WriteHyperParameters(path string, params *pickle.Dict) error {
	return fileio.WriteFile(path, func(w io.Writer) error {
		text, err := encodeTyped(params)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
}

// DecodeHyperParameters reads JSON as a plain tree: the order of keys is kept, and
// numbers without point and exponent are int64.
func DecodeHyperParameters(text []byte) (*pickle.Dict, error) {
	d, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return d, restoreTypes(d)
}

// parseJSON reads one JSON object whose keys differ.
func parseJSON(text []byte) (*pickle.Dict, error) {
	r := &jsonReader{Decoder: json.NewDecoder(bytes.NewReader(text)), nodes: leastNodes + len(text)/bytesPerNode}
	r.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	object, ok := v.(*pickle.Dict)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

// Bounds of the values of a JSON text, which take more memory than their text; what is
// written here has indented lines.
const (
	leastNodes    = 1 << 19
	bytesPerNode  = 8
	nodesOfList   = 3 // beside itself
	nodesOfObject = 4
)

type jsonReader struct {
	*json.Decoder
	nodes int // that may still come
}

// take counts a value.
func (r *jsonReader) take(nodes int) error {
	if r.nodes -= nodes; r.nodes < 0 {
		return errors.New("JSON has too many values for its size")
	}
	return nil
}

func (r *jsonReader) value(depth int) (any, error) {
	if depth > maxTreeDepth {
		return nil, errors.New("JSON is nested too deeply")
	}
	if err := r.take(1); err != nil {
		return nil, err
	}
	token, err := r.Token()
	if err != nil {
		return nil, fmt.Errorf("JSON at byte %d: %w", r.InputOffset(), err)
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(depth)
		}
		if err := r.take(nodesOfList); err != nil {
			return nil, err
		}
		list := []any{}
		for r.More() {
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := r.Token()
		return list, err
	case json.Number:
		return number(t)
	}
	return token, nil
}

func (r *jsonReader) object(depth int) (any, error) {
	if err := r.take(nodesOfObject); err != nil {
		return nil, err
	}
	d := &pickle.Dict{}
	for r.More() {
		token, err := r.Token()
		if err != nil {
			return nil, fmt.Errorf("JSON at byte %d: %w", r.InputOffset(), err)
		}
		key, _ := token.(string)
		if _, ok := d.Get(key); ok {
			return nil, fmt.Errorf("JSON has the key %q twice", key)
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.SetString(key, value)
	}
	_, err := r.Token()
	return d, err
}

func number(n json.Number) (any, error) {
	if !strings.ContainsAny(n.String(), ".eE") {
		if v, err := n.Int64(); err == nil {
			return v, nil
		}
	}
	return n.Float64()
}

// EncodeHyperParameters writes a plain tree as JSON: tensors and arrays as lists of
// numbers, tuples as lists, opaque objects by their class's name only, numbers that
// are not finite as the texts NaN, Infinity and -Infinity.
func EncodeHyperParameters(params *pickle.Dict) ([]byte, error) {
	var out bytes.Buffer
	if err := encodeJSON(&out, params, 0); err != nil {
		return nil, fmt.Errorf("hyperparameters as JSON: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, out.Bytes(), "", " "); err != nil {
		return nil, err
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

func encodeJSON(out *bytes.Buffer, v any, depth int) error {
	if depth > maxTreeDepth {
		return errors.New("nested too deeply")
	}
	switch v := v.(type) {
	case nil, bool, string:
		return marshal(out, v)
	case int:
		out.WriteString(strconv.Itoa(v))
	case int64:
		out.WriteString(strconv.FormatInt(v, 10))
	case *big.Int:
		out.WriteString(v.String())
	case float64:
		if name := nonFinite(v); name != "" {
			return marshal(out, name)
		}
		out.WriteString(pytext.Float(v))
	case []any:
		return encodeList(out, v, depth)
	case pickle.Tuple:
		return encodeList(out, v, depth)
	case *pickle.Set:
		return encodeList(out, v.Items, depth)
	case *pickle.Dict:
		return encodeDict(out, v, depth)
	case *pickle.Object:
		return encodeDict(out, describe(v), depth)
	default:
		a, ok := Array(v)
		if !ok || a.DType == ndarray.Invalid {
			return fmt.Errorf("a %s has no form in JSON", pickle.TypeName(v))
		}
		return encodeJSON(out, nested(a, a.Shape, 0), depth+1)
	}
	return nil
}

// The texts of numbers that JSON does not have.
var nonFiniteTexts = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

// nonFinite is the text of such a number; empty for another.
func nonFinite(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return ""
}

// marshal writes a leaf, with < and > as they are.
func marshal(out *bytes.Buffer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func encodeList(out *bytes.Buffer, items []any, depth int) error {
	out.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := encodeJSON(out, item, depth+1); err != nil {
			return err
		}
	}
	out.WriteByte(']')
	return nil
}

func encodeDict(out *bytes.Buffer, d *pickle.Dict, depth int) error {
	out.WriteByte('{')
	for i := range d.Len() {
		key, value := d.At(i)
		if i > 0 {
			out.WriteByte(',')
		}
		if err := marshal(out, pythonText(key)); err != nil {
			return err
		}
		out.WriteByte(':')
		if err := encodeJSON(out, value, depth+1); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

// describe stands for an opaque object.
func describe(o *pickle.Object) *pickle.Dict {
	if _, ok := o.Attr("_modules"); ok {
		return pickle.NewDict("__module__", o.Class.String())
	}
	return pickle.NewDict("__object__", o.Class.String())
}

// nested is the array from axis on as lists of lists, starting at element start.
func nested(a *ndarray.Array, shape []int, start int) any {
	if len(shape) == 0 {
		switch a.DType {
		case ndarray.Bool:
			return a.Int64At(start) != 0
		case ndarray.Float16, ndarray.BFloat16, ndarray.Float32, ndarray.Float64:
			return a.At(start)
		}
		return a.Int64At(start)
	}
	step := 1
	for _, d := range shape[1:] {
		step *= d
	}
	list := make([]any, shape[0])
	for i := range list {
		list[i] = nested(a, shape[1:], start+i*step)
	}
	return list
}
