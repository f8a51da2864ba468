package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// DummyCoreConfig are the arguments of DummyCore.
type DummyCoreConfig struct {
	// Channels are accepted, as all else is by the Python class, since the model's
	// hidden_channels put them there.
	Channels        []int64 `yaml:"channels,runtime"`
	CutFirstNFrames *int64  `yaml:"cut_first_n_frames"`
}

// dummyCore is DummyCore: its features are the stimulus, less the first frames. Models
// without a core of their own, such as LNP models, have it.
type dummyCore struct{ cut int64 }

// Validate refuses a negative cut.
func (c *DummyCoreConfig) Validate() error {
	if c.CutFirstNFrames != nil && *c.CutFirstNFrames < 0 {
		return config.Refuse("cut_first_n_frames", "cut_first_n_frames must not be negative, got %d", *c.CutFirstNFrames)
	}
	return nil
}

func (c DummyCoreConfig) build(CoreDeps) (Core, error) {
	if c.CutFirstNFrames == nil {
		return dummyCore{}, nil
	}
	return dummyCore{*c.CutFirstNFrames}, nil
}

// Forward is a view of the stimulus.
func (c dummyCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	return s.From(x, 2, min(c.cut, s.Dim(x, 2)))
}

// OutShape is the stimulus' shape with fewer frames.
func (c dummyCore) OutShape(in []int64) ([]int64, error) {
	out := slices.Clone(in)
	out[1] = max(out[1]-c.cut, 0)
	return out, nil
}

// Regularizer is zero.
func (dummyCore) Regularizer(s *torch.Scope) *torch.Tensor { return s.Zeros() }

// Fixed is the core itself.
func (c dummyCore) Fixed(*torch.Scope) Core { return c }

// Timing is that each feature sees its own frame.
func (c dummyCore) Timing() Timing { return Timing{Stride: 1, Cut: int(c.cut)} }

// Memory is the stimulus.
func (dummyCore) Memory(in []int64) int64 { return floatBytes * elements(in) }

func (dummyCore) class() string { return "DummyCore" }
