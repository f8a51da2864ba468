package insilico

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// tinyModel takes movies of 2 channels and 4 x 4 pixels, and has 3 neurons.
func tinyModel(t *testing.T) *models.CoreReadout {
	t.Helper()
	m, err := models.New(node(t, `
in_shape: [2, 12, 4, 4]
hidden_channels: [2]
core:
  _target_: openretina.modules.core.base_core.SimpleCoreWrapper
  temporal_kernel_sizes: [3]
  spatial_kernel_sizes: [3]
  gamma_input: 0.0
  gamma_temporal: 0.0
  gamma_in_sparse: 0.0
  gamma_hidden: 0.0
  cut_first_n_frames: 0
  input_padding: false
readout:
  _target_: openretina.modules.readout.multi_readout.MultiGaussianMaskReadout
  in_shape: ???
  scale: true
  bias: true
  gaussian_mean_scale: 6.0
  gaussian_var_scale: 4.0
  positive: true
`), []models.Session{{Name: "a", Neurons: 2}, {Name: "b", Neurons: 1}}, models.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// residentBytes is the memory that the process holds.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc on this system")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestManyStimuliLeaveNothingBehind makes 1,000 MEIs with everything that a run
// may hold: optimizer state, a stopper, two sessions, penalties.
func TestManyStimuliLeaveNothingBehind(t *testing.T) {
	m := tinyModel(t)
	targets := []Neurons{{{"a", 1}}, {{"b", 0}}, {{"a", 0}, {"b", 0}}}
	s := settings(t, `{max_steps: 3, frames: 12, reducer: null, optimizer: {_target_: torch.optim.Adam, lr: 0.1},
stopper: {_target_: `+modules+`optimization_stopper.EarlyStopper, patience: 1},
regularizers: {_target_: `+modules+`regularizer.RangeRegularizationLoss, max_norm: 3, min_max_values: [[-1, 1]]}}`)
	optimize := func(count int) {
		for range count {
			mustOptimize(t, m, targets[:1], s, Options{})
		}
		mustOptimize(t, m, targets, s, Options{})
	}
	const settled = 300
	optimize(settled)
	tensors, memory := torch.LiveTensors(), residentBytes(t)
	optimize(1000 - settled)
	if after := torch.LiveTensors(); after != tensors {
		t.Errorf("%d tensors are left over", after-tensors)
	}
	if grown := residentBytes(t) - memory; grown > 5<<20 {
		t.Errorf("resident memory grew by %d KiB", grown>>10)
	} else {
		t.Logf("resident memory changed by %d KiB", grown>>10)
	}
}
