// Package torchtest runs tests on every kind of device that a machine has.
package torchtest

import (
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// The question for a GPU comes first in a test's process: libtorch remembers the
// answer, and its backward passes are set up for the devices there are.
var gpu, _, errGPU = torch.SelectDevice("cuda")

// Devices are what a test's computations run on, as names of its subtests.
var Devices = []string{"cpu", "cuda"}

// Device is the one of a name in Devices; it skips the test where that is not there.
func Device(tb testing.TB, name string) torch.Device {
	tb.Helper()
	if name == "cpu" {
		return torch.CPU
	}
	return GPU(tb)
}

// GPU is the first GPU; without one it skips the test.
func GPU(tb testing.TB) torch.Device {
	tb.Helper()
	if errGPU != nil {
		tb.Skip("needs a GPU: ", errGPU)
	}
	return gpu
}
