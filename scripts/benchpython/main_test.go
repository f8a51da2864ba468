package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFlags(t *testing.T) {
	t.Setenv("OPENRETINA_PYTHON", "python-of-the-environment")
	t.Setenv("OPENRETINA_SIMD", "avx2")
	o, err := parseFlags([]string{"-cases", "mei_3", "-threads", "2", "-pairs", "4"}, io.Discard)
	if err != nil || len(o.cases) != 1 || o.cases[0].neurons != 3 || !slices.Equal(o.threads, []int{2}) || o.pairs != 4 {
		t.Errorf("%+v, %v", o, err)
	}
	if o.python != "python-of-the-environment" || o.output != "build/bench-python-avx2.json" {
		t.Errorf("python %s, output %s", o.python, o.output)
	}
	if o, err := parseFlags(nil, io.Discard); err != nil || len(o.cases) != len(words(defaultCases)) || len(o.threads) != 2 {
		t.Errorf("without flags: %+v, %v", o, err)
	}
	for _, args := range []string{"-cases nothing", "-threads 0", "-trainings nothing", "-seeds 0", "-pairs -1", "word", "-python= -cases mei_1"} {
		if _, err := parseFlags(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
	if _, err := parseFlags([]string{"-colour"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("unknown flag: %v", err)
	}
}

func TestOutputName(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"build/bench-python.json":              {},
		"build/bench-python-avx2.json":         {"OPENRETINA_SIMD": "avx2", "OPENRETINA_CONV": "fused"},
		"build/bench-python-full.json":         {"OPENRETINA_CONV": "full"},
		"build/bench-python-generic-full.json": {"OPENRETINA_SIMD": "generic", "OPENRETINA_CONV": "full"},
	} {
		if got := outputName(func(key string) string { return env[key] }); got != want {
			t.Errorf("%v: %s", env, got)
		}
	}
}

func TestCallsAlternate(t *testing.T) {
	var order strings.Builder
	call := func(s side, _ int) (time.Duration, error) {
		order.WriteByte("po"[s])
		return time.Duration(1+s) * time.Second, nil
	}
	compare := func() error { order.WriteByte('='); return nil }
	b := &bench{pairs: 2}
	got, err := b.alternate(2, call, compare)
	if err != nil || order.String() != "popo=popo" {
		t.Errorf("%s, %v", order.String(), err)
	}
	if !slices.Equal(got.python, []float64{1000, 1000}) || !slices.Equal(got.ours, []float64{2000, 2000}) {
		t.Errorf("%+v", got)
	}
	failing := errors.New("outputs disagree")
	if _, err := b.alternate(1, call, func() error { return failing }); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
	if _, err := b.alternate(1, func(side, int) (time.Duration, error) { return 0, failing }, compare); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
}

func TestNumberOfPairs(t *testing.T) {
	for one, want := range map[time.Duration]int{time.Millisecond: 40, 940 * time.Millisecond: 6, time.Minute: 3} {
		if got := (&bench{}).pairsFor(one); got != want {
			t.Errorf("%v: %d pairs", one, got)
		}
	}
	if got := (&bench{pairs: 40}).pairsFor(time.Hour); got != 40 {
		t.Errorf("%d pairs, asked for 40", got)
	}
}

func TestScale(t *testing.T) {
	// Ten iterations a call; of 128 neurons the Python package makes two.
	of := times{python: []float64{40}, ours: []float64{640}}
	of.scale(mustParse(t, "mei_128"))
	if of.python[0] != 256 || of.ours[0] != 64 {
		t.Errorf("%+v", of)
	}
	plain := times{python: []float64{40}, ours: []float64{64}}
	plain.scale(mustParse(t, "forward_1x50"))
	if plain.python[0] != 40 || plain.ours[0] != 64 {
		t.Errorf("%+v", plain)
	}
}

func TestInputsOfACaseAreAlwaysTheSame(t *testing.T) {
	a, b, c := mustParse(t, "mei_1").generator(), mustParse(t, "mei_1").generator(), mustParse(t, "mei_2").generator()
	if first := a.Uint64(); first != b.Uint64() || first == c.Uint64() {
		t.Error("the inputs do not depend on the case's name alone")
	}
}
