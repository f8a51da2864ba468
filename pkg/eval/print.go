package eval

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"
)

const reportWidth = 80

// Print writes the report that the Python package's eval command prints.
func (r *Report) Print(w io.Writer) error {
	p := &printer{w: bufio.NewWriter(w), s: r.Summary}
	p.rule("=")
	p.line("Model Evaluation Results")
	p.rule("=")
	p.line("Model path: %s", p.s.ModelPath)
	p.line("Data split: %s", p.s.Split)
	p.line("Temporal lag: %d", p.s.Lag)
	p.dataset()
	p.neurons()
	p.averaged()
	p.perTrial()
	p.rule("=")
	return p.w.Flush()
}

// printer keeps the text; its writer remembers the first error until the flush.
type printer struct {
	w *bufio.Writer
	s Summary
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

func (p *printer) rule(of string) { p.line("%s", strings.Repeat(of, reportWidth)) }

func (p *printer) dataset() {
	s := p.s
	if s.Sessions == 0 && s.TrainValidationFrames == 0 && len(s.TestFrames) == 0 {
		return
	}
	p.rule("-")
	p.line("Dataset Statistics (unique frames/frame transitions across sessions, from dataloaders):")
	p.line("  Sessions: %d", s.Sessions)
	if s.TrainFrames > 0 && s.ValidationFrames > 0 {
		p.line("  Training frames: %s", grouped(s.TrainFrames))
		p.line("  Training pairwise frame transitions: %s", grouped(s.TrainTransitions))
		p.line("  Validation frames: %s", grouped(s.ValidationFrames))
		p.line("  Validation pairwise frame transitions: %s", grouped(s.ValidationTransitions))
	} else {
		p.line("  Training + validation frames: %s", grouped(s.TrainValidationFrames))
	}
	test := slices.SortedFunc(slices.Values(s.TestFrames), func(a, b Count) int { return strings.Compare(a.Name, b.Name) })
	for _, frames := range test {
		transitions := 0
		if i := slices.IndexFunc(s.TestTransitions, func(c Count) bool { return c.Name == frames.Name }); i >= 0 {
			transitions = s.TestTransitions[i].N
		}
		p.line("  Test frames (%s): %s (%s transitions)", frames.Name, grouped(frames.N), grouped(transitions))
	}
}

func (p *printer) neurons() {
	s := p.s
	cutoff := pytext.Float(float64(s.VarRatioCutoff))
	p.rule("-")
	p.line("Total neurons: %d", s.NeuronsTotal)
	if s.Filtered {
		excluded := s.NeuronsTotal - s.NeuronsCounted
		p.line("Variance ratio cutoff: %s", cutoff)
		p.line("Neurons above var_ratio threshold (>=%s): %d", cutoff, s.NeuronsCounted)
		p.line("Neurons excluded: %d (%.1f%%)", excluded, float64(excluded)/float64(s.NeuronsTotal)*100)
	} else {
		p.line("Variance ratio cutoff: %s (NOT APPLIED - no trial/repeats data available)", cutoff)
		p.line("Note: var_ratio could not be computed (no trial/repeats data). All neurons included.")
	}
	p.rule("-")
}

// which says which neurons the numbers are of.
func (p *printer) which() string {
	if p.s.Filtered {
		return "(computed on neurons above var_ratio threshold)"
	}
	return "(computed on all neurons - var_ratio filtering not applied)"
}

func (p *printer) averaged() {
	s := p.s
	p.line("\nTrial/repeats-averaged metrics %s:", p.which())
	switch {
	case s.RepeatsMax <= 1:
		p.line("\n(Number of trials/repeats: N/A)")
	case s.RepeatsMin == s.RepeatsMax:
		p.line("(Number of trials/repeats: %d (constant across all sessions))", s.RepeatsMin)
	default:
		p.line("(Number of trials/repeats: min=%d, max=%d, avg=%.1f)", s.RepeatsMin, s.RepeatsMax, float64(s.RepeatsMean))
	}
	p.rule("-")
	p.metric("Correlation", thousandths(s.Corr))
	p.metric("MSE", thousandths(s.MSE))
	p.metric("FEVe", thousandths(s.FEVE))
	p.metric("FEV (expl. var ratio)", thousandths(s.FEV))
	p.metric("Poisson loss", thousandths(s.PoissonLoss))
}

func (p *printer) metric(name, value string) { p.line("  %-30s: %s", name, value) }

func (p *printer) perTrial() {
	s := p.s
	p.line("\nPer-trial metrics %s:", p.which())
	p.rule("-")
	if !math.IsNaN(float64(s.CorrByTrial)) {
		p.metric("Correlation", thousandths(s.CorrByTrial)+" (+/-"+thousandths(s.CorrByTrialStd)+")")
	}
	if !math.IsNaN(float64(s.MSEByTrial)) {
		p.metric("MSE", thousandths(s.MSEByTrial)+" (+/-"+thousandths(s.MSEByTrialStd)+")")
	}
}
