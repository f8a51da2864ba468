package main

import (
	"math"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// named is an output of one row, or of several of equal length.
func named(t *testing.T, name string, rows ...[]float64) ndarray.Named {
	t.Helper()
	var values []float64
	for _, row := range rows {
		values = append(values, row...)
	}
	shape := []int{len(values)}
	if len(rows) > 1 {
		shape = []int{len(rows), len(rows[0])}
	}
	a, err := ndarray.FromFloat64(values, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return ndarray.Named{Name: name, Array: a}
}

func TestMeasures(t *testing.T) {
	want := []float64{3, -4, 0}
	for _, c := range []struct {
		got                  []float64
		largest, ratio, norm float64
	}{
		{[]float64{3, -4, 0}, 0, 0, 0},
		{[]float64{3.3, -4, 0}, 0.075, 0.1, 0.06},
		{[]float64{3, -4, 1}, 0.25, math.Inf(1), 0.2},
		{[]float64{3, math.NaN(), 0}, math.NaN(), math.NaN(), math.NaN()},
	} {
		for name, m := range map[string]struct {
			measure func(got, want []float64) float64
			want    float64
		}{
			"largest": {largestDifference, c.largest}, "ratio": {largestRatio, c.ratio}, "norm": {normDifference, c.norm},
		} {
			d := m.measure(c.got, want)
			if d != m.want && !(math.Abs(d-m.want) < 1e-12) && !(math.IsNaN(d) && math.IsNaN(m.want)) {
				t.Errorf("%s of %v: %v, want %v", name, c.got, d, m.want)
			}
		}
	}
}

func TestCompareOutputs(t *testing.T) {
	one := []float64{1, 2}
	for name, c := range map[string]struct {
		kind      kind
		got, want []ndarray.Named
		words     string // of the error; empty: they agree
	}{
		"equal":              {forward, []ndarray.Named{named(t, "responses", one)}, []ndarray.Named{named(t, "responses", one)}, ""},
		"close":              {forward, []ndarray.Named{named(t, "responses", []float64{1.0001, 2})}, []ndarray.Named{named(t, "responses", one)}, ""},
		"far":                {forward, []ndarray.Named{named(t, "responses", []float64{1.01, 2})}, []ndarray.Named{named(t, "responses", one)}, "responses deviates by 0.005 of the largest value"},
		"not a number":       {forward, []ndarray.Named{named(t, "responses", []float64{math.NaN(), 2})}, []ndarray.Named{named(t, "responses", one)}, "responses deviates by NaN"},
		"longer":             {forward, []ndarray.Named{named(t, "responses", []float64{1, 2, 3})}, []ndarray.Named{named(t, "responses", one)}, ""},
		"shorter":            {forward, []ndarray.Named{named(t, "responses", []float64{1})}, []ndarray.Named{named(t, "responses", one)}, "has shape [1]"},
		"first rows":         {mei, []ndarray.Named{named(t, "stimulus", one, one, []float64{7, 7})}, []ndarray.Named{named(t, "stimulus", one, one)}, ""},
		"other rows":         {mei, []ndarray.Named{named(t, "stimulus", one, []float64{7, 7})}, []ndarray.Named{named(t, "stimulus", one, one)}, "stimulus deviates"},
		"other name":         {mei, []ndarray.Named{named(t, "stimuli", one)}, []ndarray.Named{named(t, "stimulus", one)}, "no output stimulus"},
		"nothing":            {mei, nil, nil, "0 outputs"},
		"one missing":        {trainStep, []ndarray.Named{named(t, "losses", one)}, []ndarray.Named{named(t, "losses", one), named(t, "core.weight", one)}, "1 outputs of ours, 2"},
		"losses, each":       {trainStep, []ndarray.Named{named(t, "losses", []float64{1.001, 2000})}, []ndarray.Named{named(t, "losses", []float64{1, 2000})}, "losses deviates by 0.001 of the value"},
		"weight, as a whole": {trainStep, []ndarray.Named{named(t, "core.weight", []float64{1.01, 2000})}, []ndarray.Named{named(t, "core.weight", []float64{1, 2000})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			switch err := compareOutputs(c.kind, c.got, c.want); {
			case c.words == "" && err != nil:
				t.Error(err)
			case c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)):
				t.Errorf("%v, want %q", err, c.words)
			}
		})
	}
}
