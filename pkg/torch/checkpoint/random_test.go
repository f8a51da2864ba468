package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// TestRandomFiles reads files that NumPy and PyTorch wrote of random arrays: types,
// byte orders, memory layouts, views, versions of the formats.
func TestRandomFiles(t *testing.T) {
	python := os.Getenv("OPENRETINA_PYTHON")
	if python == "" {
		t.Skip("SKIPPED: set OPENRETINA_PYTHON to a Python interpreter with PyTorch ('make test-python' does)")
	}
	dir := t.TempDir()
	script := filepath.Join("..", "..", "..", "scripts", "python", "random_files.py")
	cmd := exec.Command(python, script, dir, "1", "500")
	cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files []struct {
		File   string
		Arrays map[string]struct {
			DType  string
			Shape  []int
			SHA256 string
		}
		Value string
	}
	if err := json.Unmarshal(text, &files); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Value != "" {
			checkValue(t, filepath.Join(dir, f.File), f.Value)
			continue
		}
		arrays, err := readAny(filepath.Join(dir, f.File))
		if err != nil || len(arrays) != len(f.Arrays) {
			t.Errorf("%s: %d arrays of %d: %v", f.File, len(arrays), len(f.Arrays), err)
			continue
		}
		for name, want := range f.Arrays {
			got := arrays[name]
			sum := sha256.Sum256(got.Data)
			if got.DType.String() != want.DType || !slices.Equal(got.Shape, want.Shape) || hex.EncodeToString(sum[:]) != want.SHA256 {
				t.Errorf("%s: %s is %v of shape %v, want %v", f.File, name, got.DType, got.Shape, want)
			}
		}
	}
	t.Logf("%d files", len(files))
}

// checkValue compares a pickle of plain values, and what is read after it was written
// here, with the text that the script has for it.
func checkValue(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pickle.Load(data, pickle.Options{})
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	if got := text(v); got != want {
		t.Errorf("%s: %s, want %s", path, got, want)
	}
	again, err := pickle.Marshal(v, nil)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	if v, err = pickle.Load(again, pickle.Options{}); err != nil || text(v) != want {
		t.Errorf("%s, written again: %v", path, err)
	}
}

// text is the script's text of a value.
func text(v any) string {
	join := func(items []any) string {
		parts := make([]string, len(items))
		for i, item := range items {
			parts[i] = text(item)
		}
		return strings.Join(parts, ",")
	}
	switch v := v.(type) {
	case nil, bool:
		return pythonText(v)
	case float64:
		return fmt.Sprintf("f%x", binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))
	case string:
		return fmt.Sprintf("s%x", v)
	case []byte:
		return fmt.Sprintf("b%x", v)
	case pickle.Tuple:
		return "(" + join(v) + ")"
	case *pickle.List:
		return "[" + join(v.Items) + "]"
	case *pickle.Dict:
		parts := make([]string, v.Len())
		for i := range parts {
			key, value := v.At(i)
			parts[i] = text(key) + ":" + text(value)
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprintf("i%v", v)
}

// readAny reads all arrays of a file by its suffix.
func readAny(path string) (map[string]*ndarray.Array, error) {
	arrays := map[string]*ndarray.Array{}
	switch filepath.Ext(path) {
	case ".npy":
		a, err := npy.ReadFile(path)
		arrays[""] = a
		return arrays, err
	case ".npz":
		list, err := npy.ReadZipFile(path)
		for _, a := range list {
			arrays[a.Name] = a.Array
		}
		return arrays, err
	case ".pickle":
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		v, err := pickle.Load(data, pickle.Options{})
		if err != nil {
			return nil, err
		}
		d, ok := v.(*pickle.Dict)
		if !ok {
			return nil, fmt.Errorf("a %s", pickle.TypeName(v))
		}
		for _, name := range d.Keys() {
			value, _ := d.Get(name)
			arrays[name], _ = value.(*ndarray.Array)
		}
		return arrays, nil
	}
	c, err := Open(path)
	if err != nil {
		return nil, err
	}
	for _, name := range c.State.Names() {
		arrays[name], _ = c.State.Get(name)
	}
	return arrays, nil
}
