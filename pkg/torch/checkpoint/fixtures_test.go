package checkpoint

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// families are the folders of checkpoints that are tested: those of testdata, and
// all that the variable OPENRETINA_FIXTURES leads to (the folder of the golden files).
func families(t testing.TB) []string {
	t.Helper()
	folders, err := filepath.Glob("testdata/*/checkpoint.ckpt")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no checkpoints in testdata: %v", err)
	}
	if all := os.Getenv("OPENRETINA_FIXTURES"); all != "" {
		if folders, err = filepath.Glob(filepath.Join(all, "checkpoints", "*", "checkpoint.ckpt")); err != nil || len(folders) < 18 {
			t.Fatalf("%d checkpoints in %s, want 18: %v", len(folders), all, err)
		}
	} else {
		t.Log("NOTE: only the checkpoints in testdata are tested; set OPENRETINA_FIXTURES for all 18")
	}
	for i, path := range folders {
		folders[i] = filepath.Dir(path)
	}
	return folders
}

func open(t testing.TB, path string) *Checkpoint {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkState compares a state dict with state.npz.
func checkState(t *testing.T, state *State, folder string, ordered bool) {
	t.Helper()
	want, err := npy.ReadZipFile(filepath.Join(folder, "state.npz"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range want {
		names = append(names, w.Name)
		got, ok := state.Get(w.Name)
		if !ok || got.DType != w.Array.DType || !slices.Equal(got.Shape, w.Array.Shape) || !bytes.Equal(got.Data, w.Array.Data) {
			t.Errorf("%s differs from state.npz", w.Name)
		}
	}
	if got := state.Names(); ordered && !slices.Equal(got, names) || len(got) != len(names) {
		t.Errorf("names %v, want %v", got, names)
	}
}

// plainJSON is a tree without order, and without what descriptions of opaque objects
// add.
func plainJSON(t *testing.T, text []byte) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	for _, entry := range v {
		if d, ok := entry.(map[string]any); ok && d["__object__"] != nil {
			delete(d, "repr")
		}
	}
	return v
}

func TestFixtures(t *testing.T) {
	for _, folder := range families(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			c := open(t, filepath.Join(folder, "checkpoint.ckpt"))
			checkState(t, c.State, folder, true)
			if c.LightningVersion != "2.6.6" || c.GlobalStep == 0 || len(c.OptimizerStates) != 1 || c.Loops.Len() != 4 {
				t.Errorf("version %q, step %d, %d optimizers, loops %v", c.LightningVersion, c.GlobalStep, len(c.OptimizerStates), c.Loops.Keys())
			}
			want, err := os.ReadFile(filepath.Join(folder, "hyper_parameters.json"))
			if err != nil {
				t.Fatal(err)
			}
			params := c.HyperParameters
			if params == nil {
				params = &pickle.Dict{}
			}
			got, err := EncodeHyperParameters(params)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plainJSON(t, want), plainJSON(t, got)); diff != "" {
				t.Errorf("hyperparameters (-want +got):\n%s", diff)
			}
			again, err := DecodeHyperParameters(got)
			if err != nil {
				t.Fatal(err)
			}
			if second, err := EncodeHyperParameters(again); err != nil || !bytes.Equal(got, second) {
				t.Errorf("hyperparameters change when read and written: %v", err)
			}
		})
	}
}

func TestOtherFormats(t *testing.T) {
	const folder = "testdata/legacy_core_readout"
	zipped := open(t, folder+"/checkpoint.ckpt")
	old := open(t, folder+"/checkpoint_nonzip.ckpt")
	checkState(t, old.State, folder, true)
	if zipped.Format != Zip || old.Format != OlderForm {
		t.Errorf("formats %q and %q", zipped.Format, old.Format)
	}
	old.Format = zipped.Format
	if diff := cmp.Diff(zipped, old, compare); diff != "" {
		t.Errorf("zip and older form differ: %s", diff)
	}
	bare := open(t, folder+"/state_dict_only.pt")
	checkState(t, bare.State, folder, true)
	if bare.HyperParameters != nil || bare.LightningVersion != "" {
		t.Error("a bare state dict has more than a state dict")
	}
	safe := open(t, folder+"/state.safetensors")
	checkState(t, safe.State, folder, false)
	if safe.HyperParameters == nil {
		t.Fatal("hyper_parameters.json beside the safetensors was not read")
	}
	if v, _ := safe.HyperParameters.Get("core_gamma_temporal"); v != 40.0 {
		t.Errorf("core_gamma_temporal is %v", v)
	}
}

