// Package torchtest runs tests on every kind of device that a machine has.
package torchtest

import (
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// The question for a GPU comes first in a test's process: libtorch remembers the
// answer, and its backward passes are set up for the devices there are.
var gpu, _, errGPU = torch.SelectDevice("cuda")

// EachDevice runs a test on the CPU, and on a GPU where there is one.
func EachDevice(t *testing.T, test func(t *testing.T, d torch.Device)) {
	t.Helper()
	t.Run("cpu", func(t *testing.T) { test(t, torch.CPU) })
	t.Run("cuda", func(t *testing.T) { test(t, GPU(t)) })
}

// GPU is the first GPU; without one it skips the test.
func GPU(tb testing.TB) torch.Device {
	tb.Helper()
	if errGPU != nil {
		tb.Skip("needs a GPU: ", errGPU)
	}
	return gpu
}
