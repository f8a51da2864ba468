package insilico

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// objective computes what stimuli are optimised for: each clip's own neurons,
// their mean, the mean of that over the reducer's window.
type objective struct {
	model    *models.CoreReadout
	reducer  Reducer
	result   *Result     // gets the window and warnings
	core     models.Core // nil where sessions have cores of their own
	readouts map[string]*chosenReadout
	needed   models.Range // frames of the stimulus
	window   models.Range // of the response to those
}

// chosenReadout is a session's readout of the neurons that are asked for.
type chosenReadout struct {
	models.FixedReadout
	core  models.Core
	place map[int]int64 // in it, of the session's neurons
}

// prepare works out what the stimuli, of some frames, do not change: the core's
// kernels, the readouts of all neurons of the targets, the window. Tensors live in
// root.
func (o *objective) prepare(root *torch.Scope, frames int, targets []Neurons) error {
	if err := o.lookAt(frames); err != nil {
		return err
	}
	o.readouts = map[string]*chosenReadout{}
	cores := map[models.Core]models.Core{} // fixed ones
	for _, session := range sessionsOf(targets) {
		readout, err := o.model.Readout(session)
		if err != nil {
			return err
		}
		core := o.model.CoreFor(session)
		if cores[core] == nil {
			cores[core] = core.Fixed(root)
		}
		chosen := &chosenReadout{core: cores[core], place: map[int]int64{}}
		var neurons []int64
		for _, n := range slices.Concat(targets...) {
			if _, known := chosen.place[n.Index]; n.Session == session && !known {
				chosen.place[n.Index] = int64(len(neurons))
				neurons = append(neurons, int64(n.Index))
			}
		}
		chosen.FixedReadout = readout.Fixed(root, neurons)
		o.readouts[session] = chosen
		o.core = chosen.core
	}
	if len(cores) > 1 {
		o.core = nil
	}
	return root.Err()
}

// lookAt finds the window of the response to a stimulus of some frames, and what of
// the stimulus it depends on.
func (o *objective) lookAt(frames int) error {
	total := o.model.ResponseFrames(frames)
	start, length, warning, err := o.reducer.Window(int64(total))
	if err != nil {
		return err
	}
	o.result.Window = Window{Start: start, Length: length, Frames: int64(total)}
	o.result.warn(warning)
	o.needed, o.window = o.model.Needed(frames, models.Range{From: int(start), To: int(start + length)})
	return nil
}

// values gives the objective (batch) of clips (batch, channels, time, height,
// width), clip i for targets[i]. The core runs once, over the frames that the window
// depends on (once for each session that has its own), and readouts only for the clips
// that need their session.
func (o *objective) values(s *torch.Scope, x *torch.Tensor, targets []Neurons) (*torch.Tensor, error) {
	if int64(o.needed.Len()) < s.Dim(x, 2) {
		x = s.Narrow(x, 2, int64(o.needed.From), int64(o.needed.Len()))
	}
	traces := o.traces(s, x, targets)
	return s.Mean(s.Narrow(traces, 1, int64(o.window.From), int64(o.window.Len())), 1), s.Err()
}

// traces are the mean responses (batch, time) of each clip's neurons.
func (o *objective) traces(s *torch.Scope, x *torch.Tensor, targets []Neurons) *torch.Tensor {
	var features *torch.Tensor
	if o.core != nil {
		features = o.core.Forward(s, x)
	}
	var parts []*torch.Tensor
	rows := make([][]int64, len(targets)) // of parts, of each clip's neurons
	total := int64(0)
	for _, session := range sessionsOf(targets) {
		readout := o.readouts[session]
		own, clips, neurons := readout.pairs(session, targets)
		of := features
		if of == nil {
			of = x
		}
		if len(own) < len(targets) {
			of = s.IndexSelect(of, 0, own)
		}
		if features == nil {
			of = readout.core.Forward(s, of)
		}
		parts = append(parts, readout.Pairs(s, of, clips, neurons))
		for _, clip := range clips {
			rows[own[clip]] = append(rows[own[clip]], total)
			total++
		}
	}
	return means(s, parts, rows)
}

// pairs lists the targets' neurons of the session: the clips that have any (own), and
// for each neuron the place of its clip in own and its own place in the readout.
func (r *chosenReadout) pairs(session string, targets []Neurons) (own, clips, neurons []int64) {
	for clip, target := range targets {
		for _, n := range target {
			if n.Session != session {
				continue
			}
			if len(own) == 0 || own[len(own)-1] != int64(clip) {
				own = append(own, int64(clip))
			}
			clips, neurons = append(clips, int64(len(own)-1)), append(neurons, r.place[n.Index])
		}
	}
	return own, clips, neurons
}

// means are those of the named rows of all parts together, (sets of rows, time).
func means(s *torch.Scope, parts []*torch.Tensor, rows [][]int64) *torch.Tensor {
	all := parts[0]
	if len(parts) > 1 {
		all = s.Cat(0, parts...)
	}
	single := !slices.ContainsFunc(rows, func(r []int64) bool { return len(r) != 1 })
	if index := slices.Concat(rows...); !slices.IsSorted(index) {
		all = s.IndexSelect(all, 0, index)
	}
	if single {
		return all
	}
	list := make([]*torch.Tensor, len(rows))
	first := int64(0)
	for i, r := range rows {
		list[i] = s.Mean(s.Narrow(all, 0, first, int64(len(r))), 0)
		first += int64(len(r))
	}
	return s.Stack(0, list...)
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
