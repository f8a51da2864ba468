package evaluation

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/data/simulate"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/report"
)

// perfect is a small simulated retina and the evaluation of a model that knows its
// cells.
func perfect(t *testing.T) (*simulate.Truth, *Result) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	err := simulate.Write(t.Context(), dir, simulate.Options{Sessions: 2, CellsPerType: 1, Frames: 480, TestFrames: 240, Repeats: 5})
	if err != nil {
		t.Fatal(err)
	}
	o, err := config.Locate(config.Flags{Config: "simulated_retina"}, configs.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides = []string{"paths.data_dir=" + dir, "dataloader.clip_length=60", "dataloader.num_val_clips=2"}
	cfg, err := config.Compose(o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := data.Load(t.Context(), cfg.Root, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	truth, err := simulate.LoadTruth(dir)
	if err != nil {
		t.Fatal(err)
	}
	return truth, evaluateRates(t, d, truth)
}

// evaluateRates takes the true rates for predictions.
func evaluateRates(t *testing.T, d *data.Dataset, truth *simulate.Truth) *Result {
	t.Helper()
	r := &Result{}
	for _, s := range d.Sessions {
		test, err := s.Test(simulate.TestStimulus)
		if err != nil {
			t.Fatal(err)
		}
		targets, err := eval.NewMatrix(test.Responses.Data, test.Responses.Frames, s.Neurons)
		if err != nil {
			t.Fatal(err)
		}
		result := eval.SessionResult{Name: s.Name, Clips: 1, Targets: targets, Fields: fields(s)}
		result.Predictions = eval.Matrix{Frames: targets.Frames, Neurons: targets.Neurons, Values: make([]float64, len(targets.Values))}
		for n := range s.Neurons {
			for frame, rate := range truth.Cells[truth.Find(s.Name, n)].TestRate {
				result.Predictions.Values[frame*s.Neurons+n] = rate
			}
		}
		if result.Trials, err = trials(test.Repeats, targets.Frames); err != nil {
			t.Fatal(err)
		}
		r.Sessions = append(r.Sessions, result)
	}
	var err error
	if r.Report, err = eval.Evaluate(simulate.TestStimulus, r.Sessions, eval.Options{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// optima are the cells' own optima as most exciting inputs.
func optima(t *testing.T, truth *simulate.Truth) *insilico.Record {
	t.Helper()
	const frames, newest, norm, low, high = 30, 24, 10.0, -1.5, 6.0
	r := &insilico.Record{Window: insilico.Window{Start: 4, Length: 1, Frames: 10}, Settings: &insilico.Settings{}}
	n, lowest, highest := norm, low, high
	bounds := insilico.Range{&lowest, &highest}
	r.Settings.Postprocessors = []insilico.Postprocessor{
		insilico.TemporalGaussianLowPassFilterProcessor{Sigma: 1, KernelSize: 3},
		insilico.ChangeNormJointlyClipRangeSeparately{Norm: &n, MinMaxValues: insilico.Ranges{bounds, bounds}},
	}
	limits := simulate.Limits{Norm: norm, Ranges: [][2]float64{{low, high}, {low, high}}}
	var all []float32
	for i, cell := range truth.Cells {
		stimulus, err := truth.Optimum(i, limits, frames, newest)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stimulus...)
		r.Targets = append(r.Targets, insilico.Neurons{{Session: cell.Session, Index: cell.Neuron}})
	}
	var err error
	if r.Stimulus, err = ndarray.FromFloat32(all, len(truth.Cells), truth.Channels, frames, truth.Height, truth.Width); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPerfectModel(t *testing.T) {
	truth, result := perfect(t)
	inputs := optima(t, truth)
	c, err := CompareTruth(truth, result, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(c.Ratio-1) > 1e-4 || c.RatioCells == 0 {
		t.Errorf("ratio %v over %d cells", c.Ratio, c.RatioCells)
	}
	if math.Abs(c.MEI-1) > 1e-4 || c.MEICells != c.RatioCells || c.MEILinearCells < c.MEICells {
		t.Errorf("most exciting inputs: %v over %d and %v over %d cells", c.MEI, c.MEICells, c.MEILinear, c.MEILinearCells)
	}
	for i, cell := range c.Cells {
		if cell.Stimulus != i || cell.MEI.Newest != 24 {
			t.Errorf("cell %d: %+v", i, cell)
		}
	}
	lines := strings.Join(c.Lines(), "\n")
	if strings.Count(lines, "median") != 2 || strings.Count(lines, "reached") != 2 {
		t.Errorf("lines:\n%s", lines)
	}
	if line := result.AlignedLine(); !strings.Contains(line, "correlation 0.9") || !strings.Contains(line, "FEV ") || !strings.Contains(line, "(means over 18 neurons)") {
		t.Error(line)
	}
	checkPage(t, truth, result, inputs, c)
}

func checkPage(t *testing.T, truth *simulate.Truth, result *Result, inputs *insilico.Record, c *TruthComparison) {
	t.Helper()
	page, err := Page(PageContent{
		Title: "Results", Results: []*Result{result}, Inputs: inputs, Truth: c, FrameRate: truth.FrameRate,
		Trained: &TrainedScore{Metric: "test CorrelationLoss3d", Mean: 0.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Best) != pageTraces || len(page.Worst) != pageTraces || len(page.MEIs) != pageInputs || len(page.Comparisons) != 2 {
		t.Errorf("%d best, %d worst, %d inputs, %d comparisons", len(page.Best), len(page.Worst), len(page.MEIs), len(page.Comparisons))
	}
	trace := page.Best[0]
	if len(trace.Measured) != 240 || len(trace.Truth) != 240 || trace.Truth[7] != trace.Predicted[7] {
		t.Errorf("trace of %d frames", len(trace.Measured))
	}
	if input := page.MEIs[0]; input.Truth == nil || input.ZeroFrame != 24 || !strings.Contains(input.Note, "correlation with the truth 1.000") {
		t.Errorf("input %s: zero frame %d", input.Note, input.ZeroFrame)
	}
	var html bytes.Buffer
	if err := report.HTML(&html, page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Against the truth", "When trained", "All neurons, natural_test", "MEI and truth", truth.Cells[0].Type} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestTruthWithoutInputs(t *testing.T) {
	truth, result := perfect(t)
	mean := optima(t, truth)
	mean.Window.Length = 3
	for name, inputs := range map[string]*insilico.Record{"none": nil, "of several frames": mean} {
		c, err := CompareTruth(truth, result, inputs)
		if err != nil {
			t.Fatal(err)
		}
		if c.MEICells != 0 || !math.IsNaN(c.MEI) || len(c.Lines()) != 1 {
			t.Errorf("%s: %v over %d cells", name, c.MEI, c.MEICells)
		}
		page, err := Page(PageContent{Results: []*Result{result, result}, Inputs: inputs, Truth: c})
		if err != nil || len(page.Comparisons) != 1 {
			t.Errorf("%s: %d comparisons, %v", name, len(page.Comparisons), err)
		}
	}
	group := optima(t, truth)
	group.Targets[0] = append(group.Targets[0], group.Targets[1][0])
	if c, err := CompareTruth(truth, result, group); err != nil || c.Cells[0].Stimulus != -1 || c.Cells[1].Stimulus != 1 {
		t.Errorf("a stimulus for two neurons: %v", err)
	}
}

func TestTruthRefuses(t *testing.T) {
	truth, result := perfect(t)
	few := *result.Report
	few.Sessions = few.Sessions[:1]
	if _, err := CompareTruth(truth, &Result{Report: &few}, nil); err == nil || !strings.Contains(err.Error(), "no test correlation for neuron") {
		t.Errorf("a session is missing: %v", err)
	}
	inputs := optima(t, truth)
	inputs.Stimulus.Shape[3] /= 2
	inputs.Stimulus.Data = inputs.Stimulus.Data[:len(inputs.Stimulus.Data)/2]
	if _, err := CompareTruth(truth, result, inputs); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("inputs of another size: %v", err)
	}
}

// TestPageWithoutNumbers has no neuron that counts.
func TestPageWithoutNumbers(t *testing.T) {
	_, result := perfect(t)
	var err error
	if result.Report, err = eval.Evaluate(simulate.TestStimulus, result.Sessions, eval.Options{VarRatioCutoff: 2}); err != nil {
		t.Fatal(err)
	}
	page, err := Page(PageContent{Results: []*Result{result}})
	if err != nil {
		t.Fatal(err)
	}
	if err := report.HTML(&bytes.Buffer{}, page); err != nil || page.Figures[0].Value != "–" {
		t.Errorf("figures %v, %v", page.Figures, err)
	}
	if line := result.AlignedLine(); !strings.HasSuffix(line, "correlation –, MSE – (means over 0 neurons)") {
		t.Error(line)
	}
}
