package eval

import "math"

// Jackknife predicts each repeat by the mean of the other repeats. It gives for
// each neuron the correlation of this oracle with the responses over all frames
// and repeats, which underestimates what a perfect model can reach, and the
// oracle itself (oracle_corr_jackknife). With one repeat the oracle is 0.
func Jackknife(responses Responses) (score []float64, oracle Responses) {
	oracle = responses
	oracle.Values = make([]float64, len(responses.Values))
	for t := range responses.Frames {
		for n := range responses.Neurons {
			var sum float64
			for k := range responses.Repeats {
				sum += responses.at(t, k, n)
			}
			for k := range responses.Repeats {
				i := (t*responses.Repeats+k)*responses.Neurons + n
				oracle.Values[i] = finite((sum - responses.Values[i]) / float64(responses.Repeats-1))
			}
		}
	}
	return correlateAll(responses, oracle), oracle
}

// finite replaces NaN by 0 and the infinities by the largest numbers.
func finite(v float64) float64 {
	switch {
	case math.IsNaN(v):
		return 0
	case math.IsInf(v, 0):
		return math.Copysign(math.MaxFloat64, v)
	}
	return v
}

// GlobalMeanOracle predicts each neuron by the mean over all neurons in the same
// frame and repeat, and gives for each neuron the correlation with it. It is what
// the Python function global_mean_oracle, which always fails, was meant to give.
func GlobalMeanOracle(responses Responses) []float64 {
	oracle := responses
	oracle.Values = make([]float64, len(responses.Values))
	for i := 0; i < len(responses.Values); i += responses.Neurons {
		m := mean(responses.Values[i : i+responses.Neurons])
		for n := range responses.Neurons {
			oracle.Values[i+n] = m
		}
	}
	return correlateAll(responses, oracle)
}

// correlateAll is the correlation over frames and repeats of each neuron.
func correlateAll(a, b Responses) []float64 {
	out := make([]float64, a.Neurons)
	traceA, traceB := make([]float64, a.Frames*a.Repeats), make([]float64, a.Frames*a.Repeats)
	for n := range out {
		a.neuron(n, traceA)
		b.neuron(n, traceB)
		out[n] = Correlate(traceA, traceB)
	}
	return out
}
