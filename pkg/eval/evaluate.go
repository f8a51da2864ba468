package eval

import (
	"errors"
	"fmt"
	"math"
)

// DefaultVarRatioCutoff is the var_ratio from which on a neuron counts in the
// summary.
const DefaultVarRatioCutoff = 0.15

// SessionResult is what one session's neurons did and what the model predicted.
type SessionResult struct {
	Name string
	// Predictions and Targets are what the model gave and what the loader gave
	// with it, all clips one after another. Targets have one value per neuron
	// and frame: the mean over repeats.
	Predictions, Targets Matrix
	// Clips is how many clips of equal length there are; 0 counts as 1.
	Clips int
	// Average is the mean response to the whole stimulus; without values it is
	// Targets.
	Average Matrix
	// Trials has the repeats of Average. Without values there is one repeat,
	// Average itself, and what needs repeats is NaN.
	Trials Responses
	// Trimmed is true for a loader whose targets start at frame Offset of
	// Average, where the predictions start (sridhar_2025).
	Trimmed bool
	Offset  int
	// Fields are what else is known of the session or its neurons; they become
	// columns of the table.
	Fields []Field
}

// Field is a column with a value for each neuron, where Value is a slice with as
// many elements as there are neurons, else with one value for all of them.
type Field struct {
	Name string
	// Value is a string, bool, int64, float64, nil for none, or a slice of one
	// of these types. Other values are written as fmt writes them.
	Value any
}

// Options describe an evaluation in its summary.
type Options struct {
	ModelPath, ModelTag string
	// Experiment is the config's exp_name.
	Experiment string
	// Species is written as null where it is empty.
	Species string
	// VarRatioCutoff is the least var_ratio of a neuron that counts in the
	// summary. Where no neuron has a var_ratio all of them count.
	VarRatioCutoff float64
	// AddResponses adds the predictions of each neuron to its row of the table.
	AddResponses bool
	Dataset      DatasetStatistics
}

// Report is an evaluation of one split.
type Report struct {
	Split    string
	Sessions []SessionMetrics
	Summary  Summary
	Aligned  AlignedSummary
}

// SessionMetrics has the metrics of one session's neurons, each with one value
// per neuron.
type SessionMetrics struct {
	Name    string
	Neurons int
	Repeats int
	// These have the Python package's values, see Evaluate.
	PoissonLoss, Corr, MSE, FEVE, Jackknife, VarRatio []float64
	// CorrByTrial and MSEByTrial have one such list per repeat.
	CorrByTrial, MSEByTrial [][]float64
	Aligned                 AlignedMetrics
	fields                  []Field
	// responses are the predictions, where the table is to have them.
	responses *Matrix
}

// AlignedMetrics are the numbers to read where the Python package's own are open
// to question.
type AlignedMetrics struct {
	// Corr, MSE and PoissonLoss leave the first frames of each clip out, which
	// the model cannot predict. (The Python package leaves all of them out at
	// the front of the first clip, so that the traces of several clips are
	// shifted against each other; with one clip the numbers are the same.)
	Corr, MSE, PoissonLoss []float64
	// FEVE and FEV are not clipped.
	FEVE, FEV []float64
	// GlobalMean is the global-mean oracle, Reliability the eLife index.
	GlobalMean, Reliability []float64
}

// Evaluate computes the metrics of each neuron and their summary. They are those
// of the Python package's eval command, session after session in the given order.
func Evaluate(split string, sessions []SessionResult, options Options) (*Report, error) {
	if len(sessions) == 0 {
		return nil, errors.New("evaluate: no sessions")
	}
	report := &Report{Split: split}
	lag := -1
	for _, s := range sessions {
		metrics, sessionLag, err := s.evaluate()
		if err != nil {
			return nil, fmt.Errorf("evaluate session %s: %w", s.Name, err)
		}
		if lag >= 0 && sessionLag != lag {
			return nil, fmt.Errorf("evaluate session %s: its lag is %d frames, that of session %s %d", s.Name, sessionLag, sessions[0].Name, lag)
		}
		lag = sessionLag
		if options.AddResponses {
			metrics.responses = &s.Predictions
		}
		report.Sessions = append(report.Sessions, *metrics)
	}
	report.Summary = report.summarize(lag, options)
	report.Aligned = report.summarizeAligned(options.VarRatioCutoff)
	return report, nil
}

func (s SessionResult) evaluate() (*SessionMetrics, int, error) {
	average, trials, err := s.responses()
	if err != nil {
		return nil, 0, err
	}
	start, err := Alignment(s.Targets.Frames, s.Predictions.Frames, average.Frames, s.Trimmed, s.Offset)
	if err != nil {
		return nil, 0, err
	}
	average = average.rows(start, start+s.Predictions.Frames)
	trials = trials.frames(start, start+s.Predictions.Frames)
	m := &SessionMetrics{Name: s.Name, Neurons: average.Neurons, Repeats: trials.Repeats, fields: s.Fields}
	targets := s.Targets.rows(s.Targets.Frames-s.Predictions.Frames, s.Targets.Frames)
	if m.PoissonLoss, err = PoissonLoss(targets, s.Predictions, PoissonBias); err != nil {
		return nil, 0, err
	}
	if m.Corr, err = Correlation(average, s.Predictions); err != nil {
		return nil, 0, err
	}
	if m.MSE, err = MSE(average, s.Predictions); err != nil {
		return nil, 0, err
	}
	if err := m.overRepeats(trials, s.Predictions); err != nil {
		return nil, 0, err
	}
	return m, start, s.align(m)
}

