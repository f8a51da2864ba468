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
	for _, r := range m.plain().readouts {
		if r, ok := readoutAs[withHistory](r); ok {
			longest = max(longest, r.history())
		}
	}
	return longest
}

// Timing adds up what the layers see.
func (c *simpleCore) Timing() Timing {
	t := Timing{Stride: 1, Cut: int(c.CutFirstNFrames)}
	if c.DownsampleKernelSize != nil {
		t.Stride = int(c.DownsampleKernelSize[0])
	}
	t.Before, t.After = seen(c.layers)
	return t
}

// seen is how many frames before and after its own a frame of the layers' output
// depends on.
func seen(layers []*coreLayer) (before, after int) {
	for _, l := range layers {
		b, a := l.conv.sees()
		before, after = before+int(b), after+int(a)
	}
	return before, after
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
	return floatBytes * mostLive(c.layers, s, live, input)
}

// mostLive is the largest number of values that there are at a time while layers go on
// from a tensor of size s and input values, which is one of live, and of which no more
// than input is freed.
func mostLive(layers []*coreLayer, s size, live, input int64) int64 {
	most := live
	for _, l := range layers {
		s, _ = l.conv.outSize(s)
		output := l.conv.channels() * s.volume()
		live += output * l.tensors()
		if l.pool {
			s, _ = s.after(poolKernel, poolKernel, Padding{})
			output = l.conv.channels() * s.volume()
			live += output
		}
		most = max(most, live)
		live -= input
		input = output
	}
	return most
}

func (s size) volume() int64 { return s[0] * s[1] * s[2] }
