package insilico

import (
	"errors"
	"slices"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// errNoResponse is the objective's error for a clip that the model consumes
// without giving a response.
var errNoResponse = errors.New("the model gives no response to a stimulus this short")

// objective computes what stimuli are optimised for: each clip's own neurons,
// their mean, the mean of that over the reducer's window.
type objective struct {
	model   *models.CoreReadout
	reducer Reducer
	result  *Result // gets the window and warnings
}

// values gives the objective (batch) of clips (batch, channels, time, height,
// width), clip i for targets[i]. The core runs once, readouts only for the clips
// that need their session.
func (o *objective) values(s *torch.Scope, x *torch.Tensor, targets []Neurons) (*torch.Tensor, error) {
	traces, err := o.traces(s, o.model.Core.Forward(s, x), targets)
	if err != nil {
		return nil, err
	}
	frames := s.Dim(traces, 1)
	start, length, warning, err := o.reducer.Window(frames)
	if err != nil {
		return nil, err
	}
	o.result.Window = Window{Start: start, Length: length, Frames: frames}
	o.result.warn(warning)
	return s.Mean(s.Narrow(traces, 1, start, length), 1), s.Err()
}

// traces are the mean responses (batch, time) of each clip's neurons.
func (o *objective) traces(s *torch.Scope, features *torch.Tensor, targets []Neurons) (*torch.Tensor, error) {
	rows, at, err := o.responses(s, features, targets)
	if err != nil {
		return nil, err
	}
	var index []int64
	single := true
	for clip, target := range targets {
		single = single && len(target) == 1
		for _, n := range target {
			index = append(index, at(clip, n))
		}
	}
	rows = s.IndexSelect(rows, 0, index)
	if single {
		return rows, s.Err()
	}
	means := make([]*torch.Tensor, len(targets))
	first := int64(0)
	for clip, target := range targets {
		size := int64(len(target))
		means[clip] = s.Mean(s.Narrow(rows, 0, first, size), 0)
		first += size
	}
	return s.Stack(0, means...), s.Err()
}

// responses are rows of responses over time, those of the sessions one below the
// other; at gives the row of a clip's neuron.
func (o *objective) responses(s *torch.Scope, features *torch.Tensor, targets []Neurons) (rows *torch.Tensor, at func(clip int, n Neuron) int64, err error) {
	type block struct {
		first, neurons int64
		clips          []int64 // in ascending order
	}
	blocks := map[string]*block{}
	var parts []*torch.Tensor
	total := int64(0)
	for _, session := range sessionsOf(targets) {
		readout, err := o.model.Readout(session)
		if err != nil {
			return nil, nil, err
		}
		b := &block{first: total, neurons: int64(readout.NumNeurons()), clips: clipsOf(targets, session)}
		blocks[session] = b
		own := features
		if len(b.clips) < len(targets) {
			own = s.IndexSelect(features, 0, b.clips)
		}
		response := readout.Forward(s, own) // (clips, time, neurons)
		frames := s.Dim(response, 1)
		if s.Err() == nil && frames == 0 {
			return nil, nil, errNoResponse
		}
		size := int64(len(b.clips)) * b.neurons
		parts = append(parts, s.Reshape(s.Permute(response, 0, 2, 1), size, frames))
		total += size
	}
	at = func(clip int, n Neuron) int64 {
		b := blocks[n.Session]
		place, _ := slices.BinarySearch(b.clips, int64(clip))
		return b.first + int64(place)*b.neurons + int64(n.Index)
	}
	return s.Cat(0, parts...), at, s.Err()
}

// sessionsOf are the sessions of all neurons, sorted.
func sessionsOf(targets []Neurons) []string {
	var names []string
	for _, target := range targets {
		for _, n := range target {
			names = append(names, n.Session)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// clipsOf are the clips with a neuron of the session.
func clipsOf(targets []Neurons, session string) []int64 {
	var clips []int64
	for i, target := range targets {
		if slices.ContainsFunc(target, func(n Neuron) bool { return n.Session == session }) {
			clips = append(clips, int64(i))
		}
	}
	return clips
}
