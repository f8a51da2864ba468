package simulate

import (
	"fmt"
	"math"
	"slices"
)

// Limits is the projection of a most exciting input: its norm over everything,
// then a range for each channel. It is the projection of
// ChangeNormJointlyClipRangeSeparately of the Python package. A nil Ranges or an
// infinite bound does not clip.
type Limits struct {
	Norm   float64
	Ranges [][2]float64
}

// Optimum is the stimulus (channels, frames, height, width) inside the limits
// that excites a cell's filter most in the frame newest: the filter where the cell
// sees it, grey elsewhere, projected until it stays as it is.
func (t *Truth) Optimum(cell int, limits Limits, frames, newest int) ([]float32, error) {
	if cell < 0 || cell >= len(t.Cells) {
		return nil, fmt.Errorf("optimum of cell %d of %d", cell, len(t.Cells))
	}
	if newest < t.Taps-1 || newest >= frames {
		return nil, fmt.Errorf("optimum of %d frames at frame %d: the filter has %d taps", frames, newest, t.Taps)
	}
	if limits.Ranges != nil && len(limits.Ranges) != t.Channels {
		return nil, fmt.Errorf("optimum: %d ranges for %d channels", len(limits.Ranges), t.Channels)
	}
	projected := limits.project(t.Cells[cell].Filter)
	stimulus := make([]float32, t.Channels*frames*t.Height*t.Width)
	size := t.Height * t.Width
	for c := range t.Channels {
		first := (c*frames + newest - t.Taps + 1) * size
		copy(stimulus[first:], projected[c*t.Taps*size:(c+1)*t.Taps*size])
	}
	return stimulus, nil
}

// project repeats scaling and clipping until nothing moves: the fixed point is
// the filter scaled and clipped so that the norm is met as far as the ranges
// allow, which is the largest inner product with the filter.
func (l Limits) project(filter []float32) []float32 {
	const rounds, still = 200, 1e-6
	x := slices.Clone(filter)
	channel := len(x) / max(1, len(l.Ranges))
	for range rounds {
		square := 0.0
		for _, v := range x {
			square += float64(v) * float64(v)
		}
		scale := 1.0
		if l.Norm > 0 && square > 0 {
			scale = l.Norm / math.Sqrt(square)
		}
		moved := 0.0
		for i, v := range x {
			y := float64(v) * scale
			if l.Ranges != nil {
				y = min(max(y, l.Ranges[i/channel][0]), l.Ranges[i/channel][1])
			}
			moved = max(moved, math.Abs(y-float64(v)))
			x[i] = float32(y)
		}
		if moved <= still*l.Norm {
			break
		}
	}
	return x
}

// Match is how well a stimulus agrees with a cell's optimum.
type Match struct {
	// Correlation is Pearson's over all channels, frames and pixels.
	Correlation float64
	// Newest is the frame that the filter's last tap meets in the best alignment.
	Newest int
}

// CompareMEI compares a model's most exciting input (channels, frames, height,
// width) with the cell's own optimum under the same limits, at each alignment in
// time that keeps the whole filter inside, and returns the best.
func (t *Truth) CompareMEI(cell int, stimulus []float32, limits Limits) (Match, error) {
	frame := t.Channels * t.Height * t.Width
	if len(stimulus) == 0 || len(stimulus)%frame != 0 || len(stimulus)/frame < t.Taps {
		return Match{}, fmt.Errorf("comparing a stimulus of %d values: want %d channels, at least %d frames, %dx%d pixels",
			len(stimulus), t.Channels, t.Taps, t.Height, t.Width)
	}
	frames := len(stimulus) / frame
	best := Match{Correlation: math.Inf(-1)}
	for newest := t.Taps - 1; newest < frames; newest++ {
		optimum, err := t.Optimum(cell, limits, frames, newest)
		if err != nil {
			return Match{}, err
		}
		if r := correlation(stimulus, optimum); r > best.Correlation {
			best = Match{Correlation: r, Newest: newest}
		}
	}
	return best, nil
}

// correlation is Pearson's; 0 where one side is constant or not finite.
func correlation(a, b []float32) float64 {
	var sumA, sumB float64
	for i := range a {
		sumA += float64(a[i])
		sumB += float64(b[i])
	}
	meanA, meanB := sumA/float64(len(a)), sumB/float64(len(b))
	var aa, bb, ab float64
	for i := range a {
		x, y := float64(a[i])-meanA, float64(b[i])-meanB
		aa += x * x
		bb += y * y
		ab += x * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return finite(ab / math.Sqrt(aa*bb))
}

// MinCeiling is the reliability from which a cell counts in MedianRatio.
const MinCeiling = 0.5

// MedianRatio is the median of (test correlation / ceiling) over the
// linear-nonlinear cells with a ceiling of at least MinCeiling, and their number.
// The test correlations are given for each session and neuron in order.
func (t *Truth) MedianRatio(correlations map[string][]float64) (median float64, cells int, err error) {
	var ratios []float64
	for i := range t.Cells {
		cell := &t.Cells[i]
		values, ok := correlations[cell.Session]
		if !ok || cell.Neuron >= len(values) {
			return 0, 0, fmt.Errorf("no test correlation for neuron %d of session %s", cell.Neuron, cell.Session)
		}
		if cell.Linear && cell.Ceiling >= MinCeiling {
			ratios = append(ratios, values[cell.Neuron]/cell.Ceiling)
		}
	}
	return Median(ratios), len(ratios), nil
}

// Median is the middle value, the mean of the two middle ones, NaN of none or
// where a value is NaN.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
