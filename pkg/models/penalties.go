package models

import "github.com/open-retina/openretina-go/pkg/torch"

// averagingReadout is a readout whose Regularizer may be a mean over its neurons, so
// that it does not grow with their number.
type averagingReadout interface {
	averagesNeurons() bool
}

// Penalties are the regularizers of the core and of a session's readout, as they are
// added to the loss. A loss per neuron and frame gets them per neuron and frame of a
// step of gamma_reference: then neither moves with clips, frames or neurons.
func (m *CoreReadout) Penalties(s *torch.Scope, session string) (core, readout *torch.Tensor, err error) {
	r, err := m.Readout(session)
	if err != nil {
		return nil, nil, err
	}
	core, readout = m.Core.Regularizer(s), r.Regularizer(s)
	if !IsPerNeuronFrame(m.Loss) {
		return core, readout, nil
	}
	l := m.Loss.(poissonLoss)
	frames, reference := float64(l.GammaReference[0]*l.GammaReference[1]), float64(l.GammaReference[2])
	neurons := float64(r.NumNeurons())
	if a, ok := readoutAs[averagingReadout](r); ok && a.averagesNeurons() {
		neurons = reference
	}
	return s.MulScalar(core, 1/(frames*reference)), s.MulScalar(readout, 1/(frames*neurons)), nil
}

// IsPerNeuronFrame says whether a loss is a mean per neuron and frame by its
// reduction.
func IsPerNeuronFrame(l Loss) bool {
	p, ok := l.(poissonLoss)
	return ok && p.Reduction == reducePerNeuronFrame
}
