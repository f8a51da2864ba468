package models

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

func describe(t *testing.T, path ...string) *Description {
	t.Helper()
	file := filepath.Join(path...)
	c, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Describe(c, file)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDescribe has files of every family that is recorded: the numbers of parameters
// are those that the Python package's optimizers keep state for.
func TestDescribe(t *testing.T) {
	const (
		unified = "openretina.models.core_readout.UnifiedCoreReadout"
		simple  = "openretina.modules.core.base_core.SimpleCoreWrapper"
		masks   = "openretina.modules.readout.multi_readout.MultiGaussianMaskReadout"
	)
	other := filepath.Join("..", "torch", "checkpoint", "testdata")
	for _, test := range []struct {
		file                 string
		class, core, readout string
		parameters           int64
		kernels              []Kernel
		inShape              []int64
		neurons              []int64
	}{
		{
			checkpoints + "/hoefling_low_res/checkpoint.ckpt", unified, simple, masks, 12604,
			[]Kernel{{"core.features.layer0.conv", 2, 16, 21, 11, 11}, {"core.features.layer1.conv", 16, 16, 11, 5, 5}},
			[]int64{2, 150, 18, 16},
			[]int64{7, 5},
		},
		{
			checkpoints + "/legacy_core_readout/checkpoint_nonzip.ckpt", exampleClass, simple, masks, 3306,
			[]Kernel{{"core.features.layer0.conv", 2, 6, 21, 11, 11}, {"core.features.layer1.conv", 6, 8, 11, 5, 5}},
			[]int64{2, 60, 18, 16},
			[]int64{7, 5},
		},
		{
			checkpoints + "/full_conv/checkpoint.ckpt", unified, simple, masks, 2447,
			[]Kernel{{"core.features.layer0.conv.conv", 2, 4, 7, 5, 5}, {"core.features.layer1.conv.conv", 4, 5, 5, 3, 3}},
			[]int64{2, 60, 14, 12},
			[]int64{7, 5},
		},
		{
			other + "/lnp/checkpoint.ckpt", unified, "openretina.modules.core.base_core.DummyCore",
			"openretina.modules.readout.multi_readout.MultipleLNPReadout", 1452,
			nil,
			[]int64{1, 60, 10, 12},
			[]int64{7, 5},
		},
		{
			other + "/spatial_contrast/checkpoint.ckpt", "openretina.models.spatial_contrast.SpatialContrastCoreReadout",
			"openretina.modules.core.base_core.DummyCore",
			"openretina.modules.readout.spatial_contrast_model_readout.MultiSpatialContrastReadout", 25,
			nil,
			[]int64{1, 30, 24, 26},
			[]int64{3, 2},
		},
		{
			other + "/single_cell_spatial_contrast/checkpoint.ckpt", "openretina.models.spatial_contrast.SingleCellSpatialContrast",
			"", "", 4, nil,
			[]int64{1, 30, 24, 26},
			[]int64{1},
		},
		{
			checkpoints + "/single_cell_lnp/checkpoint.ckpt", "openretina.models.linear_nonlinear.SingleCellSeparatedLNP",
			"", "", 101,
			[]Kernel{{"space_conv", 1, 1, 1, 9, 9}, {"time_conv", 1, 1, 20, 1, 1}},
			[]int64{1, 20, 18, 16},
			[]int64{1},
		},
	} {
		t.Run(test.file, func(t *testing.T) {
			d := describe(t, test.file)
			if d.Class != test.class || d.Core != test.core || d.Readout != test.readout || d.Parameters != test.parameters {
				t.Errorf("class %q, core %q, readout %q, %d parameters", d.Class, d.Core, d.Readout, d.Parameters)
			}
			if !slices.Equal(d.Kernels, test.kernels) || !slices.Equal(d.InShape, test.inShape) {
				t.Errorf("kernels %v, in_shape %v", d.Kernels, d.InShape)
			}
			var neurons []int64
			for _, s := range d.Sessions {
				neurons = append(neurons, s.Neurons)
			}
			if !slices.Equal(neurons, test.neurons) {
				t.Errorf("sessions %v", d.Sessions)
			}
			if d.WrittenBy != "Lightning 2.6.6" || !strings.Contains(string(d.Training.Optimizer), `"torch.optim.AdamW"`) {
				t.Errorf("written by %q, optimizer %s", d.WrittenBy, d.Training.Optimizer)
			}
		})
	}
}

func TestDescribeOfAModelThatIsUsable(t *testing.T) {
	d := describe(t, checkpoints, "hoefling_low_res", "checkpoint.ckpt")
	if d.Problem != "" || d.CutFrames == nil || *d.CutFrames != 30 {
		t.Errorf("problem %q, cut %v", d.Problem, d.CutFrames)
	}
	if data := string(d.Data); !strings.Contains(data, `"stim_std": 36.5`) || strings.Contains(data, "mean_activity") {
		t.Errorf("data %s", data)
	}
	if schedule := string(d.Training.Schedule); !strings.Contains(schedule, "ReduceLROnPlateau") || !strings.Contains(schedule, `"best": "-Infinity"`) {
		t.Errorf("schedule %s", schedule)
	}
	bare := describe(t, checkpoints, "legacy_core_readout", "state.safetensors")
	if bare.Format != checkpoint.Safetensors || bare.Training != nil || bare.Problem != "" {
		t.Errorf("safetensors: %+v", bare)
	}
}

// TestDescribeNamesTheClassOfOurLNP: our files have its arguments, Python's none.
func TestDescribeNamesTheClassOfOurLNP(t *testing.T) {
	m := load(t, lnpFolder, "checkpoint.ckpt")
	hyper, err := m.HyperParameters(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := modelClass(&checkpoint.Checkpoint{State: &checkpoint.State{}, HyperParameters: hyper}, hyper); got != lnpClass {
		t.Errorf("the class is %q", got)
	}
}

func TestDescribeAnAutoencoder(t *testing.T) {
	d := describe(t, autoencoderFolder, "checkpoint.ckpt")
	if d.Class != AutoencoderTarget || d.InputDim != 12 || d.HiddenDim != 30 || d.Problem != "" {
		t.Errorf("%+v", d)
	}
}

// TestDescribedScores: the scores of the test that follows a training.
func TestDescribedScores(t *testing.T) {
	d := describe(t, "testdata", "files", "tested.ckpt")
	if d.Score == nil || d.Score.Metric != "test CorrelationLoss3d" || d.Score.N != 12 || *d.Score.Mean > -0.0348 || *d.Score.Mean < -0.035 {
		t.Fatalf("score %+v", d.Score)
	}
	s := d.Sessions[0]
	if s.Name != "session_1_ventral1_20200226" || s.Score.N != 7 || s.Score.Metric != "" {
		t.Errorf("%+v, %+v", s, s.Score)
	}
	nan := summarize("m", []float64{1, 4, math.NaN(), 2})
	if nan.N != 3 || nan.Of != 4 || *nan.Mean != 7.0/3 || *nan.Median != 2 {
		t.Errorf("%+v", nan)
	}
	if none := summarize("m", []float64{math.NaN()}); none.N != 0 || none.Mean != nil {
		t.Errorf("%+v", none)
	}
	even := summarize("m", []float64{3, 1, 2, 10})
	if *even.Median != 2.5 {
		t.Errorf("median %v", *even.Median)
	}
}
