package config

import (
	"math"
	"strings"
	"testing"
)

// The texts and values below are what OmegaConf 2.3.1 gives.
func TestYAMLWrite(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	tests := []struct {
		value any
		want  string
	}{
		{Object{{"a", nil}, {"b", true}, {"c", 1e-8}, {"d", math.Inf(-1)}, {"e", math.NaN()}, {"f", 1e16}, {"g", 0.0}}, "a: null\nb: true\nc: 1.0e-08\nd: -.inf\ne: .nan\nf: 1.0e+16\ng: 0.0\n"},
		{Object{{"a", []any{}}, {"b", Object{}}, {"c", []any{[]any{int64(1)}, Object{{"k", "v"}, {"l", []any{"x"}}}}}}, "a: []\nb: {}\nc:\n- - 1\n- k: v\n  l:\n  - x\n"},
		{Object{{"a", "yes"}, {"b", "1e3"}, {"c", "???"}, {"d", "${x}"}, {"e", ""}, {"f", "- x"}, {"g", "it's"}, {"h", "a: b"}, {"i", "x #y"}}, "a: 'yes'\nb: '1e3'\nc: ???\nd: ${x}\ne: ''\nf: '- x'\ng: it's\nh: 'a: b'\ni: 'x #y'\n"},
		{Object{{"a", "x\ny"}, {"b", "x \ny"}, {"c", "tab\t"}, {"d", "\x00\x1bé☃😀\ufeff"}, {"e", "x\u2028y"}}, "a: 'x\n\n  y'\nb: \"x \\ny\"\nc: \"tab\\t\"\nd: \"\\0\\eé☃\\U0001F600\\uFEFF\"\ne: \"x\\Ly\"\n"},
		{Object{{"2", "s"}, {int64(2), "i"}, {true, "b"}, {1.5, "f"}, {"", "e"}, {"a\nb", []any{int64(1)}}}, "'2': s\n2: i\ntrue: b\n1.5: f\n? ''\n: e\n? 'a\n\n  b'\n: - 1\n"},
		{Object{{"k", Object{{"l", long}}}}, "k:\n  l: word word word word word word word word word word word word word word word word\n    word word word word word word word word word word word word word word\n"},
		{Object{{"k", "'" + long}}, "k: '''word word word word word word word word word word word word word word word word\n  word word word word word word word word word word word word word word'\n"},
		{Object{{"k", "\t" + long}}, "k: \"\\tword word word word word word word word word word word word word word word word\\\n  \\ word word word word word word word word word word word word word word\"\n"},
		{[]any{int64(1), []any{"2"}}, "- 1\n- - '2'\n"},
		{"plain", "plain\n"},
		{Object{}, "{}\n"},
		{[]any{}, "[]\n"},
	}
	for _, tt := range tests {
		n, err := FromValue(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ToYAML(n, false)
		if err != nil || string(got) != tt.want {
			t.Errorf("got\n%s\nwant\n%s%v", got, tt.want, err)
		}
		if n.shape == scalarShape {
			continue
		}
		back, err := FromYAML("back", got)
		if err != nil || show(back.Value(), true) != show(n.Value(), true) {
			t.Errorf("read back %v %v, want %v", back.Value(), err, n.Value())
		}
	}
	if _, err := ToYAML(mustYAML(t, "a: ${b}"), true); err == nil {
		t.Error("resolved nothing")
	}
}

// TestYAMLTuples: only lists take the tag of Python's tuples, only where it is allowed,
// and no other tag of Python's.
func TestYAMLTuples(t *testing.T) {
	n, err := FromYAMLWithTuples("x.yaml", []byte("a: !!python/tuple [1, !!python/tuple [b, 2]]\nc: !!python/tuple\n- 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := ToYAML(n, false)
	if want := "a:\n- 1\n- - b\n  - 2\nc:\n- 3\n"; err != nil || string(text) != want {
		t.Errorf("got %s%v, want %s", text, err, want)
	}
	for _, text := range []string{
		"a: !!python/tuple {b: 1}", "a: !!python/tuple 1", "a: !!python/list [1]",
		"a: !!python/object/apply:os.system [ls]", "a: !!python/name:os.system", "a: !!python/object/new:tuple [[1]]",
	} {
		if _, err := FromYAMLWithTuples("x.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "x.yaml:1") {
			t.Errorf("%s: error %v", text, err)
		}
	}
	if _, err := FromYAML("x.yaml", []byte("a: !!python/tuple [1]")); err == nil {
		t.Error("configs take Python's tuples")
	}
}

func TestYAMLRead(t *testing.T) {
	tests := []struct {
		text string
		want string
	}{
		{"", "{}"},
		{"# nothing", "{}"},
		{"--- {a: 1}", "{'a': 1}"},
		{"a: &x {b: 1}\nc: *x", "{'a': {'b': 1},\n'c': {'b': 1}}"},
		{"b: &b {x: 1, y: 2}\nc:\n  <<: [*b, {z: 3, x: 9}]\n  y: 5", "{'b': {'x': 1,\n'y': 2},\n'c': {'x': 1,\n'y': 5,\n'z': 3}}"},
		{"a: !!str 5\nb: !!int '7'\nc: !!float 3\nd: !!bool yes\ne: !!null ''\nf: !!map {}", "{'a': '5',\n'b': 7,\n'c': 3.0,\n'd': True,\n'e': None,\n'f': {}}"},
		{
			"[1_000, 0b11, -0x1F, 010, 1:30, -1:30.5, 1_0.5_0, .5, -.5, 1e3, 1e, 08, 0o7, 1e400]",
			"[1000, 3, -31, 8, 90, -90.5, 10.5, 0.5, '-.5', 1000.0, '1e', '08', '0o7', inf]",
		},
		{"true: 1\n1.5: 2\nno: 3", "{True: 1,\n1.5: 2,\nFalse: 3}"},
		{"1: a\ntrue: b\n1.0: c", "{1: 'c'}"},
		{"99999999999999999999: 1\n'99999999999999999999': 2\n=: 3", "{99999999999999999999: 1,\n'99999999999999999999': 2,\n'=': 3}"},
		{"[a:, {b:, c: 1}, [d::]]", "[{'a': None}, {'b': None,\n'c': 1}, [{'d:': None}]]"},
		{"%YAML 1.2\n%FOO bar\n--- # \t\na: \"\t\" # \t\nb: |\n  x\ty\n\nc: 1", "{'a': '\\t',\n'b': 'x\\ty\\n',\n'c': 1}"},
	}
	for _, tt := range tests {
		n, err := FromYAML("t.yaml", []byte(tt.text))
		if err != nil || show(n.Value(), true) != tt.want {
			t.Errorf("%q: %v %v", tt.text, show(n.Value(), true), err)
		}
	}
}

func TestYAMLReadRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a: 1\na: 2", "t.yaml:2: found duplicate key a"},
		{"a: {b: ???}", "t.yaml:1: did not find expected node content (in {} and [], write '???' with quotes)"},
		{"a: 1\nb: [1\nc: 2", "t.yaml:2: did not find expected ',' or ']'"},
		{"a: 1\nb: x: y", "t.yaml:2: mapping values"},
		{"a: 1\n---\nb: 2", "t.yaml:2: expected a single document in the stream"},
		{"a: 1\n---\n[", "t.yaml"},
		{"? [1]\n: 2", "t.yaml:1: found unhashable key"},
		{"~: 1", "t.yaml:1: Incompatible key type 'NoneType'"},
		{"a: !!python/object:os.system x", "could not determine a constructor"},
		{"a: !!int x", "t.yaml:1: invalid literal for int() with base 10: 'x' (it does not fit its tag !!int)"},
		{"a: !!float x", "could not convert string to float: 'x'"},
		{"a: !!bool 7", "t.yaml:1: '7' (the tag !!bool takes true and false)"},
		{"a: 1\nb: !!map [1]", "t.yaml:2: a list or mapping does not fit its tag !!map"},
		{"a: 0x_", "t.yaml:1: invalid literal for int() with base 16: ''"},
		{"a: =", "t.yaml:1: '=' is no value"},
		{"a: &x 1\nb: &x 2", "t.yaml:2: found duplicate anchor 'x'"},
		{"a: 'x\ty'\nb: x\ty", "t.yaml:2: found character '\\t' that cannot start any token"},
		{"a: 1\nb:\t2", "t.yaml:2: found character '\\t'"},
		{"a: 1 # \t\nb: |\n  \"\nc: \"\t'\n  \\\"\t\"\nd: 'it''s\t' \t", "t.yaml:6: found character '\\t'"},
		{"{a: b:}", "t.yaml:1: expected ',' or '}', but got ':'"},
		{"%YAML 2.0\n---\na: 1", "t.yaml"},
		{"a: !!str [1]", "does not fit its tag !!str"},
		{"a:\n  <<: 5", "t.yaml:2: expected a mapping or list of mappings for merging"},
		{"a: <<", "t.yaml:1: '<<' is no value"},
		{"a: *nope", "t.yaml"},
		{"a: \x00", "t.yaml"},
		{"\xff", "t.yaml: the file is not UTF-8"},
		{"\xff\xfea\x00:\x00 \x001\x00", "t.yaml: the file is not UTF-8"},
	}
	for _, tt := range tests {
		n, err := FromYAML("t.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v %v, want %s", tt.text, n, err, tt.want)
		}
	}
}
