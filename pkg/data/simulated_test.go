package data_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/data/simulate"
)

// compose composes one of the program's own configs.
func compose(t *testing.T, name string, overrides ...string) *config.Node {
	t.Helper()
	cfg, err := config.Compose(config.Options{
		Sources:    []config.Source{{FS: os.DirFS("../../configs"), Path: "configs", Provider: "main"}},
		ConfigName: name, Overrides: overrides, Now: time.Unix(0, 0), WorkDir: t.TempDir(), AppName: "openretina",
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Root
}

// TestSimulatedRetinaLoads reads what create-data writes, with its repeats.
func TestSimulatedRetinaLoads(t *testing.T) {
	dir := t.TempDir()
	options := simulate.Options{CellsPerType: 1, Frames: 1800, TestFrames: 150, Repeats: 3}
	if err := simulate.Write(context.Background(), dir, options); err != nil {
		t.Fatal(err)
	}
	cfg := compose(t, "simulated_retina", "paths.data_dir="+dir)
	d, err := data.Load(context.Background(), cfg, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Sessions) != 2 || d.Info.InputShape != [3]int{2, 18, 16} {
		t.Fatalf("%d sessions of %v", len(d.Sessions), d.Info.InputShape)
	}
	if diff := cmp.Diff([]string{simulate.TestStimulus}, d.TestNames()); diff != "" {
		t.Error(diff)
	}
	for _, s := range d.Sessions {
		test := s.Tests[0]
		if len(test.Repeats) != options.Repeats {
			t.Fatalf("%s has %d repeats", s.Name, len(test.Repeats))
		}
		for i, value := range test.Responses.Data {
			sum := float32(0)
			for _, repeat := range test.Repeats {
				sum += repeat.Data[i]
			}
			if mean := sum / float32(options.Repeats); value-mean > 1e-6 || mean-value > 1e-6 {
				t.Fatalf("%s: response %d is %v, the mean of the repeats %v", s.Name, i, value, mean)
			}
		}
	}
}

// TestConfigsOfTheProgram checks the data part of the configs whose data can be
// read.
func TestConfigsOfTheProgram(t *testing.T) {
	for _, name := range []string{
		"hoefling_2024", "hoefling_2024_core_readout_low_res", "hoefling_2024_core_readout_high_res", "hdf5_core_readout",
	} {
		if _, err := data.ParseConfig(compose(t, name, "++paths.data_dir=.", "++paths.cache_dir=.")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
