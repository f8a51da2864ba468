package train

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

const leakModel = `
in_shape: [2, 8, 4, 4]
hidden_channels: [2]
core:
  _target_: openretina.modules.core.base_core.SimpleCoreWrapper
  channels: ???
  temporal_kernel_sizes: [3]
  spatial_kernel_sizes: [3]
  gamma_input: 0.0
  gamma_temporal: 0.0
  gamma_in_sparse: 0.0
  gamma_hidden: 0.0
  dropout_rate: 0.1
  convolution_type: full
  cut_first_n_frames: 0
readout:
  _target_: openretina.modules.readout.multi_readout.MultiGaussianMaskReadout
  scale: true
  bias: true
  gaussian_mean_scale: 6.0
  gaussian_var_scale: 4.0
  positive: true
`

// residentMiB is the memory that the process occupies.
func residentMiB(t *testing.T) float64 {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

// TestStepsLeakNothing watches tensors, and the memory that no count of them sees.
func TestStepsLeakNothing(t *testing.T) {
	before := torch.LiveTensors()
	n, err := config.FromYAML("leak.yaml", []byte(leakModel))
	if err != nil {
		t.Fatal(err)
	}
	m, err := models.New(n, []models.Session{{Name: "a", Neurons: 3}}, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := &Stepper{
		Model: m, ClipNorm: 1,
		Optimizer: optim.NewAdamW(m.Store().Scope(), m.Store().Parameters(), optim.DefaultAdam(true)),
	}
	b := &data.Batch{
		Session: "a", Clips: 1, Channels: 2, Frames: 8, Height: 4, Width: 4, Neurons: 3,
		Inputs: make([]float32, 2*8*4*4), Targets: make([]float32, 8*3),
	}
	var live int64
	var memory float64
	for step := range 10_000 {
		for i := range b.Inputs {
			b.Inputs[i] = float32((step*31+i*17)%13)/6 - 1
		}
		if _, err := st.Step(t.Context(), b, true); err != nil {
			t.Fatal(err)
		}
		if step+1 == 1000 {
			live, memory = torch.LiveTensors(), residentMiB(t)
		}
	}
	if got := torch.LiveTensors(); got != live {
		t.Errorf("%d tensors after 10,000 steps, %d after 1,000", got, live)
	}
	if grown := residentMiB(t) - memory; grown > 5 {
		t.Errorf("9,000 steps took %.1f MiB", grown)
	} else {
		t.Logf("9,000 steps took %.1f MiB", grown)
	}
	m.Close()
	if left := torch.LiveTensors() - before; left != 0 {
		t.Errorf("%d tensors are left over", left)
	}
}
