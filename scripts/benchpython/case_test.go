package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseCase(t *testing.T) {
	for _, want := range []benchCase{
		{name: "forward_1x50", kind: forward, clips: 1, frames: 50, neurons: 1, height: 18, width: 16},
		{name: "forward_4x150_72x64", kind: forward, clips: 4, frames: 150, neurons: 1, height: 72, width: 64},
		{name: "train_step_128x50", kind: trainStep, clips: 128, frames: 50, neurons: 1, height: 18, width: 16},
		{name: "train_step_2x31_11x300", kind: trainStep, clips: 2, frames: 31, neurons: 1, height: 11, width: 300},
		{name: "mei_128", kind: mei, clips: 1, frames: 50, neurons: 128, height: 18, width: 16},
		{name: "mei_1_60x80", kind: mei, clips: 1, frames: 50, neurons: 1, height: 60, width: 80},
		{name: "gru_forward_16x50", kind: forward, clips: 16, frames: 50, neurons: 1, height: 18, width: 16, gru: true},
		{name: "predict_process", kind: predictProcess, clips: 1, frames: 50, neurons: 1, height: 18, width: 16},
		{name: "predict_process_60x80", kind: predictProcess, clips: 1, frames: 50, neurons: 1, height: 60, width: 80},
	} {
		got, err := parseCase(want.name)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", want.name, got, err)
		}
	}
}

func TestBadCases(t *testing.T) {
	for name, words := range map[string]string{
		"":                              "unknown case",
		"backward_1x50":                 "unknown case",
		"forward":                       "unknown case",
		"forward_16":                    "unknown case",
		"forward_16x50x2":               "unknown case",
		"forward_-1x50":                 "unknown case",
		"mei_1x50":                      "unknown case",
		"mei_1_72":                      "unknown case",
		"xforward_1x50":                 "unknown case",
		"predict_process_1x50_18x16":    "unknown case",
		"forward_0x50":                  "must be from 1",
		"forward_99999999999999999x50":  "must be from 1",
		"forward_1x50_0x16":             "must be from 1",
		"mei_0":                         "must be from 1",
		"mei_100001":                    "must be from 1",
		"forward_1x30":                  "at least 31 frames",
		"forward_1x50_10x16":            "at least 11×11 pixels",
		"train_step_1x50_1000000x10":    "at least 11×11 pixels",
		"predict_process_18x2":          "at least 11×11 pixels",
		"forward_1x50_18x16\nmei_1":     "unknown case",
		"train_step_1x50_18x9999999999": "must be from 1",
	} {
		if c, err := parseCase(name); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %+v, %v", name, c, err)
		}
	}
}

func TestParseLists(t *testing.T) {
	cases, err := parseCases(defaultCases)
	if err != nil || len(cases) != 22 {
		t.Errorf("%d default cases, %v", len(cases), err)
	}
	if cases, err := parseCases(" mei_1,forward_1x50\n mei_2 "); err != nil || len(cases) != 3 || cases[2].neurons != 2 {
		t.Errorf("%+v, %v", cases, err)
	}
	if threads, err := parseThreads("1 2, 4"); err != nil || !slices.Equal(threads, []int{1, 2, 4}) {
		t.Errorf("%v, %v", threads, err)
	}
	for _, text := range []string{"", " ,", "mei_1 nonsense"} {
		if _, err := parseCases(text); err == nil {
			t.Errorf("cases %q are taken", text)
		}
	}
	for _, text := range []string{"", "0", "one", "1 -1", "9999"} {
		if _, err := parseThreads(text); err == nil {
			t.Errorf("threads %q are taken", text)
		}
	}
}

func TestModels(t *testing.T) {
	for name, want := range map[string]string{
		"forward_1x50":       "model.in_shape=[2,150,18,16] model.hidden_channels=[16,16] model.core.temporal_kernel_sizes=[21,11] model.core.spatial_kernel_sizes=[11,5]",
		"forward_1x50_72x64": "model.in_shape=[2,150,72,64] model.hidden_channels=[16,16] model.core.temporal_kernel_sizes=[21,11] model.core.spatial_kernel_sizes=[21,5]",
		"gru_mei_1": "model.in_shape=[2,150,18,16] model=GRU_core_readout model.core.use_gru=true model.core.gru_kwargs.input_kern=3 " +
			"model.core.gru_kwargs.rec_kern=3 model.core.temporal_kernel_sizes=[21,11] model.core.spatial_kernel_sizes=[11,5]",
		"forward_1x50_60x80": "model.in_shape=[1,150,60,80] model.hidden_channels=[16,16] model.core.temporal_kernel_sizes=[21,11] model.core.spatial_kernel_sizes=[21,5]",
	} {
		if got := strings.Join(mustParse(t, name).model().overrides(), " "); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if few, many := mustParse(t, "mei_2").model(), mustParse(t, "mei_300").model(); few.sessions()[largeSession] != 128 || many.sessions()[largeSession] != 300 {
		t.Errorf("%v, %v", few.sessions(), many.sessions())
	}
	if mustParse(t, "mei_1").model() != mustParse(t, "forward_4x150").model() {
		t.Error("cases of one size do not share a model")
	}
}

func TestSettings(t *testing.T) {
	colour, grey := mustParse(t, "mei_1").settings(), mustParse(t, "mei_1_60x80").settings()
	if len(colour.Ranges) != 2 || *colour.Ranges[0][0] != -0.654 || *colour.Ranges[1][0] != -0.913 || *colour.Ranges[1][1] != 6.269 || *colour.Norm != 30 {
		t.Errorf("two channels: %+v", colour)
	}
	if len(grey.Ranges) != 1 || grey.Ranges[0] != [2]*float64{} || grey.Norm != nil {
		t.Errorf("one channel: %+v", grey)
	}
	if colour.Iterations != 10 || grey.Iterations != 3 {
		t.Errorf("%d and %d iterations", colour.Iterations, grey.Iterations)
	}
}

func mustParse(t *testing.T, name string) benchCase {
	t.Helper()
	c, err := parseCase(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
