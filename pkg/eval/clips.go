package eval

import (
	"fmt"
	"math"
)

// Clips has the predictions and the targets of one session on several clips,
// each of shape (clips, frames, neurons). The targets have the first frames,
// which a model without padding cannot predict, or not.
type Clips struct {
	Clips, Neurons                 int
	PredictionFrames, TargetFrames int
	PredictionValues, TargetValues []float64
}

// lag is how many target frames come before the first predicted one.
func (c Clips) lag() (int, error) {
	if err := checkShape(len(c.PredictionValues), c.Clips, c.PredictionFrames, c.Neurons); err != nil {
		return 0, fmt.Errorf("predictions: %w", err)
	}
	if err := checkShape(len(c.TargetValues), c.Clips, c.TargetFrames, c.Neurons); err != nil {
		return 0, fmt.Errorf("targets: %w", err)
	}
	lag := c.TargetFrames - c.PredictionFrames
	if lag < 0 {
		return 0, fmt.Errorf("negative lag: predictions have %d frames, targets %d", c.PredictionFrames, c.TargetFrames)
	}
	return lag, nil
}

// pair is the targets and predictions of one clip, aligned.
func (c Clips) pair(clip, lag int) (targets, predictions Matrix) {
	t := Matrix{c.TargetFrames, c.Neurons, c.TargetValues[clip*c.TargetFrames*c.Neurons:]}
	p := Matrix{c.PredictionFrames, c.Neurons, c.PredictionValues[clip*c.PredictionFrames*c.Neurons:]}
	return t.rows(lag, c.TargetFrames), p.rows(0, c.PredictionFrames)
}

// ClipCorrelations is for each neuron of each session the correlation over the
// frames of a clip, averaged over the clips; NaN counts as 0 (corr_stop3d, whose
// average is the mean of all).
func ClipCorrelations(sessions []Clips) ([]float64, error) {
	return overClips(sessions, func(c Clips, lag int) ([]float64, error) {
		sums := make([]float64, c.Neurons)
		for clip := range c.Clips {
			corr, err := Correlation(c.pair(clip, lag))
			if err != nil {
				return nil, err
			}
			add(sums, corr)
		}
		for n := range sums {
			if sums[n] /= float64(c.Clips); math.IsNaN(sums[n]) {
				sums[n] = 0
			}
		}
		return sums, nil
	})
}

// ImageCorrelations is for each frame and neuron of each session the correlation
// over the clips, which for clips of one frame are images; NaN counts as 0
// (corr_stop).
func ImageCorrelations(sessions []Clips) ([]float64, error) {
	return overClips(sessions, func(c Clips, lag int) ([]float64, error) {
		columns := c.PredictionFrames * c.Neurons
		targets := Matrix{Frames: c.Clips, Neurons: columns}
		for clip := range c.Clips {
			t, _ := c.pair(clip, lag)
			targets.Values = append(targets.Values, t.Values...)
		}
		corr, err := Correlation(targets, Matrix{c.Clips, columns, c.PredictionValues})
		for i, v := range corr {
			if math.IsNaN(v) {
				corr[i] = 0
			}
		}
		return corr, err
	})
}

// ClipPoissonLosses is for each neuron of each session the sum over frames and
// clips of the Poisson loss, terms that are no numbers left out
// (poisson_stop3d, whose average divides the sum of all by neurons times clips).
func ClipPoissonLosses(sessions []Clips) ([]float64, error) {
	return clipSums(sessions, func(y, p float64) float64 { return p - y*math.Log(p+PoissonEps) })
}

// ClipSquaredErrors is the same sum of the squared errors (MSE_stop3d).
func ClipSquaredErrors(sessions []Clips) ([]float64, error) {
	return clipSums(sessions, func(y, p float64) float64 { return (p - y) * (p - y) })
}

func clipSums(sessions []Clips, term func(y, p float64) float64) ([]float64, error) {
	return overClips(sessions, func(c Clips, lag int) ([]float64, error) {
		sums := make([]float64, c.Neurons)
		for clip := range c.Clips {
			t, p := c.pair(clip, lag)
			for i := range p.Values {
				if v := term(t.Values[i], p.Values[i]); !math.IsNaN(v) {
					sums[i%c.Neurons] += v
				}
			}
		}
		return sums, nil
	})
}

func overClips(sessions []Clips, metric func(c Clips, lag int) ([]float64, error)) ([]float64, error) {
	var all []float64
	for i, c := range sessions {
		lag, err := c.lag()
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", i, err)
		}
		values, err := metric(c, lag)
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", i, err)
		}
		all = append(all, values...)
	}
	return all, nil
}

func add(sums, values []float64) {
	for i, v := range values {
		sums[i] += v
	}
}
