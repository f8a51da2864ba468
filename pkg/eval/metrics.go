package eval

import (
	"fmt"
	"math"
)

const (
	// correlationEps is added to each standard deviation.
	correlationEps = 1e-8
	// varianceEps is the least explainable variance, and what is added to the
	// total one.
	varianceEps = 1e-9
	// PoissonEps is what PoissonLoss adds within the logarithm in the Python
	// function poisson_loss_numpy; PoissonBias in the loss PoissonLoss3d, which
	// training and the evaluation's table use.
	PoissonEps  = 1e-8
	PoissonBias = 1e-16
)

// Correlate is the Pearson correlation of two traces of equal length, with 1e-8
// added to each standard deviation, so that a constant trace gives about 0
// (correlation_numpy).
func Correlate(a, b []float64) float64 {
	meanA, meanB := mean(a), mean(b)
	stdA := math.Sqrt(variance(a, 0)) + correlationEps
	stdB := math.Sqrt(variance(b, 0)) + correlationEps
	var sum float64
	for i := range a {
		sum += (a[i] - meanA) / stdA * ((b[i] - meanB) / stdB)
	}
	return sum / float64(len(a))
}

// Correlation is the correlation over frames of each neuron.
func Correlation(targets, predictions Matrix) ([]float64, error) {
	return perNeuron(targets, predictions, Correlate)
}

// MSE is the mean squared error over frames of each neuron (MSE_numpy).
func MSE(targets, predictions Matrix) ([]float64, error) {
	return perNeuron(targets, predictions, func(y, p []float64) float64 {
		var sum float64
		for i := range y {
			sum += (y[i] - p[i]) * (y[i] - p[i])
		}
		return sum / float64(len(y))
	})
}

// PoissonLoss is the mean over frames of p - y log(p + eps) of each neuron, with
// y the targets and p the predictions.
func PoissonLoss(targets, predictions Matrix, eps float64) ([]float64, error) {
	return perNeuron(targets, predictions, func(y, p []float64) float64 {
		var sum float64
		for i := range y {
			sum += p[i] - y[i]*math.Log(p[i]+eps)
		}
		return sum / float64(len(y))
	})
}

func perNeuron(a, b Matrix, metric func(a, b []float64) float64) ([]float64, error) {
	if a.Frames != b.Frames || a.Neurons != b.Neurons {
		return nil, fmt.Errorf("targets have %d frames and %d neurons, predictions %d and %d", a.Frames, a.Neurons, b.Frames, b.Neurons)
	}
	if a.Frames == 0 {
		return nil, fmt.Errorf("no frames to compare")
	}
	out := make([]float64, a.Neurons)
	traceA, traceB := make([]float64, a.Frames), make([]float64, b.Frames)
	for n := range out {
		a.column(n, traceA)
		b.column(n, traceB)
		out[n] = metric(traceA, traceB)
	}
	return out, nil
}

// variances are the total variance of one neuron over frames and repeats, and
// its mean over frames of the variance over repeats, which is noise. Both are
// unbiased, so with one repeat the noise is NaN.
func variances(r Responses, neuron int) (total, noise float64) {
	all := make([]float64, r.Frames*r.Repeats)
	r.neuron(neuron, all)
	for t := range r.Frames {
		noise += variance(all[t*r.Repeats:(t+1)*r.Repeats], 1)
	}
	return variance(all, 1), noise / float64(r.Frames)
}

// ExplainableVariance gives for each neuron the variance that the stimulus can
// explain, which is the total variance less the noise but at least 1e-9, and its
// ratio to the total variance (explainable_vs_total_var, after Cadena et al.
// 2019, doi 10.1371/journal.pcbi.1006897).
//
// A neuron that never responds gets the ratio 1, because both variances are
// 1e-9 then, and so passes any cut-off: FEVUnclipped has NaN for it.
func ExplainableVariance(responses Responses) (varRatio, explainable []float64) {
	varRatio, explainable = make([]float64, responses.Neurons), make([]float64, responses.Neurons)
	for n := range responses.Neurons {
		total, noise := variances(responses, n)
		explainable[n] = math.Max(total-noise, varianceEps)
		varRatio[n] = explainable[n] / (total + varianceEps)
	}
	return varRatio, explainable
}

// FEVUnclipped is the fraction of the variance that the stimulus can explain,
// (total - noise) / total, as neuralpredictors has it: negative where the noise
// is larger, NaN for a neuron without variance.
func FEVUnclipped(responses Responses) []float64 {
	out := make([]float64, responses.Neurons)
	for n := range out {
		total, noise := variances(responses, n)
		out[n] = (total - noise) / total
	}
	return out
}

// FEVE is the fraction of the explainable variance that the predictions explain,
// clipped twice: the error is at least the noise and the result at least 0
// (feve). The clip hides failing neurons and raises the mean: FEVEUnclipped does
// not. Unlike the Python function it takes as many neurons as repeats.
func FEVE(responses Responses, predictions Matrix) ([]float64, error) {
	return feve(responses, predictions, func(mse, total, noise float64) float64 {
		explainable := math.Max(total-noise, varianceEps)
		varRatio := explainable / (total + varianceEps)
		// The Python function takes the noise from the ratio, with its 1e-9.
		noise = explainable/varRatio - explainable
		return math.Max(1-math.Max(mse-noise, 0)/explainable, 0)
	})
}

// FEVEUnclipped is 1 - (mse - noise) / (total - noise), as neuralpredictors has
// it: negative for predictions that are worse than the mean response.
func FEVEUnclipped(responses Responses, predictions Matrix) ([]float64, error) {
	return feve(responses, predictions, func(mse, total, noise float64) float64 {
		return 1 - (mse-noise)/(total-noise)
	})
}

func feve(r Responses, p Matrix, fraction func(mse, total, noise float64) float64) ([]float64, error) {
	if r.Frames != p.Frames || r.Neurons != p.Neurons {
		return nil, fmt.Errorf("responses have %d frames and %d neurons, predictions %d and %d", r.Frames, r.Neurons, p.Frames, p.Neurons)
	}
	out := make([]float64, r.Neurons)
	for n := range out {
		var sum float64
		for t := range r.Frames {
			prediction := p.Values[t*p.Neurons+n]
			for k := range r.Repeats {
				residual := r.at(t, k, n) - prediction
				sum += residual * residual
			}
		}
		total, noise := variances(r, n)
		out[n] = fraction(sum/float64(r.Frames*r.Repeats), total, noise)
	}
	return out, nil
}

// Reliability is the index of the eLife paper of Höfling et al. (2024): the
// variance over frames of the mean response over the mean over repeats of the
// variance over frames. It is 1 where all repeats are equal.
func Reliability(responses Responses) []float64 {
	out := make([]float64, responses.Neurons)
	average := responses.Mean()
	trace := make([]float64, responses.Frames)
	for n := range out {
		average.column(n, trace)
		signal := variance(trace, 0)
		var single float64
		for k := range responses.Repeats {
			for t := range trace {
				trace[t] = responses.at(t, k, n)
			}
			single += variance(trace, 0)
		}
		out[n] = signal / (single / float64(responses.Repeats))
	}
	return out
}
