package eval

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
)

// FrameCounter counts the different frames that loaders give, and the different
// pairs of frames that follow each other in a clip. (The Python package compares
// frames by their mean, deviation and three pixels; this one compares all pixels.)
type FrameCounter struct {
	frames      map[uint64]struct{}
	transitions map[[2]uint64]struct{}
}

var frameSeed = maphash.MakeSeed()

// Add counts the frames of a clip of shape (channels, frames, height, width).
func (c *FrameCounter) Add(clip []float32, channels, frames, height, width int) error {
	if err := checkShape(len(clip), channels, frames, height, width); err != nil {
		return fmt.Errorf("count frames: %w", err)
	}
	if c.frames == nil {
		c.frames, c.transitions = map[uint64]struct{}{}, map[[2]uint64]struct{}{}
	}
	area := height * width
	bytes := make([]byte, 0, 4*channels*area)
	var previous uint64
	for t := range frames {
		bytes = bytes[:0]
		for channel := range channels {
			start := (channel*frames + t) * area
			for _, v := range clip[start : start+area] {
				// Adding 0 makes one zero of the two.
				bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v+0))
			}
		}
		hash := maphash.Bytes(frameSeed, bytes)
		c.frames[hash] = struct{}{}
		if t > 0 {
			c.transitions[[2]uint64{previous, hash}] = struct{}{}
		}
		previous = hash
	}
	return nil
}

// Frames is the number of different frames.
func (c *FrameCounter) Frames() int { return len(c.frames) }

// Transitions is the number of different pairs of successive frames.
func (c *FrameCounter) Transitions() int { return len(c.transitions) }

// TestCounter has the frames of one test stimulus.
type TestCounter struct {
	Name string
	FrameCounter
}

// Statistics puts the counts of the splits together; sessions is the number of
// sessions in all of them. (The Python package goes through the training loader
// ten times, since its clips are placed at random.)
func Statistics(sessions int, train, validation *FrameCounter, tests []TestCounter) DatasetStatistics {
	d := DatasetStatistics{
		Sessions:    sessions,
		TrainFrames: train.Frames(), TrainTransitions: train.Transitions(),
		ValidationFrames: validation.Frames(), ValidationTransitions: validation.Transitions(),
		TrainValidationFrames: train.Frames(),
	}
	for frame := range validation.frames {
		if _, ok := train.frames[frame]; !ok {
			d.TrainValidationFrames++
		}
	}
	for _, t := range tests {
		d.TestFrames = append(d.TestFrames, Count{t.Name, t.Frames()})
		d.TestTransitions = append(d.TestTransitions, Count{t.Name, t.Transitions()})
	}
	return d
}
