package checkpoint

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// TestThereAndBack converts every checkpoint to safetensors and JSON, and that to a
// checkpoint: tensors bit for bit, hyperparameters in every type, but for whole
// Python objects, which Lost names.
func TestThereAndBack(t *testing.T) {
	for _, folder := range families(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			want := open(t, filepath.Join(folder, "checkpoint.ckpt"))
			dir := t.TempDir()
			if err := WriteSafetensors(filepath.Join(dir, "m.safetensors"), want); err != nil {
				t.Fatal(err)
			}
			if err := Write(filepath.Join(dir, "m.ckpt"), open(t, filepath.Join(dir, "m.safetensors"))); err != nil {
				t.Fatal(err)
			}
			got := open(t, filepath.Join(dir, "m.ckpt"))
			lost := strings.Join(want.Lost(), ", ")
			if !strings.Contains(lost, "optimizer") {
				t.Errorf("lost is %q", lost)
			}
			for _, c := range []*Checkpoint{want, got} {
				c.OptimizerStates, c.LRSchedulers, c.Callbacks, c.Loops, c.Extra = nil, nil, nil, nil, nil
			}
			withoutObjects(t, want.HyperParameters, lost)
			if diff := cmp.Diff(want, got, compare); diff != "" {
				t.Errorf("-before +after:\n%s", diff)
			}
		})
	}
}

// withoutObjects takes the opaque objects off a tree, and wants each to be named.
func withoutObjects(t *testing.T, tree any, named string) {
	t.Helper()
	d, ok := tree.(*pickle.Dict)
	if !ok || d == nil {
		return
	}
	for _, key := range d.Keys() {
		v, _ := d.Get(key)
		if _, ok := v.(*pickle.Object); ok {
			if !strings.Contains(named, "."+key+" (") {
				t.Errorf("%q does not name %s", named, key)
			}
			d.Delete(key)
			continue
		}
		withoutObjects(t, v, named)
	}
}

func TestTypedJSON(t *testing.T) {
	array := func(dtype ndarray.DType, data string, shape ...int) *ndarray.Array {
		return &ndarray.Array{DType: dtype, Shape: append([]int{}, shape...), Data: []byte(data)}
	}
	want := pickle.NewDict(
		"nan", math.NaN(), "infinite", math.Inf(-1), "a/b~c", pickle.Tuple{int64(1), []any{pickle.Tuple{}}},
		"text", "NaN", "float", 3.0, "tenth", 0.1, "int", int64(1)<<62, "none", nil,
		"config", &pickle.Dict{Class: DictConfig}, "ordered", &pickle.Dict{Class: pickle.OrderedDict},
		"half", array(ndarray.Float16, "\x01\x00\xff\x7b\x00\xfc\x01\x80\x55\x35", 5),
		"bfloat", &Tensor{Array: array(ndarray.BFloat16, "\x80\x3f\x00\x80\xc0\x7f", 3)},
		"float32", &Tensor{Array: array(ndarray.Float32, "\xff\xff\x7f\x7f\x01\x00\x00\x00\x00\x00\x80\xff", 3), RequiresGrad: true},
		"scalar", &Tensor{Array: array(ndarray.Float64, "\x9a\x99\x99\x99\x99\x99\xb9\x3f"), Parameter: true, RequiresGrad: true},
		"frozen", &Tensor{Array: array(ndarray.Int64, "\xff\xff\xff\xff\xff\xff\xff\x7f", 1, 1), Parameter: true},
		"empty", array(ndarray.Uint8, "", 0, 3), "bools", array(ndarray.Bool, "\x01\x00", 2),
	)
	text, err := encodeTyped(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeHyperParameters(text)
	if err != nil {
		t.Fatal(err)
	}
	sameFloat := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if diff := cmp.Diff(want, got, compare, sameFloat); diff != "" {
		t.Errorf("-before +after:\n%s\n%s", diff, text)
	}
	for _, d := range []*pickle.Dict{pickle.NewDict(typesKey, nil), pickle.NewDict("a", numbered())} {
		if _, err := encodeTyped(d); err == nil || !strings.Contains(err.Error(), "cannot be kept") {
			t.Errorf("error %v", err)
		}
	}
}

func numbered() *pickle.Dict {
	d := &pickle.Dict{}
	_ = d.Set(int64(1), "one") // a number is hashable
	return d
}

// TestEditedJSON: what was changed by hand has the type that JSON gives it.
func TestEditedJSON(t *testing.T) {
	got, err := DecodeHyperParameters([]byte(`{"a": 5, "b": "x", "c": [1, 2], "__types__": {"/a": "tuple", "/b": "float", "/gone/b": "tuple", "/c": "what"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pickle.NewDict("a", int64(5), "b", "x", "c", []any{int64(1), int64(2)}), got, compare); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		`{"a":[1],"__types__":{"/a":"tensor float32 (2)"}}`:                     "/a: 1 numbers are no array of shape [2]",
		`{"a":[1],"__types__":{"/a":"tensor float32 (4294967296 8589934592)"}}`: "no array of shape",
		`{"a":[1],"__types__":{"/a":"tensor float32 (-1)"}}`:                    "bad shape",
		`{"a":[1],"__types__":{"/a":"tensor complex64 (1)"}}`:                   "unknown type",
		`{"a":[1],"__types__":{"/a":"tensor float32"}}`:                         "unknown type",
		`{"a":[1],"__types__":{"/a":"thing float32 (1)"}}`:                      `unknown kind "thing"`,
		`{"a":["x"],"__types__":{"/a":"array float32 (1)"}}`:                    `"x" is no number`,
		`{"a":[1],"__types__":{"/a":"array bool (1)"}}`:                         "a number among booleans",
		`{"__types__":[]}`: "no JSON object",
	} {
		if _, err := DecodeHyperParameters([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// TestSafetensorsOrder: the header keeps the order of the state dict, and the bytes do
// not depend on the moment.
func TestSafetensorsOrder(t *testing.T) {
	c := open(t, "testdata/hoefling_low_res/checkpoint.ckpt")
	path := filepath.Join(t.TempDir(), "m.safetensors")
	var texts [2][]byte
	for i := range texts {
		if err := WriteSafetensors(path, c); err != nil {
			t.Fatal(err)
		}
		var err error
		if texts[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("the bytes differ from time to time")
	}
	if diff := cmp.Diff(c.State.Names(), open(t, path).State.Names()); diff != "" {
		t.Errorf("order: %s", diff)
	}
}
