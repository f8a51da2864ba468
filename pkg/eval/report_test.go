package eval

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"
)

// run is one evaluation of the Python package that is in testdata.
type run struct {
	dir, split, experiment string
	sessions               []string
	dataset                DatasetStatistics
}

var runs = []run{
	{"maheswaranathan", "test", "core_readout_maheswaranathan", []string{"15-11-21a", "15-10-07"}, maheswaranathanStatistics},
	{"maheswaranathan", "validation", "core_readout_maheswaranathan", []string{"15-11-21a", "15-10-07"}, maheswaranathanStatistics},
	{"create_data", "random_noise_1", "h5_core_readout", []string{"session_0", "session_1"}, createDataStatistics},
	{"create_data", "random_noise_2", "h5_core_readout", []string{"session_0", "session_1"}, createDataStatistics},
}

// The counts are those of the Python run; they are copied through.
var (
	maheswaranathanStatistics = DatasetStatistics{
		Sessions: 2, TrainFrames: 225, ValidationFrames: 105, TrainValidationFrames: 240, TrainTransitions: 356, ValidationTransitions: 116,
		TestFrames: Counts{{"test", 120}}, TestTransitions: Counts{{"test", 118}},
	}
	createDataStatistics = DatasetStatistics{
		Sessions: 2, TrainFrames: 51, ValidationFrames: 17, TrainValidationFrames: 68, TrainTransitions: 50, ValidationTransitions: 16,
		TestFrames:      Counts{{"random_noise_1", 71}, {"random_noise_2", 72}},
		TestTransitions: Counts{{"random_noise_1", 70}, {"random_noise_2", 71}},
	}
)

