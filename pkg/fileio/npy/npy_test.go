package npy

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// saved are .npy files that NumPy wrote (testdata/make.py).
func saved(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/arrays.json")
	if err != nil {
		t.Fatal(err)
	}
	encoded := map[string]string{}
	if err := json.Unmarshal(text, &encoded); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, digits := range encoded {
		if files[name], err = hex.DecodeString(digits); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func read(b []byte) (*ndarray.Array, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func TestReadsWhatNumPyWrites(t *testing.T) {
	files := saved(t)
	for name, b := range files {
		if strings.HasPrefix(name, "bad_") {
			continue
		}
		a, err := read(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kind, _, _ := strings.Cut(name, "_")
		want := make([]float64, 24)
		for i := range want {
			want[i] = float64(i - 5)
			if kind[0] == 'u' && i < 5 || kind == "b1" && i < 5 {
				want[i] = float64(5 - i)
			}
			if kind == "b1" {
				want[i] = float64(int(want[i]) % 2)
			}
		}
		shape := []int{2, 3, 4}
		switch name {
		case "scalar":
			want, shape = []float64{2.5}, []int{}
		case "empty":
			want, shape = []float64{}, []int{3, 0, 2}
		case "vector":
			want, shape = []float64{0, 1, 2, 3, 4}, []int{5}
		}
		if diff := cmp.Diff(want, a.Float64s()); diff != "" || !slices.Equal(a.Shape, shape) {
			t.Errorf("%s: shape %v, %s", name, a.Shape, diff)
		}
		if dtype := kinds[kind]; dtype != ndarray.Invalid && a.DType != dtype {
			t.Errorf("%s: %v", name, a.DType)
		}
	}
}

func TestWritesTheBytesOfNumPy(t *testing.T) {
	for name, b := range saved(t) {
		if !strings.HasSuffix(name, "_le_c") && name != "scalar" && name != "empty" && name != "vector" {
			continue
		}
		a, err := read(b)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Write(&out, a); err != nil || !bytes.Equal(out.Bytes(), b) {
			t.Errorf("%s: %v, got %q want %q", name, err, out.Bytes(), b)
		}
	}
}

func TestUnreadTypes(t *testing.T) {
	files := saved(t)
	for name, want := range map[string]string{
		"bad_object": "Python objects", "bad_structured": "structured", "bad_text": `"<U2"`, "bad_complex": `"<c8"`,
	} {
		if _, err := read(files[name]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}

// withHeader is an .npy file of version 1 with any text as header.
func withHeader(text string, data int) []byte {
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(append(b, text...), make([]byte, data)...)
}

func TestBadFiles(t *testing.T) {
	good := saved(t)["f4_le_c"]
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":            {nil, "truncated"},
		"text":             {[]byte("a,b,c\n1,2,3\n"), "magic"},
		"cut header":       {good[:40], "truncated"},
		"cut data":         {good[:len(good)-1], "is truncated"},
		"long data":        {append(slices.Clone(good), 0), "more than that"},
		"version":          {append([]byte(magic), 9, 0, 1, 0), "version 9.0"},
		"header of 4 GiB":  {append([]byte(magic), 2, 0, 255, 255, 255, 255), "header of 4294967295 bytes"},
		"32 GiB":           {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296,), }", 8), "truncated"},
		"overflow":         {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 8), "overflows"},
		"overflow in size": {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }", 8), "too large"},
		"huge number":      {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8), "bad shape"},
		"negative":         {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", 8), "bad shape"},
		"many axes":        {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': ("+strings.Repeat("1,", 65)+"), }", 8), "bad shape"},
		"duplicate key":    {withHeader("{'descr': '<f8', 'descr': '<f4'}", 8), "twice"},
		"unknown key":      {withHeader("{'descr': '<f8', 'evil': '<f4'}", 8), "unknown key"},
		"missing key":      {withHeader("{'descr': '<f8', 'shape': ()}", 8), "missing"},
		"code":             {withHeader("__import__('os').system('true')", 8), "expected"},
		"after the end":    {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': ()} x", 8), "after its end"},
		"open string":      {withHeader("{'descr", 8), "string expected"},
		"no boolean":       {withHeader("{'fortran_order': 1}", 8), "True or False"},
		"bad bool":         {withHeader("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", 0), "truncated"},
		"bool of 2":        {append(withHeader("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", 0), 2), "element 0 of a bool array is 2"},
		"two orders":       {withHeader("{'descr': '<>f8', 'fortran_order': False, 'shape': ()}", 8), `"<>f8"`},
	} {
		_, err := read(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestBadArraysAreNotWritten(t *testing.T) {
	for name, a := range map[string]*ndarray.Array{
		"data too short": {DType: ndarray.Float32, Shape: []int{2}, Data: make([]byte, 4)},
		"bfloat16":       {DType: ndarray.BFloat16, Shape: []int{2}, Data: make([]byte, 4)},
		"negative":       {DType: ndarray.Float32, Shape: []int{-2}, Data: make([]byte, 4)},
	} {
		if err := Write(io.Discard, a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFileSlices(t *testing.T) {
	dir := t.TempDir()
	for name, b := range saved(t) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "bad_") {
			if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: error %v does not name the file", name, err)
			}
			continue
		}
		whole, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(whole.Shape) == 0 {
			if _, err := f.Slice(0, 0); err == nil {
				t.Error("a scalar was sliced")
			}
		} else {
			checkSlices(t, name, f, whole)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func checkSlices(t *testing.T, name string, f *File, whole *ndarray.Array) {
	t.Helper()
	first := whole.Shape[0]
	entry := len(whole.Data) / first
	for lo := range first + 1 {
		for hi := lo; hi <= first; hi++ {
			part, err := f.Slice(lo, hi)
			if err != nil {
				t.Fatalf("%s %d:%d: %v", name, lo, hi, err)
			}
			if !bytes.Equal(part.Data, whole.Data[lo*entry:hi*entry]) || part.Shape[0] != hi-lo {
				t.Errorf("%s %d:%d: shape %v, data %v", name, lo, hi, part.Shape, part.Float64s())
			}
		}
	}
	for _, bad := range [][2]int{{-1, 1}, {0, first + 1}, {1, 0}} {
		if _, err := f.Slice(bad[0], bad[1]); err == nil {
			t.Errorf("%s: slice %v gives no error", name, bad)
		}
	}
}

// TestLargeFortranSlice reads a file of more than one block.
func TestLargeFortranSlice(t *testing.T) {
	const rows, columns = 7, 60_000
	text := "{'descr': '<f4', 'fortran_order': True, 'shape': (7, 60000)}"
	b := withHeader(text, 0)
	for c := range columns {
		for r := range rows {
			b = binary.LittleEndian.AppendUint32(b, uint32(r*columns+c))
		}
	}
	f, err := NewFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	part, err := f.Slice(2, 5)
	if err != nil {
		t.Fatal(err)
	}
	for i := range part.Len() {
		if got := binary.LittleEndian.Uint32(part.Data[4*i:]); got != uint32(2*columns+i) {
			t.Fatalf("element %d is %d", i, got)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenBadPaths(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none.npy"), t.TempDir(), os.DevNull} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := ReadZipFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("npz %s: %v", path, err)
		}
	}
}

func TestZipFiles(t *testing.T) {
	for _, path := range []string{"testdata/stored.npz", "testdata/deflated.npz"} {
		arrays, err := ReadZipFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rate, err := Find(arrays, "rate")
		if err != nil || !slices.Equal(rate.Shape, []int{5, 6}) || rate.At(29) != 1 {
			t.Errorf("%s: rate %v, %v", path, rate, err)
		}
		if n, err := Find(arrays, "n"); err != nil || n.Int64At(0) != 7 {
			t.Errorf("%s: n %v, %v", path, n, err)
		}
		if _, err := Find(arrays, "none"); err == nil || !strings.Contains(err.Error(), "rate, n, größe") {
			t.Errorf("%s: %v", path, err)
		}
		again := filepath.Join(t.TempDir(), "again.npz")
		if err := WriteZipFile(again, arrays); err != nil {
			t.Fatal(err)
		}
		back, err := ReadZipFile(again)
		if diff := cmp.Diff(arrays, back); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", path, err, diff)
		}
	}
}

func TestBadZipFiles(t *testing.T) {
	a, err := ndarray.New(ndarray.Float32, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteZip(io.Discard, []Named{{Name: "a", Array: a}, {Name: "a", Array: a}}); err == nil {
		t.Error("a name was written twice")
	}
	if err := WriteZip(io.Discard, []Named{{Name: "a", Array: &ndarray.Array{}}}); err == nil {
		t.Error("an empty array was written")
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"x.txt": {[]byte("hello"), "not an .npz file"},
		"x.npy": {withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}", 8), `array "x": shape`},
		"y.npy": {[]byte("no"), `array "y"`},
	} {
		var b bytes.Buffer
		w := zipfile.NewWriter(&b)
		if err := errors.Join(w.Add(name, c.content), w.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadZip(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// guard fails where f takes more than a second or more memory than a parser of n
// bytes may.
func guard(t *testing.T, n int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(64<<20+4*n) {
		t.Errorf("%d bytes of input take %d bytes of memory", n, used)
	}
	if elapsed > time.Second {
		t.Errorf("%d bytes of input take %v", n, elapsed)
	}
}

func FuzzRead(f *testing.F) {
	for _, b := range saved(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		guard(t, len(b), func() {
			a, err := read(b)
			if err != nil {
				return
			}
			var out bytes.Buffer
			if err := Write(&out, a); err != nil {
				t.Fatal(err)
			}
			again, err := read(out.Bytes())
			if diff := cmp.Diff(a, again); err != nil || diff != "" {
				t.Fatalf("read after written: %v, %s", err, diff)
			}
			file, err := NewFile(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Shape) > 0 {
				if part, err := file.Slice(0, a.Shape[0]); err != nil || !bytes.Equal(part.Data, a.Data) {
					t.Fatalf("slice of all: %v", err)
				}
			}
		})
	})
}

func FuzzReadZip(f *testing.F) {
	for _, path := range []string{"testdata/stored.npz", "testdata/deflated.npz"} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		guard(t, len(b), func() {
			arrays, err := ReadZip(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				return
			}
			if err := WriteZip(io.Discard, arrays); err != nil && !strings.Contains(err.Error(), "empty or used twice") {
				t.Fatal(err)
			}
		})
	})
}
