package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// row is what was measured of a case with one number of threads.
type row struct {
	Case     string  `json:"case"`
	Threads  int     `json:"threads"`
	PythonMS float64 `json:"python_ms"` // median
	OursMS   float64 `json:"ours_ms"`
	Ratio    float64 `json:"ratio"` // median of the pairs' ratios
	// Memory in 10^6 bytes: the case's peak above what the process has when libraries,
	// model and inputs are loaded, and the peak of the whole process.
	PythonMB     float64 `json:"python_mb"`
	OursMB       float64 `json:"ours_mb"`
	PythonPeakMB float64 `json:"python_peak_mb"`
	OursPeakMB   float64 `json:"ours_peak_mb"`
	Pairs        int     `json:"pairs"`
	RatioLow     float64 `json:"ratio_low"` // the smallest of a pair
	RatioHigh    float64 `json:"ratio_high"`

	kind   kind
	others float64 // cores that other programs kept busy meanwhile
}

// String is the row in words, for those who wait.
func (r row) String() string {
	text := fmt.Sprintf("%s on %s: %s ms, ours %s ms: %.1f times", r.Case, count(r.Threads, "thread"), figure(r.PythonMS), figure(r.OursMS), r.Ratio)
	if r.others > quiet {
		text += fmt.Sprintf(" (other programs kept %.1f cores busy)", r.others)
	}
	return text
}

// quiet is how many cores other programs may keep busy without a word.
const quiet = 0.1

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// times are milliseconds of calls in pairs: one of the Python package, one of ours.
type times struct{ python, ours []float64 }

// into fills in the row's times.
func (t times) into(r *row) {
	ratios := make([]float64, len(t.python))
	for i := range ratios {
		ratios[i] = t.python[i] / t.ours[i]
	}
	r.PythonMS, r.OursMS, r.Ratio = median(t.python), median(t.ours), median(ratios)
	r.Pairs, r.RatioLow, r.RatioHigh = len(ratios), slices.Min(ratios), slices.Max(ratios)
}

// median is the middle one, or the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

const megabyte = 1e6

// writeTable writes the rows aligned, and the notes below.
func writeTable(w io.Writer, rows []row, notes []string) error {
	width := len("case")
	for _, r := range rows {
		width = max(width, len(r.Case))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-*s\tthreads\tPython ms\tours ms\tratio\tof pairs\tPython MB\tours MB\tPython peak\tours peak\tpairs\t\n", width, "case")
	for _, r := range rows {
		fmt.Fprintf(t, "%-*s\t%d\t%s\t%s\t%.1f\t%.1f–%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t\n",
			width, r.Case, r.Threads, figure(r.PythonMS), figure(r.OursMS), r.Ratio, r.RatioLow, r.RatioHigh,
			r.PythonMB, r.OursMB, r.PythonPeakMB, r.OursPeakMB, r.Pairs)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range notes {
		fmt.Fprintln(w, note)
	}
	return nil
}

// figure has about three digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// footnotes say what the figures of these rows are.
func footnotes(rows []row, wholeLife bool) []string {
	has := func(k kind) bool { return slices.ContainsFunc(rows, func(r row) bool { return r.kind == k }) }
	notes := []string{
		"",
		"Times are medians of calls in alternation, ratio is the median of the pairs' ratios. MB (10⁶ bytes) is a case's peak",
		"above the process' size with libraries, model and inputs loaded, peak that of the whole process.",
	}
	if has(trainStep) {
		notes = append(notes, "train_step: forward, loss, penalties, backward, clipping and AdamW, without Lightning's loop.")
	}
	if has(mei) {
		notes = append(notes, "mei_N: one iteration for N neurons. The Python package takes one neuron after another: of more than two, its time is that of two, times N/2.")
	}
	if has(predictProcess) {
		notes = append(notes, "predict_process: MB is the peak of the whole process.")
	}
	if wholeLife {
		notes = append(notes, "This system does not let a process reset its peak: that of loading counts as the case's.")
	}
	busiest := 0.0
	for _, r := range rows {
		busiest = max(busiest, r.others)
	}
	if busiest > quiet {
		notes = append(notes, fmt.Sprintf("Other programs kept up to %.1f cores busy meanwhile: measure again on an idle machine.", busiest))
	}
	return notes
}
