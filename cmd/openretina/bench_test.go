package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// BenchmarkPredict is a whole process that answers one clip: the start of the
// program and of libtorch, the model's file, the clip, the responses' file.
func BenchmarkPredict(b *testing.B) {
	dir := b.TempDir()
	stimulus := filepath.Join(dir, "clip.npy")
	clip, err := ndarray.New(ndarray.Float32, 1, 2, 50, 18, 16)
	if err != nil {
		b.Fatal(err)
	}
	if err := npy.WriteFile(stimulus, clip); err != nil {
		b.Fatal(err)
	}
	for _, threads := range []string{"1", "2"} {
		b.Run("threads="+threads, func(b *testing.B) {
			benchmarkProcess(b, dir, "predict", "--quiet", "--device=cpu", "--threads="+threads,
				"--stimulus="+stimulus, "--output="+filepath.Join(dir, "responses.npy"),
				"--model=../../pkg/models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt")
		})
	}
}

// BenchmarkVersion is the least that any command takes.
func BenchmarkVersion(b *testing.B) { benchmarkProcess(b, b.TempDir(), "version") }

func benchmarkProcess(b *testing.B, config string, args ...string) {
	b.Helper()
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), "openretina", args...)
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+config)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}
