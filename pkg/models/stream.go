package models

import (
	"context"
	"runtime"
	"sort"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// bytesAtOnce is about how much memory the tensors of one computation take. More
// is not faster: they leave the processor's caches.
const bytesAtOnce = 16 << 20

// Range is the entries From to To, the latter excluded.
type Range struct{ From, To int }

// Len is the number of entries.
func (r Range) Len() int { return r.To - r.From }

// FrameSource gives out a stimulus of any length in parts.
type FrameSource interface {
	// Shape is (clips, channels, frames, height, width).
	Shape() [5]int
	// Read gives the frames of the clips, of shape (clips, channels, frames,
	// height, width) and any element type.
	Read(clips, frames Range) (*ndarray.Array, error)
}

// RespondStream computes what Respond does, of a stimulus that need not fit into
// memory: long clips in pieces, short ones several at a time. emit gets the
// responses (clips, frames, neurons), float32, of some clips or of a stretch of
// one, which follow each other in C order; all of them together are the responses
// to the whole stimulus, of shape (clips, ResponseFrames, neurons). The memory it
// takes does not depend on the stimulus' length, unless the core does not say what its
// features see.
func (m *CoreReadout) RespondStream(
	ctx context.Context, source FrameSource, session string, emit func(responses *ndarray.Array) error,
) error {
	shape := source.Shape()
	if err := m.checkStimulus(shape[:]); err != nil {
		return err
	}
	neurons, err := m.NumNeurons(session)
	if err != nil {
		return err
	}
	return m.respondCut(ctx, source, session, m.cut(shape, neurons), emit)
}

// respondCut is RespondStream once it is known how the stimulus is cut.
func (m *CoreReadout) respondCut(
	ctx context.Context, source FrameSource, session string, c cutting, emit func(*ndarray.Array) error,
) error {
	// A library in C that reads a file leaves memory behind in every thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	scope := torch.NewScope(m.device)
	defer scope.Close()
	p, err := m.newPass(ctx, scope, session)
	if err != nil {
		return err
	}
	for clip := 0; clip < c.clips; clip += c.clipsAtOnce {
		clips := Range{clip, min(clip+c.clipsAtOnce, c.clips)}
		p.forget()
		for _, piece := range c.stretches {
			stimulus, err := source.Read(clips, piece.frames)
			if err != nil {
				return err
			}
			responses, err := p.respond(ctx, stimulus, piece)
			if err != nil {
				return err
			}
			if err := emit(piece.own(responses)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ResponseFrames is how many frames the responses to a clip have.
func (m *CoreReadout) ResponseFrames(frames int) int {
	out, err := m.Core.OutShape([]int64{m.InShape[0], int64(frames), m.InShape[2], m.InShape[3]})
	if err != nil {
		return 0 // too short for any
	}
	return int(max(out[1]-m.history(), 0))
}

// cutting is how a stimulus is cut for computing: into stretches where that is more
// than one, else into groups of clips.
type cutting struct {
	clips, clipsAtOnce int
	stretches          []stretch
}

// stretch is a piece of a clip that is computed on at once, and those of its
// responses that are the clip's: others see an end where the clip has none.
type stretch struct{ frames, wanted Range }

// own takes the wanted responses (clips, frames, neurons) of a part.
func (s stretch) own(responses *ndarray.Array) *ndarray.Array {
	clips, frames, neurons := responses.Shape[0], responses.Shape[1], responses.Shape[2]
	if frames == s.wanted.Len() {
		return responses
	}
	row := neurons * responses.DType.Size() // there is one clip
	return &ndarray.Array{
		DType: responses.DType, Shape: []int{clips, s.wanted.Len(), neurons},
		Data: responses.Data[s.wanted.From*row : s.wanted.To*row],
	}
}

// cut finds the largest pieces that stay within bytesAtOnce.
func (m *CoreReadout) cut(shape [5]int, neurons int) cutting {
	clips, frames := shape[0], shape[2]
	atOnce := func(n int) int { return int(bytesAtOnce / m.memory(shape[1], n, neurons)) }
	c := cutting{clips: clips, clipsAtOnce: max(1, atOnce(frames))}
	t, local := m.timing()
	if !local || atOnce(frames) > 0 {
		c.stretches = []stretch{{Range{0, frames}, Range{0, m.ResponseFrames(frames)}}}
		return c
	}
	longest := sort.Search(frames, func(n int) bool { return atOnce(n+1) == 0 })
	const leastGain = 3 // at most a quarter of a piece is computed twice
	step := max(longest/t.Stride-t.overlap(), leastGain*t.overlap(), 1)
	c.stretches = m.stretches(frames, step, t)
	return c
}

// timing is that of the core, up to its state if it has one, and of the readouts'
// histories; false where the core does not say.
func (m *CoreReadout) timing() (Timing, bool) {
	var t Timing
	switch core := m.Core.(type) {
	case LocalInTime:
		t = core.Timing()
	case Recurrent:
		t = core.Convolutions().Timing()
	default:
		return t, false
	}
	history := int(m.history())
	t.Before += history
	t.Cut += history
	return t, true
}

// overlap is how many blocks two neighbouring pieces share.
func (t Timing) overlap() int { return max(0, max(t.Before, t.Cut)+t.After) }

// stretches cuts a clip after every step responses. Pieces overlap by what makes
// their responses those of the whole clip.
func (m *CoreReadout) stretches(frames, step int, t Timing) []stretch {
	total := m.ResponseFrames(frames)
	var stretches []stretch
	for from := 0; from < total; from += step {
		stretches = append(stretches, m.stretch(frames, Range{from, min(from+step, total)}, t))
	}
	return stretches
}

// stretch is the piece of a clip that its wanted responses depend on.
func (m *CoreReadout) stretch(frames int, wanted Range, t Timing) stretch {
	blocks := frames / t.Stride
	shortest := (m.MinFrames() + t.Stride - 1) / t.Stride
	// Response i belongs to block i of a piece as of the clip.
	first := max(0, min(wanted.From-max(0, t.Before-t.Cut), blocks-shortest))
	last := min(blocks, max(wanted.To+t.Cut+t.After, first+shortest))
	return stretch{
		frames: Range{first * t.Stride, last * t.Stride},
		wanted: Range{wanted.From - first, wanted.To - first},
	}
}

// Needed says which frames of a clip some of its responses depend on, and which of
// the responses to those frames alone they are.
func (m *CoreReadout) Needed(frames int, responses Range) (stimulus, own Range) {
	t, local := m.timing()
	if !local {
		return Range{0, frames}, responses
	}
	if _, ok := m.Core.(Recurrent); ok { // on all that is before
		return m.stretch(frames, Range{0, responses.To}, t).frames, responses
	}
	piece := m.stretch(frames, responses, t)
	return piece.frames, piece.wanted
}

// memory is about how many bytes the responses to one clip take to compute.
func (m *CoreReadout) memory(channels, frames, neurons int) int64 {
	// What cores take for each byte of a stimulus, where they do not say.
	const otherwise = 12
	in := []int64{int64(channels), int64(frames), m.InShape[2], m.InShape[3]}
	bytes := otherwise * floatBytes * in[0] * in[1] * in[2] * in[3]
	if core, ok := m.Core.(interface{ Memory(in []int64) int64 }); ok {
		bytes = core.Memory(in)
	}
	if features, err := m.Core.OutShape(in); err == nil {
		// Readouts put the features of a frame side by side, and make a few tensors
		// of the size of the responses.
		bytes += floatBytes * features[1] * (features[0]*features[2]*features[3] + 4*int64(neurons))
	}
	return max(1, bytes)
}