// TestTreeTypes looks at the Go types that a tree has.
func TestTreeTypes(t *testing.T) {
	c := open(t, "testdata/hoefling_low_res/checkpoint.ckpt")
	at := func(tree any, keys ...string) any {
		t.Helper()
		for _, key := range keys {
			d, ok := tree.(*pickle.Dict)
			if !ok {
				t.Fatalf("%v: a %s is no dict", keys, pickle.TypeName(tree))
			}
			if tree, ok = d.Get(key); !ok {
				t.Fatalf("%v: no %s", keys, key)
			}
		}
		return tree
	}
	params := c.HyperParameters
	for _, check := range []struct {
		keys []string
		want any
	}{
		{[]string{"learning_rate"}, 0.01},
		{[]string{"loss"}, nil},
		{[]string{"in_shape"}, pickle.Tuple{int64(2), int64(150), int64(18), int64(16)}},
		{[]string{"hidden_channels"}, pickle.Tuple{int64(16), int64(16)}},
		{[]string{"core", "channels"}, []any{int64(2), int64(16), int64(16)}},
		{[]string{"core", "_target_"}, "openretina.modules.core.base_core.SimpleCoreWrapper"},
		{[]string{"readout", "scale"}, true},
		{[]string{"optimizer", "lr"}, 0.01}, // ${model.learning_rate}
		{[]string{"n_neurons_dict", "session_1_ventral1_20200226"}, int64(7)},
		{[]string{"data_info", "sessions_kwargs", "session_1_ventral1_20200226", "eye"}, "right"},
	} {
		if got := at(params, check.keys...); !cmp.Equal(got, check.want) {
			t.Errorf("%v is %#v, want %#v", check.keys, got, check.want)
		}
	}
	if core := at(params, "core").(*pickle.Dict); core.Class != DictConfig {
		t.Errorf("core has class %v", core.Class)
	}
	mean, ok := at(params, "data_info", "mean_activity_dict", "session_1_ventral1_20200226").(*Tensor)
	if !ok || mean.DType != ndarray.Float32 || mean.Len() != 7 {
		t.Errorf("mean activity is %v", mean)
	}
	group, ok := at(params, "data_info", "sessions_kwargs", "session_1_ventral1_20200226", "group_assignment").(*ndarray.Array)
	if !ok || group.At(0) != 12 {
		t.Errorf("group assignment is %v", group)
	}
	adam := at(c.OptimizerStates[0], "state").(*pickle.Dict)
	if adam.Len() != 22 {
		t.Errorf("%d parameters in the optimizer state", adam.Len())
	}
	first, _ := adam.Get(int64(0))
	step, ok := Array(at(first, "step"))
	if !ok || step.At(0) != 6 {
		t.Errorf("step of the first parameter is %v", step)
	}
	if best := at(c.Callbacks, "EarlyStopping{'monitor': 'val_evaluation_loss', 'mode': 'max'}", "patience"); best != int64(10) {
		t.Errorf("patience is %v", best)
	}
	if v := at(c.LRSchedulers[0], "mode"); v != "max" {
		t.Errorf("scheduler mode is %v", v)
	}
	if versions := at(c.State.Metadata, "core.features.layer0.norm", "version"); versions != int64(2) {
		t.Errorf("version of the norm is %v", versions)
	}
}

// TestOpaqueModules: the files of older models hold whole modules, which stay opaque.
func TestOpaqueModules(t *testing.T) {
	c := open(t, "testdata/spatial_contrast/checkpoint.ckpt")
	readout, _ := c.HyperParameters.Get("readout")
	o, ok := readout.(*pickle.Object)
	if !ok || !strings.HasSuffix(o.Class.String(), "MultiSpatialContrastReadout") {
		t.Fatalf("readout is a %s", pickle.TypeName(readout))
	}
	if _, ok := o.Attr("_modules"); !ok {
		t.Error("the module has no state")
	}
}

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Digest(path); err != nil || got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("digest %s, %v", got, err)
	}
	if _, err := Digest(path + "none"); err == nil {
		t.Error("digest of a missing file")
	}
}
