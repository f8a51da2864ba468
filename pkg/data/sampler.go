package data

import (
	"fmt"
	"sort"
)

// Draws are the random numbers that a sampler needs; pyrand.NumPy gives them.
type Draws interface {
	// Randint draws n integers in [0, high).
	Randint(high, n int) []int
	// Permutation is a random order of 0 to n-1.
	Permutation(n int) []int
}

// Sampler gives the first frames of the clips of one epoch, as the Python
// package's MovieSampler. Training clips start at Starts, each moved forward by
// a random number of frames, in random order; all others start at Starts, in
// order.
type Sampler struct {
	Starts []int
	// ClipFrames is the length of a clip, MovieFrames that of the movie and
	// SceneFrames that of its scenes.
	ClipFrames, MovieFrames, SceneFrames int
	Random                               bool
	// OverBoundaries lets clips run from one scene into the next.
	OverBoundaries bool
}

// Epoch draws the first frames of one epoch.
func (s *Sampler) Epoch(draws Draws) []int {
	if !s.Random {
		return s.Starts
	}
	var starts []int
	if s.OverBoundaries {
		starts = s.shiftFreely(draws)
	} else {
		starts = s.shiftInScenes(draws)
	}
	order := draws.Permutation(len(starts))
	shuffled := make([]int, len(starts))
	for i, at := range order {
		shuffled[i] = starts[at]
	}
	return shuffled
}

// shiftFreely moves each start by less than a clip, but not beyond the last
// whole clip of the movie.
func (s *Sampler) shiftFreely(draws Draws) []int {
	starts := draws.Randint(s.ClipFrames, len(s.Starts))
	for i, start := range s.Starts {
		starts[i] = min(start+starts[i], s.MovieFrames-s.ClipFrames)
	}
	return starts
}

// shiftInScenes moves each start by less than half a clip if the clip then ends
// before its scene does; a clip that began too late moves back to the scene's
// end.
func (s *Sampler) shiftInScenes(draws Draws) []int {
	starts := draws.Randint(s.ClipFrames/2, len(s.Starts))
	bounds := s.MovieFrames/s.SceneFrames + 1 // scenes start at 0, SceneFrames, …
	for i, start := range s.Starts {
		next := sort.Search(bounds, func(b int) bool { return b*s.SceneFrames > start })
		end := min(next, bounds-1) * s.SceneFrames
		switch {
		case start+starts[i]+s.ClipFrames < end:
			starts[i] += start
		case start+s.ClipFrames > end:
			starts[i] = end - s.ClipFrames
		default:
			starts[i] = start
		}
	}
	last := (bounds - 1) * s.SceneFrames
	if i := len(starts) - 1; i >= 0 && starts[i]+s.ClipFrames > last {
		starts[i] = last - s.ClipFrames
	}
	return starts
}

// check says what makes it impossible to draw clips.
func (s *Sampler) check() error {
	switch {
	case s.ClipFrames <= 0 || s.SceneFrames <= 0:
		return fmt.Errorf("clips of %d frames from scenes of %d frames", s.ClipFrames, s.SceneFrames)
	case s.MovieFrames < s.ClipFrames:
		return fmt.Errorf("the movie has %d frames, fewer than one clip of %d", s.MovieFrames, s.ClipFrames)
	case s.Random && !s.OverBoundaries && s.ClipFrames > s.SceneFrames:
		return fmt.Errorf("clips of %d frames do not fit into scenes of %d frames (allow_over_boundaries is false)",
			s.ClipFrames, s.SceneFrames)
	case s.Random && !s.OverBoundaries && s.ClipFrames < 2:
		return fmt.Errorf("clips of one frame cannot be shifted inside scenes of %d frames "+
			"(set train_chunk_size = clip_length, or allow_over_boundaries=true)", s.SceneFrames)
	}
	return nil
}

// startsEvery are the starts 0, interval, … below frames.
func startsEvery(interval, frames int) []int {
	starts := []int{}
	for at := 0; at < frames; at += interval {
		starts = append(starts, at)
	}
	return starts
}
