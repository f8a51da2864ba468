package insilico

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Reducer says over which frames of the response its mean is taken.
type Reducer interface {
	// Window gives the first frame and the number of frames, of a response that
	// has frames of them (at least one). The warning is not empty where the window
	// is not the one that was asked for.
	Window(frames int64) (start, length int64, warning string, err error)
}

// MeanReducer takes the mean over the whole response.
type MeanReducer struct{}

// Window is all frames.
func (MeanReducer) Window(frames int64) (start, length int64, warning string, err error) {
	return 0, frames, "", nil
}

// SliceMeanReducer takes the mean over Length frames from Start on; a negative
// Start counts from the end. A response that ends inside the window shortens it.
// One that ends before it moves the window to the response's first frames, as in
// the Python package, with a warning.
type SliceMeanReducer struct {
	Start  int64
	Length int64
}

// Window is the part of the response that the slice covers.
func (r SliceMeanReducer) Window(frames int64) (start, length int64, warning string, err error) {
	if r.Length < 1 || r.Start < -frames || r.Start < 0 && r.Start+r.Length > 0 {
		return 0, 0, "", fmt.Errorf("the window of %d frames from frame %d on lies outside the response of %d frames: change mei.reducer or mei.frames",
			r.Length, r.Start, frames)
	}
	if r.Start < 0 {
		return frames + r.Start, r.Length, "", nil
	}
	if length = min(frames-r.Start, r.Length); length > 0 {
		return r.Start, length, "", nil
	}
	length = min(r.Length, frames)
	return 0, length, fmt.Sprintf("the response has %d frames, too few for a window from frame %d on: its first %d are used (more mei.frames or a smaller mei.reducer.start avoid this)",
		frames, r.Start, length), nil
}

// checkAxis refuses all axes but time, the one that is left when the mean over
// the neurons has been taken.
func checkAxis(n *config.Node, axis int) error {
	if axis != 0 && axis != -1 {
		return refuseKey(n, "axis", "axis %d: the mean response of the neurons has one axis, time, which is 0", axis)
	}
	return nil
}

func meanReducerFromConfig(n *config.Node, _ struct{}) (Reducer, error) {
	var c struct {
		Axis int `yaml:"axis"`
	}
	if err := n.Decode(&c); err != nil {
		return nil, err
	}
	return MeanReducer{}, checkAxis(n, c.Axis)
}

func sliceMeanReducerFromConfig(n *config.Node, _ struct{}) (Reducer, error) {
	var c struct {
		Axis   int   `yaml:"axis"`
		Start  int64 `yaml:"start,required"`
		Length int64 `yaml:"length,required"`
	}
	if err := n.Decode(&c); err != nil {
		return nil, err
	}
	if c.Length < 1 {
		return nil, refuseKey(n, "length", "length %d: a window has at least one frame", c.Length)
	}
	return SliceMeanReducer{Start: c.Start, Length: c.Length}, checkAxis(n, c.Axis)
}
