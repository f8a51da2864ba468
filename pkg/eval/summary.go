package eval

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"
)

// DatasetStatistics counts the different frames of the stimuli, and the different
// pairs of frames that follow each other. Its zero value, which says that nothing
// was counted, is what the Python package writes by default.
type DatasetStatistics struct {
	Sessions                                             int
	TrainFrames, ValidationFrames, TrainValidationFrames int
	TrainTransitions, ValidationTransitions              int
	// TestFrames and TestTransitions have a count for each test stimulus, in the
	// order of the loaders.
	TestFrames, TestTransitions Counts
}

// Counts are numbers with names; in JSON an object in this order.
type Counts []Count

// Count is a number with a name.
type Count struct {
	Name string
	N    int
}

// MarshalJSON writes the counts as an object.
func (c Counts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, count := range c {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(count.Name)
		if err != nil {
			return nil, err
		}
		n, err := json.Marshal(count.N)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(n)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Number is a float64 that JSON has as null where it is NaN or infinite, and
// else as Python writes it.
type Number float64

// MarshalJSON writes the number as Python does, or null.
func (x Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return []byte("null"), nil
	}
	return []byte(pytext.Float(float64(x))), nil
}

// Summary has the means over the neurons that count, in the order, under the
// names and with the values of the Python package's EvaluationSummary. A mean
// leaves out the neurons whose value is NaN.
type Summary struct {
	ModelPath  string  `json:"model_path"`
	ModelTag   string  `json:"model_tag"`
	Experiment string  `json:"exp_name"`
	Species    *string `json:"species"`
	Split      string  `json:"data_split"`
	// Lag is how many frames at the start of the responses are not predicted.
	Lag            int    `json:"temporal_lag"`
	RepeatsMin     int    `json:"n_test_repeats_min"`
	RepeatsMax     int    `json:"n_test_repeats_max"`
	RepeatsMean    Number `json:"n_test_repeats_avg"`
	NeuronsTotal   int    `json:"n_neurons_total"`
	NeuronsCounted int    `json:"n_neurons_filtered"`
	VarRatioCutoff Number `json:"var_ratio_cutoff"`
	Filtered       bool   `json:"filtering_applied"`
	Corr           Number `json:"corr_to_avg_mean"`
	// The ByTrial numbers are the mean and the standard deviation over trials of
	// the mean over neurons.
	CorrByTrial    Number `json:"corr_by_trial_mean"`
	CorrByTrialStd Number `json:"corr_by_trial_std"`
	MSE            Number `json:"mse_to_avg_mean"`
	MSEByTrial     Number `json:"mse_by_trial_mean"`
	MSEByTrialStd  Number `json:"mse_by_trial_std"`
	FEVE           Number `json:"feve_mean"`
	// FEV is the mean var_ratio.
	FEV         Number `json:"fev_mean"`
	PoissonLoss Number `json:"poisson_loss_mean"`
	Jackknife   Number `json:"jackknife_mean"`

	Sessions              int    `json:"n_sessions"`
	TrainFrames           int    `json:"unique_train_frames"`
	ValidationFrames      int    `json:"unique_val_frames"`
	TrainValidationFrames int    `json:"unique_train_val_frames"`
	TestFrames            Counts `json:"unique_test_frames"`
	TrainTransitions      int    `json:"unique_train_transitions"`
	ValidationTransitions int    `json:"unique_val_transitions"`
	TestTransitions       Counts `json:"unique_test_transitions"`
}

// AlignedSummary has the spread of each of the AlignedMetrics over the neurons
// that count.
type AlignedSummary struct {
	Corr        Spread `json:"corr_aligned"`
	MSE         Spread `json:"mse_aligned"`
	PoissonLoss Spread `json:"poisson_loss_aligned"`
	FEVE        Spread `json:"feve_unclipped"`
	FEV         Spread `json:"fev_unclipped"`
	GlobalMean  Spread `json:"global_mean_oracle"`
	Reliability Spread `json:"reliability"`
}

// Spread is a mean, with the median beside it, of the N values that are numbers.
type Spread struct {
	Mean   Number `json:"mean"`
	Median Number `json:"median"`
	N      int    `json:"n"`
}

// Score is what the Python function evaluate_model returns: the mean correlation
// with the mean response, over the neurons that count.
func (r *Report) Score() float64 { return float64(r.Summary.Corr) }

// Counted says for each neuron of each session whether it counts in the summary:
// its var_ratio is at least the cut-off. Where no neuron has a var_ratio, for
// want of repeats, all of them count and filtered is false.
func (r *Report) Counted(cutoff float64) (counted [][]bool, filtered bool) {
	counted = make([][]bool, len(r.Sessions))
	for i, s := range r.Sessions {
		counted[i] = make([]bool, s.Neurons)
		for n, ratio := range s.VarRatio {
			counted[i][n] = ratio >= cutoff
			filtered = filtered || !math.IsNaN(ratio)
		}
	}
	if !filtered {
		for _, session := range counted {
			for n := range session {
				session[n] = true
			}
		}
	}
	return counted, filtered
}

// pick is what values gives for the neurons that count. A session for which it
// gives nothing has none.
func (r *Report) pick(counted [][]bool, values func(SessionMetrics) []float64) []float64 {
	var out []float64
	for i, s := range r.Sessions {
		for n, v := range values(s) {
			if counted[i][n] {
				out = append(out, v)
			}
		}
	}
	return out
}

func (r *Report) summarize(lag int, o Options) Summary {
	counted, filtered := r.Counted(o.VarRatioCutoff)
	average := func(values func(SessionMetrics) []float64) Number {
		return Number(nanMean(r.pick(counted, values)))
	}
	d := o.Dataset
	s := Summary{
		ModelPath: o.ModelPath, ModelTag: o.ModelTag, Experiment: o.Experiment, Split: r.Split,
		Lag: lag, VarRatioCutoff: Number(o.VarRatioCutoff), Filtered: filtered,
		Corr:        average(func(m SessionMetrics) []float64 { return m.Corr }),
		MSE:         average(func(m SessionMetrics) []float64 { return m.MSE }),
		FEVE:        average(func(m SessionMetrics) []float64 { return m.FEVE }),
		FEV:         average(func(m SessionMetrics) []float64 { return m.VarRatio }),
		PoissonLoss: average(func(m SessionMetrics) []float64 { return m.PoissonLoss }),
		Jackknife:   average(func(m SessionMetrics) []float64 { return m.Jackknife }),
		Sessions:    d.Sessions, TrainFrames: d.TrainFrames, ValidationFrames: d.ValidationFrames,
		TrainValidationFrames: d.TrainValidationFrames, TestFrames: d.TestFrames,
		TrainTransitions: d.TrainTransitions, ValidationTransitions: d.ValidationTransitions,
		TestTransitions: d.TestTransitions,
	}
	if o.Species != "" {
		s.Species = &o.Species
	}
	s.count(r.Sessions, counted)
	s.CorrByTrial, s.CorrByTrialStd = r.byTrial(counted, func(m SessionMetrics) [][]float64 { return m.CorrByTrial })
	s.MSEByTrial, s.MSEByTrialStd = r.byTrial(counted, func(m SessionMetrics) [][]float64 { return m.MSEByTrial })
	return s
}

// count fills in the numbers of repeats and neurons.
func (s *Summary) count(sessions []SessionMetrics, counted [][]bool) {
	repeats := make([]float64, len(sessions))
	for i, m := range sessions {
		repeats[i] = float64(m.Repeats)
		s.NeuronsTotal += m.Neurons
		for _, is := range counted[i] {
			if is {
				s.NeuronsCounted++
			}
		}
	}
	s.RepeatsMin, s.RepeatsMax = int(slices.Min(repeats)), int(slices.Max(repeats))
	s.RepeatsMean = Number(mean(repeats))
}

// byTrial is the mean and the standard deviation over trials of the mean over
// the neurons whose session has that trial.
func (r *Report) byTrial(counted [][]bool, values func(SessionMetrics) [][]float64) (average, std Number) {
	var means []float64
	for k := range r.trials() {
		means = append(means, nanMean(r.pick(counted, func(m SessionMetrics) []float64 {
			if trials := values(m); k < len(trials) {
				return trials[k]
			}
			return nil
		})))
	}
	return Number(nanMean(means)), Number(nanStd(means))
}

// trials is the largest number of repeats.
func (r *Report) trials() int {
	most := 0
	for _, s := range r.Sessions {
		most = max(most, s.Repeats)
	}
	return most
}

func (r *Report) summarizeAligned(cutoff float64) AlignedSummary {
	counted, _ := r.Counted(cutoff)
	spread := func(values func(AlignedMetrics) []float64) Spread {
		v := numbers(r.pick(counted, func(m SessionMetrics) []float64 { return values(m.Aligned) }))
		return Spread{Number(mean(v)), Number(median(v)), len(v)}
	}
	return AlignedSummary{
		Corr:        spread(func(a AlignedMetrics) []float64 { return a.Corr }),
		MSE:         spread(func(a AlignedMetrics) []float64 { return a.MSE }),
		PoissonLoss: spread(func(a AlignedMetrics) []float64 { return a.PoissonLoss }),
		FEVE:        spread(func(a AlignedMetrics) []float64 { return a.FEVE }),
		FEV:         spread(func(a AlignedMetrics) []float64 { return a.FEV }),
		GlobalMean:  spread(func(a AlignedMetrics) []float64 { return a.GlobalMean }),
		Reliability: spread(func(a AlignedMetrics) []float64 { return a.Reliability }),
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
