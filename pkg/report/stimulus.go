package report

import (
	"fmt"
	"math"
)

// Stimulus is a movie to show.
type Stimulus struct {
	// Data has the shape (Channels, Frames, Height, Width), in C order, in units of
	// the training movie's standard deviation.
	Data                            []float32
	Channels, Frames, Height, Width int
	// ChannelNames are green and UV for two channels where none are given.
	ChannelNames []string
	// FrameRate in Hz; 0 leaves times in frames.
	FrameRate float64
}

// limits of what is shown: anything beyond is a mistake, not a stimulus.
const (
	maxChannels = 16
	maxSide     = 4096
	maxFrames   = 1 << 20
)

// check says what makes the stimulus impossible to show.
func (s *Stimulus) check() error {
	if s.Channels < 1 || s.Channels > maxChannels || s.Frames < 1 || s.Frames > maxFrames ||
		s.Height < 1 || s.Height > maxSide || s.Width < 1 || s.Width > maxSide {
		return fmt.Errorf("cannot show a stimulus of %s", s.shape())
	}
	if want := s.Channels * s.Frames * s.Height * s.Width; len(s.Data) != want {
		return fmt.Errorf("a stimulus of %s has %d values, not %d", s.shape(), want, len(s.Data))
	}
	if n := len(s.ChannelNames); n != 0 && n != s.Channels {
		return fmt.Errorf("%d names for the %d channels of a stimulus", n, s.Channels)
	}
	if s.FrameRate < 0 || math.IsNaN(s.FrameRate) || math.IsInf(s.FrameRate, 0) {
		return fmt.Errorf("a stimulus of %v frames a second", s.FrameRate)
	}
	for i, v := range s.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("value %d of a stimulus of %s is %v", i, s.shape(), v)
		}
	}
	return nil
}

func (s *Stimulus) shape() string {
	return fmt.Sprintf("%d channels, %d frames, %dx%d pixels", s.Channels, s.Frames, s.Height, s.Width)
}

// pixels is the number of pixels of one channel in one frame.
func (s *Stimulus) pixels() int { return s.Height * s.Width }

// frame is one channel in one frame.
func (s *Stimulus) frame(channel, frame int) []float32 {
	start := (channel*s.Frames + frame) * s.pixels()
	return s.Data[start : start+s.pixels()]
}

// largest is the largest absolute value.
func largest[T float32 | float64](values []T) float64 {
	found := 0.0
	for _, v := range values {
		found = max(found, math.Abs(float64(v)))
	}
	return found
}

// channelName is the name of a channel for people.
func (s *Stimulus) channelName(channel int) string {
	switch {
	case channel < len(s.ChannelNames):
		return s.ChannelNames[channel]
	case s.Channels == 1:
		return "light"
	case s.Channels == 2:
		return [2]string{"green", "UV"}[channel]
	}
	return fmt.Sprintf("channel %d", channel)
}

// time is the time of a frame relative to another one, and its unit.
func (s *Stimulus) time(frame, zero int) float64 {
	if s.FrameRate == 0 {
		return float64(frame - zero)
	}
	return float64(frame-zero) / s.FrameRate
}

func (s *Stimulus) timeUnit() string {
	if s.FrameRate == 0 {
		return "frames"
	}
	return "s"
}
