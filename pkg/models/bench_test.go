package models

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// BenchmarkLoad is what a model's file costs before the first response.
func BenchmarkLoad(b *testing.B) {
	for _, family := range []string{"hoefling_low_res", "legacy_core_readout"} {
		b.Run(family, func(b *testing.B) {
			path := filepath.Join(checkpoints, family, "checkpoint.ckpt")
			for b.Loop() {
				m, err := Load(path, Options{})
				if err != nil {
					b.Fatal(err)
				}
				m.Close()
			}
		})
	}
}

// BenchmarkRespond is a model's answer to clips of a second and a half of movie.
func BenchmarkRespond(b *testing.B) {
	defer torch.SetThreads(torch.Threads())
	m, err := Load(filepath.Join(checkpoints, "hoefling_low_res", "checkpoint.ckpt"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for _, clips := range []int{1, 16} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%dx50/threads=%d", clips, threads), func(b *testing.B) {
				torch.SetThreads(threads)
				shape := m.StimulusShape(50)
				shape[0] = clips
				stimulus := zeros(b, shape)
				for b.Loop() {
					if _, err := m.Respond(b.Context(), stimulus, ""); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkFirstResponse is what a program waits for its first response, in a process
// that has libtorch loaded: the model's file, then a clip.
func BenchmarkFirstResponse(b *testing.B) {
	path := filepath.Join(checkpoints, "hoefling_low_res", "checkpoint.ckpt")
	for b.Loop() {
		m, err := Load(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Respond(b.Context(), zeros(b, m.StimulusShape(50)), ""); err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}
