package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{5}, 5}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 100}, 3.5}} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want || !slices.Equal(c.values, before) {
			t.Errorf("%v: %v", before, got)
		}
	}
}

func TestRatioIsThatOfPairs(t *testing.T) {
	var r row
	times{python: []float64{10, 80, 30}, ours: []float64{1, 4, 6}}.into(&r)
	if want := (row{PythonMS: 30, OursMS: 4, Ratio: 10, Pairs: 3, RatioLow: 5, RatioHigh: 20}); r != want {
		t.Errorf("%+v", r)
	}
}

func TestWritesJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures.json")
	for _, rows := range [][]row{{}, {{Case: "mei_1", Threads: 2}, {Case: "mei_2"}}} {
		if err := fileio.WriteJSON(path, rows); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var list []map[string]any
		if err := json.Unmarshal(text, &list); err != nil || list == nil || len(list) != len(rows) {
			t.Fatalf("%v: %s", err, text)
		}
		for _, r := range list {
			keys := slices.Sorted(maps.Keys(r))
			if want := strings.Fields("case ours_mb ours_ms ours_peak_mb pairs python_mb python_ms python_peak_mb ratio ratio_high ratio_low threads"); !slices.Equal(keys, want) {
				t.Errorf("keys %v", keys)
			}
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	var text strings.Builder
	rows := []row{
		{Case: "mei_1", Threads: 1, PythonMS: 20.04, OursMS: 1.234, Ratio: 16.24, RatioLow: 9, RatioHigh: 18, PythonMB: 30.4, PythonPeakMB: 854, Pairs: 15},
		{Case: "train_step_128x50", Threads: 16, PythonMS: 6700.3, OursMS: 250, Ratio: 26.8},
	}
	if err := writeTable(&text, rows, []string{"", "a note"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text.String(), "\n")
	if len(lines) != 6 || lines[4] != "a note" {
		t.Fatalf("%d lines:\n%s", len(lines), text.String())
	}
	for _, line := range lines[:3] {
		if utf8.RuneCountInString(line) != utf8.RuneCountInString(lines[0]) {
			t.Errorf("lines of different lengths:\n%s", text.String())
		}
	}
	if want := "mei_1 1 20.0 1.23 16.2 9.0–18.0 30 0 854 0 15"; strings.Join(strings.Fields(lines[1]), " ") != want {
		t.Errorf("%q, want %q", lines[1], want)
	}
	if want := "train_step_128x50 16 6700 250 26.8 0.0–0.0 0 0 0 0 0"; strings.Join(strings.Fields(lines[2]), " ") != want {
		t.Errorf("%q, want %q", lines[2], want)
	}
}

func TestFootnotes(t *testing.T) {
	all := []row{{kind: mei}, {kind: trainStep}, {kind: predictProcess, others: 1.26}}
	text := strings.Join(footnotes(all, true), "\n")
	for _, words := range []string{"mei_N", "train_step:", "predict_process:", "reset its peak", "1.3 cores busy"} {
		if !strings.Contains(text, words) {
			t.Errorf("no note on %q in\n%s", words, text)
		}
	}
	text = strings.Join(footnotes([]row{{kind: forward, others: 0.01}}, false), "\n")
	for _, words := range []string{"mei", "train_step", "process:", "busy"} {
		if strings.Contains(text, words) {
			t.Errorf("a note on %s:\n%s", words, text)
		}
	}
}

func TestRowInWords(t *testing.T) {
	r := row{Case: "mei_1", Threads: 1, PythonMS: 20.04, OursMS: 2, Ratio: 10}
	if got, want := r.String(), "mei_1 on 1 thread: 20.0 ms, ours 2.00 ms: 10.0 times"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.Threads, r.others = 2, 0.5
	if got, want := r.String(), "mei_1 on 2 threads: 20.0 ms, ours 2.00 ms: 10.0 times (other programs kept 0.5 cores busy)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
