package evaluation

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/report"
)

// How much of each a page shows.
const (
	pageTraces      = 3   // best, and as many worst
	pageTraceFrames = 900 // of a trace
	pageInputs      = 18  // most exciting inputs
)

// PageContent is what a page is made of.
type PageContent struct {
	Title, Subtitle string
	Results         []*Result
	// Inputs are most exciting inputs to show, nil for none.
	Inputs *insilico.Record
	// Truth is nil where it is not known.
	Truth *TruthComparison
	// Trained is nil where training left no score.
	Trained *TrainedScore
	// FrameRate in Hz; 0 leaves times in frames.
	FrameRate float64
}

// Page puts results together as a page.
func Page(c PageContent) (report.Page, error) {
	page := report.Page{Title: c.Title, Subtitle: c.Subtitle, Figures: c.figures()}
	ranked := c.ranked()
	for _, r := range c.Results {
		page.Distributions = append(page.Distributions, r.distributions(len(c.Results) > 1)...)
	}
	few := min(pageTraces, (len(ranked)+1)/2)
	for _, n := range ranked[:few] {
		page.Best = append(page.Best, c.trace(n))
	}
	for _, n := range slices.Backward(ranked[max(few, len(ranked)-pageTraces):]) {
		page.Worst = append(page.Worst, c.trace(n))
	}
	var err error
	if page.MEIs, err = c.inputs(ranked); err != nil {
		return page, err
	}
	if c.Truth != nil {
		page.Comparisons = c.Truth.charts()
		page.Tables = append(page.Tables, c.Truth.table())
	}
	for _, r := range c.Results {
		page.Tables = append(page.Tables, r.summaryTable(), r.neuronTable())
	}
	return page, nil
}

// figures are the main numbers.
func (c *PageContent) figures() []report.Figure {
	var figures []report.Figure
	for _, r := range c.Results {
		name, corr := "Correlation", r.Report.Aligned.Corr
		if len(c.Results) > 1 {
			name += ", " + r.Report.Split
		}
		figures = append(figures, report.Figure{
			Name: name, Value: short(float64(corr.Mean)),
			Note: fmt.Sprintf("mean over %d of %d neurons", corr.N, r.Report.Summary.NeuronsTotal),
		})
		if feve := float64(r.Report.Aligned.FEVE.Mean); !math.IsNaN(feve) {
			figures = append(figures, report.Figure{Name: "FEVE", Value: short(feve), Note: "explained part of the explainable variance, mean, not clipped"})
		}
	}
	if c.Trained != nil {
		figures = append(figures, report.Figure{Name: "When trained", Value: short(c.Trained.Mean), Note: c.Trained.Metric + ", mean over clips and neurons"})
	}
	if t := c.Truth; t != nil {
		figures = append(figures, report.Figure{
			Name: "Of the ceiling", Value: short(t.Ratio),
			Note: fmt.Sprintf("median test correlation / ceiling of %d linear-nonlinear cells", t.RatioCells),
		})
		if t.MEICells > 0 {
			figures = append(figures, report.Figure{
				Name: "MEI and truth", Value: short(t.MEI),
				Note: fmt.Sprintf("median correlation with the cell's own optimum, %d linear-nonlinear cells", t.MEICells),
			})
		}
	}
	return figures
}

func (r *Result) distributions(named bool) []report.Distribution {
	suffix := ""
	if named {
		suffix = ", " + r.Report.Split
	}
	var corr, feve []float64
	for _, s := range r.Report.Sessions {
		corr, feve = append(corr, s.Aligned.Corr...), append(feve, s.Aligned.FEVE...)
	}
	charts := []report.Distribution{{
		Title: "Correlation with the mean response" + suffix, Label: "correlation", Values: corr,
		Marks: []report.Mark{{Name: "mean of those that count", Value: float64(r.Report.Aligned.Corr.Mean)}},
	}}
	if n := r.Report.Aligned.FEVE; n.N > 0 {
		charts = append(charts, report.Distribution{
			Title: "Explained part of the explainable variance" + suffix, Label: "FEVE, not clipped", Values: clipped(feve),
			Marks: []report.Mark{{Name: "median of those that count", Value: float64(n.Median)}},
		})
	}
	return charts
}

