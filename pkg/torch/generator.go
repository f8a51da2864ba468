package torch

import (
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// Generator draws random numbers; no draw of this program uses libtorch's
// hidden default generator.
type Generator struct {
	handle libtorch.Generator
	device Device
}

// NewGenerator makes a generator; on the CPU it draws what a torch.Generator
// with the same seed draws.
func NewGenerator(seed uint64, device Device) (*Generator, error) {
	h, err := libtorch.NewGenerator(seed, device.String())
	if err != nil {
		return nil, &Error{Op: "generator", Kind: kindOf(err), Msg: err.Msg, Trace: err.Trace}
	}
	return &Generator{handle: h, device: device}, nil
}

// Close frees the generator. A second call does nothing.
func (g *Generator) Close() {
	libtorch.FreeGenerator(g.handle)
	g.handle = nil
}

func (g *Generator) raw() libtorch.Generator {
	if g == nil {
		return nil
	}
	return g.handle
}

// State is what torch.Generator.get_state gives: uint8 values.
func (g *Generator) State() (*ndarray.Array, error) {
	s := NewScope(CPU)
	defer s.Close()
	return s.Array(s.op("generator state", func(bool) (libtorch.Handle, *libtorch.Error) {
		return libtorch.GeneratorState(g.raw())
	}))
}

// SetState restores what State gave.
func (g *Generator) SetState(state *ndarray.Array) error {
	s := NewScope(CPU)
	defer s.Close()
	t := s.FromArray(state)
	s.effect("generator state", func() *libtorch.Error { return libtorch.SetGeneratorState(g.raw(), t.handle) }, t)
	return s.Err()
}
