package models

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// behavingModel is a small model of one colour with two signals of behaviour.
func behavingModel(t *testing.T, behavior string) (*CoreReadout, error) {
	t.Helper()
	n, err := config.FromYAML("behaving.yaml", []byte(`
in_shape: [1, 12, 9, 8]
hidden_channels: [2]
behavior: `+behavior+`
core:
  _target_: openretina.modules.core.base_core.SimpleCoreWrapper
  temporal_kernel_sizes: [5]
  spatial_kernel_sizes: [3]
  gamma_input: 0
  gamma_temporal: 0
  gamma_in_sparse: 0
  gamma_hidden: 0
  cut_first_n_frames: 0
readout:
  _target_: openretina.modules.readout.multi_readout.MultiGaussianMaskReadout
  scale: true
  bias: true
  gaussian_mean_scale: 6.0
  gaussian_var_scale: 4.0
  positive: false
`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(n, []Session{{Name: "a", Neurons: 2}, {Name: "b", Neurons: 1}}, Options{Seed: 1})
	if err == nil {
		t.Cleanup(m.Close)
	}
	return m, err
}

const shifted = `{channels: 2, shifter: {_target_: neuralpredictors.layers.shifters.StaticAffine2dShifter}}`

// behavingStimulus is a clip of noise; signals, if there are any, are all over each frame.
func behavingStimulus(t *testing.T, frames int, signals ...float32) *ndarray.Array {
	t.Helper()
	const pixels = 9 * 8
	values := make([]float32, 0, (1+len(signals))*frames*pixels)
	for i := range frames * pixels {
		values = append(values, float32(math.Sin(float64(i*i))))
	}
	for _, v := range signals {
		values = append(values, slices.Repeat([]float32{v}, frames*pixels)...)
	}
	a, err := ndarray.FromFloat32(values, 1, 1+len(signals), frames, 9, 8)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func respond(t *testing.T, m *CoreReadout, stimulus *ndarray.Array) []float32 {
	t.Helper()
	r, err := m.Respond(context.Background(), stimulus, "")
	if err != nil {
		t.Fatal(err)
	}
	return r.Float32s()
}

// Weights of one move the readout by tanh of the signals: a whole width to the right.
func setShifter(t *testing.T, m *CoreReadout, values ...float32) {
	t.Helper()
	err := m.Store().Scope().Do(context.Background(), torch.Inference, func(s *torch.Scope) error {
		for _, e := range m.Store().Entries() {
			if strings.HasPrefix(e.Name, "shifter.") {
				s.CopyInto(e.Tensor, s.FromFloat32(values, 2, 2))
			}
		}
		return s.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBehaviorMovesReadouts(t *testing.T) {
	m, err := behavingModel(t, shifted)
	if err != nil {
		t.Fatal(err)
	}
	if m.Behavior() != 2 || m.StimulusShape(12)[1] != 1 {
		t.Errorf("%d signals, a stimulus of %v", m.Behavior(), m.StimulusShape(12))
	}
	setShifter(t, m, 1, 0, 0, 1)
	still := respond(t, m, behavingStimulus(t, 12))
	if zero := respond(t, m, behavingStimulus(t, 12, 0, 0)); !slices.Equal(still, zero) {
		t.Errorf("no behaviour gives %v, behaviour at its mean %v", still, zero)
	}
	if moved := respond(t, m, behavingStimulus(t, 12, 0.3, -0.2)); slices.Equal(still, moved) {
		t.Error("behaviour has no effect")
	}
	// Beyond the edge there is nothing to see: what is left is each neuron's bias.
	gone := respond(t, m, behavingStimulus(t, 12, 20, 20))
	unseen := respond(t, m, behavingStimulus(t, 12, 20, 20))
	if !slices.Equal(gone, unseen) {
		t.Error("the same behaviour gives other responses")
	}
	for i, v := range gone[3:] {
		if math.Abs(float64(v-gone[i])) > 0.2 {
			t.Errorf("a readout far outside still follows the movie: %v", gone)
			break
		}
	}
}

// A shift by one position gives what the neighbour sees.
func TestShiftIsInPositions(t *testing.T) {
	m, err := behavingModel(t, shifted)
	if err != nil {
		t.Fatal(err)
	}
	setShifter(t, m, 1, 0, 0, 1)
	r := m.readouts["a"].(*shiftedReadout)
	err = torch.Do(context.Background(), torch.Inference, func(s *torch.Scope) error {
		const height, width = 3, 5
		values := make([]float32, height*width)
		for i := range values {
			values[i] = float32(i)
		}
		signal := func(v float64) []float32 { return slices.Repeat([]float32{float32(math.Atanh(v))}, height*width) }
		x := s.FromFloat32(slices.Concat(values, signal(2.0/(width-1)), signal(2.0/(height-1)-0.001)), 1, 3, 1, height, width)
		got, err := s.Float32s(r.shift(s, x))
		if err != nil {
			return err
		}
		if math.Abs(float64(got[0]-6)) > 0.02 { // row 1, column 1
			t.Errorf("the first position sees %v, not its neighbour below to the right, 6: %v", got[0], got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBehaviorInTheCore(t *testing.T) {
	m, err := behavingModel(t, `{channels: 2, in_core: true}`)
	if err != nil {
		t.Fatal(err)
	}
	still, moved := respond(t, m, behavingStimulus(t, 12, 0, 0)), respond(t, m, behavingStimulus(t, 12, 1, 2))
	if slices.Equal(still, moved) {
		t.Error("behaviour has no effect")
	}
	if !slices.Equal(still, respond(t, m, behavingStimulus(t, 12))) {
		t.Error("no behaviour is not behaviour at its mean")
	}
	_, err = m.Respond(context.Background(), behavingStimulus(t, 12, 1), "a")
	if err == nil || !strings.Contains(err.Error(), "and 2 of behaviour") {
		t.Errorf("a stimulus with one signal: %v", err)
	}
}

func TestBehaviorSurvivesItsFileAndLongMovies(t *testing.T) {
	for _, behavior := range []string{shifted, `{channels: 2, in_core: true, shifter: {_target_: neuralpredictors.layers.shifters.mlp.MLPShifter, shift_layers: 2}}`} {
		m, err := behavingModel(t, behavior)
		if err != nil {
			t.Fatal(err)
		}
		state, err := m.Store().StateDict()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Restore(m.Hyper, state, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		stimulus := behavingStimulus(t, 40, 0.5, -1)
		if !slices.Equal(respond(t, m, stimulus), respond(t, again, stimulus)) {
			t.Errorf("%s: the restored model responds otherwise", behavior)
		}
		if _, local := m.Core.(LocalInTime); !local {
			t.Errorf("%s: the core no longer says what it sees", behavior)
		}
	}
}

func TestBadBehavior(t *testing.T) {
	for behavior, want := range map[string]string{
		`{channels: 2}`:                "behavior has no effect",
		`{channels: 0, in_core: true}`: "behavior.channels must be at least 1",
		`{in_core: true}`:              `no "channels"`,
		`{channels: 1, shifter: {_target_: neuralpredictors.layers.shifters.MLPShifter}}`:                                "the shifter takes 2 signals",
		`{channels: 1, shifter: {_target_: neuralpredictors.layers.shifters.StaticAffine2dShifter, output_channels: 3}}`: "output_channels must be 2",
		`{channels: 1, shifter: {_target_: neuralpredictors.layers.shifters.Shifter}}`:                                   "unknown shifter",
	} {
		if _, err := behavingModel(t, behavior); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q in it", behavior, err, want)
		}
	}
}

// TestBehaviorWithRecurrentCores: an ensemble of models of both responds as they do on
// average, and refuses what is shorter than their kernels.
func TestBehaviorWithRecurrentCores(t *testing.T) {
	oneThread(t)
	const text = `
in_shape: [1, 12, 9, 8]
hidden_channels: [2]
behavior: {channels: 2, in_core: true, shifter: {_target_: neuralpredictors.layers.shifters.MLPShifter}}
core:
  _target_: openretina.modules.core.gru_core.ConvGRUCore
  temporal_kernel_sizes: 5
  spatial_kernel_sizes: 3
  batch_adaptation: true
  use_log_speed: true
  use_gru: true
  gru_kwargs: {rec_channels: 3, input_kern: 3, rec_kern: 3}
readout:
  _target_: openretina.modules.readout.multi_readout.MultiSampledGaussianReadout
  bias: true
  init_mu_range: 0.3
  init_sigma_range: 0.1
`
	sessions := []Session{{Name: "a", Neurons: 2}, {Name: "b", Neurons: 1}}
	members := []*CoreReadout{member(t, text, sessions, 1), member(t, text, sessions, 2)}
	e := ensembleOf(t, members)
	stimulus := behavingStimulus(t, 20, 0.5, -1)
	mean := make([]float32, 0)
	for _, m := range members {
		for i, v := range respond(t, m, stimulus) {
			if len(mean) <= i {
				mean = append(mean, 0)
			}
			mean[i] += v / 2
		}
	}
	for i, v := range respond(t, e, stimulus) {
		if math.Abs(float64(v-mean[i])) > 1e-6 {
			t.Fatalf("response %d is %v, want %v", i, v, mean[i])
		}
	}
	if e.Behavior() != 2 {
		t.Errorf("the ensemble takes %d signals", e.Behavior())
	}
	if slices.Equal(respond(t, e, stimulus), respond(t, e, behavingStimulus(t, 20, 0, 0))) {
		t.Error("behaviour has no effect")
	}
	if _, err := e.Respond(t.Context(), behavingStimulus(t, 4, 0, 0), "a"); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("four frames under a kernel of five: %v", err)
	}
}
