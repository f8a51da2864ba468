package zipfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var noise = func() []byte {
	b := make([]byte, 500)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}()

// ours is an archive of this package's writer.
func ours(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	if err := errors.Join(w.Add("archive/data.pkl", []byte("pickle"), []byte("d")), w.Add("archive/data/0", noise),
		w.Add("größe"), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// foreign is an archive with compression and data descriptors.
func foreign(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"a", "dir/", "dir/b"} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if _, err := f.Write(bytes.Repeat([]byte(name), 200)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.SetComment("a comment"), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) (map[string]string, error) {
	a, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	contents := map[string]string{}
	for _, e := range a.Entries {
		data, err := e.ReadAll()
		if err != nil {
			return nil, err
		}
		streamed, err := io.ReadAll(e.Open())
		if err != nil || !bytes.Equal(data, streamed) {
			return nil, fmt.Errorf("streamed data differs: %w", err)
		}
		contents[e.Name] = string(data)
	}
	return contents, nil
}

func TestRoundTrip(t *testing.T) {
	b := ours(t)
	got, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got["archive/data.pkl"] != "pickled" || got["archive/data/0"] != string(noise) || got["größe"] != "" {
		t.Errorf("contents %q", got)
	}
	if !bytes.Equal(b, ours(t)) {
		t.Error("bytes differ from run to run")
	}
	a, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range a.Entries {
		if _, offset, ok := e.Stored(); !ok || offset%Alignment != 0 {
			t.Errorf("%s: stored %v at %d", e.Name, ok, offset)
		}
	}
	if a.Find("archive/data/0").Size != 500 || a.Find("none") != nil {
		t.Error("Find")
	}
	if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Errorf("archive/zip: %v", err)
	}
}

func TestForeignArchive(t *testing.T) {
	got, err := read(foreign(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["dir/b"] != strings.Repeat("dir/b", 200) {
		t.Errorf("%d entries", len(got))
	}
}

// TestEveryByteFlipped: no flipped bit gives other contents; bits that carry no
// meaning (times, attributes, padding) may stay unnoticed.
func TestEveryByteFlipped(t *testing.T) {
	for _, b := range [][]byte{ours(t), foreign(t)} {
		want, err := read(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				got, err := read(b)
				if err == nil && !equal(got, want) {
					t.Errorf("bit %d of byte %d flipped: other contents, no error", bit, i)
				}
				b[i] ^= 1 << bit
			}
		}
		for n := range b {
			if _, err := read(b[:n]); err == nil {
				t.Errorf("cut at %d of %d: no error", n, len(b))
			}
		}
	}
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// craft builds an archive byte by byte; lies are applied to the headers.
type craft struct {
	name, localName string
	data            []byte
	method, flags   uint16
	localFlags      uint16
	size, packed    uint32
	crc             uint32
	header          uint32
	extra           []byte
}

func plain(name string, data []byte) craft {
	return craft{name: name, localName: name, data: data, size: uint32(len(data)), packed: uint32(len(data)), crc: crc32.ChecksumIEEE(data)}
}

func build(entries ...craft) []byte {
	var b, directory []byte
	for _, e := range entries {
		header := uint32(len(b)) + e.header
		b = binary.LittleEndian.AppendUint32(b, signatureLocal)
		b = append(b, 20, 0)
		b = fields16(b, e.localFlags, e.method, 0, 0)
		b = fields32(b, e.crc, e.packed, e.size)
		b = fields16(b, uint16(len(e.localName)), 0)
		b = append(append(b, e.localName...), e.data...)
		directory = binary.LittleEndian.AppendUint32(directory, signatureCentral)
		directory = append(directory, 20, 0, 20, 0)
		directory = fields16(directory, e.flags, e.method, 0, 0)
		directory = fields32(directory, e.crc, e.packed, e.size)
		directory = fields16(directory, uint16(len(e.name)), uint16(len(e.extra)), 0, 0, 0)
		directory = fields32(directory, 0, header)
		directory = append(append(directory, e.name...), e.extra...)
	}
	at := uint32(len(b))
	b = append(b, directory...)
	b = fields32(b, signatureEnd, 0)
	b = fields16(b, uint16(len(entries)), uint16(len(entries)))
	b = fields32(b, uint32(len(directory)), at)
	return fields16(b, 0)
}

func fields16(b []byte, values ...uint16) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func fields32(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestLies(t *testing.T) {
	with := func(change func(*craft)) []byte {
		e := plain("data.pkl", noise)
		change(&e)
		return build(e)
	}
	if _, err := read(with(func(*craft) {})); err != nil {
		t.Fatalf("a plain archive: %v", err)
	}
	zip64Extra := append([]byte{1, 0, 8, 0}, bytes.Repeat([]byte{0xff}, 8)...)
	many := make([]craft, maxEntries+1)
	for i := range many {
		many[i] = plain(fmt.Sprint(i), nil)
	}
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"duplicate":           {build(plain("a", noise), plain("a", nil)), `two entries "a"`},
		"local name":          {with(func(e *craft) { e.localName = "evil.pkl" }), "contradict"},
		"local flags":         {with(func(e *craft) { e.localFlags = flagUTF8 }), "contradict"},
		"encrypted":           {with(func(e *craft) { e.flags, e.localFlags = 1, 1 }), "encrypted"},
		"CRC 0":               {with(func(e *craft) { e.crc = 0 }), "CRC"},
		"wrong CRC":           {with(func(e *craft) { e.crc++ }), "CRC"},
		"method":              {with(func(e *craft) { e.method = 12 }), "method 12"},
		"sizes":               {with(func(e *craft) { e.size++ }), "two different sizes"},
		"beyond the end":      {with(func(e *craft) { e.size, e.packed = 1<<20, 1<<20 }), "outside"},
		"deflate bomb":        {with(func(e *craft) { e.method, e.size = 8, 1<<31 }), "claim to unpack"},
		"no deflate data":     {with(func(e *craft) { e.method = 8 }), "damaged"},
		"parent":              {with(func(e *craft) { e.name, e.localName = "../x", "../x" }), "unsafe"},
		"absolute":            {with(func(e *craft) { e.name, e.localName = "/x", "/x" }), "unsafe"},
		"no name":             {with(func(e *craft) { e.name, e.localName = "", "" }), "unsafe"},
		"NUL":                 {with(func(e *craft) { e.name, e.localName = "a\x00b", "a\x00b" }), "unsafe"},
		"directory with data": {with(func(e *craft) { e.name, e.localName = "d/", "d/" }), "directory with content"},
		"zip64 lie":           {with(func(e *craft) { e.size, e.packed, e.extra = 1<<32-1, 1<<32-1, zip64Extra }), "bad zip64"},
		"overlap": {build(plain("a", noise), func() craft {
			e := plain("a", noise)
			e.name, e.header = "b", -uint32(lengthLocal+1+len(noise))
			return e
		}()), "contradict"},
		"same data twice": {overlapping(), "overlap"},
		"too many":        {build(many...), "at most 10000"},
		"prefix":          {append([]byte("MZ"), with(func(*craft) {})...), "directory is not where"},
		"suffix":          {append(with(func(*craft) {}), 0), "not a zip archive"},
		"empty":           {nil, "not a zip archive"},
		"text":            {bytes.Repeat([]byte("text"), 100), "not a zip archive"},
	} {
		start := time.Now()
		_, err := read(c.archive)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if time.Since(start) > 5*time.Second {
			t.Errorf("%s: takes too long", name)
		}
	}
}

// overlapping has an entry whose data is a whole other entry.
func overlapping() []byte {
	inner := build(plain("b", []byte("inner")))
	inner = inner[:lengthLocal+1+5]
	b := build(plain("a", inner), plain("b", []byte("inner")))
	at := bytes.LastIndex(b, []byte("b"))
	binary.LittleEndian.PutUint32(b[at-4:], lengthLocal+1)
	return b
}

// TestZip64 reads what Python's zipfile writes with force_zip64: sizes of ones in
// the local header and the true ones in its extra field.
func TestZip64(t *testing.T) {
	e := plain("arr.npy", noise)
	b := build(e)
	extra := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte{1, 0, 16, 0}, uint64(len(noise))), uint64(len(noise)))
	at := lengthLocal + len(e.name)
	b = slices.Insert(b, at, extra...)
	binary.LittleEndian.PutUint16(b[28:], uint16(len(extra)))
	copy(b[18:26], bytes.Repeat([]byte{0xff}, 8))
	binary.LittleEndian.PutUint32(b[len(b)-6:], uint32(at+len(extra)+len(noise)))
	got, err := read(b)
	if err != nil || got["arr.npy"] != string(noise) {
		t.Errorf("error %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(ours(f))
	f.Add(foreign(f))
	f.Add(overlapping())
	f.Fuzz(func(t *testing.T, b []byte) {
		start := time.Now()
		contents, err := read(b)
		if time.Since(start) > time.Second {
			t.Errorf("takes %v", time.Since(start))
		}
		if err != nil {
			return
		}
		// What is accepted, the standard library reads alike.
		std, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("archive/zip refuses: %v", err)
		}
		for _, file := range std.File {
			if strings.HasSuffix(file.Name, "/") {
				continue
			}
			r, err := file.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil || contents[file.Name] != string(data) {
				t.Fatalf("%q is read differently: %v", file.Name, err)
			}
		}
	})
}