// responses are the mean response and its repeats, checked.
func (s SessionResult) responses() (Matrix, Responses, error) {
	average := s.Average
	if average.Values == nil {
		average = s.Targets
	}
	trials := s.Trials
	if trials.Values == nil {
		trials = average.asRepeat()
	}
	neurons := s.Predictions.Neurons
	switch {
	case neurons == 0 || s.Predictions.Frames == 0:
		return average, trials, fmt.Errorf("predictions have shape (%d, %d)", s.Predictions.Frames, neurons)
	case s.Targets.Neurons != neurons || average.Neurons != neurons || trials.Neurons != neurons:
		return average, trials, fmt.Errorf("predictions have %d neurons, targets %d, mean responses %d, repeats %d",
			neurons, s.Targets.Neurons, average.Neurons, trials.Neurons)
	case trials.Frames != average.Frames || trials.Repeats == 0:
		return average, trials, fmt.Errorf("mean responses have %d frames, their %d repeats %d", average.Frames, trials.Repeats, trials.Frames)
	}
	return average, trials, nil
}

// Alignment is the frame of the responses that the first predicted frame belongs
// to. Usually it is how much shorter the predictions are than the targets; for
// trimmed targets, which are as long as the predictions, it is offset
// (align_responses_to_model_output).
func Alignment(targetFrames, predictionFrames, responseFrames int, trimmed bool, offset int) (int, error) {
	start := targetFrames - predictionFrames
	if start == 0 && responseFrames > predictionFrames {
		if !trimmed {
			return 0, fmt.Errorf("targets are as long as the predictions (%d frames), the responses are longer (%d): the data set has to say where the targets start", predictionFrames, responseFrames)
		}
		start = offset
	}
	switch {
	case start < 0:
		return 0, fmt.Errorf("negative lag: predictions have %d frames, targets %d", predictionFrames, targetFrames)
	case start+predictionFrames > responseFrames:
		return 0, fmt.Errorf("%d predicted frames after a lag of %d do not fit into %d frames of responses", predictionFrames, start, responseFrames)
	}
	return start, nil
}

// overRepeats fills in what is computed from single repeats.
func (m *SessionMetrics) overRepeats(trials Responses, predictions Matrix) error {
	m.FEVE, m.Jackknife, m.VarRatio = nans(m.Neurons), nans(m.Neurons), nans(m.Neurons)
	m.Aligned.FEVE, m.Aligned.FEV, m.Aligned.Reliability = nans(m.Neurons), nans(m.Neurons), nans(m.Neurons)
	m.Aligned.GlobalMean = GlobalMeanOracle(trials)
	if trials.Repeats > 1 {
		var err error
		if m.FEVE, err = FEVE(trials, predictions); err != nil {
			return err
		}
		if m.Aligned.FEVE, err = FEVEUnclipped(trials, predictions); err != nil {
			return err
		}
		m.Jackknife, _ = Jackknife(trials)
		m.VarRatio, _ = ExplainableVariance(trials)
		m.Aligned.FEV = FEVUnclipped(trials)
		m.Aligned.Reliability = Reliability(trials)
	}
	for k := range trials.Repeats {
		trial := trials.Repeat(k)
		corr, err := Correlation(trial, predictions)
		if err != nil {
			return err
		}
		mse, err := MSE(trial, predictions)
		if err != nil {
			return err
		}
		m.CorrByTrial, m.MSEByTrial = append(m.CorrByTrial, corr), append(m.MSEByTrial, mse)
	}
	return nil
}

// align fills in the metrics that leave out the first frames of each clip.
func (s SessionResult) align(m *SessionMetrics) error {
	clips := max(1, s.Clips)
	t, p := s.Targets, s.Predictions
	if t.Frames%clips != 0 || p.Frames%clips != 0 {
		return fmt.Errorf("%d frames of targets and %d of predictions are not %d clips of equal length", t.Frames, p.Frames, clips)
	}
	perTarget, perPrediction := t.Frames/clips, p.Frames/clips
	aligned := Matrix{Frames: p.Frames, Neurons: p.Neurons}
	for clip := range clips {
		end := (clip + 1) * perTarget
		aligned.Values = append(aligned.Values, t.rows(end-perPrediction, end).Values...)
	}
	var err error
	if m.Aligned.Corr, err = Correlation(aligned, p); err != nil {
		return err
	}
	if m.Aligned.MSE, err = MSE(aligned, p); err != nil {
		return err
	}
	m.Aligned.PoissonLoss, err = PoissonLoss(aligned, p, PoissonBias)
	return err
}

func nans(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}
