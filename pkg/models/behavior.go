package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// BehaviorConfig says what a model does with the behaviour of an animal. It comes as
// the last channels of the stimulus, each of one value all over a frame, standardised
// so that 0 is the mean; a stimulus without them counts as one of zeros. The Python
// package has nothing of it.
type BehaviorConfig struct {
	Channels int64        `yaml:"channels,required"` // signals that follow the movie's colours
	InCore   bool         `yaml:"in_core"`           // the core sees them as further colours
	Shifter  *config.Node `yaml:"shifter" of:"shifter"`
}

// validate refuses behaviour that nothing uses.
func (c *BehaviorConfig) validate() error {
	if c == nil {
		return nil
	}
	var refused config.Refusals
	refused.Unless(c.Channels >= 1, "behavior.channels", "behavior.channels must be at least 1, got %d", c.Channels)
	used := c.InCore || !isNull(c.Shifter)
	refused.Unless(used, "behavior", "behavior has no effect: set in_core to true, or give a shifter")
	return refused.Err()
}

// inCore is how many of the signals the core sees.
func (c *BehaviorConfig) inCore() int64 {
	if c == nil || !c.InCore {
		return 0
	}
	return c.Channels
}

// withBehavior adds the behaviour to a model whose core has been built: the core
// leaves the signals aside that it does not see, and hands them on to the readouts
// where these are shifted by them.
func withBehavior(c *BehaviorConfig, core Core, colors int64) Core {
	return (&behaviorCore{colors: colors, signals: c.Channels, inCore: c.InCore, handOn: !isNull(c.Shifter)}).around(core)
}

// behaviorCore is a core for stimuli with behaviour.
type behaviorCore struct {
	Core
	colors, signals int64
	inCore, handOn  bool
	self            Core // this one, with what it can do besides
}

// around is the same for another core.
func (b behaviorCore) around(core Core) Core {
	b.Core, b.self = core, &b
	if local, ok := core.(LocalInTime); ok {
		b.self = &localBehaviorCore{&b, local}
	}
	return b.self
}

// Forward gives the core's features, followed by the signals of their frames, all over
// the frame, where they are handed on. Features belong to the last frames of the
// stimulus.
func (b *behaviorCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	colors, signals := b.split(s, x)
	seen := colors
	if b.inCore {
		seen = s.Cat(1, colors, b.spread(s, signals, x))
	}
	features := b.Core.Forward(s, seen)
	if seen != x {
		s.Free(seen)
	}
	if !b.handOn {
		return features
	}
	defer s.Free(features)
	signals = s.From(signals, 2, s.Dim(signals, 2)-s.Dim(features, 2))
	return s.Cat(1, features, b.spread(s, signals, features))
}

// spread repeats signals (batch, signals, time, 1, 1) all over the frames of x.
func (b *behaviorCore) spread(s *torch.Scope, signals, x *torch.Tensor) *torch.Tensor {
	return s.Expand(signals, s.Dim(x, 0), b.signals, s.Dim(x, 2), s.Dim(x, 3), s.Dim(x, 4))
}

// split separates colours from signals (batch, signals, time, 1, 1), which are zero where
// the stimulus has none.
func (b *behaviorCore) split(s *torch.Scope, x *torch.Tensor) (colors, signals *torch.Tensor) {
	channels := s.Dim(x, 1)
	if channels == b.colors {
		return x, s.Zeros(s.Dim(x, 0), b.signals, s.Dim(x, 2), 1, 1)
	}
	if s.Err() == nil && channels != b.colors+b.signals {
		s.Fail(fmt.Errorf("a stimulus of %d channels: the model takes %d, or %d with the signals of behaviour",
			channels, b.colors, b.colors+b.signals))
		return nil, nil
	}
	signals = s.Narrow(s.Narrow(s.Narrow(x, 1, b.colors, b.signals), 3, 0, 1), 4, 0, 1)
	return s.Narrow(x, 1, 0, b.colors), signals
}

func (b *behaviorCore) colorsOfMovie(int64) int64 { return b.colors }

func (b *behaviorCore) behavior() int64 { return b.signals }

// OutShape takes stimuli with and without signals.
func (b *behaviorCore) OutShape(in []int64) ([]int64, error) {
	out, err := b.Core.OutShape(b.seen(in))
	if err != nil || !b.handOn {
		return out, err
	}
	return append([]int64{out[0] + b.signals}, out[1:]...), nil
}

// seen is the shape of what the core gets of a stimulus of shape in.
func (b *behaviorCore) seen(in []int64) []int64 {
	if len(in) != 4 || (in[0] != b.colors && in[0] != b.colors+b.signals) {
		return in // the core refuses it
	}
	channels := b.colors
	if b.inCore {
		channels += b.signals
	}
	return append([]int64{channels}, in[1:]...)
}

// Fixed is around the fixed core.
func (b *behaviorCore) Fixed(s *torch.Scope) Core { return b.around(b.Core.Fixed(s)) }

// ForSession is around the session's core.
func (b *behaviorCore) ForSession(session string) Core {
	core, ok := b.Core.(PerSession)
	if !ok {
		return b.self
	}
	if its := core.ForSession(session); its != b.Core {
		return b.around(its)
	}
	return b.self
}

func (b *behaviorCore) class() string { return className(b.Core) }

func (b *behaviorCore) summary(in []int64) ([]Layer, error) {
	if core, ok := b.Core.(summarizer); ok {
		return core.summary(b.seen(in))
	}
	out, err := b.OutShape(in)
	return []Layer{{Name: "features", Type: b.class(), Output: out}}, err
}

// localBehaviorCore is one whose core sees a bounded stretch of the stimulus.
type localBehaviorCore struct {
	*behaviorCore
	local LocalInTime
}

// Timing is the core's: the signals are of the features' own frames.
func (b *localBehaviorCore) Timing() Timing { return b.local.Timing() }

// Memory counts the signals apart from the colours, and the features with them.
func (b *localBehaviorCore) Memory(in []int64) int64 {
	return b.local.Memory(b.seen(in)) + 3*floatBytes*(b.colors+b.signals)*in[1]*in[2]*in[3]
}
