package torch

import "github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"

// Precision is what a GPU may do for speed; the zero value is float32 throughout, as
// on the CPU. Losses, BatchNorm and readouts are float32 in any case.
type Precision struct {
	// TF32 lets matrix products and convolutions round their operands to 10 bits.
	TF32 bool
	// BFloat16Convolutions computes separable convolutions in bfloat16.
	BFloat16Convolutions bool
}

// SetPrecision says how the device computes from now on, in the whole process. The
// CPU's precision cannot be changed.
func SetPrecision(d Device, p Precision) error {
	if d.IsCPU() {
		return nil
	}
	if err := libtorch.SetGPUPrecision(p.TF32, p.BFloat16Convolutions); err != nil {
		return err
	}
	return nil
}
