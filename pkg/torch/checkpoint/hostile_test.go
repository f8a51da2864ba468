package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// bomb is a zip archive whose entries are compressed.
func bomb(t *testing.T, namesAndData ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(namesAndData); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: namesAndData[i], Method: zip.Deflate})
		if err == nil {
			_, err = io.WriteString(f, namesAndData[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostileFiles: what a small file asks for is refused in bounded memory, 64 MiB and
// four times the file, and at once.
func TestHostileFiles(t *testing.T) {
	const million = 1 << 20
	many := func(program string, n int) string { return "(" + strings.Repeat(program, n) + "t." }
	// A text in the memo, and bytes made of it again and again.
	latin1 := "c_codecs\nencode\nX\x00\x00\x10\x00" + strings.Repeat("a", million) + "X\x06\x00\x00\x00latin1\x86q\x01" +
		strings.Repeat("\x30c_codecs\nencode\nh\x01R", 2000) + "."
	tuples := "(" + strings.Repeat("K\x01", 100_000) + "tq\x01" + strings.Repeat("0c__builtin__\ntuple\nh\x01\x85R", 2000) + "."
	keys := "}(" + strings.Repeat("K\x01", 200) + "tq\x010" + strings.Repeat("h\x01N\x86Ns", 100_000) + "."
	cycle := "}q\x01X\x0a\x00\x00\x00state_dict}sX\x09\x00\x00\x00callbacksh\x01s."
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"dicts":               {zipped(t, many("}", 10*million)), "take too much memory"},
		"lists in few bytes":  {bomb(t, "a/data.pkl", many("]", 15*million)), "take too much memory"},
		"memo":                {bomb(t, "a/data.pkl", "K\x01"+strings.Repeat("\x94", 15*million)+"."), "take too much memory"},
		"copies of one":       {bomb(t, "a/data.pkl", "(]"+strings.Repeat("2", 15*million)+"t."), "take too much memory"},
		"tuples of tuples":    {bomb(t, "a/data.pkl", "N"+strings.Repeat("\x85", 15*million)+"."), "take too much memory"},
		"marks":               {bomb(t, "a/data.pkl", strings.Repeat("(", 15*million)+"."), "take too much memory"},
		"pickle of 300 MB":    {bomb(t, "a/data.pkl", many("}", 200*million)), "more than is read"},
		"texts encoded":       {zipped(t, latin1), "take too much memory"},
		"tuples copied":       {zipped(t, tuples), "take too much memory"},
		"tuples as keys":      {zipped(t, keys), "take too much memory"},
		"storage of zeros":    {bomb(t, "a/data.pkl", stateOf(tensor("FloatStorage", 50*million, 0, "J\x00\x00\x20\x03", "K\x01")), "a/data/0", strings.Repeat("\x00", 200*million)), "is larger than the file"},
		"expanded":            {zipped(t, stateOf(tensor("FloatStorage", 4, 0, "J\x00\x00\x00\x40", "K\x00")), strings.Repeat("\x00", 16)), "much larger than the file"},
		"shape of 1000 axes":  {zipped(t, stateOf(tensor("FloatStorage", 4, 0, strings.Repeat("K\x01", 1000), strings.Repeat("K\x01", 1000))), strings.Repeat("\x00", 16)), "shape or offset"},
		"dict that holds it":  {zipped(t, cycle), "cyclic"},
		"deep":                {zipped(t, strings.Repeat("]", 10_000)+strings.Repeat("a", 9_999)+"."), "it holds a list"},
		"old form":            {[]byte(legacyStart + "M\xe9\x03." + many("}", million) + strings.Repeat("}", million)), "take too much memory"},
		"header of lists":     {safetensors(`{"w":[`+strings.Repeat("[],", 5*million)+"[]]}", ""), "too many values"},
		"header of objects":   {safetensors(`{"w":[`+strings.Repeat("{},", 5*million)+"{}]}", ""), "too many values"},
		"header of a billion": {append(binary.LittleEndian.AppendUint64(nil, 1<<30), "{\"a\":"...), "not a checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			err := bounded(t, c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
				t.Errorf("error %.500v, want %q", err, c.want)
			}
		})
	}
}

// bounded reads a file while it watches the memory.
func bounded(t *testing.T, file []byte) error {
	t.Helper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	done, most := make(chan error), uint64(0)
	start := time.Now()
	go func() {
		_, err := read(file)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			runtime.ReadMemStats(&now)
			// All that was taken, though most is free again, stays within twice of it.
			allowed := uint64(64<<20 + 4*len(file))
			if all := now.TotalAlloc - before.TotalAlloc; most > allowed || all > 2*allowed {
				t.Errorf("%d bytes of input take %d MB at once, %d MB in all", len(file), most>>20, all>>20)
			}
			const second = 5 * time.Second // of a busy machine
			if elapsed := time.Since(start); elapsed > second {
				t.Errorf("%d bytes of input take %v", len(file), elapsed)
			}
			return err
		case <-time.After(5 * time.Millisecond):
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}
	}
}

// TestNamesOfStorages: a key that leads out of the archive is a name in it, nothing
// else; a file beside it is not opened.
func TestNamesOfStorages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), make([]byte, 16), 0o600); err != nil {
		t.Fatal(err)
	}
	program := strings.Replace(stateOf(tensor("FloatStorage", 4, 0, "K\x04", "K\x01")), "X\x01\x00\x00\x000X\x03", "X\x0c\x00\x00\x00../../secretX\x03", 1)
	path := filepath.Join(dir, "m.ckpt")
	if err := os.WriteFile(path, zipped(t, program, strings.Repeat("\x00", 16)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), `storage "../../secret": is not in the file`) {
		t.Errorf("error %v", err)
	}
	for name, want := range map[string]string{
		"../a/data.pkl": "unsafe name", "/a/data.pkl": "unsafe name", `a\data.pkl`: "unsafe name", "a/\x00": "unsafe name",
	} {
		if _, err := read(bomb(t, name, "N.")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", name, err)
		}
	}
	if _, err := read(bomb(t, "a/data.pkl", "N.", "a/data.pkl", "K\x01.")); err == nil || !strings.Contains(err.Error(), "two entries") {
		t.Errorf("duplicate: %v", err)
	}
	link := filepath.Join(dir, "link.ckpt")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(link); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("link to a device: %v", err)
	}
}
