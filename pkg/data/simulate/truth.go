package simulate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// Truth is what the cells of a simulated retina really do, in the order of
// sessions and of neurons in them. In truth/ground_truth.h5 it is the data sets
// filters (N, C, T, H, W), type (N), linear (N), rate_test (N, frames), ceiling
// (N), session (N), neuron (N), position (N, 2), gain, threshold, peak (N),
// channels (C) and frame_rate.
type Truth struct {
	Channels, Taps, Height, Width int
	FrameRate                     float64 // Hz
	ChannelNames                  []string
	Cells                         []Cell
}

// Cell is the truth about one neuron.
type Cell struct {
	// Session and Neuron (from zero, inside the session) name it.
	Session string
	Neuron  int
	// Type is its type; Linear says that it is a linear-nonlinear cell.
	Type   string
	Linear bool
	// Row and Column are the receptive field's centre in pixels.
	Row, Column float64
	// Filter (channels, taps, height, width) has norm 1, its last tap meets the
	// newest frame. With Linear, the rate in spikes a frame is Peak softplus(Gain
	// <Filter, stimulus> + Threshold); otherwise it is the weighted sum of the
	// subunits' filters, before their rectification.
	Filter                []float32
	Gain, Threshold, Peak float64
	// TestRate is the true response to the test movie, spikes a frame; Ceiling its
	// correlation with the mean over the repeats.
	TestRate []float64
	Ceiling  float64
}

// Find is the index of a neuron, or -1.
func (t *Truth) Find(session string, neuron int) int {
	for i := range t.Cells {
		if t.Cells[i].Session == session && t.Cells[i].Neuron == neuron {
			return i
		}
	}
	return -1
}

// LoadTruth reads the truth of a simulated retina's data set. The error wraps
// fs.ErrNotExist where the directory has none, as other data sets.
func LoadTruth(dir string) (*Truth, error) {
	path := filepath.Join(dir, truthFile)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ground truth of %s: %w", dir, err)
	}
	f, err := hdf5.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Truth{}
	err = errors.Join(t.read(f), f.Close())
	if err != nil {
		return nil, err
	}
	return t, nil
}

// columns are the truth's data sets as they lie in the file.
type columns struct {
	session, kind                                      []string
	neuron, linear                                     []int64
	filters                                            []float32
	rate, ceiling, position, gain, threshold, peak     []float64
	cells, channels, taps, height, width, frames, axes int
}

func (t *Truth) read(f *hdf5.File) error {
	var c columns
	r := truthReader{file: f}
	c.filters = number[float32](&r, "filters", &c.cells, &c.channels, &c.taps, &c.height, &c.width)
	c.rate = number[float64](&r, "rate_test", &c.cells, &c.frames)
	c.axes = 2
	c.position = number[float64](&r, "position", &c.cells, &c.axes)
	c.ceiling = number[float64](&r, "ceiling", &c.cells)
	c.gain = number[float64](&r, "gain", &c.cells)
	c.threshold = number[float64](&r, "threshold", &c.cells)
	c.peak = number[float64](&r, "peak", &c.cells)
	c.neuron = number[int64](&r, "neuron", &c.cells)
	c.linear = number[int64](&r, "linear", &c.cells)
	c.session, c.kind = r.text("session", &c.cells), r.text("type", &c.cells)
	t.ChannelNames = r.text("channels", &c.channels)
	rate := number[float64](&r, "frame_rate")
	if r.err != nil {
		return r.err
	}
	t.Channels, t.Taps, t.Height, t.Width, t.FrameRate = c.channels, c.taps, c.height, c.width, rate[0]
	for i := range c.cells {
		t.Cells = append(t.Cells, c.cell(i))
	}
	return nil
}

// cell is row i of the columns.
func (c *columns) cell(i int) Cell {
	size := len(c.filters) / c.cells
	return Cell{
		Session: c.session[i], Neuron: int(c.neuron[i]), Type: c.kind[i], Linear: c.linear[i] != 0,
		Row: c.position[2*i], Column: c.position[2*i+1], Filter: c.filters[i*size : (i+1)*size],
		Gain: c.gain[i], Threshold: c.threshold[i], Peak: c.peak[i],
		TestRate: c.rate[i*c.frames : (i+1)*c.frames], Ceiling: c.ceiling[i],
	}
}

// truthReader reads data sets of fitting shapes until the first error.
type truthReader struct {
	file *hdf5.File
	err  error
}

// open looks up a data set. A size that is still zero is taken from the file, any
// other one must agree with it.
func (r *truthReader) open(name string, sizes []*int) *hdf5.Dataset {
	if r.err != nil {
		return nil
	}
	d, err := r.file.Dataset(name)
	if err != nil {
		r.err = err
		return nil
	}
	shape := d.Shape
	fits := len(shape) == len(sizes)
	for i := 0; fits && i < len(shape); i++ {
		if *sizes[i] == 0 {
			*sizes[i] = shape[i]
		}
		fits = *sizes[i] == shape[i] && shape[i] > 0
	}
	if !fits {
		r.err = fmt.Errorf("%s: %s has shape %v, which does not fit the other data sets", r.file.Path(), name, shape)
		return nil
	}
	return d
}

// number reads a data set of numbers.
func number[T hdf5.Number](r *truthReader, name string, sizes ...*int) []T {
	d := r.open(name, sizes)
	if d == nil {
		return nil
	}
	values, err := hdf5.Read[T](d)
	r.err = err
	return values
}

// text reads a data set of strings.
func (r *truthReader) text(name string, sizes ...*int) []string {
	d := r.open(name, sizes)
	if d == nil {
		return nil
	}
	values, err := d.Strings()
	r.err = err
	return values
}

// write writes the truth's file.
func (t *Truth) write(path string) error {
	var c columns
	for i := range t.Cells {
		cell := &t.Cells[i]
		linear := int64(0)
		if cell.Linear {
			linear = 1
		}
		c.session, c.kind = append(c.session, cell.Session), append(c.kind, cell.Type)
		c.neuron, c.linear = append(c.neuron, int64(cell.Neuron)), append(c.linear, linear)
		c.filters, c.rate = append(c.filters, cell.Filter...), append(c.rate, cell.TestRate...)
		c.position = append(c.position, cell.Row, cell.Column)
		c.gain, c.threshold = append(c.gain, cell.Gain), append(c.threshold, cell.Threshold)
		c.peak, c.ceiling = append(c.peak, cell.Peak), append(c.ceiling, cell.Ceiling)
	}
	n := len(t.Cells)
	one := []int{n}
	return writeHDF5(path, func(f *hdf5.Writer) error {
		var none hdf5.Layout
		return errors.Join(
			hdf5.Put(f, "filters", []int{n, t.Channels, t.Taps, t.Height, t.Width}, c.filters, none),
			hdf5.Put(f, "rate_test", []int{n, len(c.rate) / n}, c.rate, none),
			hdf5.Put(f, "position", []int{n, 2}, c.position, none),
			hdf5.Put(f, "ceiling", one, c.ceiling, none),
			hdf5.Put(f, "gain", one, c.gain, none),
			hdf5.Put(f, "threshold", one, c.threshold, none),
			hdf5.Put(f, "peak", one, c.peak, none),
			hdf5.Put(f, "neuron", one, c.neuron, none),
			hdf5.Put(f, "linear", one, c.linear, none),
			f.PutStrings("session", one, c.session),
			f.PutStrings("type", one, c.kind),
			f.PutStrings("channels", []int{t.Channels}, t.ChannelNames),
			hdf5.Put(f, "frame_rate", nil, []float64{t.FrameRate}, none),
		)
	})
}
