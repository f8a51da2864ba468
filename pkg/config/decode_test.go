package config

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// padding is a bool, an integer, a text or a list, as the core's is.
type padding struct {
	same  bool
	sizes []int
}

func (p *padding) UnmarshalNode(n *Node) error {
	switch n.Kind() {
	case Bool:
		return n.Decode(&p.same)
	case Int:
		p.sizes = make([]int, 1)
		return n.Decode(&p.sizes[0])
	case List:
		return n.Decode(&p.sizes)
	}
	return errors.New("padding must be a bool, an integer or a list")
}

type coreConfig struct {
	GammaInput float64  `yaml:"gamma_input"`
	Kernels    []int    `yaml:"temporal_kernel_sizes,required"`
	Padding    padding  `yaml:"hidden_padding"`
	Maxpool    *int     `yaml:"maxpool_every_n_layers"`
	Channels   []int    `yaml:"channels,runtime"`
	Rate       float32  `yaml:"rate"`
	Size       [2]int64 `yaml:"size"`
}

type modelConfig struct {
	Core    coreConfig            `yaml:"core"`
	Neurons map[string]int        `yaml:"n_neurons_dict,runtime"`
	Extra   any                   `yaml:"extra"`
	Raw     *Node                 `yaml:"raw"`
	Named   map[string]coreConfig `yaml:"named"`
	Seed    uint32                `yaml:"seed"`
	Skipped string                `yaml:"-"`
	common
}

type common struct {
	Name string
}

func decodeYAML(t *testing.T, text string, v any) error {
	t.Helper()
	n, err := FromYAML("model/base.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n.Decode(v)
}

func TestDecode(t *testing.T) {
	var m modelConfig
	m.Core.Rate = 0.5
	err := decodeYAML(t, `
_target_: some.Model
_convert_: object
_partial_: true
_recursive_: false
core:
  gamma_input: 3
  temporal_kernel_sizes: ["${size}", 11]
  hidden_padding: [0, 2]
  maxpool_every_n_layers: null
  channels: ???
  size: [1, 2]
extra: {a: [1, x]}
raw: {b: "${size}"}
named: {x: {temporal_kernel_sizes: [], hidden_padding: true}}
n_neurons_dict: {s1: 3, 2: 4}
size: 21
seed: 7
`, &struct {
		*modelConfig `yaml:",inline"`
		Size         int
	}{})
	if err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Fatalf("an embedded pointer is no place for keys: %v", err)
	}
	var outer struct {
		M    modelConfig `yaml:",inline"`
		Size int
	}
	outer.M.Core.Rate = 0.5
	err = decodeYAML(t, `
_target_: some.Model
core:
  gamma_input: 3
  temporal_kernel_sizes: ["${size}", 11]
  hidden_padding: [0, 2]
  maxpool_every_n_layers: null
  channels: ???
  size: [1, 2]
extra: {a: [1, x]}
raw: {b: "${size}"}
named: {x: {temporal_kernel_sizes: [], hidden_padding: true}}
n_neurons_dict: {s1: 3, 2: 4}
size: 21
seed: 7
`, &outer)
	if err != nil {
		t.Fatal(err)
	}
	m = outer.M
	if !slices.Equal(m.Core.Kernels, []int{21, 11}) || m.Core.GammaInput != 3 || m.Core.Rate != 0.5 || m.Core.Maxpool != nil ||
		m.Core.Channels != nil || m.Core.Size != [2]int64{1, 2} || !slices.Equal(m.Core.Padding.sizes, []int{0, 2}) {
		t.Errorf("core %+v", m.Core)
	}
	if !m.Named["x"].Padding.same || m.Seed != 7 {
		t.Errorf("named %+v", m.Named)
	}
	if d := cmp.Diff(map[string]int{"s1": 3, "2": 4}, m.Neurons); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(any(Object{{"a", []any{int64(1), "x"}}}), m.Extra); d != "" {
		t.Error(d)
	}
	if b, ok := m.Raw.Get("b"); !ok || b.Value() != int64(21) {
		t.Errorf("raw %v", m.Raw.Value())
	}
}

