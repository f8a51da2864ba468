package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// bytesAtOnce is about how much of a stimulus is computed on at once. A model's
// features take several times as much; more clips at once are not faster.
const bytesAtOnce = 16 << 20

// stimulusFile is an .npy file with a stimulus of shape (clips, channels, frames,
// height, width), or without the first.
type stimulusFile struct {
	*npy.File
	path                            string
	hasClips                        bool
	clips                           int
	channels, frames, height, width int
}

// openStimulus opens a stimulus and checks its rank.
func openStimulus(path string) (*stimulusFile, error) {
	file, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("stimulus: %w", err)
	}
	f := &stimulusFile{File: file, path: path, clips: 1}
	shape := file.Shape
	switch len(shape) {
	case 5:
		f.hasClips, f.clips, shape = true, shape[0], shape[1:]
	case 4:
	default:
		_ = file.Close() // it was only read
		return nil, f.errorf("expected (clips, channels, frames, height, width), or without clips")
	}
	f.channels, f.frames, f.height, f.width = shape[0], shape[1], shape[2], shape[3]
	if f.clips == 0 || f.frames == 0 {
		_ = file.Close() // it was only read
		return nil, f.errorf("nothing to respond to")
	}
	return f, nil
}

// errorf is an error about the stimulus that names the file and its shape.
func (f *stimulusFile) errorf(format string, args ...any) error {
	return fmt.Errorf("stimulus %s has the shape %s: %s", f.path, shapeText(f.Shape), fmt.Sprintf(format, args...))
}

// shapeText is a shape as Python writes it.
func shapeText(shape []int) string {
	words := make([]string, len(shape))
	for i, n := range shape {
		words[i] = strconv.Itoa(n)
	}
	if len(words) == 1 {
		return "(" + words[0] + ",)"
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// checkFits compares channels, length and size with those that a model takes.
func (f *stimulusFile) checkFits(m *models.CoreReadout) error {
	want := m.StimulusShape(f.frames)
	if f.channels != want[1] || f.height != want[3] || f.width != want[4] {
		clips := ""
		if f.hasClips {
			clips = "clips, "
		}
		return f.errorf("the model expects (%s%d, frames, %d, %d)", clips, want[1], want[3], want[4])
	}
	if need := m.MinFrames(); f.frames < need {
		return f.errorf("the model needs at least %d frames for one response", need)
	}
	return nil
}

// clipsAtOnce is how many clips are computed on at once.
func (f *stimulusFile) clipsAtOnce() int {
	return max(1, bytesAtOnce/max(1, 4*f.clipLen()))
}

func (f *stimulusFile) clipLen() int { return f.channels * f.frames * f.height * f.width }

// read reads clips start to end, with the dimension of the clips. A value that is
// no number is an error that names its place.
func (f *stimulusFile) read(start, end int) (*ndarray.Array, error) {
	shape := []int{end - start, f.channels, f.frames, f.height, f.width}
	if !f.hasClips {
		start, end = 0, f.channels
	}
	part, err := f.Slice(start, end)
	if err != nil {
		return nil, fmt.Errorf("stimulus: %w", err)
	}
	values := part.Float32s()
	for i, v := range values {
		if v64 := float64(v); math.IsNaN(v64) || math.IsInf(v64, 0) {
			return nil, fmt.Errorf("stimulus %s holds %v at %s: every value must be a finite number", f.path, v, f.place(start, i))
		}
	}
	return ndarray.FromFloat32(values, shape...)
}

// place names the index of the value at offset i behind the first entry start.
func (f *stimulusFile) place(start, i int) string {
	index := make([]int, len(f.Shape))
	for axis := len(f.Shape) - 1; axis > 0; axis-- {
		index[axis], i = i%f.Shape[axis], i/f.Shape[axis]
	}
	index[0] = start + i
	return shapeText(index)
}
