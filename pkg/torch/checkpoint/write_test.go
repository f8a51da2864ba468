package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/faultfs"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// compare ignores the memos of opaque objects: these are compared by their class.
var compare = cmp.Options{
	cmp.AllowUnexported(State{}, pickle.Dict{}),
	cmp.Comparer(bytes.Equal),
	cmp.Comparer(func(a, b *pickle.Object) bool {
		if a.Class != b.Class || len(a.Args) != len(b.Args) {
			return false
		}
		x, ok1 := a.State.(*pickle.Dict)
		y, ok2 := b.State.(*pickle.Dict)
		return ok1 == ok2 && (!ok1 || cmp.Equal(x.Keys(), y.Keys()))
	}),
}

func encode(t testing.TB, c *Checkpoint) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, folder := range families(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			c := open(t, filepath.Join(folder, "checkpoint.ckpt"))
			written := encode(t, c)
			again, err := Read(bytes.NewReader(written), int64(len(written)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, again, compare); diff != "" {
				t.Errorf("changed by writing and reading (-before +after):\n%s", diff)
			}
			if !bytes.Equal(written, encode(t, c)) || !bytes.Equal(written, encode(t, again)) {
				t.Error("the bytes differ from time to time")
			}
		})
	}
}

// TestPython lets PyTorch, Lightning and openretina load what is written here.
func TestPython(t *testing.T) {
	var args []string
	for _, folder := range families(t) {
		path := filepath.Join(t.TempDir(), "checkpoint.ckpt")
		if err := Write(path, open(t, filepath.Join(folder, "checkpoint.ckpt"))); err != nil {
			t.Fatal(err)
		}
		args = append(args, folder, path)
	}
	runPython(t, "check_checkpoints.py", args...)
}

// TestPythonLoadsConverted is TestPython of what was converted to safetensors and back,
// and of the plain form.
func TestPythonLoadsConverted(t *testing.T) {
	var args []string
	for _, folder := range families(t) {
		c, dir := open(t, filepath.Join(folder, "checkpoint.ckpt")), t.TempDir()
		safe, back, plain := filepath.Join(dir, "m.safetensors"), filepath.Join(dir, "m.ckpt"), filepath.Join(dir, "m.pt")
		if err := errors.Join(WriteSafetensors(safe, c), WritePlain(plain, c), Write(back, open(t, safe))); err != nil {
			t.Fatal(err)
		}
		args = append(args, folder, back, plain)
	}
	runPython(t, "check_converted.py", args...)
}

