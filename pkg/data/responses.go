package data

import (
	"fmt"
	"math"
)

// Responses is the activity of a session's neurons over time: Data has shape
// (Frames, Neurons), in the unit of the recording (spikes per frame, or
// normalised calcium traces).
type Responses struct {
	Frames, Neurons int
	Data            []float32
}

func newResponses(frames, neurons int) Responses {
	return Responses{Frames: frames, Neurons: neurons, Data: make([]float32, frames*neurons)}
}

// Slice is the frames from start up to, not including, end; it shares the data.
func (r Responses) Slice(start, end int) Responses {
	return Responses{
		Frames: end - start, Neurons: r.Neurons,
		Data: r.Data[start*r.Neurons : end*r.Neurons : end*r.Neurons],
	}
}

// At is the response of a neuron at a frame.
func (r Responses) At(frame, neuron int) float32 {
	return r.Data[frame*r.Neurons+neuron]
}

// Mean is the mean over time of each neuron, summed in float64.
func (r Responses) Mean() []float32 {
	sums := make([]float64, r.Neurons)
	for frame := range r.Frames {
		for neuron, value := range r.Data[frame*r.Neurons : (frame+1)*r.Neurons] {
			sums[neuron] += float64(value)
		}
	}
	means := make([]float32, r.Neurons)
	for i, sum := range sums {
		means[i] = float32(sum / float64(r.Frames))
	}
	return means
}

// checkFinite finds the first value that is no number.
func (r Responses) checkFinite() error {
	for i, value := range r.Data {
		if v := float64(value); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("the response of neuron %d at frame %d is %v", i%r.Neurons, i/r.Neurons, value)
		}
	}
	return nil
}

// setNeuron writes the time course of one neuron.
func (r Responses) setNeuron(neuron int, course []float64) {
	for frame, value := range course {
		r.Data[frame*r.Neurons+neuron] = float32(value)
	}
}

// gather joins clips of the given length: clip i of the result is clip clips[i].
func (r Responses) gather(clips []int, length int) Responses {
	out := newResponses(len(clips)*length, r.Neurons)
	size := length * r.Neurons
	for i, clip := range clips {
		copy(out.Data[i*size:(i+1)*size], r.Data[clip*size:(clip+1)*size])
	}
	return out
}