// clipped keeps a few neurons without explainable variance from stretching the
// axis: what is below -1 is shown at -1.
func clipped(values []float64) []float64 {
	out := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			out = append(out, max(v, -1))
		}
	}
	return out
}

// neuron is one neuron in one of the results.
type neuron struct {
	result, session, index int
	corr                   float64
}

// ranked are all neurons of all results, the best predicted first.
func (c *PageContent) ranked() []neuron {
	var all []neuron
	for i, r := range c.Results {
		for j, s := range r.Report.Sessions {
			for k, corr := range s.Aligned.Corr {
				if !math.IsNaN(corr) {
					all = append(all, neuron{i, j, k, corr})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b neuron) int { return -cmp.Compare(a.corr, b.corr) })
	return all
}

// trace is the course of a neuron's response in the first clip.
func (c *PageContent) trace(n neuron) report.Trace {
	r := c.Results[n.result]
	s := r.Sessions[n.session]
	clips := max(1, s.Clips)
	predicted, measured := s.Predictions.Frames/clips, s.Targets.Frames/clips
	lag, frames := measured-predicted, min(predicted, pageTraceFrames)
	t := report.Trace{
		Title:     fmt.Sprintf("%s, neuron %d", s.Name, n.index),
		Note:      fmt.Sprintf("%s, correlation %s", r.Report.Split, short(n.corr)),
		FrameRate: c.FrameRate,
		Measured:  course(s.Targets, n.index, lag, frames), Predicted: course(s.Predictions, n.index, 0, frames),
	}
	if c.Truth != nil {
		if cell := c.Truth.Truth.Find(s.Name, n.index); cell >= 0 {
			rate := c.Truth.Truth.Cells[cell].TestRate
			if len(rate) == measured {
				t.Truth = rate[lag : lag+frames]
			}
		}
	}
	return t
}

// course is n frames of a neuron from a frame on.
func course(m eval.Matrix, neuron, from, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = m.Values[(from+i)*m.Neurons+neuron]
	}
	return values
}

// summaryTable has the means of the Python package and the aligned numbers.
func (r *Result) summaryTable() report.Table {
	s, a := r.Report.Summary, r.Report.Aligned
	row := func(name string, mean eval.Number, aligned eval.Spread) []string {
		return []string{name, short(float64(mean)), short(float64(aligned.Mean)), short(float64(aligned.Median)), strconv.Itoa(aligned.N)}
	}
	return report.Table{
		Title:   "Means over neurons, " + r.Report.Split,
		Columns: []string{"", "mean as in Python", "mean, clips aligned, not clipped", "median", "neurons"},
		Rows: [][]string{
			row("correlation", s.Corr, a.Corr), row("mean squared error", s.MSE, a.MSE), row("Poisson loss", s.PoissonLoss, a.PoissonLoss),
			row("FEVE", s.FEVE, a.FEVE), row("FEV", s.FEV, a.FEV),
			row("jackknife oracle", s.Jackknife, eval.Spread{Mean: eval.Number(math.NaN()), Median: eval.Number(math.NaN()), N: s.NeuronsCounted}),
		},
	}
}

// neuronTable is the table of all neurons with the columns that are not of single
// trials.
func (r *Result) neuronTable() report.Table {
	t := report.Table{
		Title: "All neurons, " + r.Report.Split, Folded: true,
		Columns: []string{"session", "neuron", "correlation", "as in Python", "mean squared error", "FEVE", "FEV", "jackknife", "reliability"},
	}
	for _, s := range r.Report.Sessions {
		for n := range s.Neurons {
			t.Rows = append(t.Rows, []string{
				s.Name, strconv.Itoa(n), short(s.Aligned.Corr[n]), short(s.Corr[n]), short(s.Aligned.MSE[n]),
				short(s.Aligned.FEVE[n]), short(s.Aligned.FEV[n]), short(s.Jackknife[n]), short(s.Aligned.Reliability[n]),
			})
		}
	}
	return t
}

// short is a number with three decimals, a dash for none.
func short(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