// runPython runs a script with the interpreter that has the Python package.
func runPython(t *testing.T, script string, args ...string) {
	t.Helper()
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: set OPENRETINA_PYTHON to a Python interpreter with openretina ('make test-python' does)")
	}
	dir := filepath.Join("..", "..", "..", "scripts", "python")
	cmd := exec.Command(python, append([]string{filepath.Join(dir, script)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONSAFEPATH=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%v: %v", cmd, err)
	}
}

// small is a checkpoint as the Go program makes one.
func small(t testing.TB) *Checkpoint {
	t.Helper()
	weight, err := ndarray.FromFloat32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	count, err := ndarray.FromInt64([]int64{7})
	if err != nil {
		t.Fatal(err)
	}
	c := &Checkpoint{State: &State{}, Epoch: 3, GlobalStep: 40}
	c.State.Set("core.weight", weight)
	c.State.Set("core.count", count)
	c.HyperParameters = pickle.NewDict(
		"core", pickle.NewDict("_target_", "X", "channels", []any{int64(2)}, "inner", pickle.NewDict("a", nil)),
		"in_shape", pickle.Tuple{int64(2), int64(10)},
		"data_info", pickle.NewDict("mean_activity_dict", pickle.NewDict("s", &Tensor{Array: weight})),
	)
	MarkConfigs(c.HyperParameters)
	c.Extra = pickle.NewDict("openretina_go", pickle.NewDict("generator", "abc"))
	return c
}

func TestOwnCheckpoint(t *testing.T) {
	b := encode(t, small(t))
	c, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Epoch != 3 || c.GlobalStep != 40 || c.LightningVersion != lightningFormat || c.HyperParametersName != "kwargs" {
		t.Errorf("checkpoint %+v", c)
	}
	core, _ := c.HyperParameters.Get("core")
	if d := core.(*pickle.Dict); d.Class != DictConfig {
		t.Errorf("core is %v", d.Class)
	}
	extra, _ := c.Extra.Get("openretina_go")
	if v, _ := extra.(*pickle.Dict).Get("generator"); v != "abc" {
		t.Errorf("extra %v", v)
	}
	weight, _ := c.State.Get("core.weight")
	if !cmp.Equal(weight.Float64s(), []float64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("weight %v", weight)
	}
}

func TestUnwritable(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Checkpoint)
		want   string
	}{
		"no state":          {func(c *Checkpoint) { c.State = nil }, "without state dict"},
		"tensor in config":  {func(c *Checkpoint) { d := c.HyperParameters; d.SetString("core", configWith(&Tensor{})) }, "core: a: a config cannot hold"},
		"unknown type":      {func(c *Checkpoint) { c.HyperParameters.SetString("x", make(chan int)) }, "cannot be written"},
		"bad array":         {func(c *Checkpoint) { c.State.Set("w", &ndarray.Array{DType: ndarray.Float32, Shape: []int{9}}) }, "cannot be written"},
		"type of no tensor": {func(c *Checkpoint) { c.State.Set("w", &ndarray.Array{DType: ndarray.Uint32, Shape: []int{0}}) }, "cannot be written"},
		"cycle":             {func(c *Checkpoint) { d := c.HyperParameters; d.SetString("self", d) }, "cyclic"},
	} {
		broken := small(t)
		c.change(broken)
		if err := Encode(io.Discard, broken); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func configWith(v any) *pickle.Dict {
	d := pickle.NewDict("a", v)
	d.Class = DictConfig
	return d
}

// TestWriteFaults: at every failing operation the old checkpoint or the new one is
// there, and loads.
func TestWriteFaults(t *testing.T) {
	const path = "/run/last.ckpt"
	old := small(t)
	old.Epoch = 2
	before := encode(t, old)
	c := small(t)
	for n := 1; ; n++ {
		fsys := faultfs.New("/run", map[string]string{"last.ckpt": string(before)})
		fsys.Fault = faultfs.Fault{N: n, Err: syscall.ENOSPC, Forever: true, Short: true}
		err := fileio.WriteFileFS(fsys, path, func(w io.Writer) error { return Encode(w, c) })
		if len(fsys.Ops) < n {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("fault at %d: %v", n, err)
		}
		for _, state := range fsys.CrashStates() {
			content := state[path]
			got, err := Read(strings.NewReader(content), int64(len(content)))
			if err != nil || got.Epoch != 2 && got.Epoch != 3 {
				t.Fatalf("fault at %d: %v", n, err)
			}
		}
	}
}

func TestWriteSafetensors(t *testing.T) {
	c := open(t, "testdata/legacy_core_readout/checkpoint.ckpt")
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := WriteSafetensors(path, c); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	checkState(t, again.State, "testdata/legacy_core_readout", false)
	want, err1 := EncodeHyperParameters(c.HyperParameters)
	got, err2 := EncodeHyperParameters(again.HyperParameters)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(want, got) {
		t.Errorf("hyperparameters: %v", err)
	}
	if err := WriteSafetensors(path+".bin", c); err == nil {
		t.Error("a wrong name was accepted")
	}
	if err := Write(filepath.Join(t.TempDir(), "none", "x.ckpt"), c); err == nil || !strings.Contains(err.Error(), "x.ckpt") {
		t.Errorf("missing directory: %v", err)
	}
}
