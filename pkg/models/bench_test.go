package models

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
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
	for _, clips := range []int{1, 16} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%dx50/threads=%d", clips, threads), func(b *testing.B) {
				torch.SetThreads(threads)
				benchmarkRespond(b, torch.CPU, clips)
			})
		}
		b.Run(fmt.Sprintf("%dx50/cuda", clips), func(b *testing.B) { benchmarkRespond(b, torchtest.GPU(b), clips) })
	}
}

// benchmarkRespond counts no first response: a GPU chooses its convolutions in it.
func benchmarkRespond(b *testing.B, d torch.Device, clips int) {
	b.Helper()
	m, err := Load(filepath.Join(checkpoints, "hoefling_low_res", "checkpoint.ckpt"), Options{Device: d})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	shape := m.StimulusShape(50)
	shape[0] = clips
	stimulus := zeros(b, shape)
	respond := func() {
		if _, err := m.Respond(b.Context(), stimulus, ""); err != nil {
			b.Fatal(err)
		}
	}
	respond()
	for b.Loop() {
		respond()
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
