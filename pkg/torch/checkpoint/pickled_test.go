package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
)

const pickledFile = "../../models/testdata/seeds/elife/data_info_00000.pkl"

// TestOpenPickle reads what Python's pickle.dump made of a dict of sizes, numbers and
// arrays.
func TestOpenPickle(t *testing.T) {
	info, err := OpenPickle(pickledFile)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := info.Get("2_dorsal")
	session, ok := v.(*pickle.Dict)
	if !ok {
		t.Fatalf("the session is a %s", pickle.TypeName(v))
	}
	shape, _ := session.Get("input_dimensions")
	if tuple, ok := shape.(pickle.Tuple); !ok || len(tuple) != 5 || tuple[2] != int64(20) {
		t.Errorf("input_dimensions are %v", shape)
	}
	mean, _ := session.Get("mean_response")
	if a, ok := Array(mean); !ok || a.Len() != 3 {
		t.Errorf("mean_response is %v", mean)
	}
}

// A tensor beside is no reason to refuse the rest.
func TestOpenPickleWithTensors(t *testing.T) {
	const text = "}S'n'\nI3\nsS't'\nctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n(S'x'\ntRtRs."
	d, err := readPickle([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := d.Get("n"); n != int64(3) {
		t.Errorf("n is %v", n)
	}
}

func TestBadPickles(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":     {"", "truncated"},
		"text":      {"?hello", "not a pickle, or damaged"},
		"truncated": {"}S'a'\n", "truncated"},
		"more":      {"}.}", "ends at byte 2 of 3"},
		"a list":    {"].", "it holds a list, no dict"},
		"a call":    {"cbuiltins\neval\n(S'1'\ntR.", "names the class builtins.eval, which is not allowed"},
		"an import": {"cos\nsystem\n.", "not allowed"},
		"itself":    {"}p0\nS'a'\ng0\ns.", "nested too deeply, or cyclic"},
		"outside":   {"P1\n.", "outside the pickle"},
	} {
		path := filepath.Join(t.TempDir(), "data.pkl")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenPickle(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if _, err := OpenPickle(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file")
	}
}

// FuzzPickle tries files that Python's pickle.dump may have written.
func FuzzPickle(f *testing.F) {
	seeds(f, pickledFile)
	f.Fuzz(func(_ *testing.T, file []byte) {
		if d, err := readPickle(file); err == nil {
			_, _ = EncodeHyperParameters(d) // must not panic
		}
	})
}
