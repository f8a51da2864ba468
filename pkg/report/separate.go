package report

import "math"

// Component is the best space-time separable approximation of one channel: frame
// t of it is Temporal[t] times Spatial.
type Component struct {
	// Spatial (Height, Width) has the largest magnitude 1, and is positive around the
	// pixel that has it, so that Temporal tells ON (upwards last) from OFF.
	Spatial []float64
	// Temporal (Frames) is in the stimulus' units.
	Temporal []float64
	// Explained is the share of the channel's sum of squares.
	Explained float64
}

// signWindow is the side of the square whose mean is made positive.
const signWindow = 5

// Separate finds each channel's first singular component in time and space. The
// display is that of the Python package (singular value decomposition of the
// (time, pixels) matrix, rank 1), except that the sign is taken around the
// strongest pixel, not around the picture's centre, where a cell may have nothing
// but its surround.
func Separate(s Stimulus) ([]Component, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	components := make([]Component, s.Channels)
	for c := range components {
		components[c] = s.separate(c)
	}
	return components, nil
}

func (s *Stimulus) separate(channel int) Component {
	temporal := s.firstTemporal(channel)
	spatial := make([]float64, s.pixels())
	power, total := 0.0, 0.0
	for t, w := range temporal {
		for p, v := range s.frame(channel, t) {
			spatial[p] += w * float64(v)
			total += float64(v) * float64(v)
		}
	}
	strongest, largest := 0, 0.0
	for p, v := range spatial {
		power += v * v
		if math.Abs(v) > largest {
			strongest, largest = p, math.Abs(v)
		}
	}
	component := Component{Spatial: spatial, Temporal: temporal}
	if largest == 0 {
		return component
	}
	scale := largest
	if s.meanAround(spatial, strongest) < 0 {
		scale = -largest
	}
	for p := range spatial {
		spatial[p] /= scale
	}
	for t := range temporal {
		temporal[t] *= scale
	}
	component.Explained = power / total
	return component
}

// firstTemporal is the first left singular vector of a channel's (time, pixels)
// matrix, by power iteration on the matrix of products of frames.
func (s *Stimulus) firstTemporal(channel int) []float64 {
	const rounds, still = 500, 1e-12
	products := make([][]float64, s.Frames)
	strongest := 0
	for t := range products {
		products[t] = make([]float64, s.Frames)
		for u := range t + 1 {
			products[t][u] = dot(s.frame(channel, t), s.frame(channel, u))
			products[u][t] = products[t][u]
		}
		if products[t][t] > products[strongest][strongest] {
			strongest = t
		}
	}
	vector := append([]float64{}, products[strongest]...)
	normalise(vector)
	for range rounds {
		next := make([]float64, s.Frames)
		change := 0.0
		for t, row := range products {
			for u, w := range row {
				next[t] += w * vector[u]
			}
		}
		normalise(next)
		for t := range next {
			change = max(change, math.Abs(next[t]-vector[t]))
		}
		vector = next
		if change < still {
			break
		}
	}
	return vector
}

// meanAround is the mean of a map in a square around a pixel.
func (s *Stimulus) meanAround(values []float64, pixel int) float64 {
	row, column := pixel/s.Width, pixel%s.Width
	sum, n := 0.0, 0
	for y := max(0, row-signWindow/2); y <= min(s.Height-1, row+signWindow/2); y++ {
		for x := max(0, column-signWindow/2); x <= min(s.Width-1, column+signWindow/2); x++ {
			sum += values[y*s.Width+x]
			n++
		}
	}
	return sum / float64(n)
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// normalise scales to norm 1; a vector of zeros stays.
func normalise(v []float64) {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	if sum == 0 {
		return
	}
	for i := range v {
		v[i] /= math.Sqrt(sum)
	}
}
