package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
)

func read(b []byte) (*Checkpoint, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// zipped is a torch file of a pickle and of storages 0, 1, ...
func zipped(t testing.TB, program string, storages ...string) []byte {
	t.Helper()
	entries := []string{"a/data.pkl", program}
	for i, s := range storages {
		entries = append(entries, fmt.Sprintf("a/data/%d", i), s)
	}
	return archive(t, entries...)
}

func archive(t testing.TB, namesAndData ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zipfile.NewWriter(&b)
	for i := 0; i < len(namesAndData); i += 2 {
		if err := w.Add(namesAndData[i], []byte(namesAndData[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tensor is the pickle of a tensor: its storage's type and length, and its view.
func tensor(kind string, length int64, offset int64, shape, strides string) string {
	number := func(n int64) string {
		return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	return "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n" + kind + "\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" +
		number(length) + "tQ" + number(offset) + "(" + shape + "t(" + strides + "t\x89ccollections\nOrderedDict\n)RtR"
}

func stateOf(tensor string) string { return "\x80\x02}X\x01\x00\x00\x00w" + tensor + "s." }

func TestBadFiles(t *testing.T) {
	good, err := os.ReadFile("testdata/lnp/checkpoint.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("testdata/legacy_core_readout/checkpoint_nonzip.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	const sixteen = "\x00\x00\x80?\x00\x00\x80?\x00\x00\x80?\x00\x00\x80?"
	fine := stateOf(tensor("FloatStorage", 4, 0, "K\x02K\x02", "K\x02K\x01"))
	if _, err := read(zipped(t, fine, sixteen)); err != nil {
		t.Fatalf("a good file: %v", err)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":                 {nil, "an empty file"},
		"truncated":             {good[:len(good)/2], "truncated"},
		"cut by a byte":         {good[:len(good)-1], "truncated"},
		"git-lfs pointer":       {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git-lfs pointer"},
		"HTML page":             {[]byte("<!DOCTYPE html><html><body>Sign in</body></html>"), "HTML page"},
		"text":                  {[]byte("hello"), "a text file"},
		"HDF5":                  {[]byte("\x89HDF\r\n\x1a\nxxxx"), "an HDF5 file"},
		"zeros":                 {make([]byte, 5000), "a file of zeros"},
		"empty zip":             {archive(t), "empty zip archive"},
		"zip of something else": {archive(t, "word/document.xml", ""), `zip archive with "word/document.xml"`},
		"TorchScript":           {archive(t, "m/data.pkl", "N.", "m/constants.pkl", "N."), "TorchScript"},
		"two pickles":           {archive(t, "a/data.pkl", "N.", "b/data.pkl", "N."), "two pickles"},
		"pickle of a number":    {zipped(t, "K\x01."), "it holds a int"},
		"dict of numbers":       {zipped(t, "}X\x01\x00\x00\x00aK\x01s."), `"a" is a int`},
		"state dict is a list":  {zipped(t, "}X\x0a\x00\x00\x00state_dict]s."), "state_dict is a list"},
		"epoch is a text":       {zipped(t, "}(X\x0a\x00\x00\x00state_dict}X\x05\x00\x00\x00epochX\x01\x00\x00\x00au."), "epoch: has the wrong type str"},
		"number as key":         {zipped(t, "}(X\x0a\x00\x00\x00state_dict}K\x01K\x01u."), "a key of the checkpoint is a int"},
		"forbidden class":       {zipped(t, "cposix\nsystem\nX\x04\x00\x00\x00true\x85R."), "pickle names the class posix.system, which is not allowed"},
		"forbidden in torch":    {zipped(t, "ctorch.storage\n_load_from_bytes\nC\x00\x85R."), "torch.storage._load_from_bytes"},
		"forbidden hub":         {zipped(t, "ctorch.hub\nload\n."), "torch.hub.load"},
		"dotted name":           {zipped(t, "\x80\x04\x8c\x18torch.nn.modules.module\x94\x8c\x09os.system\x93."), "os.system"},
		"byte order":            {archive(t, "a/data.pkl", "N.", "a/byteorder", "middle"), `unknown byte order "middle"`},

		"storage missing":      {zipped(t, fine), `storage "0": is not in the file`},
		"storage short":        {zipped(t, fine, sixteen[:12]), "4 elements of torch.FloatStorage in 12 bytes"},
		"storage long":         {zipped(t, fine, sixteen+"\x00"), "in 17 bytes"},
		"storage of 2^62":      {zipped(t, stateOf(tensor("FloatStorage", 1<<62, 0, "K\x02", "K\x01")), sixteen), "larger than the file"},
		"storage negative":     {zipped(t, stateOf(tensor("FloatStorage", -4, 0, "K\x02", "K\x01")), sixteen), "persistent id"},
		"storage of complex":   {zipped(t, stateOf(tensor("ComplexFloatStorage", 2, 0, "K\x02", "K\x01")), sixteen), "torch.ComplexFloatStorage"},
		"view too long":        {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "K\x05", "K\x01")), sixteen), "reaches element 5 of a storage of 4"},
		"view by stride":       {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "K\x02", "K\x04")), sixteen), "reaches element 5 of a storage of 4"},
		"view by offset":       {zipped(t, stateOf(tensor("FloatStorage", 4, 3, "K\x02", "K\x01")), sixteen), "reaches element 5 of a storage of 4"},
		"view negative":        {zipped(t, stateOf(tensor("FloatStorage", 4, -1, "K\x02", "K\x01")), sixteen), "damaged"},
		"shape negative":       {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "J\xff\xff\xff\xff", "K\x01")), sixteen), "negative dimension"},
		"stride negative":      {zipped(t, stateOf(tensor("FloatStorage", 4, 3, "K\x02", "J\xff\xff\xff\xff")), sixteen), "negative strides"},
		"expanded to 2^40":     {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "\x8a\x06\x00\x00\x00\x00\x00\x01", "K\x00")), sixteen), "much larger than the file"},
		"shape overflows":      {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x06\x00\x00\x00\x00\x00\x01", "K\x00K\x00")), sixteen), "overflows"},
		"shape of text":        {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "X\x01\x00\x00\x00a", "K\x01")), sixteen), "shape or offset"},
		"bool of 2":            {zipped(t, stateOf(tensor("BoolStorage", 4, 0, "K\x04", "K\x01")), "\x00\x01\x02\x00"), "bool array is 2"},
		"item set in a tensor": {zipped(t, "\x80\x02}X\x01\x00\x00\x00w"+tensor("FloatStorage", 4, 0, "K\x02", "K\x01")+"NNss.", sixteen), "an item is set"},
		"state of a tensor":    {zipped(t, "\x80\x02}X\x01\x00\x00\x00w"+tensor("FloatStorage", 4, 0, "K\x02", "K\x01")+"}bs.", sixteen), "given a state"},

		"old, truncated":     {old[:len(old)-1], "truncated in storage"},
		"old, cut in pickle": {old[:3000], "truncated"},
		"old, more":          {append(bytes.Clone(old), 0), "1 bytes after its end"},
		"old, magic only":    {[]byte(legacyStart), "truncated"},
	} {
		_, err := read(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// TestConfigsOfHostileFiles: configs that refer to themselves.
func TestConfigsOfHostileFiles(t *testing.T) {
	leaf := func(text string, parent *pickle.Object) *pickle.Object {
		return &pickle.Object{
			Class: pickle.Class{Module: nodesModule, Name: "AnyNode"}, New: true, State: pickle.NewDict("_val", text, "_parent", parent),
		}
	}
	config := func(content func(self *pickle.Object) *pickle.Dict) *pickle.Object {
		o := &pickle.Object{Class: DictConfig, New: true}
		o.State = pickle.NewDict("_parent", nil, "_content", content(o))
		return o
	}
	for name, c := range map[string]struct {
		config *pickle.Object
		want   string // of key a, or of the error
		fails  bool
	}{
		"missing key": {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", leaf("${b.c}", o)) }), "${b.c}", false},
		"environment": {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", leaf("${oc.env:HOME}", o)) }), "${oc.env:HOME}", false},
		"escaped":     {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", leaf(`\${b}`, o)) }), `\${b}`, false},
		"open":        {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", leaf("${b", o)) }), "${b", false},
		"text": {config(func(o *pickle.Object) *pickle.Dict {
			return pickle.NewDict("a", leaf("x${b}y${.b}", o), "b", leaf("c", o))
		}), "xcyc", false},
		"nested": {config(func(o *pickle.Object) *pickle.Dict {
			return pickle.NewDict("a", leaf("${${b}}", o), "b", leaf("c", o), "c", leaf("d", o))
		}), "d", false},
		"too many dots": {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", leaf("${...b}", o)) }), "${...b}", false},
		"cycle":         {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", leaf("${a}", o)) }), "cyclic", true},
		"two in a cycle": {config(func(o *pickle.Object) *pickle.Dict {
			return pickle.NewDict("a", leaf("${b}", o), "b", leaf("x${a}", o))
		}), "cyclic", true},
		"holds itself": {config(func(o *pickle.Object) *pickle.Dict { return pickle.NewDict("a", o) }), "cyclic", true},
		"no content":   {&pickle.Object{Class: DictConfig}, "without content", true},
		"doubling": {config(func(o *pickle.Object) *pickle.Dict {
			d := pickle.NewDict("z0", leaf("xxxxxxxx", o))
			for i := range 60 {
				d.SetString(fmt.Sprintf("z%d", i+1), leaf(fmt.Sprintf("${z%d}${z%d}", i, i), o))
			}
			return d
		}), "too long", true},
	} {
		program, err := pickle.Marshal(pickle.NewDict("state_dict", &pickle.Dict{}, "hyper_parameters", c.config), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(zipped(t, string(program)))
		if c.fails {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a, _ := got.HyperParameters.Get("a"); a != c.want {
			t.Errorf("%s: %v, want %s", name, a, c.want)
		}
	}
}

func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none.ckpt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for _, path := range []string{dir, os.DevNull} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	path := filepath.Join(dir, "page.ckpt")
	if err := os.WriteFile(path, []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the file is not named: %v", err)
	}
}

func safetensors(header string, data string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+data...)
}

func TestBadSafetensors(t *testing.T) {
	const four = "\x00\x00\x80?"
	if _, err := read(safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"a":"b"}}   `, four)); err != nil {
		t.Fatalf("a good file: %v", err)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"header too long":   {append(binary.LittleEndian.AppendUint64(nil, 1<<60), "{}"...), "not a checkpoint"},
		"no JSON":           {safetensors(`{"w":`, four), "header"},
		"duplicate":         {safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four), `key "w" twice`},
		"hole":              {safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, four+four), "overlaps another array or follows a hole"},
		"overlap":           {safetensors(`{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four), "overlaps"},
		"rest":              {safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four+"x"), "take 4 bytes, but 5"},
		"truncated":         {safetensors(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, four), "take 8 bytes, but 4"},
		"shape":             {safetensors(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, four), "does not fit 4 bytes"},
		"shape overflows":   {safetensors(`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, four), "overflows"},
		"negative shape":    {safetensors(`{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, four), "negative"},
		"shape of fraction": {safetensors(`{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, four), "bad shape"},
		"negative offset":   {safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, four), "bad shape or offsets"},
		"reversed offsets":  {safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, four), "bad shape or offsets"},
		"unknown type":      {safetensors(`{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, four), `"F8_E4M3"`},
		"missing key":       {safetensors(`{"w":{"dtype":"F32","shape":[1]}}`, four), "missing keys"},
		"unknown key":       {safetensors(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, four), "unknown or missing"},
		"no object":         {safetensors(`{"w":[]}`, four), "no object"},
		"two values":        {safetensors(`{} {}`, four), "more than one"},
		"bool of 2":         {safetensors(`{"w":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}`, "\x00\x01\x02\x00"), "bool array is 2"},
		"deep":              {safetensors(`{"w":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+"}", ""), "too deeply"},
	} {
		_, err := read(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestBadHyperParameters(t *testing.T) {
	dir := t.TempDir()
	state, err := os.ReadFile("testdata/legacy_core_readout/state.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.safetensors")
	if err := os.WriteFile(path, state, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := open(t, path); c.HyperParameters != nil {
		t.Error("hyperparameters from nowhere")
	}
	for text, want := range map[string]string{
		"":                 "EOF",
		"[1]":              "not a JSON object",
		`{"a":1,"a":2}`:    `key "a" twice`,
		`{"a":1} x`:        "more than one",
		`{"a":NaN}`:        "JSON at byte",
		`{"a":1e999}`:      "out of range",
		`{"a":{"b":[1,}}}`: "JSON at byte",
	} {
		if err := os.WriteFile(filepath.Join(dir, "m.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "m.json") {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := EncodeHyperParameters(pickle.NewDict("a", make(chan int))); err == nil {
		t.Error("a channel has become JSON")
	}
}

// TestBitRot flips bits all over a checkpoint: an error, or a bit without meaning
// (padding, times); never other numbers.
func TestBitRot(t *testing.T) {
	b, err := os.ReadFile("testdata/single_cell_spatial_contrast/checkpoint.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	want, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	const step = 41 // bytes
	for i := 0; i < len(b); i += step {
		b[i] ^= 1 << (i / step % 8)
		if got, err := read(b); err == nil {
			accepted++
			if !cmp.Equal(want, got, compare) {
				t.Fatalf("byte %d flipped: other content, no error", i)
			}
		}
		b[i] ^= 1 << (i / step % 8)
	}
	t.Logf("%d of %d flipped bits had no meaning", accepted, len(b)/step)
}
