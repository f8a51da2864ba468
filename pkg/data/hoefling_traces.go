package data

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// traces are the activity of a field's cells, each sampled at its own times.
type traces struct {
	samples int
	value   []float64 // (cells, samples)
	time    []float64 // (cells, samples) in seconds; nil where start and step say it
	start   []float64 // one a cell, or one for all
	step    []float64
}

// values is the activity of a cell.
func (t *traces) values(cell int) []float64 {
	return t.value[cell*t.samples : (cell+1)*t.samples]
}

// times is when a cell was sampled.
func (t *traces) times(cell int) []float64 {
	if t.time != nil {
		return t.time[cell*t.samples : (cell+1)*t.samples]
	}
	times := make([]float64, t.samples)
	start, step := t.start[min(cell, len(t.start)-1)], t.step[min(cell, len(t.step)-1)]
	for i := range times {
		times[i] = float64(i)*step + start
	}
	return times
}

// readTraces reads the traces under the first of the names that is there, and
// their times: one a sample, or the first one and the step.
func (f *hoeflingField) readTraces(names [][]string) (*traces, error) {
	t := &traces{}
	var err error
	for _, name := range names {
		if t.value, t.samples, err = f.matrix(name[0]); errors.Is(err, hdf5.ErrNotFound) {
			continue
		}
		if err == nil && len(name) > 1 {
			err = f.subtract(t, name[1])
		}
		break
	}
	if err != nil {
		return nil, err
	}
	times, samples, err := f.matrix("natural_traces_times")
	switch {
	case errors.Is(err, hdf5.ErrNotFound):
		return t, f.readClock(t)
	case err != nil:
		return nil, err
	case samples != t.samples:
		return nil, fmt.Errorf("natural_traces_times has %d times for %d samples", samples, t.samples)
	}
	t.time = times
	return t, checkAscending(times, t.samples)
}

// matrix reads a data set (cells, samples).
func (f *hoeflingField) matrix(name string) (values []float64, samples int, err error) {
	d, err := f.dataset(name)
	if err != nil {
		return nil, 0, err
	}
	if len(d.Shape) != 2 || d.Shape[0] != f.cells || d.Shape[1] == 0 {
		return nil, 0, fmt.Errorf("%s has shape %v, but (%d cells, samples) is needed", name, d.Shape, f.cells)
	}
	values, err = hdf5.Read[float64](d)
	return values, d.Shape[1], err
}

// subtract takes away the slow part of the traces.
func (f *hoeflingField) subtract(t *traces, name string) error {
	smooth, samples, err := f.matrix(name)
	if err != nil {
		return err
	}
	if samples != t.samples {
		return fmt.Errorf("%s has %d samples, the raw traces %d", name, samples, t.samples)
	}
	for i, v := range smooth {
		t.value[i] -= v
	}
	return nil
}

// readClock reads the first time and the step of newer exports, one for all cells
// or one each.
func (f *hoeflingField) readClock(t *traces) error {
	for name, values := range map[string]*[]float64{"natural_traces_t0": &t.start, "natural_traces_dt": &t.step} {
		d, err := f.dataset(name)
		if err != nil {
			return fmt.Errorf("there is neither natural_traces_times nor %s: %w", name, err)
		}
		if *values, err = hdf5.Read[float64](d); err != nil {
			return err
		}
		if n := len(*values); n != 1 && n != f.cells {
			return fmt.Errorf("%s has %d values for %d cells", name, n, f.cells)
		}
	}
	return nil
}

// checkAscending makes sure that times grow within each row, which the
// interpolation rests on.
func checkAscending(times []float64, samples int) error {
	for i := 1; i < len(times); i++ {
		if i%samples != 0 && !(times[i] >= times[i-1]) {
			return fmt.Errorf("natural_traces_times of cell %d go back at sample %d", i/samples, i%samples)
		}
	}
	return nil
}

// frameTimes are the times of all frames of the movie: each clip has a trigger at
// its beginning, between which the frames are spread evenly.
func (f *hoeflingField) frameTimes(row int) ([]float64, error) {
	d, err := f.dataset("natural_trigger_times")
	if err != nil {
		return nil, err
	}
	if len(d.Shape) != 2 || d.Shape[0] == 0 || d.Shape[1] != hoeflingClips {
		return nil, fmt.Errorf("natural_trigger_times has shape %v, but (cells, %d clips) is needed", d.Shape, hoeflingClips)
	}
	triggers := make([]float64, hoeflingClips)
	start := []int{min(row, d.Shape[0]-1), 0}
	if err := hdf5.ReadSlab(d, start, []int{1, hoeflingClips}, triggers); err != nil {
		return nil, err
	}
	times := make([]float64, 0, hoeflingClips*hoeflingClip)
	for i, trigger := range triggers {
		if math.IsNaN(trigger) || math.IsInf(trigger, 0) {
			return nil, fmt.Errorf("natural_trigger_times of clip %d is %v", i, trigger)
		}
		end := trigger + hoeflingDuration
		step := (end - trigger) / (hoeflingClip - 1)
		for k := range hoeflingClip - 1 {
			times = append(times, float64(k)*step+trigger)
		}
		times = append(times, end)
	}
	return times, nil
}

// interpolate gives the values of a sampled curve at the given times, linear
// between samples and constant beyond the ends (as numpy.interp). It is quick
// where the given times mostly grow.
func interpolate(at, times, values []float64) []float64 {
	out := make([]float64, len(at))
	last := len(times) - 1
	j := -1 // the last sample that is not after t
	for i, t := range at {
		if j >= 0 && times[j] > t {
			j = sort.Search(j, func(k int) bool { return times[k] > t }) - 1
		}
		for j < last && times[j+1] <= t {
			j++
		}
		switch {
		case j < 0:
			out[i] = values[0]
		case j >= last || times[j] == t:
			out[i] = values[min(j, last)]
		default:
			slope := (values[j+1] - values[j]) / (times[j+1] - times[j])
			out[i] = slope*(t-times[j]) + values[j]
		}
	}
	return out
}

// mean is the arithmetic mean.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// standardDeviation is that of the values as a whole population.
func standardDeviation(values []float64) float64 {
	centre, sum := mean(values), 0.0
	for _, v := range values {
		sum += (v - centre) * (v - centre)
	}
	return math.Sqrt(sum / float64(len(values)))
}

func divide(values []float64, by float64) {
	for i := range values {
		values[i] /= by
	}
}

func scale(values []float64, by float64) {
	for i := range values {
		values[i] *= by
	}
}
