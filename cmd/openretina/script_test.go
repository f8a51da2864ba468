package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// The scripts run this test binary under the name openretina: a process of its own
// that starts at main, with the libraries that the tests are linked with.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"openretina": main})
}

func TestScripts(t *testing.T) {
	params := scriptParams(t)
	params.Dir = "testdata/script"
	testscript.Run(t, params)
}

// scriptParams are what scripts find: $CKPT, the checkpoints that the Python
// package wrote; $SEEDS, ensembles as it loads them; $HDF5, the files of testdata/make_stimuli.py; $HUB, a hub with one
// model; and the commands below.
func scriptParams(t *testing.T) testscript.Params {
	t.Helper()
	checkpoints, err := filepath.Abs("../../pkg/models/testdata/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	stimuli, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	hub := httptest.NewServer(fakeHub(filepath.Join(checkpoints, "legacy_core_readout", "checkpoint.ckpt")))
	t.Cleanup(hub.Close)
	return testscript.Params{
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("CKPT", checkpoints)
			env.Setenv("SEEDS", filepath.Join(checkpoints, "..", "seeds"))
			env.Setenv("HDF5", stimuli)
			env.Setenv("HUB", hub.URL)
			env.Setenv("OPENRETINA_THREADS", "1")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "gpu" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := os.Stat("/dev/nvidiactl")
			return err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "npy": makeNpy, "cmpnpy": compareNpy, "truncate": truncate, "zip": makeZip, "lastline": lastLine,
		},
	}
}

// fakeHub serves one checkpoint under its path on the hub.
func fakeHub(file string) http.HandlerFunc {
	const path = "/datasets/open-retina/open-retina/resolve/main/model_checkpoints/27-11-2025/hoefling_2024_base_low_res.ckpt"
	return func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(file)
		if err != nil || r.URL.Path != path {
			http.Error(w, "Entry not found", http.StatusNotFound)
			return
		}
		sum := sha256.Sum256(content)
		w.Header().Set("X-Repo-Commit", strings.Repeat("0", 40))
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// exits CODE PROGRAM ARG… runs a program and wants its exit code. A failure must
// end in one line that says what was wrong.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	text := ts.ReadFile("stderr")
	ts.Logf("[stderr]\n%s", text)
	if got != want {
		ts.Fatalf("exit code %d instead of %d", got, want)
	}
	if want != 1 && want != 2 {
		return
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	isError := func(line string) bool { return strings.HasPrefix(line, "error: ") }
	if i := slices.IndexFunc(lines, isError); i != len(lines)-1 {
		ts.Fatalf("stderr does not end in one line that starts with error:")
	}
}

// lastline FILE wants the last line of stdout to name a file that is there.
func lastLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lastline FILE")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	got, want := ts.MkAbs(lines[len(lines)-1]), ts.MkAbs(args[0])
	if got != want {
		ts.Fatalf("the last line of stdout is %s instead of %s", got, want)
	}
	_, err := os.Stat(got)
	ts.Check(err)
}

// npy FILE DTYPE SHAPE VALUE… writes an array whose elements have the values, the
// last one as often as needed.
func makeNpy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: npy FILE float32|float64|int64 2x3x4 VALUE…")
	}
	var shape []int
	for word := range strings.SplitSeq(args[2], "x") {
		n, err := strconv.Atoi(word)
		ts.Check(err)
		shape = append(shape, n)
	}
	n, err := ndarray.NumElements(shape)
	ts.Check(err)
	values := make([]float64, n)
	for i := range values {
		values[i], err = strconv.ParseFloat(args[min(3+i, len(args)-1)], 64)
		ts.Check(err)
	}
	a, err := arrayOf(args[1], values, shape)
	ts.Check(err)
	ts.Check(npy.WriteFile(ts.MkAbs(args[0]), a))
}

func arrayOf(dtype string, values []float64, shape []int) (*ndarray.Array, error) {
	switch dtype {
	case "float32":
		narrow := make([]float32, len(values))
		for i, v := range values {
			narrow[i] = float32(v)
		}
		return ndarray.FromFloat32(narrow, shape...)
	case "float64":
		return ndarray.FromFloat64(values, shape...)
	case "int64":
		whole := make([]int64, len(values))
		for i, v := range values {
			whole[i] = int64(v)
		}
		return ndarray.FromInt64(whole, shape...)
	}
	return nil, fmt.Errorf("unknown type %s", dtype)
}

// cmpnpy GOT WANT compares arrays to rtol 1e-4 and atol 1e-5, the tolerance of the
// checkpoint fixtures. With a further word "values" the shapes may differ.
func compareNpy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: cmpnpy GOT WANT [values]")
	}
	got, err := npy.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := npy.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if got.DType != want.DType || got.Len() != want.Len() || len(args) == 2 && !slices.Equal(got.Shape, want.Shape) {
		ts.Fatalf("%s is %s %v, %s is %s %v", args[0], got.DType, got.Shape, args[1], want.DType, want.Shape)
	}
	for i := range want.Len() {
		g, w := got.At(i), want.At(i)
		if !(math.Abs(g-w) <= 1e-5+1e-4*math.Abs(w)) {
			ts.Fatalf("element %d is %v instead of %v", i, g, w)
		}
	}
}

// truncate FILE BYTES cuts a file.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// zip FILE NAME=CONTENT-FILE… packs files.
func makeZip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: zip FILE NAME=CONTENT-FILE…")
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, arg := range args[1:] {
		name, file, _ := strings.Cut(arg, "=")
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		ts.Check(err)
		_, err = entry.Write([]byte(ts.ReadFile(file)))
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), archive.Bytes(), 0o644))
}
