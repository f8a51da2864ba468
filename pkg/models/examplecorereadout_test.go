package models

import (
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
)

// A model of the older class keeps its flat arguments, and its file rebuilds it.
func TestExampleCoreReadoutSurvivesItsFile(t *testing.T) {
	n, err := config.FromYAML("example.yaml", []byte(`
_target_: openretina.models.core_readout.ExampleCoreReadout
in_shape: [1, 20, 9, 8]
hidden_channels: [3]
temporal_kernel_sizes: [9]
spatial_kernel_sizes: [3]
n_neurons_dict: ???
cut_first_n_frames_in_core: 0
core_hidden_padding: [0, 1, 1]
`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(n, []Session{{Name: "a", Neurons: 2, MeanActivity: []float32{1, 2}}}, Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got, _ := m.Hyper.At("n_neurons_dict.a"); got == nil || got.Value() != int64(2) {
		t.Errorf("n_neurons_dict.a is %v", got)
	}
	again := restored(t, m, nil)
	got, err := config.ToJSON(again.Hyper, false)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := config.ToJSON(m.Hyper, false); err != nil || string(got) != string(want) {
		t.Errorf("the arguments became\n%s\nfrom\n%s %v", got, want, err)
	}
}
