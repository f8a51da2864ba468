package eval

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// arrays reads a golden file.
func arrays(t *testing.T, path ...string) map[string]*ndarray.Array {
	t.Helper()
	named, err := npy.ReadZipFile(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ndarray.Array{}
	for _, n := range named {
		out[n.Name] = n.Array
	}
	return out
}

func responsesOf(t *testing.T, a *ndarray.Array) Responses {
	t.Helper()
	r, err := NewResponses(a.Float64s(), a.Shape[0], a.Shape[1], a.Shape[2])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func matrixOf(t *testing.T, a *ndarray.Array) Matrix {
	t.Helper()
	m, err := NewMatrix(a.Float64s(), a.Shape[0], a.Shape[1])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantClose compares values; NaN must be NaN.
func wantClose(t *testing.T, name string, got, want []float64, rtol, atol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		if math.IsNaN(got[i]) != math.IsNaN(want[i]) || math.Abs(got[i]-want[i]) > atol+rtol*math.Abs(want[i]) {
			t.Errorf("%s[%d]: %v, want %v", name, i, got[i], want[i])
			return
		}
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestMetricsOfThePythonPackage(t *testing.T) {
	paths, err := filepath.Glob("testdata/metrics/*.npz")
	if err != nil || len(paths) != 10 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".npz")
		if name == "loader_metrics" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			golden := arrays(t, "metrics", name+".npz")
			responses, predictions := responsesOf(t, golden["responses"]), matrixOf(t, golden["predictions"])
			// The README's tolerances; a correlation of something constant is
			// rounding error divided by 1e-8.
			rtol, atol := 1e-6, 1e-9
			if name == "float32" {
				rtol, atol = 1e-4, 1e-6
			}
			check := func(name string, got []float64) {
				t.Helper()
				if want, ok := golden["expected/"+name]; ok {
					wantClose(t, name, got, want.Float64s(), rtol, atol)
				} else if name != "feve" {
					t.Errorf("%s is not in the fixture", name)
				}
			}
			average := responses.Mean()
			ok := must[[]float64](t)
			check("correlation_to_average", ok(Correlation(average, predictions)))
			check("mse_to_average", ok(MSE(average, predictions)))
			check("poisson_to_average", ok(PoissonLoss(average, predictions, PoissonEps)))
			ratio, explainable := ExplainableVariance(responses)
			check("var_ratio", ratio)
			check("explainable_var", explainable)
			check("feve", ok(FEVE(responses, predictions)))
			score, oracle := Jackknife(responses)
			check("jackknife", score)
			check("jackknife_oracle", oracle.Values)
			score, _ = Jackknife(responses.Cut(5))
			check("jackknife_cut_5", score)
			check("global_mean_oracle_intended", GlobalMeanOracle(responses))
			check("global_mean_oracle_intended_2d_cut_3", GlobalMeanOracle(average.asRepeat().Cut(3)))
		})
	}
}

