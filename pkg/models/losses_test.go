package models

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// lossRecording is losses.json: values by pair of output and target / module and
// class / options.
type lossRecording struct {
	GroupAssignment []int64        `json:"group_assignment"`
	Values          map[string]any `json:"values"`
	arrays          recorded
}

func readLosses(t *testing.T) lossRecording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(layers, "losses.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r lossRecording
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	r.arrays = readLayer(t, "losses")
	return r
}

func TestLossesEqualThePythonPackages(t *testing.T) {
	r := readLosses(t)
	for name, want := range r.Values {
		if strings.HasSuffix(name, "_per_neuron_correlations") || name == "sparsity_mse" {
			continue
		}
		parts := strings.SplitN(name, "/", 3)
		c := lossCase{pair: parts[0], loss: r.loss(t, parts[1], parts[2]), gradient: r.arrays[name+"/grad_output"]}
		if correlations, ok := r.Values[name+"/_per_neuron_correlations"]; ok {
			c.correlations = floats(correlations)
		}
		if _, failed := want.(map[string]any); failed { // in Python, for a tensor's layout
			c.want = r.meantByL1(t, parts[0])
		} else {
			c.want = floats(want)
		}
		t.Run(name, func(t *testing.T) {
			for _, d := range torchtest.Devices {
				t.Run(d, func(t *testing.T) { r.testLoss(t, torchtest.Device(t, d), c) })
			}
		})
	}
}

type lossCase struct {
	pair               string
	loss               Loss
	want, correlations []float64
	gradient           *ndarray.Array
}

// loss builds the loss of a case by its name in configs.
func (r lossRecording) loss(t *testing.T, class, options string) Loss {
	t.Helper()
	module := "openretina.modules.losses."
	if strings.HasPrefix(class, "measures.") {
		module = "openretina.modules."
	}
	object := config.Object{{Key: config.TargetKey, Value: module + class}}
	for option := range strings.SplitSeq(options, ",") {
		name, value, ok := strings.Cut(option, "=")
		if !ok {
			continue
		}
		pair := config.Pair{Key: name, Value: value == "True"}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			pair.Value = n
		}
		object = append(object, pair)
	}
	loss := buildLoss(t, object)
	sessions := []Session{{Name: "session", Neurons: len(r.GroupAssignment), CellTypes: r.GroupAssignment}}
	m := &CoreReadout{Loss: loss}
	if err := m.useCellTypes(sessions); err != nil {
		t.Fatal(err)
	}
	return m.LossOf("session")
}

