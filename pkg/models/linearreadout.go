package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// FixedReadout is a readout, or some of its neurons, with everything worked out that
// does not depend on the features.
type FixedReadout interface {
	// Forward gives responses (batch, time, neurons) to features (batch, channels,
	// time, height, width).
	Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor
	// Pairs gives responses (pairs, time): of neuron neurons[k] to clip clips[k].
	Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor
	// Keep is the readout with its tensors moved to the scope outside of s.
	Keep(s *torch.Scope) FixedReadout
}

// linearReadout is what a readout comes down to when masks and scales have been
// multiplied out: each neuron weighs every channel and position of the features, or
// every channel and some positions, adds its bias, and a nonlinearity follows. Responses
// are one matrix product.
type linearReadout struct {
	weights      *torch.Tensor // (neurons, channels · positions)
	positions    []int64       // row · width + column of those that are weighed; nil for all
	bias         *torch.Tensor // (neurons)
	nonlinearity Nonlinearity
}

func (r *linearReadout) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	rows := r.perFrame(s, features)
	y := s.Add(s.MatMul(rows, s.Permute(r.weights, 1, 0)), r.bias)
	s.Free(rows) // as large as the features
	return r.nonlinearity(s, y)
}

// Keep leaves out the graph: nothing is trained through it.
func (r *linearReadout) Keep(s *torch.Scope) FixedReadout {
	return &linearReadout{
		weights: s.Keep(r.weights), positions: r.positions, bias: s.Keep(r.bias), nonlinearity: r.nonlinearity,
	}
}

// Pairs computes nothing else where each clip has one neuron.
func (r *linearReadout) Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	batch, time := s.Dim(features, 0), s.Dim(features, 2)
	if int64(len(clips)) == batch && ascending(clips) {
		weights := s.Reshape(s.IndexSelect(r.weights, 0, neurons), batch, -1, 1)
		rows := r.perFrame(s, features)
		y := s.Reshape(s.MatMul(rows, weights), batch, time)
		s.Free(rows)
		bias := s.Reshape(s.IndexSelect(r.bias, 0, neurons), batch, 1)
		return r.nonlinearity(s, s.Add(y, bias))
	}
	return pairsOf(s, r.Forward(s, features), clips, neurons)
}

// pairsOf picks pairs (pairs, time) of clips and neurons from responses (batch, time,
// neurons).
func pairsOf(s *torch.Scope, responses *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	batch, time, count := s.Dim(responses, 0), s.Dim(responses, 1), s.Dim(responses, 2)
	all := s.Reshape(s.Permute(responses, 0, 2, 1), batch*count, time)
	index := make([]int64, len(clips))
	for k := range clips {
		index[k] = clips[k]*count + neurons[k]
	}
	return s.IndexSelect(all, 0, index)
}

// ascending says whether no clip comes twice in a list that is in order.
func ascending(clips []int64) bool {
	return slices.IsSorted(clips) && len(slices.Compact(slices.Clone(clips))) == len(clips)
}

// perFrame puts all features of a frame that are weighed side by side: (batch, time,
// channels · positions).
func (r *linearReadout) perFrame(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	batch, channels, time := s.Dim(features, 0), s.Dim(features, 1), s.Dim(features, 2)
	size := s.Dim(features, 3) * s.Dim(features, 4)
	ordered := s.Permute(features, 0, 2, 1, 3, 4)
	defer s.Free(ordered)
	if r.positions == nil {
		return s.Reshape(ordered, batch, time, channels*size)
	}
	all := s.Reshape(ordered, batch, time, channels, size)
	picked := s.IndexSelect(all, 3, r.positions)
	s.Free(all)
	defer s.Free(picked)
	return s.Reshape(picked, batch, time, channels*int64(len(r.positions)))
}
