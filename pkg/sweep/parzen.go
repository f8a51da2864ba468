package sweep

import (
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// randomSource is what draws need of a generator.
type randomSource interface{ Float64() float64 }

// mixture is a Parzen estimator: a weighted sum of kernels, one for each trial and
// a last one, the prior. A kernel is a product over the parameters.
type mixture struct {
	weights []float64 // sum up to 1
	kernels []kernel  // by parameter
}

// kernel is the part of one parameter in all kernels of a mixture.
type kernel interface {
	// draw takes a value from the k-th one.
	draw(k int, rng randomSource) float64
	// logDensity is that of the k-th one, or its logarithmic probability where
	// values are discrete.
	logDensity(k int, value float64) float64
}

// estimate makes the mixture of what was observed, vectors over the space in the
// order of the trials.
func (s TPESampler) estimate(space []config.Parameter, observed [][]float64) mixture {
	m := mixture{weights: []float64{1}}
	if len(observed) > 0 {
		m.weights = append(trialWeights(len(observed)), s.PriorWeight)
	}
	sum := 0.0
	for _, w := range m.weights {
		sum += w
	}
	for k := range m.weights {
		m.weights[k] /= sum
	}
	for i, p := range space {
		values := make([]float64, len(observed))
		for k, v := range observed {
			values[k] = v[i]
		}
		if p.Choices != nil {
			m.kernels = append(m.kernels, s.categorical(len(p.Choices), values))
			continue
		}
		m.kernels = append(m.kernels, s.numeric(scaleOf(&p), values))
	}
	return m
}

// trialWeights are 1 for the newest 25 trials and fall to nearly 0 for the oldest.
func trialWeights(n int) []float64 {
	const full = 25
	weights := slices.Repeat([]float64{1}, n)
	ramp := n - full
	for i := range ramp {
		weights[i] = 1 / float64(n)
		if ramp > 1 {
			weights[i] += (1 - 1/float64(n)) * float64(i) / float64(ramp-1)
		}
	}
	return weights
}

func (m *mixture) draw(rng randomSource) []float64 {
	k := choose(m.weights, rng)
	values := make([]float64, len(m.kernels))
	for i, kernel := range m.kernels {
		values[i] = kernel.draw(k, rng)
	}
	return values
}

// choose draws a place by its probability.
func choose(probabilities []float64, rng randomSource) int {
	u := rng.Float64()
	last := 0
	for i, p := range probabilities {
		if p == 0 {
			continue
		}
		if u < p {
			return i
		}
		u -= p
		last = i // what rounding leaves falls to the last possible one
	}
	return last
}

func (m *mixture) logDensity(values []float64) float64 {
	logs := make([]float64, len(m.weights))
	for k, w := range m.weights {
		logs[k] = math.Log(w)
		for i, value := range values {
			logs[k] += m.kernels[i].logDensity(k, value)
		}
	}
	return logSumExp(logs)
}

func logSumExp(logs []float64) float64 {
	highest := slices.Max(logs)
	if math.IsInf(highest, 0) {
		return highest
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - highest)
	}
	return highest + math.Log(sum)
}

// categoricalKernel has a distribution over the choices for each kernel.
type categoricalKernel struct{ probabilities [][]float64 }

// categorical lets every trial favour its choice over the uniform prior.
func (s TPESampler) categorical(choices int, values []float64) kernel {
	n := len(values) + 1
	k := categoricalKernel{make([][]float64, n)}
	share := s.PriorWeight / float64(n)
	for i := range k.probabilities {
		row := slices.Repeat([]float64{share}, choices)
		sum := share * float64(choices)
		switch {
		case i < len(values):
			row[int(values[i])]++
			sum++
		case sum == 0: // the prior, of no weight
			row, sum = slices.Repeat([]float64{1}, choices), float64(choices)
		}
		for j := range row {
			row[j] /= sum
		}
		k.probabilities[i] = row
	}
	return k
}

func (c categoricalKernel) draw(k int, rng randomSource) float64 {
	return float64(choose(c.probabilities[k], rng))
}

func (c categoricalKernel) logDensity(k int, value float64) float64 {
	return math.Log(c.probabilities[k][int(value)])
}

// normalKernel has a normal distribution, cut off at the ends of the scale, for
// each kernel.
type normalKernel struct {
	scale
	mus, sigmas []float64
	// logScales make what is left of the distributions sum up to 1.
	logScales []float64
}

// numeric centres a kernel on every trial and the prior on the middle. A kernel is
// as wide as the larger gap to its neighbours.
func (s TPESampler) numeric(line scale, values []float64) kernel {
	k := normalKernel{scale: line}
	for _, v := range values {
		k.mus = append(k.mus, forward(line.Parameter, v))
	}
	width := line.high - line.low
	narrowest := 1e-12
	if s.MagicClip {
		narrowest = width / min(100, float64(2+len(values)))
	}
	k.sigmas = s.gaps(k.mus, line)
	for i := range k.sigmas {
		k.sigmas[i] = min(max(k.sigmas[i], narrowest), width)
	}
	k.mus = append(k.mus, (line.low+line.high)/2)
	k.sigmas = append(k.sigmas, width)
	k.logScales = make([]float64, len(k.mus))
	for i := range k.mus {
		k.logScales[i] = -logNormalMass(k.standard(i, line.low), k.standard(i, line.high))
		if line.Step == 0 {
			k.logScales[i] -= math.Log(k.sigmas[i] * math.Sqrt(2*math.Pi))
		}
	}
	return k
}

// gaps gives the larger distance of each place to its two neighbours.
func (s TPESampler) gaps(places []float64, line scale) []float64 {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case places[a] < places[b]:
			return -1
		case places[a] > places[b]:
			return 1
		}
		return 0
	})
	n := len(places)
	gaps := make([]float64, n)
	for i, at := range order {
		left, right := places[at]-line.low, line.high-places[at]
		if i > 0 {
			left = places[at] - places[order[i-1]]
		} else if !s.Endpoints && n > 1 {
			left = 0
		}
		if i < n-1 {
			right = places[order[i+1]] - places[at]
		} else if !s.Endpoints && n > 1 {
			right = 0
		}
		gaps[at] = max(left, right)
	}
	return gaps
}

func (c normalKernel) draw(k int, rng randomSource) float64 {
	from, to := c.standard(k, c.low), c.standard(k, c.high)
	u := normalCDF(from) + rng.Float64()*(normalCDF(to)-normalCDF(from))
	place := c.mus[k] + c.sigmas[k]*math.Sqrt2*math.Erfinv(2*u-1)
	return c.back(min(max(place, c.low), c.high))
}

func (c normalKernel) logDensity(k int, value float64) float64 {
	if c.Step > 0 {
		from, to := c.cell(value)
		return c.logScales[k] + logNormalMass(c.standard(k, from), c.standard(k, to))
	}
	z := c.standard(k, forward(c.Parameter, value))
	return c.logScales[k] - z*z/2
}

func (c normalKernel) standard(k int, place float64) float64 {
	return (place - c.mus[k]) / c.sigmas[k]
}

func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// logNormalMass is the logarithm of the normal distribution's mass between two
// places, to full precision in both tails.
func logNormalMass(from, to float64) float64 {
	if from > 0 {
		from, to = -to, -from
	}
	if to <= 0 {
		return math.Log(normalCDF(to) - normalCDF(from))
	}
	return math.Log1p(-normalCDF(from) - normalCDF(-to))
}