func (r run) evaluate(t *testing.T) *Report {
	t.Helper()
	var sessions []SessionResult
	for _, name := range r.sessions {
		golden := arrays(t, r.dir, "predictions_"+r.split+"_"+name+".npz")
		p, y := golden["predictions"], golden["targets"]
		s := SessionResult{Name: name, Clips: p.Shape[0]}
		var err error
		if s.Predictions, err = NewMatrix(p.Float32s(), p.Shape[0]*p.Shape[1], p.Shape[2]); err != nil {
			t.Fatal(err)
		}
		if s.Targets, err = NewMatrix(y.Float32s(), y.Shape[0]*y.Shape[1], y.Shape[2]); err != nil {
			t.Fatal(err)
		}
		if trials := golden["trials"]; trials != nil {
			s.Trials = responsesOf(t, trials)
		}
		if types := golden["celltypes"]; types != nil {
			s.Fields = []Field{{"celltypes", types.Int64s()}}
		}
		sessions = append(sessions, s)
	}
	report, err := Evaluate(r.split, sessions, Options{
		ModelPath: "checkpoint.ckpt", ModelTag: "tiny", Experiment: r.experiment, VarRatioCutoff: DefaultVarRatioCutoff, Dataset: r.dataset,
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestTableOfThePythonPackage(t *testing.T) {
	for _, r := range runs {
		t.Run(r.dir+"/"+r.split, func(t *testing.T) {
			dir := t.TempDir()
			if err := r.evaluate(t).WriteCSV(dir); err != nil {
				t.Fatal(err)
			}
			name := "results_" + r.split + ".csv"
			got, want := readCSV(t, filepath.Join(dir, name)), readCSV(t, filepath.Join("testdata", r.dir, name))
			if len(got) != len(want) || !slices.Equal(got[0], want[0]) {
				t.Fatalf("%d rows of %v, want %d of %v", len(got), got[0], len(want), want[0])
			}
			for i := range want {
				for j := range want[i] {
					if !sameCell(got[i][j], want[i][j]) {
						t.Errorf("row %d, %s: %q, want %q", i, want[0][j], got[i][j], want[i][j])
					}
				}
			}
			aligned := readCSV(t, filepath.Join(dir, "aligned_"+r.split+".csv"))
			if len(aligned) != len(want) || strings.Join(aligned[0], ",") !=
				",session,neuron_relative_idx,data_split,corr_aligned,mse_aligned,poisson_loss_aligned,feve_unclipped,fev_unclipped,global_mean_oracle,reliability" {
				t.Errorf("aligned: %d rows of %v", len(aligned), aligned[0])
			}
		})
	}
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil || bytes.Contains(raw, []byte("\r")) {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}

// sameCell has the README's tolerances: rtol 1e-4, and 1e-4 absolute.
func sameCell(got, want string) bool {
	x, errX := strconv.ParseFloat(got, 64)
	y, errY := strconv.ParseFloat(want, 64)
	if errX != nil || errY != nil || !strings.Contains(want, ".") {
		return got == want
	}
	return strings.Contains(got, ".") && math.Abs(x-y) <= 1e-4+1e-4*math.Abs(y)
}

func TestSummaryOfThePythonPackage(t *testing.T) {
	for _, r := range runs {
		t.Run(r.dir+"/"+r.split, func(t *testing.T) {
			dir := t.TempDir()
			if err := r.evaluate(t).WriteSummary(dir); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "summary_"+r.split+".json"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", r.dir, "summary_"+r.split+"_as_written.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(got) {
				t.Errorf("no JSON: %s", got)
			}
			// Line by line, so that the order and the layout are compared too.
			gotLines := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
			wantLines := strings.Split(strings.ReplaceAll(string(want), "NaN", "null"), "\n")
			if len(gotLines) != len(wantLines) {
				t.Fatalf("got %s\nwant %s", got, want)
			}
			for i, line := range wantLines {
				gotKey, gotValue, _ := strings.Cut(strings.TrimSuffix(gotLines[i], ","), ": ")
				key, value, _ := strings.Cut(strings.TrimSuffix(line, ","), ": ")
				if gotKey != key || !sameCell(gotValue, value) || strings.HasSuffix(gotLines[i], ",") != strings.HasSuffix(line, ",") {
					t.Errorf("line %q, want %q", gotLines[i], line)
				}
			}
			aligned, err := os.ReadFile(filepath.Join(dir, "aligned_summary_"+r.split+".json"))
			if err != nil || !json.Valid(aligned) {
				t.Errorf("aligned summary: %s, %v", aligned, err)
			}
		})
	}
}

func TestPrintedReportOfThePythonPackage(t *testing.T) {
	for _, r := range runs {
		t.Run(r.dir+"/"+r.split, func(t *testing.T) {
			var got bytes.Buffer
			if err := r.evaluate(t).Print(&got); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", r.dir, "report_"+r.split+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

func TestPrintReportsAFailedWrite(t *testing.T) {
	if err := runs[0].evaluate(t).Print(brokenWriter{}); err == nil {
		t.Error("no error")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestAlignedOfSeveralClips has predictions that are right, on two clips.
func TestAlignedOfSeveralClips(t *testing.T) {
	targets := []float64{9, 9, 1, 2, 9, 9, 4, 3}
	s := SessionResult{
		Name: "s", Clips: 2,
		Targets:     Matrix{8, 1, targets},
		Predictions: Matrix{4, 1, []float64{1, 2, 4, 3}},
	}
	report, err := Evaluate("validation", []SessionResult{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := report.Sessions[0]
	wantClose(t, "aligned", append(m.Aligned.Corr, m.Aligned.MSE...), []float64{1, 0}, 1e-7, 0)
	// The Python package compares 1 2 4 3 with the last four targets, 9 9 4 3.
	wantClose(t, "not aligned", m.MSE, []float64{(64.0 + 49) / 4}, 1e-12, 0)
	if report.Summary.Lag != 4 || report.Score() != m.Corr[0] {
		t.Errorf("lag %d, score %v", report.Summary.Lag, report.Score())
	}
	if got := report.Aligned.Corr; got.N != 1 || math.Abs(float64(got.Median)-1) > 1e-7 {
		t.Errorf("aligned summary %+v", got)
	}
}

func TestCutoff(t *testing.T) {
	report := runs[0].evaluate(t)
	for cutoff, want := range map[float64]int{0: 9, 0.15: 7, 2: 0} {
		counted, filtered := report.Counted(cutoff)
		n := 0
		for _, session := range counted {
			for _, is := range session {
				if is {
					n++
				}
			}
		}
		if n != want || !filtered {
			t.Errorf("cut-off %v: %d neurons, want %d", cutoff, n, want)
		}
	}
	none := report.summarize(0, Options{VarRatioCutoff: 2})
	if !math.IsNaN(float64(none.Corr)) || none.NeuronsCounted != 0 {
		t.Errorf("no neuron counts: %+v", none)
	}
}

func TestFields(t *testing.T) {
	session := func(name string, fields ...Field) SessionResult {
		m := Matrix{3, 2, []float64{1, 2, 3, 4, 5, 7}}
		return SessionResult{Name: name, Targets: m, Predictions: m, Fields: fields}
	}
	report, err := Evaluate("test", []SessionResult{
		session("a", Field{"type", []int64{4, 5}}, Field{"eye", "right"}, Field{"index", 3}, Field{"ok", []bool{true, false}}, Field{"quality", []float32{0.5, 2}}),
		session("b", Field{"eye", "left, \"far\""}, Field{"index", uint8(4)}, Field{"ok", nil}, Field{"mask", []int{1, 2, 3}}),
	}, Options{Species: "mouse"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	table := report.Table()
	keep := []int{0}
	for i, c := range table.Columns {
		if slices.Contains([]string{"type", "eye", "index", "ok", "quality", "mask"}, c) {
			keep = append(keep, i+1)
		}
	}
	if err := table.WriteCSV(&out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		var cells []string
		for _, i := range keep {
			cells = append(cells, row[i])
		}
		got = append(got, strings.Join(cells, "|"))
	}
	want := []string{
		"|type|ok|quality|eye|index|mask",
		"0|4.0|True|0.5|right|3|", "1|5.0|False|2.0|right|3|",
		`2||||left, "far"|4|[1 2 3]`, `3||||left, "far"|4|[1 2 3]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAddResponses(t *testing.T) {
	m := Matrix{3, 1, []float64{0.1, 2, 1e-7}}
	report, err := Evaluate("test", []SessionResult{{Name: "s", Targets: m, Predictions: m}}, Options{AddResponses: true})
	if err != nil {
		t.Fatal(err)
	}
	table := report.Table()
	if last := len(table.Columns) - 1; table.Columns[last] != "model_response" || table.Rows[0][last] != "[0.1, 2.0, 1e-07]" {
		t.Errorf("%v: %v", table.Columns, table.Rows[0])
	}
}

func TestEvaluateRefuses(t *testing.T) {
	m := func(frames, neurons int) Matrix { return Matrix{frames, neurons, make([]float64, frames*neurons)} }
	good := SessionResult{Name: "good", Targets: m(6, 2), Predictions: m(4, 2)}
	for name, test := range map[string]struct {
		sessions []SessionResult
		want     string
	}{
		"no sessions":  {nil, "no sessions"},
		"empty":        {[]SessionResult{{Name: "s"}}, "evaluate session s: predictions have shape (0, 0)"},
		"neurons":      {[]SessionResult{{Name: "s", Targets: m(6, 3), Predictions: m(4, 2)}}, "predictions have 2 neurons, targets 3"},
		"lags":         {[]SessionResult{good, {Name: "s", Targets: m(7, 2), Predictions: m(4, 2)}}, "its lag is 3 frames, that of session good 2"},
		"negative lag": {[]SessionResult{{Name: "s", Targets: m(3, 2), Predictions: m(4, 2)}}, "negative lag"},
		"trimmed":      {[]SessionResult{{Name: "s", Targets: m(4, 2), Predictions: m(4, 2), Average: m(9, 2)}}, "has to say where the targets start"},
		"offset":       {[]SessionResult{{Name: "s", Targets: m(4, 2), Predictions: m(4, 2), Average: m(9, 2), Trimmed: true, Offset: 6}}, "do not fit into 9 frames"},
		"trials": {
			[]SessionResult{{Name: "s", Targets: m(6, 2), Predictions: m(4, 2), Trials: Responses{5, 1, 2, make([]float64, 10)}}},
			"mean responses have 6 frames, their 1 repeats 5",
		},
		"clips": {[]SessionResult{{Name: "s", Clips: 4, Targets: m(6, 2), Predictions: m(4, 2)}}, "are not 4 clips"},
	} {
		_, err := Evaluate("test", test.sessions, Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
	trimmed := SessionResult{Name: "s", Targets: m(4, 2), Predictions: m(4, 2), Average: m(9, 2), Trimmed: true, Offset: 5}
	if report, err := Evaluate("test", []SessionResult{trimmed}, Options{}); err != nil || report.Summary.Lag != 5 {
		t.Errorf("trimmed targets: %v", err)
	}
	report, err := Evaluate("../up", []SessionResult{good}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{report.WriteCSV(t.TempDir()), report.WriteSummary(t.TempDir())} {
		if err == nil || !strings.Contains(err.Error(), `"../up" is no part of a file name`) {
			t.Errorf("a split that leads elsewhere: %v", err)
		}
	}
	report.Split = "test"
	for _, err := range []error{report.WriteCSV("/dev/null/x"), report.WriteSummary("/dev/null/x")} {
		if err == nil {
			t.Error("no error for a directory that cannot be")
		}
	}
}

func TestFormatFloat(t *testing.T) {
	// Written by Python's repr.
	for want, x := range map[string]float64{
		"0.1": 0.1, "1.0": 1, "-0.0": math.Copysign(0, -1), "0.0001": 1e-4, "1e-05": 1e-5, "1.5e-07": 1.5e-7,
		"1000000000000000.0": 1e15, "1e+16": 1e16, "1.2345e+20": 1.2345e20, "nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1),
		"0.3333333333333333": 1.0 / 3, "-123456.789": -123456.789, "1e+100": 1e100, "5e-324": 5e-324,
	} {
		if got := pytext.Float(x); got != want {
			t.Errorf("%v: %q, want %q", x, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestNumberAndCountsInJSON(t *testing.T) {
	got, err := json.Marshal(struct {
		A []Number
		B Counts
		C Counts
	}{[]Number{1, Number(math.NaN()), Number(math.Inf(1)), 0.15}, Counts{{"z\"", 1}, {"a", 2}}, nil})
	if want := `{"A":[1.0,null,null,0.15],"B":{"z\"":1,"a":2},"C":{}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func ExampleEvaluate() {
	// Two neurons respond to four frames; the model cannot predict the first one.
	targets, _ := NewMatrix([]float32{0, 0, 1, 4, 2, 5, 3, 7}, 4, 2)
	predictions, _ := NewMatrix([]float32{1, 7, 2, 5, 3, 4}, 3, 2)
	report, err := Evaluate("test", []SessionResult{{Name: "session_0", Targets: targets, Predictions: predictions}}, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f\n", report.Sessions[0].Corr)
	// Output: [1.00 -0.93]
}
