package retina

import "math"

// Recording is the spikes of one cell.
type Recording struct {
	// Train and Trials are spike counts a frame: (frames) and (repeats, frames).
	Train  []float32
	Trials [][]float32
	// Rate is the noiseless response to the test movie, spikes a frame.
	Rate []float64
	// Gain, Threshold and Peak are of the cell's output: for a linear-nonlinear cell
	// Rate = Peak softplus(Gain <Filter, stimulus> + Threshold).
	Gain, Threshold, Peak float64
	// Ceiling is the correlation of Rate with the mean over trials.
	Ceiling float64
}

// Record shows both movies to a cell, the test movie several times.
func (c *Cell) Record(train, test *Movie, repeats int, stream *Stream) *Recording {
	output := c.calibrate(train)
	r := &Recording{
		Train: spikes(output.rate(train), stream), Trials: make([][]float32, repeats), Rate: output.rate(test),
		Gain: output.gain, Threshold: output.threshold, Peak: c.peak,
	}
	mean := make([]float64, test.Frames)
	for i := range r.Trials {
		r.Trials[i] = spikes(r.Rate, stream)
		for t, count := range r.Trials[i] {
			mean[t] += float64(count)
		}
	}
	r.Ceiling = correlation(r.Rate, mean)
	return r
}

// spikes draws a count for each frame.
func spikes(rate []float64, stream *Stream) []float32 {
	counts := make([]float32, len(rate))
	for t, mean := range rate {
		counts[t] = float32(stream.Poisson(mean))
	}
	return counts
}

// calibrated is a cell whose subunits and output are scaled to a movie.
type calibrated struct {
	*Cell
	scales          []float64 // one over the deviation of each subunit's drive
	gain, threshold float64   // of the summed drive
}

// calibrate sets the scales by the training movie: a photoreceptor's adaptation
// to the mean contrast, and the cell's operating point.
func (c *Cell) calibrate(movie *Movie) *calibrated {
	k := &calibrated{Cell: c, scales: make([]float64, len(c.subunits)), gain: 1}
	drives := c.drives(movie)
	for i, drive := range drives {
		k.scales[i] = 1
		if !c.Linear {
			_, deviation := moments(drive)
			k.scales[i] = 1 / deviation
		}
	}
	mean, deviation := moments(k.pool(drives))
	if c.Linear { // the filter's own zero stays, so that grey gives the threshold
		mean = 0
	}
	k.gain = c.gain / deviation
	k.threshold = c.threshold - float64(k.gain*mean)
	return k
}

// rate is the cell's response in spikes a frame.
func (k *calibrated) rate(movie *Movie) []float64 {
	rate := k.pool(k.drives(movie))
	for t, drive := range rate {
		rate[t] = float64(k.peak * softplus(float64(k.gain*drive)+k.threshold))
	}
	return rate
}

// pool sums the drives, rectified unless the cell is linear.
func (k *calibrated) pool(drives [][]float64) []float64 {
	if k.Linear {
		return drives[0]
	}
	sum := make([]float64, len(drives[0]))
	for i, drive := range drives {
		scale := float64(k.subunits[i].weight * k.scales[i])
		for t, d := range drive {
			sum[t] += float64(scale * max(d, 0))
		}
	}
	return sum
}

// drives is each subunit's filtered movie; before the movie the screen is grey.
func (c *Cell) drives(movie *Movie) [][]float64 {
	drives := make([][]float64, len(c.subunits))
	for i := range drives {
		drives[i] = c.subunits[i].filter(movie)
	}
	return drives
}

func (s *subunit) filter(movie *Movie) []float64 {
	weighted := make([]float64, Taps-1+movie.Frames) // Taps-1 grey frames first
	for t := range movie.Frames {
		for c, colour := range s.colour {
			if colour == 0 {
				continue
			}
			sum := 0.0
			for p, v := range movie.frame(c, t) {
				sum += float64(s.space[p] * float64(v))
			}
			weighted[Taps-1+t] += float64(colour * sum)
		}
	}
	drive := make([]float64, movie.Frames)
	for t := range drive {
		sum := 0.0
		for i, w := range s.time {
			sum += float64(w * weighted[t+i])
		}
		drive[t] = sum
	}
	return drive
}

// unit is the vector scaled to norm 1.
func unit(v []float64) []float32 {
	square := 0.0
	for _, x := range v {
		square += float64(x * x)
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x / math.Sqrt(square))
	}
	return out
}
