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

// axis is the one over which a reducer takes the mean: time, the one that is left
// when the mean over the neurons has been taken.
type axis int

func (a axis) check() error {
	if a != 0 && a != -1 {
		return config.Refuse("axis", "axis %d: the mean response of the neurons has one axis, time, which is 0", a)
	}
	return nil
}

type meanArguments struct {
	Axis axis `yaml:"axis"`
}

// Validate refuses other axes than time.
func (a meanArguments) Validate() error { return a.Axis.check() }

func (meanArguments) reducer(struct{}) (Reducer, error) { return MeanReducer{}, nil }

type sliceArguments struct {
	Axis   axis  `yaml:"axis"`
	Start  int64 `yaml:"start,required"`
	Length int64 `yaml:"length,required"`
}

// Validate refuses other axes than time, and empty windows.
func (a sliceArguments) Validate() error {
	refused := config.Refusals{a.Axis.check()}
	refused.Unless(a.Length >= 1, "length", "length %d: a window has at least one frame", a.Length)
	return refused.Err()
}

func (a sliceArguments) reducer(struct{}) (Reducer, error) {
	return SliceMeanReducer{Start: a.Start, Length: a.Length}, nil
}