// TestUnclipped checks the numbers that the Python package has no name for
// against their formulas, written out for two frames and two repeats.
func TestUnclipped(t *testing.T) {
	// Neuron 0 responds 1, 3 and then 5, 5; neuron 1 never; neuron 2 has noise only.
	responses, err := NewResponses([]float32{
		1, 0, 0 /**/, 3, 0, 2,
		5, 0, 2 /**/, 5, 0, 0,
	}, 2, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	predictions, err := NewMatrix([]float64{2, 0, 9, 5, 1, 9}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	// Neuron 0: the mean is 3.5, total = (6.25+0.25+2.25+2.25)/3, noise = (2+0)/2.
	total, noise := 11.0/3, 1.0
	nan := math.NaN()
	// Neuron 2: the mean is 1, total = 4/3, noise = (2+2)/2; squared errors 81, 49.
	wantClose(t, "fev", FEVUnclipped(responses), []float64{(total - noise) / total, nan, (4.0/3 - 2) / (4.0 / 3)}, 1e-12, 0)
	got, err := FEVEUnclipped(responses, predictions)
	if err != nil {
		t.Fatal(err)
	}
	wantClose(t, "feve", got, []float64{1 - (0.5-noise)/(total-noise), math.Inf(-1), 1 - (65.0-2)/(4.0/3-2)}, 1e-12, 0)
	clipped, err := FEVE(responses, predictions)
	if err != nil {
		t.Fatal(err)
	}
	wantClose(t, "clipped feve", clipped, []float64{1, 0, 0}, 1e-12, 0)
	// Neuron 0: the mean response 2, 5 varies by 2.25, the repeats by 4 and 1.
	wantClose(t, "reliability", Reliability(responses), []float64{2.25 / 2.5, nan, 0}, 1e-12, 0)
	ratio, _ := ExplainableVariance(responses)
	if ratio[1] != 1 {
		t.Errorf("the silent neuron has var_ratio %v; the Python package gives 1", ratio[1])
	}
}

func TestLoaderMetrics(t *testing.T) {
	var golden struct {
		Axis   float64 `json:"correlation_axis_none_of_plain"`
		Loader struct {
			Order  []string `json:"loader_order"`
			Lag    int      `json:"lag"`
			Values map[string]json.RawMessage
		} `json:"loader_metrics"`
	}
	raw, err := os.ReadFile("testdata/metrics/values.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	plain := arrays(t, "metrics", "plain.npz")
	all := Correlate(responsesOf(t, plain["responses"]).Repeat(0).Values, plain["predictions"].Float64s())
	wantClose(t, "correlation over everything", []float64{all}, []float64{golden.Axis}, 1e-6, 0)

	data := arrays(t, "metrics", "loader_metrics.npz")
	var sessions []Clips
	neurons, clips := 0, 0
	for _, name := range golden.Loader.Order {
		p, y := data["predictions/"+name], data["targets/"+name]
		// The model of the fixture leaves out the first frames of its predictions.
		full := Clips{Clips: p.Shape[0], Neurons: p.Shape[2], PredictionFrames: p.Shape[1], PredictionValues: p.Float64s()}
		c := Clips{
			Clips: full.Clips, Neurons: full.Neurons, PredictionFrames: p.Shape[1] - golden.Loader.Lag,
			TargetFrames: y.Shape[1], TargetValues: y.Float64s(),
		}
		perClip := full.PredictionFrames * full.Neurons
		for clip := range full.Clips {
			c.PredictionValues = append(c.PredictionValues, full.PredictionValues[clip*perClip+golden.Loader.Lag*full.Neurons:(clip+1)*perClip]...)
		}
		neurons += c.Neurons
		clips += c.Clips
		sessions = append(sessions, c)
	}
	ok := must[[]float64](t)
	number := func(name string) float64 {
		var v float64
		if err := json.Unmarshal(golden.Loader.Values[name], &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	list := func(name string) (v []float64) {
		if err := json.Unmarshal(golden.Loader.Values[name], &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	corr := ok(ClipCorrelations(sessions))
	wantClose(t, "corr_stop3d", corr, list("corr_stop3d_avg_False"), 1e-4, 1e-5)
	wantClose(t, "corr_stop3d average", []float64{mean(corr)}, []float64{number("corr_stop3d_avg_True")}, 1e-4, 1e-5)
	wantClose(t, "corr_stop", ok(ImageCorrelations(sessions)), list("corr_stop_avg_False"), 1e-4, 1e-5)
	sum := func(v []float64) float64 { return mean(v) * float64(len(v)) }
	poisson, squares := sum(ok(ClipPoissonLosses(sessions))), sum(ok(ClipSquaredErrors(sessions)))
	wantClose(t, "poisson", []float64{poisson, poisson / float64(neurons*clips)},
		[]float64{number("poisson_stop3d_avg_False"), number("poisson_stop3d_avg_True")}, 1e-4, 0)
	wantClose(t, "squares", []float64{squares, squares / float64(neurons*clips)},
		[]float64{number("MSE_stop3d_avg_False"), number("MSE_stop3d_avg_True")}, 1e-4, 0)
}

func TestShapesThatDoNotFit(t *testing.T) {
	r := Responses{Frames: 3, Repeats: 2, Neurons: 2, Values: make([]float64, 12)}
	m := Matrix{Frames: 4, Neurons: 2, Values: make([]float64, 8)}
	for name, call := range map[string]func() error{
		"feve":        func() error { _, err := FEVE(r, m); return err },
		"correlation": func() error { _, err := Correlation(r.Mean(), m); return err },
		"no frames":   func() error { _, err := MSE(Matrix{Neurons: 2}, Matrix{Neurons: 2}); return err },
		"matrix":      func() error { _, err := NewMatrix([]float32{1, 2, 3}, 2, 2); return err },
		"responses":   func() error { _, err := NewResponses([]float64{1}, 1, -1, -1); return err },
		"clips": func() error {
			_, err := ClipCorrelations([]Clips{{Clips: 1, Neurons: 1, PredictionFrames: 2}})
			return err
		},
		"clips, targets": func() error {
			_, err := ClipSquaredErrors([]Clips{{Clips: 1, Neurons: 1, TargetFrames: 2}})
			return err
		},
		"clips, lag": func() error {
			_, err := ClipPoissonLosses([]Clips{{Clips: 1, Neurons: 1, PredictionFrames: 1, PredictionValues: []float64{1}}})
			return err
		},
		"clips, no frames": func() error { _, err := ImageCorrelations([]Clips{{Neurons: 1}}); return err },
	} {
		if err := call(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
