package cli

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// stimulusFile is an array in a file with a stimulus of shape (clips, channels,
// frames, height, width), or without the first. It is read part by part, as a
// models.FrameSource.
type stimulusFile struct {
	boxes    boxReader
	name     string // of the file and of the array in it, for errors
	shape    []int
	hasClips bool
	log      *slog.Logger
	// mostUnpacked bounds the memory for chunks of an HDF5 file that are kept
	// unpacked.
	mostUnpacked int
	prepared     bool

	clips, channels, frames, height, width int
}

const mostUnpacked = 128 << 20

// boxReader reads boxes of an array.
type boxReader interface {
	ReadSlab(start, shape []int) (*ndarray.Array, error)
	Close() error
}

// openStimulus opens a stimulus by the user's word for it (an .npy file, an HDF5
// file, or FILE:DATASET) and checks its rank.
func openStimulus(word string, log *slog.Logger) (*stimulusFile, error) {
	f := &stimulusFile{clips: 1, log: log, mostUnpacked: mostUnpacked}
	if err := f.open(word); err != nil {
		return nil, fmt.Errorf("stimulus: %w", err)
	}
	if err := f.measure(); err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return f, nil
}

func (f *stimulusFile) open(word string) error {
	path, dataset := splitStimulus(word)
	if !isHDF5(path) {
		if dataset != "" {
			return fmt.Errorf("%s is no HDF5 file, so there is no data set %s in it", path, dataset)
		}
		file, err := npy.Open(path)
		if err != nil {
			return err
		}
		f.boxes, f.name, f.shape = npyFile{file, path}, path, file.Shape
		return nil
	}
	array, err := data.OpenArray(path, dataset, 4, 5)
	if err != nil {
		return err
	}
	f.boxes, f.name, f.shape = array, path+":"+array.Name, array.Shape
	return nil
}

// splitStimulus takes FILE:DATASET apart, unless there is a file of that name.
func splitStimulus(word string) (path, dataset string) {
	for i := len(word); i > 0; i = strings.LastIndexByte(word[:i], ':') {
		if info, err := os.Stat(word[:i]); err == nil && !info.IsDir() {
			return word[:i], strings.TrimPrefix(word[i:], ":")
		}
	}
	return word, ""
}

// isHDF5 looks at the beginning of a file; what stands before the beginning of an
// HDF5 file, as it may, is taken for one by the name.
func isHDF5(path string) bool {
	if slices.Contains([]string{".h5", ".hdf5"}, strings.ToLower(filepath.Ext(path))) {
		return true
	}
	const signature = "\x89HDF\r\n\x1a\n"
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	head := make([]byte, len(signature))
	_, err = io.ReadFull(file, head)
	return err == nil && string(head) == signature
}

// npyFile names the file in errors of reading it.
type npyFile struct {
	*npy.File
	path string
}

func (f npyFile) ReadSlab(start, shape []int) (*ndarray.Array, error) {
	part, err := f.File.ReadSlab(start, shape)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	return part, nil
}

// measure takes the shape apart.
func (f *stimulusFile) measure() error {
	shape := f.shape
	switch len(shape) {
	case 5:
		f.hasClips, f.clips, shape = true, shape[0], shape[1:]
	case 4:
	default:
		return f.errorf("expected (clips, channels, frames, height, width), or without clips")
	}
	f.channels, f.frames, f.height, f.width = shape[0], shape[1], shape[2], shape[3]
	if f.clips == 0 || f.frames == 0 {
		return f.errorf("nothing to respond to")
	}
	return nil
}

// Close closes the file.
func (f *stimulusFile) Close() error { return f.boxes.Close() }

// errorf is an error about the stimulus that names the file and its shape.
func (f *stimulusFile) errorf(format string, args ...any) error {
	return fmt.Errorf("stimulus %s has the shape %s: %s", f.name, shapeText(f.shape), fmt.Sprintf(format, args...))
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
	if f.channels != want[1] || !m.TakesPixels(f.height, f.width) {
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

// Shape is (clips, channels, frames, height, width).
func (f *stimulusFile) Shape() [5]int {
	return [5]int{f.clips, f.channels, f.frames, f.height, f.width}
}

// Read reads frames of clips, with the dimension of the clips. A value that is no
// number is an error that names its place.
func (f *stimulusFile) Read(clips, frames models.Range) (*ndarray.Array, error) {
	start := []int{clips.From, 0, frames.From, 0, 0}
	shape := []int{clips.Len(), f.channels, frames.Len(), f.height, f.width}
	skip := 5 - len(f.shape)
	if err := f.prepare(shape[skip:]); err != nil {
		return nil, fmt.Errorf("stimulus: %w", err)
	}
	part, err := f.boxes.ReadSlab(start[skip:], shape[skip:])
	if err != nil {
		return nil, fmt.Errorf("stimulus: %w", err)
	}
	if i, ok := notFinite(part); ok {
		return nil, fmt.Errorf("stimulus %s holds %v at %s: every value must be a finite number",
			f.name, float32(part.At(i)), place(start[skip:], part.Shape, i))
	}
	part.Shape = shape
	return part, nil
}

// prepare makes a file ready for reading boxes of a shape, and says if it is stored
// in a way that makes that slow.
func (f *stimulusFile) prepare(box []int) error {
	array, ok := f.boxes.(*data.ArrayFile)
	if !ok || f.prepared {
		return nil
	}
	f.prepared = true
	times, err := array.KeepChunks(box, f.mostUnpacked)
	if times > 3 {
		f.log.Warn(fmt.Sprintf("stimulus %s is stored in chunks of many frames, each of which is read %d times; "+
			"chunks of few whole frames are faster (h5repack --layout)", f.name, times))
	}
	return err
}

// notFinite finds the first element that is no finite number as a float32.
func notFinite(a *ndarray.Array) (at int, found bool) {
	switch a.DType {
	case ndarray.Float32:
		const exponent = 0x7f800000
		for i := 0; i < len(a.Data); i += 4 {
			if binary.LittleEndian.Uint32(a.Data[i:])&exponent == exponent {
				return i / 4, true
			}
		}
	case ndarray.Float64, ndarray.Float16, ndarray.BFloat16:
		for i := range a.Len() {
			if v := float64(float32(a.At(i))); math.IsNaN(v) || math.IsInf(v, 0) {
				return i, true
			}
		}
	}
	return 0, false
}

// place names the index of element i of a box of an array that starts at start.
func place(start, shape []int, i int) string {
	index := slices.Clone(start)
	for axis := len(shape) - 1; axis >= 0; axis-- {
		index[axis] += i % shape[axis]
		i /= shape[axis]
	}
	return shapeText(index)
}
