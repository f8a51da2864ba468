package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// safetensors: eight bytes with the length of a header, the header in JSON
// ({name: {"dtype", "shape", "data_offsets"}}), and the elements without holes.

const (
	headerLength     = 8
	maxHeader        = 100 << 20 // as in the reference implementation
	metadataKey      = "__metadata__"
	headerMultipleOf = 8
)

var safetensorsTypes = map[string]ndarray.DType{
	"F64": ndarray.Float64, "F32": ndarray.Float32, "F16": ndarray.Float16, "BF16": ndarray.BFloat16,
	"I64": ndarray.Int64, "I32": ndarray.Int32, "I16": ndarray.Int16, "I8": ndarray.Int8,
	"U64": ndarray.Uint64, "U32": ndarray.Uint32, "U16": ndarray.Uint16, "U8": ndarray.Uint8, "BOOL": ndarray.Bool,
}

// looksLikeSafetensors tells the format by a length that fits and a brace.
func looksLikeSafetensors(head []byte, size int64) bool {
	return len(head) > headerLength && head[headerLength] == '{' &&
		binary.LittleEndian.Uint64(head) <= uint64(size-headerLength)
}

// span is one array of a header: its bytes among the elements.
type span struct {
	name     string
	array    *ndarray.Array
	from, to int64
}