func TestDecodeRefuses(t *testing.T) {
	const where = "model/base.yaml:"
	tests := []struct{ text, want string }{
		{"core:\n  gama_input: 1\n  temporal_kernel_sizes: []", where + `2: unknown key "gama_input" (did you mean "gamma_input"?)`},
		{"core: {temporal_kernel_sizes: [1.5]}", where + "1: core.temporal_kernel_sizes[0] must be an integer, not a float (1.5)"},
		{"core: {temporal_kernel_sizes: 3}", where + "1: core.temporal_kernel_sizes must be a list, not an integer (3)"},
		{"core: {}", where + `1: core has no "temporal_kernel_sizes", which is needed`},
		{"core: 5", where + "1: core must be a mapping, not an integer (5)"},
		{"core: {temporal_kernel_sizes: [1], gamma_input: x}", where + "1: core.gamma_input must be a number, not a string (x)"},
		{"core: {temporal_kernel_sizes: [1], gamma_input: null}", where + "1: core.gamma_input must be a number, not null"},
		{"core:\n  temporal_kernel_sizes: ???", where + "2: core.temporal_kernel_sizes is ??? and needs a value"},
		{"core: {temporal_kernel_sizes: [1], size: [1]}", where + "1: core.size has 1 elements, 2 are needed"},
		{"core: {temporal_kernel_sizes: [1], hidden_padding: x}", where + "1: core.hidden_padding: padding must be a bool, an integer or a list"},
		{"core: {temporal_kernel_sizes: [1], hidden_padding: [x]}", where + "1: core.hidden_padding[0] must be an integer, not a string (x)"},
		{"seed: -1", where + "1: seed is -1, which does not fit uint32"},
		{"seed: 5000000000", where + "1: seed is 5000000000, which does not fit uint32"},
		{"seed: 99999999999999999999", where + "1: seed is 99999999999999999999, which does not fit uint32"},
		{"seed: '7'", where + "1: seed must be an integer, not a string (7)"},
		{"seed: ${nope}", where + "1: seed: Interpolation key 'nope' not found"},
		{"seed: true\nnamed: []", where + "1: seed must be an integer, not a bool (True); " + where + "2: named must be a mapping, not a list"},
		{"[1]", "model/base.yaml:1: the config must be a mapping, not a list"},
	}
	for _, tt := range tests {
		err := decodeYAML(t, tt.text, new(modelConfig))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: no *Error", tt.text)
		}
	}
}

func TestDecodeTargets(t *testing.T) {
	n := mustYAML(t, "a: 99999999999999999999\nb: null\nc: x")
	if err := n.Decode(modelConfig{}); err == nil {
		t.Error("decoded into a value")
	}
	var big1 struct {
		A *big.Int
		B *big.Int
		C any
	}
	if err := n.Decode(&big1); err != nil {
		t.Fatal(err)
	}
	if big1.A.String() != "99999999999999999999" || big1.B != nil || big1.C != "x" {
		t.Errorf("%+v", big1)
	}
	var float struct{ A, B, C any }
	if err := n.Decode(&float); err != nil {
		t.Fatal(err)
	}
	var bad struct {
		A chan int
		B []int
		C bool
	}
	if err := n.Decode(&bad); err == nil || !strings.Contains(err.Error(), "Go type chan int") {
		t.Errorf("%v", err)
	}
}

func mustYAML(t *testing.T, text string) *Node {
	t.Helper()
	n, err := FromYAML("t.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRegistry(t *testing.T) {
	r := Registry[int, string]{What: "core"}
	type sized struct{ Size int }
	Register(&r, "openretina.modules.core.base_core.SimpleCoreWrapper", sized{}, func(s sized, deps int) (string, error) {
		return strings.Repeat("x", s.Size+deps), nil
	})
	dummy := func(struct{}, int) (string, error) { return "dummy", nil }
	Register(&r, "openretina.modules.core.base_core.DummyCore", struct{}{}, dummy)
	got, err := r.Build(mustYAML(t, "_target_: openretina.modules.core.base_core.SimpleCoreWrapper\nsize: 2"), 1)
	if err != nil || got != "xxx" {
		t.Errorf("%q %v", got, err)
	}
	tests := []struct{ text, want string }{
		{"\n_target_: openretina.modules.core.base_core.SimpleCoreWraper", `t.yaml:2: unknown core "openretina.modules.core.base_core.SimpleCoreWraper" (did you mean "openretina.modules.core.base_core.SimpleCoreWrapper"?)`},
		{"_target_: mylab.DumyCore", `did you mean "openretina.modules.core.base_core.DummyCore"?`},
		{"_target_: a.b.c", "known: openretina.modules.core.base_core.DummyCore, openretina"},
		{"size: 1", "t.yaml:1: the config has no _target_"},
		{"_target_: 5", "t.yaml:1: _target_ must be a string, not an integer (5)"},
		{"_target_: ???", "t.yaml:1: _target_ is ??? and needs a value"},
	}
	for _, tt := range tests {
		if _, err := r.Build(mustYAML(t, tt.text), 0); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
	if _, err := r.Build(nil, 0); err == nil {
		t.Error("built from nothing")
	}
	defer func() {
		if recover() == nil {
			t.Error("registered twice")
		}
	}()
	Register(&r, "openretina.modules.core.base_core.DummyCore", struct{}{}, dummy)
}

func TestNearest(t *testing.T) {
	names := []string{"gamma_input", "gamma_hidden", "dropout_rate"}
	tests := []struct {
		name, want string
		ok         bool
	}{
		{"gama_input", "gamma_input", true},
		{"Gamma_Input", "gamma_input", true},
		{"dropuot_rate", "dropout_rate", true},
		{"xyz", "", false},
		{"", "", false},
		{strings.Repeat("g", 300), "", false},
	}
	for _, tt := range tests {
		got, ok := Nearest(tt.name, names)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %q %v", tt.name, got, ok)
		}
	}
}