func buildLoss(t *testing.T, object config.Object) Loss {
	t.Helper()
	n, err := config.FromValue(object)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := Losses.Build(n, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

const preCalcium = "pre_ca_of_L1CorrelationLoss3d"

// meantByL1 is what L1CorrelationLoss3d means by one value per neuron: that of
// CorrelationLoss3d and the weighed mean of the neuron's activity.
func (r lossRecording) meantByL1(t *testing.T, pair string) []float64 {
	t.Helper()
	want := floats(r.Values[pair+"/correlation.CorrelationLoss3d/per_neuron=True,avg=False"])
	activity, clips := r.arrays[preCalcium], r.arrays[pair+"/output"].Shape[0]
	neurons, frames := activity.Shape[1], activity.Shape[2]
	for i := range clips * neurons * frames {
		want[i/frames%neurons] += 0.0002 * math.Abs(activity.At(i)) / float64(clips*frames)
	}
	return want
}

func (r lossRecording) testLoss(t *testing.T, d torch.Device, c lossCase) {
	t.Helper()
	err := torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		output := s.RequireGrad(s.FromArray(r.arrays[c.pair+"/output"]), true)
		target := s.FromArray(r.arrays[c.pair+"/target"])
		y := r.forward(s, c.loss, output, target)
		got, err := s.Float32s(y)
		if err != nil {
			return err
		}
		agreeFloats(t, "loss", got, c.want)
		if c.correlations != nil {
			got, err := s.Float32s(c.loss.(LossOfCorrelations).Correlations(s, output, target))
			if err != nil {
				return err
			}
			agreeFloats(t, "correlations", got, c.correlations)
		}
		if c.gradient == nil {
			return nil
		}
		s.Backward(s.Sum(y))
		g, err := s.Array(s.Grad(output))
		if err == nil {
			agreeWithLargest(t, "gradient", g, c.gradient)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// forward gives L1CorrelationLoss3d the recorded activity, of as many clips as there
// are.
func (r lossRecording) forward(s *torch.Scope, loss Loss, output, target *torch.Tensor) *torch.Tensor {
	if l1, ok := loss.(l1CorrelationLoss); ok {
		activity := s.Permute(s.FromArray(r.arrays[preCalcium]), 0, 2, 1)
		return l1.forward(s, output, s.Narrow(activity, 0, 0, s.Dim(output, 0)), target)
	}
	return loss.Forward(s, output, target)
}

func TestLossesPerNeuronFrame(t *testing.T) {
	r := readLosses(t)
	for _, class := range []string{
		"poisson.PoissonLoss3d", "poisson.L1PoissonLoss3d", "poisson.CelltypePoissonLoss3d", "measures.StandardPoissonLoss3d",
	} {
		for _, options := range []string{"per_neuron=False,avg=False", "per_neuron=True,avg=False"} {
			want := r.Values["lag_9/"+strings.Replace(class, "Standard", "", 1)+"/per_neuron=False,avg=True"]
			loss := r.loss(t, class, options).(LossOfFrames)
			r.testMean(t, class+"/"+options, loss.PerNeuronFrame, floats(want))
		}
	}
	sum := r.Values["lag_9/mse.MSE3d/"].(float64)
	r.testMean(t, "MSE3d", mseLoss{}.PerNeuronFrame, []float64{sum / (3 * 31 * 5)})
	reduced := buildLoss(t, config.Object{
		{Key: config.TargetKey, Value: "openretina.modules.losses.PoissonLoss3d"}, {Key: "reduction", Value: "per_neuron_frame"},
	})
	r.testMean(t, "reduction", reduced.Forward, floats(r.Values["lag_9/poisson.PoissonLoss3d/per_neuron=False,avg=True"]))
}

func (r lossRecording) testMean(t *testing.T, name string, f func(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor, want []float64) {
	t.Helper()
	err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		got, err := s.Float32s(f(s, s.FromArray(r.arrays["lag_9/output"]), s.FromArray(r.arrays["lag_9/target"])))
		agreeFloats(t, name, got, want)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTotalLossDoesNotMove is what open-retina PR 190 asks for: with twice the clips,
// frames or neurons, all alike, loss and penalties stay as they are.
func TestTotalLossDoesNotMove(t *testing.T) {
	for _, average := range []bool{false, true} {
		want := totalLoss(t, average, 2, 20, 3)
		for name, c := range map[string][3]int{"clips": {6, 20, 3}, "frames": {2, 50, 3}, "neurons": {2, 20, 12}} {
			if got := totalLoss(t, average, c[0], c[1], c[2]); math.Abs(got-want) > 1e-5*math.Abs(want) {
				t.Errorf("readout_reg_avg=%v, more %s: total loss is %v, want %v", average, name, got, want)
			}
		}
	}
}

// totalLoss is that of a model whose neurons are alike, for responses of 1 to a grey
// movie.
func totalLoss(t *testing.T, average bool, clips, frames, neurons int) (total float64) {
	t.Helper()
	n, err := config.FromYAML("tiny.yaml", []byte(tinyModel+"loss: {_target_: openretina.modules.losses.PoissonLoss3d, "+
		"reduction: per_neuron_frame, gamma_reference: [2, 20, 3]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	readout, _ := n.Get("readout")
	if err := readout.Set("readout_reg_avg", average); err != nil {
		t.Fatal(err)
	}
	m, err := New(n, []Session{{Name: "session", Neurons: neurons}, {Name: "other", Neurons: 4}}, Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, name := range []string{"features", "scale_param"} {
		e, _ := m.Store().Lookup("readout.session." + name)
		zero, half := 0.0, 0.5
		scope := m.Store().Scope()
		scope.ClampInPlace(e.Tensor, &zero, &zero)
		scope.AddInPlace(e.Tensor, half)
	}
	err = torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		output := m.Forward(s, s.Full(0.5, int64(clips), 2, int64(frames), 6, 5), "session")
		// A movie that stands still is answered alike only where no edge in time is seen.
		output = s.Expand(s.Narrow(output, 1, s.Dim(output, 1)-2, 1), int64(clips), s.Dim(output, 1), int64(neurons))
		loss := m.LossOf("session").Forward(s, output, s.Ones(int64(clips), int64(frames), int64(neurons)))
		core, readout, err := m.Penalties(s, "session")
		if err != nil {
			return err
		}
		total, err = s.Item(s.Add(s.Add(loss, core), readout))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// TestGammasKeepTheirMeaning: at the reference, loss and penalties are those of the
// sum, but for one factor.
func TestGammasKeepTheirMeaning(t *testing.T) {
	l := defaultPoisson()
	l.Reduction, l.GammaReference = reducePerNeuronFrame, [3]int64{4, 20, 3}
	m, err := tiny(t, func(*config.Node) {})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	err = torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		core, readout, err := m.Penalties(s, "a") // of 3 neurons
		if err != nil {
			return err
		}
		m.Loss = l
		meanCore, meanReadout, err := m.Penalties(s, "a")
		if err != nil {
			return err
		}
		values, err := s.Float32s(s.Stack(0, core, readout, meanCore, meanReadout))
		if err != nil {
			return err
		}
		for i := range 2 {
			if got, want := values[i+2], values[i]/(4*20*3); math.Abs(float64(got-want)) > 1e-6*math.Abs(float64(want)) {
				t.Errorf("penalty %d is %v, want %v", i, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBadLossesAreRefused(t *testing.T) {
	for loss, want := range map[string]string{
		"openretina.modules.losses.PoissonLoss3d, reduction: mean":                                         `tiny.yaml:22: reduction must be sum or per_neuron_frame, got "mean"`,
		"openretina.modules.losses.PoissonLoss3d, reduction: per_neuron_frame, avg: true":                  "replaces per_neuron and avg",
		"openretina.modules.losses.PoissonLoss3d, reduction: per_neuron_frame, gamma_reference: [1, 0, 1]": "gamma_reference must be [clips, frames, neurons]",
		"openretina.modules.losses.PoissonLoss3d, per_neuron: true":                                        "tiny.yaml:22: per_neuron: true gives a loss for each neuron",
		"openretina.modules.losses.correlation.ScaledCorrelationLoss3d, scale: 2.5":                        "scale must be a whole number of at least 2 frames, got 2.5",
		"openretina.modules.measures.ScaledCorrelationLoss3d, scale: 1":                                    "scale must be a whole number",
		"openretina.modules.measures.CorrelationLoss3d, negate: false":                                     `"negate"`,
		"openretina.modules.losses.poisson.L1PoissonLos3d":                                                 "L1PoissonLoss3d",
	} {
		t.Run(loss, func(t *testing.T) {
			n, err := config.FromYAML("tiny.yaml", []byte(strings.TrimPrefix(tinyModel, "\n")+"loss: {_target_: "+loss+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if err := Check(n); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want %s", err, want)
			}
		})
	}
}

func TestLossesThatCannotBeComputed(t *testing.T) {
	for name, c := range map[string]struct {
		loss Loss
		want string
	}{
		"short clips":   {defaultScaledCorrelation(), "20 predicted frames are fewer than one stretch of scale=30"},
		"no cell types": {cellTypePoissonLoss{}, "group_assignment"},
	} {
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			c.loss.Forward(s, s.Ones(2, 20, 3), s.Ones(2, 20, 3))
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	_, err := cellTypeWeights([]Session{{Name: "a", Neurons: 2, CellTypes: []int64{1, 2}}, {Name: "b", Neurons: 3}})
	if err == nil || !strings.HasPrefix(err.Error(), "session b: 0 cell types for 3 neurons") {
		t.Errorf("error is %v", err)
	}
}

func TestCellTypesWeighByTheirNumber(t *testing.T) {
	got, err := cellTypeWeights([]Session{
		{Name: "a", Neurons: 3, CellTypes: []int64{1, 1, 40}}, {Name: "b", Neurons: 1, CellTypes: []int64{1}},
	})
	// 4 cells of 2 types: 2 of a type on average; 3 of type 1, 1 of type 40.
	want := map[string][]float32{"a": {2. / 3, 2. / 3, 2}, "b": {2. / 3}}
	if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
		t.Errorf("weights are %v, want %v, %v", got, want, err)
	}
}

func agreeFloats(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	a, err := ndarray.FromFloat64(want, len(want))
	if err != nil {
		t.Fatal(err)
	}
	agree(t, name, got, a)
}

func floats(v any) []float64 {
	switch v := v.(type) {
	case float64:
		return []float64{v}
	case []any:
		var list []float64
		for _, item := range v {
			f, _ := item.(float64)
			list = append(list, f)
		}
		return list
	}
	return nil
}
