package train

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// TestForecastIsWhatRunDoes compares a forecast with the training that follows.
func TestForecastIsWhatRunDoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	words := []string{"trainer.accumulate_grad_batches=2", "trainer.max_epochs=2"}
	plan, err := NewPlan(tinyRun(t, dir, words...))
	if err != nil {
		t.Fatal(err)
	}
	fc, err := plan.Forecast(t.Context(), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a forecast writes: %v", err)
	}
	if len(fc.Files) != 1 || fc.Files[0].Missing != "" || fc.Files[0].Bytes == 0 {
		t.Errorf("files are %+v", fc.Files)
	}
	counted := &recorder{}
	result, err := train(t, t.Context(), tinyRun(t, dir, words...), counted)
	if err != nil {
		t.Fatal(err)
	}
	if got := fc.Steps.TrainBatches * fc.Steps.Epochs; got != counted.batches {
		t.Errorf("%d batches were foretold, there were %d", got, counted.batches)
	}
	trained, err := checkpoint.Open(result.Final)
	if err != nil {
		t.Fatal(err)
	}
	if int64(fc.Steps.Total) != trained.GlobalStep {
		t.Errorf("%d steps were foretold, there were %d", fc.Steps.Total, trained.GlobalStep)
	}
	checkLayers(t, fc, trained)
	if fc.Memory.Total() <= fc.Memory.Program || fc.Memory.OptimizerState != 2*fc.Memory.Gradients || fc.Time.Total <= 0 {
		t.Errorf("memory %+v, time %+v", fc.Memory, fc.Time)
	}
}

// checkLayers finds the sessions' neurons and the layers' names in the state_dict.
func checkLayers(t *testing.T, fc *Forecast, trained *checkpoint.Checkpoint) {
	t.Helper()
	for _, s := range fc.Sessions {
		if s.Neurons == 0 || s.Train == 0 || s.Validation == 0 || len(s.Tests) != 1 {
			t.Errorf("session is %+v", s)
		}
	}
	parameters := int64(0)
	for _, l := range fc.Layers {
		parameters += l.Parameters
		below := func(name string) bool { return strings.HasPrefix(name, l.Name+".") }
		if l.Parameters > 0 && !slices.ContainsFunc(trained.State.Names(), below) {
			t.Errorf("no tensor of the checkpoint lies below %s", l.Name)
		}
	}
	if parameters != fc.Parameters || parameters == 0 {
		t.Errorf("the layers have %d parameters, all have %d", parameters, fc.Parameters)
	}
	if last := fc.Layers[len(fc.Layers)-1]; last.Type != "GaussianMaskReadout" || last.Output[1] != int64(fc.Sessions[len(fc.Sessions)-1].Neurons) {
		t.Errorf("the last layer is %+v", last)
	}
}

// Without data, what hangs on the config alone is told.
func TestForecastWithoutData(t *testing.T) {
	plan, err := NewPlan(composed(t, "hoefling_2024", "only_train_readout=true"))
	if err != nil {
		t.Fatal(err)
	}
	fc, err := plan.Forecast(t.Context(), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(fc.Files) != 2 || !strings.Contains(fc.Files[0].Missing, "openretina download") || fc.NoSessions == "" || fc.Sessions != nil {
		t.Errorf("files are %+v, sessions %v, %q", fc.Files, fc.Sessions, fc.NoSessions)
	}
	// The core has 4320 + 7936 weights in its convolutions (Höfling et al. 2024), and
	// three numbers for each of 2 × 16 channels; a neuron has 2 + 1 for its mask, 16
	// features, a scale and a bias.
	readout := int64(StandInNeurons * (2 + 1 + 16 + 1 + 1))
	if fc.Trainable != readout || fc.Parameters != readout+4320+7936+3*32 {
		t.Errorf("%d parameters, %d are trained", fc.Parameters, fc.Trainable)
	}
	if fc.Time.Batch <= 0 || fc.Time.Epoch != 0 || fc.Steps.Epochs != 100 {
		t.Errorf("time %+v, steps %+v", fc.Time, fc.Steps)
	}
}
