package models

import (
	"path/filepath"
	"testing"
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

// BenchmarkRespond is a model's answer to a second and a half of movie.
func BenchmarkRespond(b *testing.B) {
	m, err := Load(filepath.Join(checkpoints, "hoefling_low_res", "checkpoint.ckpt"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	stimulus := zeros(b, m.StimulusShape(50))
	for b.Loop() {
		if _, err := m.Respond(b.Context(), stimulus, ""); err != nil {
			b.Fatal(err)
		}
	}
}