func readSafetensors(r io.ReaderAt, size int64) (*Checkpoint, error) {
	fixed := make([]byte, headerLength)
	if _, err := r.ReadAt(fixed, 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(fixed)
	if n > maxHeader || n > uint64(size-headerLength) {
		return nil, fmt.Errorf("safetensors header of %d bytes does not fit", n)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, headerLength); err != nil {
		return nil, err
	}
	start := headerLength + int64(n)
	c := &Checkpoint{State: &State{}}
	spans, err := c.parseHeader(text)
	if err == nil {
		err = checkSpans(spans, size-start)
	}
	if err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	for _, s := range spans {
		s.array.Data = make([]byte, s.to-s.from)
		if _, err := r.ReadAt(s.array.Data, start+s.from); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if s.array.DType == ndarray.Bool {
			if err := layout.CheckBools(s.array.Data); err != nil {
				return nil, fmt.Errorf("%q: %w", s.name, err)
			}
		}
		c.State.Set(s.name, s.array)
	}
	return c, nil
}

// parseHeader takes the facts of a checkpoint from the header, and gives the arrays.
func (c *Checkpoint) parseHeader(text []byte) ([]span, error) {
	header, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	var spans []span
	for _, name := range header.Keys() {
		v, _ := header.Get(name)
		d, ok := v.(*pickle.Dict)
		if !ok {
			return nil, fmt.Errorf("%q is no object", name)
		}
		if name == metadataKey {
			if err := c.readMetadata(d); err != nil {
				return nil, err
			}
			continue
		}
		s, err := parseSpan(d)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		s.name = name
		spans = append(spans, s)
	}
	return spans, nil
}

// parseSpan reads {"dtype": text, "shape": [...], "data_offsets": [from, to]}.
func parseSpan(d *pickle.Dict) (span, error) {
	const keys = 3
	kind, _ := d.Get("dtype")
	kindText, _ := kind.(string)
	dtype := safetensorsTypes[kindText]
	if d.Len() != keys {
		return span{}, errors.New("unknown or missing keys")
	}
	if dtype == ndarray.Invalid {
		return span{}, fmt.Errorf("element type %q is not read", kindText)
	}
	shapeList, _ := d.Get("shape")
	shape, ok1 := intList(shapeList)
	offsetList, _ := d.Get("data_offsets")
	offsets, ok2 := intList(offsetList)
	if !ok1 || !ok2 || len(offsets) != 2 || offsets[0] < 0 || offsets[1] < offsets[0] {
		return span{}, errors.New("bad shape or offsets")
	}
	n, err := ndarray.NumElements(shape)
	if err != nil {
		return span{}, err
	}
	if length := offsets[1] - offsets[0]; length%dtype.Size() != 0 || length/dtype.Size() != n {
		return span{}, fmt.Errorf("shape %v of %v does not fit %d bytes", shape, dtype, length)
	}
	return span{array: &ndarray.Array{DType: dtype, Shape: shape}, from: int64(offsets[0]), to: int64(offsets[1])}, nil
}

func intList(v any) ([]int, bool) {
	list, ok := v.([]any)
	out := make([]int, len(list))
	for i, item := range list {
		n, isInt := item.(int64)
		ok = ok && isInt
		out[i] = int(n)
	}
	return out, ok
}

// checkSpans wants every byte of the elements to belong to one array.
func checkSpans(spans []span, size int64) error {
	sorted := append([]span{}, spans...)
	sort.SliceStable(sorted, func(i, j int) bool {
		return sorted[i].from < sorted[j].from || sorted[i].from == sorted[j].from && sorted[i].to < sorted[j].to
	})
	at := int64(0)
	for _, s := range sorted {
		if s.from != at {
			return fmt.Errorf("%q overlaps another array or follows a hole", s.name)
		}
		at = s.to
	}
	if at != size {
		return fmt.Errorf("the arrays take %d bytes, but %d are there", at, size)
	}
	return nil
}

// The keys of a header's metadata, which holds texts only: what a Lightning
// checkpoint has beside tensors and hyperparameters.
const (
	versionsKey   = "_metadata" // of the state dict, as JSON
	epochKey      = "epoch"
	globalStepKey = "global_step"
	lightningKey  = "pytorch-lightning_version"
	hparamsKey    = "hparams_name"
)

// metadata is what a header keeps of a checkpoint.
func (c *Checkpoint) metadata() (*pickle.Dict, error) {
	m := pickle.NewDict("format", "pt")
	if c.LightningVersion != "" {
		m.SetString(lightningKey, c.LightningVersion)
		m.SetString(epochKey, strconv.FormatInt(c.Epoch, 10))
		m.SetString(globalStepKey, strconv.FormatInt(c.GlobalStep, 10))
	}
	if c.HyperParametersName != "" {
		m.SetString(hparamsKey, c.HyperParametersName)
	}
	if c.State.Metadata != nil {
		text, err := encodeTyped(c.State.Metadata)
		if err != nil {
			return nil, fmt.Errorf("versions of the modules: %w", err)
		}
		m.SetString(versionsKey, string(text))
	}
	return m, nil
}

// readMetadata takes what metadata left; files of other programs have other keys.
func (c *Checkpoint) readMetadata(m *pickle.Dict) (err error) {
	text := func(key string) string {
		v, _ := m.Get(key)
		t, _ := v.(string)
		return t
	}
	c.LightningVersion, c.HyperParametersName = text(lightningKey), text(hparamsKey)
	for key, to := range map[string]*int64{epochKey: &c.Epoch, globalStepKey: &c.GlobalStep} {
		if t := text(key); t != "" {
			if *to, err = strconv.ParseInt(t, 10, 64); err != nil {
				return fmt.Errorf("%s is %.40q", key, t)
			}
		}
	}
	if t := text(versionsKey); t != "" {
		if c.State.Metadata, err = DecodeHyperParameters([]byte(t)); err != nil {
			return fmt.Errorf("%s: %w", versionsKey, err)
		}
	}
	return nil
}

// WriteSafetensors writes a state dict as a safetensors file, durably, and where
// there are hyperparameters, X.json beside X.safetensors before it. Both together
// hold all of a checkpoint but the state of a training; Lost says what they do not.
func WriteSafetensors(path string, c *Checkpoint) error {
	if !strings.HasSuffix(path, safetensorsSuffix) {
		return fmt.Errorf("write %s: the name must end in %s", path, safetensorsSuffix)
	}
	if c.HyperParameters != nil {
		if err := WriteHyperParameters(HyperParametersFile(path), c.HyperParameters); err != nil {
			return err
		}
	}
	return fileio.WriteFile(path, func(w io.Writer) error { return c.encodeSafetensors(w) })
}

// encodeSafetensors puts larger element types first, so that each is aligned; the
// header has the arrays in the order of the state dict.
func (c *Checkpoint) encodeSafetensors(w io.Writer) error {
	state := c.State
	stored := state.Names()
	sort.SliceStable(stored, func(i, j int) bool {
		return state.arrays[stored[i]].DType.Size() > state.arrays[stored[j]].DType.Size()
	})
	start, at := map[string]int{}, 0
	for _, name := range stored {
		start[name] = at
		at += len(state.arrays[name].Data)
	}
	header, err := c.header(start)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, name := range stored {
		if _, err := w.Write(state.arrays[name].Data); err != nil {
			return err
		}
	}
	return nil
}

// header describes the arrays, which start at these bytes after it.
func (c *Checkpoint) header(start map[string]int) ([]byte, error) {
	metadata, err := c.metadata()
	if err != nil {
		return nil, err
	}
	header := pickle.NewDict(metadataKey, metadata)
	for _, name := range c.State.names {
		a := c.State.arrays[name]
		kind := safetensorsName(a.DType)
		n, err := ndarray.NumElements(a.Shape)
		if err != nil || kind == "" || n*a.DType.Size() != len(a.Data) || name == metadataKey {
			return nil, fmt.Errorf("%q of shape %v of %v with %d bytes cannot be written", name, a.Shape, a.DType, len(a.Data))
		}
		header.SetString(name, pickle.NewDict("dtype", kind, "shape", anyList(a.Shape),
			"data_offsets", anyList([]int{start[name], start[name] + len(a.Data)})))
	}
	var text bytes.Buffer
	if err := encodeJSON(&text, header, 0); err != nil {
		return nil, err
	}
	for text.Len()%headerMultipleOf != 0 {
		text.WriteByte(' ')
	}
	return text.Bytes(), nil
}

func anyList(values []int) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

func safetensorsName(dtype ndarray.DType) string {
	for name, d := range safetensorsTypes {
		if d == dtype {
			return name
		}
	}
	return ""
}
