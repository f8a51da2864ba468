// Package models holds the networks: cores that turn a movie into features,
// readouts that turn features into the responses of a session's neurons, the
// losses they are trained with, and how they are built from configs and
// checkpoints under the _target_ names of the Python package.
//
// Shapes are PyTorch's: stimuli and features (batch, channels, time, height,
// width), responses (batch, time, neurons).
package models

import "github.com/open-retina/openretina-go/pkg/torch"

// Core turns a stimulus (batch, channels, time, height, width) into features of
// the same rank.
type Core interface {
	// Forward gives a tensor that the caller may free: a view of x at least, never x.
	Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor
	// OutShape is the features' shape for a stimulus of shape in, both (channels,
	// time, height, width).
	OutShape(in []int64) ([]int64, error)
	// Regularizer is the penalty on the core's weights, a scalar.
	Regularizer(s *torch.Scope) *torch.Tensor
	// Fixed is the core with everything worked out that does not depend on the
	// stimulus, for as long as s lives and the weights stay as they are.
	Fixed(s *torch.Scope) Core
}

// PerSession is a core whose features depend on the session.
type PerSession interface {
	Core
	// ForSession is the core for a session's stimuli. It shares the weights, and is the
	// same value for sessions that make no difference.
	ForSession(session string) Core
}

// Recurrent is a core whose features depend on all frames before: convolutions that see
// a bounded stretch, and a state that goes over what they give.
type Recurrent interface {
	Core
	// Convolutions is the core up to the state.
	Convolutions() LocalInTime
	// Continue gives the core's features to some frames of Convolutions', and the state
	// behind the last of them. state is that before the first; nil at a stimulus' start.
	Continue(s *torch.Scope, features, state *torch.Tensor) (out, last *torch.Tensor)
}

// Readout turns features into the responses (batch, time, neurons) of one
// session.
type Readout interface {
	Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor
	// Regularizer is the penalty on the readout's weights, a scalar.
	Regularizer(s *torch.Scope) *torch.Tensor
	// NumNeurons is the size of the last dimension of the responses.
	NumNeurons() int
	// Fixed is the readout of the named neurons alone, in their order, or of all where
	// neurons is nil. It lives as long as s.
	Fixed(s *torch.Scope, neurons []int64) FixedReadout
}
