package checkpoint

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
)

// guard reads a file within a second and within the memory that the size allows; a
// checkpoint that is read can be written, or the writer says why not.
func guard(t *testing.T, file []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	c, err := read(file)
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	// What was taken in all, though most is free again, is more than is taken at once.
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(128<<20+8*len(file)) {
		t.Errorf("%d bytes of input take %d bytes of memory", len(file), used)
	}
	if elapsed > time.Second {
		t.Errorf("%d bytes of input take %v", len(file), elapsed)
	}
	if err == nil {
		_ = Encode(io.Discard, c) // must not panic
		if c.HyperParameters != nil {
			_, _ = EncodeHyperParameters(c.HyperParameters) // must not panic
		}
	}
}

func seeds(f *testing.F, paths ...string) {
	f.Helper()
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// FuzzRead tries whole files: zip, the older form and safetensors.
func FuzzRead(f *testing.F) {
	seeds(f, "testdata/tensors.pt", "testdata/tensors_old.pt", "testdata/untyped.pt",
		"testdata/single_cell_spatial_contrast/checkpoint.ckpt", "testdata/legacy_core_readout/state.safetensors")
	f.Fuzz(func(t *testing.T, b []byte) { guard(t, b) })
}

// FuzzProgram tries the pickle of a zip file whose CRCs are right, with a few storages.
func FuzzProgram(f *testing.F) {
	for _, path := range []string{
		"testdata/tensors.pt", "testdata/untyped.pt",
		"testdata/single_cell_spatial_contrast/checkpoint.ckpt", "testdata/lnp/checkpoint.ckpt",
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		archive, err := zipfile.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			f.Fatal(err)
		}
		program, err := archive.Entries[0].ReadAll()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(program)
	}
	f.Add([]byte(stateOf(tensor("FloatStorage", 4, 0, "K\x02K\x02", "K\x02K\x01"))))
	storages := []string{string(make([]byte, 16)), string(make([]byte, 96)), "", string(make([]byte, 4))}
	f.Fuzz(func(t *testing.T, program []byte) { guard(t, zipped(t, string(program), storages...)) })
}
