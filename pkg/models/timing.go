package models

// Timing says which part of a stimulus each of a core's features sees. The
// stimulus is a row of blocks of Stride frames, an incomplete last one left out;
// feature i depends on blocks i-Before to i+After, and beyond the stimulus' ends
// every layer sees zeros. The first Cut features are dropped.
type Timing struct {
	Stride, Before, After, Cut int
}

// LocalInTime is a core each of whose features sees a bounded stretch of the
// stimulus, so that those of a long one can be computed piece by piece.
type LocalInTime interface {
	Core
	Timing() Timing
	// Memory is about how many bytes Forward takes, without gradients, for a
	// stimulus of shape in (channels, time, height, width), with the stimulus.
	Memory(in []int64) int64
}

// withHistory is a readout whose responses see features of earlier frames too: as many
// first features have no response.
type withHistory interface{ history() int64 }

// history is how many features before its own a response depends on.
func (m *CoreReadout) history() int64 {
	longest := int64(0)
	for _, r := range m.readouts {
		if r, ok := r.(withHistory); ok {
			longest = max(longest, r.history())
		}
	}
	return longest
}

// timing says which part of a stimulus each response sees; false where the core does
// not say.
func (m *CoreReadout) timing() (Timing, bool) {
	core, ok := m.Core.(LocalInTime)
	if !ok {
		return Timing{}, false
	}
	t, history := core.Timing(), int(m.history())
	t.Before += history
	t.Cut += history
	return t, true
}

// Timing adds up what the layers see.
func (c *simpleCore) Timing() Timing {
	t := Timing{Stride: 1, Cut: int(c.CutFirstNFrames)}
	if c.DownsampleKernelSize != nil {
		t.Stride = int(c.DownsampleKernelSize[0])
	}
	for _, l := range c.layers {
		before, after := l.conv.sees()
		t.Before += int(before)
		t.After += int(after)
	}
	return t
}

// sees is how many frames before and after its own an output frame depends on. An
// output frame that padding puts behind all that it sees gives a negative number.
func (c convSettings) sees() (before, after int64) {
	return split(c.time, c.padding.before(c.time))
}

// The spatial convolution is one of a single frame, padded in time like the other.
func (c *torchSeparableConv) sees() (before, after int64) {
	return split(c.time, c.padding.before(1)+c.padding.before(c.time))
}

func (c *timeIndependentConv) sees() (before, after int64) { return split(1, c.padding.before(1)) }

func split(kernel, padding int64) (before, after int64) { return padding, kernel - 1 - padding }

// before is the number of frames put before the first one for a kernel of a size;
// "same" puts the odd one behind the last.
func (p Padding) before(kernel int64) int64 {
	if p.Same {
		return (kernel - 1) / 2
	}
	return p.Size[0]
}

// Memory counts the tensors of a forward pass. A layer's input is freed when its
// output is there, all else at the end.
func (c *simpleCore) Memory(in []int64) int64 {
	const float32s = 4
	s := size{in[1], in[2], in[3]}
	live := in[0] * s.volume()
	if c.squash != nil {
		live += (in[0] + 1) * s.volume()
	}
	input := int64(0) // the stimulus is not freed
	if k := c.DownsampleKernelSize; k != nil {
		s, _ = s.after(*k, *k, Padding{}) // what does not fit has no volume
		input = c.Channels[0] * s.volume()
	}
	live += input
	most := live
	for i, l := range c.layers {
		s, _ = l.conv.outSize(s)
		output := c.Channels[i+1] * s.volume()
		live += output * l.tensors()
		if l.pool {
			s, _ = s.after(poolKernel, poolKernel, Padding{})
			output = c.Channels[i+1] * s.volume()
			live += output
		}
		most = max(most, live)
		live -= input
		input = output
	}
	return float32s * most
}

// tensors is how many of a layer's size it makes: convolution, BatchNorm, bias and
// ELU one each, unless they are one operation.
func (l *coreLayer) tensors() int64 {
	if _, ok := l.conv.(*stSeparableConv); ok {
		return 1
	}
	return 4
}

func (s size) volume() int64 { return s[0] * s[1] * s[2] }
