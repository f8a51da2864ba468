// Package sta makes the filters of spatial contrast models from spike-triggered
// averages (STAs): the mean of the movie before a cell's spikes, an .npy file (frames,
// height, width) for each cell, the last frame nearest to the spike. It does what the
// Python package's openretina.utils.sta_processing does (Sridhar et al. 2025).
package sta

import (
	"fmt"
	"log/slog"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Options say how filters are made.
type Options struct {
	// Flip mirrors the STA left to right.
	Flip bool
	// Height and Width are the stimulus', to whose size the STA is cut around its
	// middle; 0 leaves the STA's own.
	Height, Width int
	// Frames is how many of the last frames the temporal filter has at most; 0 takes
	// all.
	Frames int
	// SigmaContour is where the spatial filter ends, in standard deviations.
	SigmaContour float64
}

// Filters are the filters of a cell, each with the 2-norm 1, or all zero where the STA
// is not finite.
type Filters struct {
	Spatial       []float32 // (Height, Width): the Gaussian within its contour, positive
	Height, Width int
	Temporal      []float32 // the STA over time at the Gaussian's centre
	Gaussian      Gaussian
}

// ReadFilters makes filters of an STA file. Errors name the file and what its shape
// should be.
func ReadFilters(path string, o Options) (*Filters, error) {
	f, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("STA: %w", err)
	}
	shape := f.Shape
	if err = f.Close(); err == nil {
		err = checkShape(shape, o)
	}
	if err != nil {
		return nil, fmt.Errorf("STA %s: %w", path, err)
	}
	a, err := npy.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("STA: %w", err)
	}
	filters, err := Extract(a, o)
	if err != nil {
		return nil, fmt.Errorf("STA %s: %w", path, err)
	}
	if !filters.Gaussian.Fitted {
		slog.Warn("no Gaussian was fitted: an STA is not finite, or the fit did not converge", "file", path)
	}
	return filters, nil
}

// Extract makes filters of an STA (frames, height, width).
func Extract(a *ndarray.Array, o Options) (*Filters, error) {
	if err := checkShape(a.Shape, o); err != nil {
		return nil, err
	}
	frames := cut(a, o)
	f := &Filters{Height: a.Shape[1], Width: a.Shape[2]}
	if o.Height > 0 {
		f.Height, f.Width = o.Height, o.Width
	}
	kept := len(frames)
	if o.Frames > 0 {
		kept = min(kept, o.Frames)
	}
	f.Spatial, f.Temporal = make([]float32, f.Height*f.Width), make([]float32, kept)
	if !slices.ContainsFunc(frames, func(frame []float64) bool { return !finite(frame) }) {
		f.fill(frames, o.SigmaContour)
		return f, nil
	}
	f.Gaussian = Gaussian{CenterX: float64(f.Width) / 2, CenterY: float64(f.Height) / 2, SigmaX: 1, SigmaY: 1}
	return f, nil
}

// checkShape refuses shapes of which no filters can be made.
func checkShape(shape []int, o Options) error {
	if len(shape) != 3 || slices.Min(shape) < 1 {
		return fmt.Errorf("an STA has the shape (frames, height, width), not %v", shape)
	}
	if shape[1] < o.Height || shape[2] < o.Width {
		return fmt.Errorf("%d × %d pixels cannot be cut to the stimulus' %d × %d", shape[1], shape[2], o.Height, o.Width)
	}
	return nil
}

// cut gives the frames, mirrored and cut as the options say.
func cut(a *ndarray.Array, o Options) [][]float64 {
	count, height, width := a.Shape[0], a.Shape[1], a.Shape[2]
	h, w := height, width
	if o.Height > 0 {
		h, w = o.Height, o.Width
	}
	top, left := (height-h)/2, (width-w)/2
	frames := make([][]float64, count)
	for t := range frames {
		frame := make([]float64, 0, h*w)
		for y := top; y < top+h; y++ {
			for x := left; x < left+w; x++ {
				column := x
				if o.Flip {
					column = width - 1 - x
				}
				frame = append(frame, a.At((t*height+y)*width+column))
			}
		}
		frames[t] = frame
	}
	return frames
}

// fill makes the filters of frames that are finite.
func (f *Filters) fill(frames [][]float64, sigmas float64) {
	f.Gaussian = fitGaussian(peak(frames), f.Height, f.Width)
	g := &f.Gaussian
	g.Amplitude = math.Abs(g.Amplitude) // the temporal filter has the sign of OFF cells

	unit(f.Spatial, g.within(sigmas, f.Height, f.Width))

	centre := nearest(g.CenterY, f.Height)*f.Width + nearest(g.CenterX, f.Width)
	temporal := make([]float64, len(f.Temporal))
	for i := range temporal {
		temporal[i] = frames[len(frames)-len(temporal)+i][centre]
	}
	unit(f.Temporal, temporal)
}

// peak is the frame whose pixels vary most.
func peak(frames [][]float64) []float64 {
	variances := make([]float64, len(frames))
	for t, frame := range frames {
		variances[t] = stat.PopVariance(frame, nil)
	}
	return frames[floats.MaxIdx(variances)]
}

// nearest is the pixel at a position, halves to the even one.
func nearest(position float64, size int) int {
	return int(min(max(math.RoundToEven(position), 0), float64(size-1)))
}

// unit scales values to the 2-norm 1; zeros stay.
func unit(dst []float32, values []float64) {
	scale := 1.0
	if n := norm(values); n > 0 {
		scale = 1 / n
	}
	for i, v := range values {
		dst[i] = float32(v * scale)
	}
}
