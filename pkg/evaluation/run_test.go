package evaluation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

func TestSplits(t *testing.T) {
	m, d := noiseModel(t), noiseData(t)
	for split, want := range map[string][]string{
		"": {"random_noise_1", "random_noise_2"}, AllTests: {"random_noise_1", "random_noise_2"},
		"random_noise_2": {"random_noise_2"}, "validation": {"validation"}, "train": {"train"},
	} {
		results, err := Run(t.Context(), m, d, Options{Split: split})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range results {
			got = append(got, r.Report.Split)
			if r.Report.Summary.Lag != 10*max(1, r.Sessions[0].Clips) || r.Report.Summary.Sessions != 0 {
				t.Errorf("split %s: summary %+v", split, r.Report.Summary)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("split %q stands for %v, want %v", split, got, want)
		}
	}
	for split, want := range map[string]string{
		"random_noise_3": `no part "random_noise_3": did you mean "random_noise_1"? there are train, validation, random_noise_1, random_noise_2`,
		"tset":           `did you mean "test"?`,
		"natural":        `no part "natural": there are train`,
	} {
		if _, err := Run(t.Context(), m, d, Options{Split: split}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("split %s: error %v, want %q", split, err, want)
		}
	}
}

// TestClipsCutOff leaves out a clip that the end of the movie cuts off.
func TestClipsCutOff(t *testing.T) {
	cfg := noiseConfig(t)
	for key, value := range map[string]any{"dataloader.allow_over_boundaries": false, "dataloader.clip_length": 15, "dataloader.train_chunk_size": 15} {
		if err := cfg.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	d, err := data.Load(t.Context(), cfg, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), noiseModel(t), d, Options{Split: "random_noise_1"}) // 71 frames
	if err != nil {
		t.Fatal(err)
	}
	s := results[0].Sessions[0]
	if s.Clips != 4 || s.Targets.Frames != 60 || s.Predictions.Frames != 20 {
		t.Errorf("%d clips, %d frames of targets and %d of predictions", s.Clips, s.Targets.Frames, s.Predictions.Frames)
	}
}

func TestRunRefuses(t *testing.T) {
	m := noiseModel(t)
	other := func(change func(d *data.Dataset)) *data.Dataset {
		d := noiseData(t)
		change(d)
		return d
	}
	for name, test := range map[string]struct {
		data *data.Dataset
		want string
	}{
		"session": {
			other(func(d *data.Dataset) { d.Sessions[1].Name = "session_7" }),
			`the data is not the model's: unknown session "session_7": the model has session_0, session_1`,
		},
		"movie": {
			other(func(d *data.Dataset) { d.Info.InputShape = [3]int{2, 16, 8} }),
			"the data has movies of [2 16 8] (channels, height, width), the model expects [1 16 8]",
		},
		"neurons": {other(func(d *data.Dataset) { d.Sessions[0].Neurons = 9 }), "session session_0 has 9 neurons in the data and 28 in the model"},
	} {
		if _, err := Run(t.Context(), m, test.data, Options{}); err == nil || err.Error() != test.want {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestShortClips(t *testing.T) {
	cfg := noiseConfig(t)
	for key, value := range map[string]any{"dataloader.allow_over_boundaries": false, "dataloader.clip_length": 5, "dataloader.train_chunk_size": 5} {
		if err := cfg.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	d, err := data.Load(t.Context(), cfg, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), noiseModel(t), d, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "evaluating random_noise_1: session session_0: ") || !strings.Contains(err.Error(), "5 frames") {
		t.Errorf("error %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	stop := errors.New("stop")
	m, d := noiseModel(t), noiseData(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := Run(ctx, m, d, Options{Progress: func(done, total int) {
		if done == 1 && total == 4 {
			cancel(stop)
		}
	}})
	if !errors.Is(err, stop) {
		t.Errorf("after a batch: error %v", err)
	}
	if _, err := Run(t.Context(), m, d, Options{Hard: ctx}); !errors.Is(err, stop) {
		t.Errorf("at once: error %v", err)
	}
	if _, err := Run(ctx, m, d, Options{Statistics: true}); !errors.Is(err, stop) {
		t.Errorf("counting frames: error %v", err)
	}
}

func TestTrials(t *testing.T) {
	repeats := []data.Responses{
		{Frames: 3, Neurons: 2, Data: []float32{1, 2, 3, 4, 5, 6}},
		{Frames: 3, Neurons: 2, Data: []float32{10, 20, 30, 40, 50, 60}},
	}
	got, err := trials(repeats, 2)
	if err != nil || got.Repeats != 2 || got.Frames != 2 || !slices.Equal(got.Values, []float64{1, 2, 10, 20, 3, 4, 30, 40}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := trials(repeats, 4); err == nil {
		t.Error("no error for repeats that are too short")
	}
	if got, err := trials(nil, 4); err != nil || got.Values != nil {
		t.Errorf("no repeats: %+v, %v", got, err)
	}
}

func TestFields(t *testing.T) {
	array := func(a *ndarray.Array, err error) *ndarray.Array {
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	mask := array(ndarray.New(ndarray.Bool, 64, 64))
	got := fields(&data.Session{Neurons: 2, Fields: []data.Field{
		{Name: "group", Value: array(ndarray.FromInt64([]int64{3, 4}, 2))},
		{Name: "quality", Value: array(ndarray.FromFloat32([]float32{0.5, 2}, 2))},
		{Name: "place", Value: array(ndarray.FromFloat64([]float64{1, 2, 3, 4.5}, 2, 2))},
		{Name: "depth", Value: array(ndarray.FromFloat64([]float64{1.5}))},
		{Name: "ranges", Value: array(ndarray.FromInt64([]int64{1, 2, 3}, 3))},
		{Name: "roi_mask", Value: mask},
		{Name: "eye", Value: "left"},
	}})
	want := []eval.Field{
		{Name: "group", Value: []any{int64(3), int64(4)}},
		{Name: "quality", Value: []any{0.5, 2.0}},
		{Name: "place", Value: []any{"[1, 2]", "[3, 4.5]"}},
		{Name: "depth", Value: 1.5},
		{Name: "ranges", Value: "[1, 2, 3]"},
		{Name: "roi_mask", Value: "bool array of shape [64 64]"},
		{Name: "eye", Value: "left"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTrained(t *testing.T) {
	tensor := func(values ...float32) *checkpoint.Tensor {
		a, err := ndarray.FromFloat32(values, len(values))
		if err != nil {
			t.Fatal(err)
		}
		return &checkpoint.Tensor{Array: a}
	}
	info := func(scores ...any) *pickle.Dict {
		return pickle.NewDict("pretrained_performance", pickle.NewDict(scores...), "pretrained_performance_metric", "test CorrelationLoss3d")
	}
	got, ok := Trained(info("a", tensor(0.5, 1), "b", tensor(0.75)))
	if !ok || got != (TrainedScore{Metric: "test CorrelationLoss3d", Mean: 0.75}) {
		t.Errorf("%+v, %v", got, ok)
	}
	if got, ok := Trained(info("a", 2.0, "b", 3.0)); !ok || got.Mean != 2.5 {
		t.Errorf("scores of sessions: %+v, %v", got, ok)
	}
	for _, none := range []*pickle.Dict{nil, pickle.NewDict(), info(), info("a", "text"), info("a", math.NaN())} {
		if got, ok := Trained(none); ok {
			t.Errorf("%v gives %+v", none, got)
		}
	}
}

// TestTrainedScoreOfPython is what the Python package left after its test.
func TestTrainedScoreOfPython(t *testing.T) {
	m, err := models.Load("testdata/create_data/checkpoint.ckpt", models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, ok := Trained(m.DataInfo); ok {
		t.Error("the checkpoint was written before the test")
	}
}
