package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

const lnpFolder = "single_cell_lnp"

// TestSingleCellLNPGivesThePythonPackagesOutputs gives the model a whole stimulus and
// one that has been cut, of any session.
func TestSingleCellLNPGivesThePythonPackagesOutputs(t *testing.T) {
	want := readArray(t, lnpFolder, "output_session_1_ventral1_20200226.npy")
	for _, d := range torchtest.Devices {
		t.Run(d, func(t *testing.T) {
			m := loadOn(t, torchtest.Device(t, d), lnpFolder, "checkpoint.ckpt")
			for _, file := range []string{"input.npy", "cropped_input.npy"} {
				for _, session := range []string{"", "session_1_ventral1_20200226"} {
					got, err := m.Respond(t.Context(), readArray(t, lnpFolder, file), session)
					if err != nil {
						t.Fatal(err)
					}
					agree(t, file, got.Float32s(), want)
				}
			}
		})
	}
}

func TestSingleCellLNPRespondsPieceByPiece(t *testing.T) {
	m := load(t, lnpFolder, "checkpoint.ckpt")
	input := readArray(t, lnpFolder, "input.npy")
	stretches := m.stretches(input.Shape[2], 7, m.Core.(LocalInTime).Timing())
	if len(stretches) != 6 {
		t.Errorf("41 responses are cut into %d pieces of 7", len(stretches))
	}
	want := readArray(t, lnpFolder, "output_session_1_ventral1_20200226.npy")
	var got []float32
	source := &movie{shape: [5]int(input.Shape), values: input.Float32s()}
	cuts := cutting{clips: input.Shape[0], clipsAtOnce: 1, stretches: stretches}
	err := m.respondCut(t.Context(), source, "", cuts, func(a *ndarray.Array) error {
		got = append(got, a.Float32s()...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	agree(t, "pieces", got, want)
}

// TestSingleCellLNPSurvivesItsFile: our files have the arguments, so that they need
// nothing beside them.
func TestSingleCellLNPSurvivesItsFile(t *testing.T) {
	m := load(t, lnpFolder, "checkpoint.ckpt")
	again := restored(t, m, nil)
	got, err := again.Respond(t.Context(), readArray(t, lnpFolder, "input.npy"), "")
	if err != nil {
		t.Fatal(err)
	}
	agree(t, "output", got.Float32s(), readArray(t, lnpFolder, "output_session_1_ventral1_20200226.npy"))
}

func TestSingleCellLNPWithoutArguments(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(checkpoints, lnpFolder, "checkpoint.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint.ckpt")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{
		"":                             "write the arguments of its class into constructor.json beside the file",
		"{":                            "constructor.json",
		`{"rank": 2}`:                  "are not those of a core-readout model",
		`{"spat_kernel_size": [9, 9]}`: "in_shape",
		`{"spat_kernel_size": [9, 9], "in_shape": [1, 20, 18, 16], "rank": 2, "nonlinearity": "softplus"}`: "space_conv.weight",
		strings.Repeat(" ", mostConstructor+1): "more than",
	} {
		beside := filepath.Join(dir, constructorFile)
		if arguments == "" {
			_ = os.Remove(beside) // the first or a later round
		} else if err := os.WriteFile(beside, []byte(arguments), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: error is %v, want %s", arguments, err, want)
		}
	}
}

const tinyLNP = `_target_: openretina.models.linear_nonlinear.SingleCellSeparatedLNP
in_shape: [1, 6, 9, 8]
spat_kernel_size: [5, 4]
rank: 3
smooth_weight_spat: 0.5
smooth_weight_temp: 0.2
sparse_weight: 0.1
learning_rate: 0.01
`

// TestSingleCellLNPOfHigherRank computes the penalty that fails in Python: that of each
// temporal filter.
func TestSingleCellLNPOfHigherRank(t *testing.T) {
	for _, corrected := range []bool{false, true} {
		n, err := config.FromYAML("lnp.yaml", []byte(tinyLNP))
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(n, []Session{{Name: "session", Neurons: 1}}, Options{Seed: 1, Corrected: corrected})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		err = torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			core := m.Core.(*lnpCore)
			space, time := core.filters(s)
			want := s.MulScalar(s.Add(s.Mean(s.Abs(space)), s.Mean(s.Abs(time))), 0.1)
			want = s.Add(want, s.MulScalar(core.smoothSpace.penalty(s, space, false), 0.5))
			if !corrected { // Σ over the filters of Σ over time
				for r := range int64(3) {
					want = s.Add(want, s.MulScalar(core.smoothTime.penalty(s, s.Reshape(s.Narrow(time, 1, r, 1), 1, 1, 6), false), 0.2))
				}
			} else {
				filtered := s.Conv3D(s.Reshape(time, 3, 1, 6, 1, 1), s.FromFloat32(laplaceTime, 1, 1, 3, 1, 1), nil,
					torch.Conv3DOptions{Padding: [3]int64{1, 0, 0}})
				square := s.Div(s.Sum(s.Square(filtered)), s.AddScalar(s.Sum(s.Square(time)), laplaceEps))
				want = s.Add(want, s.MulScalar(square, 0.2))
			}
			values, err := s.Float32s(s.Stack(0, core.Regularizer(s), want))
			if err == nil && (values[0]-values[1] > 1e-6 || values[1]-values[0] > 1e-6) {
				t.Errorf("corrected=%v: penalty is %v, want %v", corrected, values[0], values[1])
			}
			shape, shapeErr := s.Shape(m.Forward(s, s.Zeros(2, 1, 10, 9, 8), ""))
			if shapeErr == nil && (shape[0] != 2 || shape[1] != 5 || shape[2] != 1) {
				t.Errorf("responses have the shape %v", shape)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if name := m.Store().Entries()[1].Name; (name == "_smooth_reg_fn_temp.laplace.filter") != corrected {
			t.Errorf("corrected=%v: the buffer is %s", corrected, name)
		}
	}
}

func TestBadSingleCellLNPConfigsAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"in_shape: [1, 6, 9]":                      "lnp.yaml:2: in_shape must be [channels, time, height, width]",
		"spat_kernel_size: [5, 0]":                 "lnp.yaml:3: spat_kernel_size must be at least 1",
		"spat_kernel_size: [15, 15]":               "a filter of 15 × 15 pixels around rf_location (4, 4) does not fit into 9 × 8",
		"rank: 0":                                  "lnp.yaml:4: rank must be at least 1",
		"rf_location: [1, 4]":                      "a filter of 5 × 4 pixels around rf_location (1, 4) does not fit into 9 × 8",
		"rf_location: [4]":                         "rf_location must be [y, x]",
		"nonlinearity: cube":                       `nonlinearity "cube" is none of parametrized_softplus, elu, exp`,
		"smooth_regularizer_spat: Laplace1d":       `smooth_regularizer_spat "Laplace1d" is no regularizer of space`,
		"smooth_regularizer_temp: LaplaceL2norm":   `smooth_regularizer_temp "LaplaceL2norm" is no regularizer of time`,
		"laplace_padding: -1":                      "laplace_padding must not be negative",
		"loss: {_target_: openretina.modules.Los}": "openretina.modules.Los",
		"smoothness: 1":                            `unknown key "smoothness"`,
	} {
		t.Run(line, func(t *testing.T) {
			n, err := config.FromYAML("lnp.yaml", []byte(withLine(tinyLNP, line)+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if err := Check(n); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, want %s", err, want)
			}
		})
	}
	n, err := config.FromYAML("lnp.yaml", []byte(tinyLNP))
	if err != nil {
		t.Fatal(err)
	}
	for want, sessions := range map[string][]Session{
		"there are 2 sessions": {{Name: "a", Neurons: 1}, {Name: "b", Neurons: 1}},
		"session a has 4":      {{Name: "a", Neurons: 4}},
	} {
		if _, err := New(n, sessions, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
