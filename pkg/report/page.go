package report

import (
	_ "embed" // the template and the style
	"errors"
	"fmt"
	"html/template"
	"io"
)

// Page is what a page of results shows. Parts that are empty are left out.
type Page struct {
	// Title is the heading, Subtitle one line more (the model, the data, the date).
	Title, Subtitle string
	// Figures are the main numbers, shown large.
	Figures []Figure
	// Distributions are histograms of a number of every neuron.
	Distributions []Distribution
	// Best and Worst are the traces of the neurons predicted best and worst.
	Best, Worst []Trace
	// Comparisons set two numbers of each neuron against each other.
	Comparisons []Comparison
	// MEIs are most exciting inputs.
	MEIs []MostExciting
	// Tables have any other numbers: settings, neurons, times.
	Tables []Table
}

// Figure is one number with its name; Note says what it means.
type Figure struct{ Name, Value, Note string }

// Distribution is a number of every neuron.
type Distribution struct {
	Title string
	// Label names the axis, with the unit.
	Label  string
	Values []float64
	// Marks are vertical lines, such as a median or a target.
	Marks []Mark
}

// Mark is a named place on an axis.
type Mark struct {
	Name  string
	Value float64
}

// Trace is the course of one neuron's response: measured, predicted and, where it
// is known, true. All have the same length.
type Trace struct {
	Title, Note                string
	FrameRate                  float64
	Measured, Predicted, Truth []float64
}

// Comparison is two numbers of each neuron in groups, such as linear cells and
// others.
type Comparison struct {
	Title, XLabel, YLabel string
	Groups                []Group
	// Diagonal draws the line on which both are equal.
	Diagonal bool
}

// Group is some neurons' points.
type Group struct {
	Name string
	X, Y []float64
}

// Table is a table with a heading; every row has as many cells as Columns.
type Table struct {
	Title   string
	Columns []string
	Rows    [][]string
	// Folded hides a long table until it is asked for.
	Folded bool
}

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

// page is the template's view of a Page.
type page struct {
	Page
	Style  template.CSS
	Charts []chart // distributions and comparisons
	Traces []traceGroup
	Inputs []input
}

// traceGroup is some traces under one heading.
type traceGroup struct {
	Title string
	Items []traceView
}

type traceView struct {
	Trace
	Chart chart
}

// HTML writes a page that loads nothing: pictures, drawings and style are in it.
// It follows the reader's light or dark theme and prints.
func HTML(w io.Writer, p Page) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("report template: %w", err)
	}
	view := page{Page: p, Style: template.CSS(pageStyle)} //nolint:gosec // our own file
	if err := errors.Join(view.addCharts(), view.addTraces(), view.addInputs(), checkTables(p.Tables)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := t.Execute(w, view); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// addCharts draws the distributions and comparisons.
func (v *page) addCharts() error {
	for _, d := range v.Distributions {
		v.Charts = append(v.Charts, histogram(d))
	}
	for _, c := range v.Comparisons {
		drawn, err := scatter(c)
		if err != nil {
			return err
		}
		v.Charts = append(v.Charts, drawn)
	}
	return nil
}

// addTraces draws the traces of the best and worst neurons.
func (v *page) addTraces() error {
	for _, group := range []struct {
		title  string
		traces []Trace
	}{{"Best predicted neurons", v.Best}, {"Worst predicted neurons", v.Worst}} {
		if len(group.traces) == 0 {
			continue
		}
		items := traceGroup{Title: group.title}
		for _, trace := range group.traces {
			drawn, err := traceChart(trace)
			if err != nil {
				return err
			}
			items.Items = append(items.Items, traceView{trace, drawn})
		}
		v.Traces = append(v.Traces, items)
	}
	return nil
}

// addInputs draws the most exciting inputs.
func (v *page) addInputs() error {
	for _, m := range v.MEIs {
		in, err := newInput(m)
		if err != nil {
			return fmt.Errorf("most exciting input %q: %w", m.Title, err)
		}
		v.Inputs = append(v.Inputs, in)
	}
	return nil
}

func checkTables(tables []Table) error {
	for _, table := range tables {
		for i, row := range table.Rows {
			if len(row) != len(table.Columns) {
				return fmt.Errorf("table %q: row %d has %d cells for %d columns", table.Title, i, len(row), len(table.Columns))
			}
		}
	}
	return nil
}
