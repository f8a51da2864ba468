package config

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFromValue(t *testing.T) {
	five := 5
	n, err := FromValue([]Pair{
		{"z", uint8(3)},
		{"a", float32(0.5)},
		{"list", []int{1, 2}},
		{"pointer", &five},
		{"none", (*int)(nil)},
		{"map", map[string]any{"b": 1, "a": nil}},
		{2, "two"},
		{"big", new(big.Int).Lsh(big.NewInt(1), 80)},
		{"huge", uint64(math.MaxUint64)},
		{"node", mustYAML(t, "k: v")},
		{"array", [2]bool{true, false}},
		{"object", Object{}},
		{"struct", struct {
			Name   string `yaml:"name"`
			Hidden string `yaml:"-"`
			Size   *int   `yaml:"size,required"`
		}{Name: "n"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"z":3,"a":0.5,"list":[1,2],"pointer":5,"none":null,"map":{"a":null,"b":1},"2":"two",` +
		`"big":1208925819614629174706176,"huge":18446744073709551615,"node":{"k":"v"},"array":[true,false],"object":{},"struct":{"name":"n","size":null}}`
	if got, err := n.MarshalJSON(); err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	for _, bad := range []any{make(chan int), map[int]int{1: 2}, []any{func() {}}, Object{{nil, 1}}, Object{{"a", func() {}}}} {
		if _, err := FromValue(bad); err == nil {
			t.Errorf("%T is no value", bad)
		}
	}
	deep := any(1)
	for range 1000 {
		deep = []any{deep}
	}
	if _, err := FromValue(deep); err == nil {
		t.Error("too deep a value")
	}
}

func TestToJSON(t *testing.T) {
	n := mustYAML(t, "a: .inf\nb: .nan\nc: 1e-8\nd: ${a}\n1: <x>")
	got, err := ToJSON(n, true)
	if err != nil {
		t.Fatal(err)
	}
	want := "{\n  \"a\": \"inf\",\n  \"b\": \"nan\",\n  \"c\": 1e-08,\n  \"d\": \"inf\",\n  \"1\": \"\\u003cx\\u003e\"\n}"
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	if _, err := ToJSON(mustYAML(t, "a: ${b}"), true); err == nil {
		t.Error("resolved nothing")
	}
}

func TestAccess(t *testing.T) {
	n := mustYAML(t, "model:\n  core: {channels: [1, {x: y}]}\n  same: ${model.core}\n  broken: ${nope}\nm: ???")
	for path, want := range map[string]any{
		"model.core.channels[0]": int64(1), "model.core.channels.1.x": "y", "model[core].channels[0]": int64(1),
		"model.same.channels[0]": int64(1),
	} {
		c, ok := n.At(path)
		if !ok || c.Value() != want {
			t.Errorf("%s: %v", path, c)
		}
	}
	for _, path := range []string{"nope", "model.core.nope", "model.core.channels[7]", "model.core.channels.x", "m.x", "model.broken.x"} {
		if c, ok := n.At(path); ok {
			t.Errorf("%s: %v", path, c.Value())
		}
	}
	c, _ := n.At("model.core.channels[1].x")
	if c.Path() != "model.core.channels[1].x" || c.Key() != "x" || c.Origin().String() != "t.yaml:2" {
		t.Errorf("%s %s %s", c.Path(), c.Key(), c.Origin())
	}
	if raw, ok := n.At("model.same"); !ok || raw.Kind() != Interpolation {
		t.Error("At follows the last interpolation")
	}
	if s, err := n.Select("model.same"); err != nil || s.Kind() != Map {
		t.Errorf("Select: %v %v", s, err)
	}
	if _, err := n.Select("model.broken"); err == nil {
		t.Error("selected what is broken")
	}
	if s, err := n.Select("nope.x"); s != nil || err != nil {
		t.Errorf("%v %v", s, err)
	}
	if d := cmp.Diff([]string{"m"}, n.Missing()); d != "" {
		t.Error(d)
	}
	items, _ := n.At("model.core.channels")
	if len(items.Items()) != 2 || items.Len() != 2 || n.Items() != nil || items.Keys() != nil {
		t.Error("items")
	}
}

func TestKinds(t *testing.T) {
	n := mustYAML(t, "[null, true, 1, 1.0, x, [], {}, '???', '${a}', 99999999999999999999]")
	want := []Kind{Null, Bool, Int, Float, String, List, Map, Missing, Interpolation, Int}
	for i, c := range n.Items() {
		if c.Kind() != want[i] {
			t.Errorf("%v: %s", c.Value(), c.Kind())
		}
	}
	if Kind(99).String() != "kind(99)" {
		t.Error(Kind(99).String())
	}
}

func TestMergeAndSet(t *testing.T) {
	a := mustYAML(t, "x: {y: 1, z: [1, 2]}\nw: 5\nr: ${x}")
	if err := Merge(a, mustYAML(t, "x: {z: [3], q: 1}\nw: ???\nn: {a: 1}\nr: {y: 7}")); err != nil {
		t.Fatal(err)
	}
	for path, v := range map[string]any{"x.y": 2, "new.deep.key": []string{"a"}, "w": nil, "n": Object{{"b", 2}}} {
		if err := a.Set(path, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Set("x.z[0]", 9); err != nil {
		t.Fatal(err)
	}
	if err := a.Set("x.z[-1]", 8); err != nil {
		t.Fatal(err)
	}
	const want = `{"x":{"y":2,"z":[8],"q":1},"w":null,"r":{"y":7,"z":[3],"q":1},"n":{"a":1,"b":2},"new":{"deep":{"key":["a"]}}}`
	if got, _ := a.MarshalJSON(); string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, bad := range []struct {
		path  string
		value any
	}{{"x.z[5]", 1}, {"x.z.k", 1}, {"x", []int{1}}, {"a", "${"}, {"a", make(chan int)}} {
		if err := a.Set(bad.path, bad.value); err == nil {
			t.Errorf("set %s", bad.path)
		}
	}
	if Merge(a, mustYAML(t, "[1]")) == nil || Merge(newScalar(1, Origin{}), a) == nil || Merge(a, mustYAML(t, "x: {z: {}}")) == nil {
		t.Error("merged what cannot be")
	}
	c := a.Clone()
	if err := c.Set("x.y", 100); err != nil {
		t.Fatal(err)
	}
	if y, _ := a.At("x.y"); y.Value() != int64(2) {
		t.Error("a clone shares values")
	}
}

func TestRemoveKeepsIndex(t *testing.T) {
	n := mustYAML(t, "a: 1\nb: 2\nc: 3\nl: [1, 2, 3]")
	n.remove("a")
	n.remove("nope")
	if c, _ := n.Get("c"); c.Value() != int64(3) {
		t.Error("the index is wrong after a removal")
	}
	l, _ := n.Get("l")
	l.remove(0)
	l.remove(7)
	if l.Items()[1].Path() != "l[1]" || l.Len() != 2 {
		t.Error("the keys are wrong after a removal")
	}
}

func TestInterpolation(t *testing.T) {
	root := mustYAML(t, `
a: {b: 1, l: [10, 20], n: null}
name: b
t: {rel: "${..a.b}", up: "${.own}", own: 3}
`)
	root.env = &environment{
		getenv: envOf(map[string]string{"HOME": "/h"}), now: time.Date(2025, 1, 2, 15, 4, 5, 678000, time.UTC),
		resolvers: map[string]Resolver{
			"double": func(_ *Node, args []any) (any, error) { return args[0].(int64) * 2, nil },
			"count":  func(_ *Node, args []any) (any, error) { return args[0].(*Node).Len(), nil },
			"fails":  func(*Node, []any) (any, error) { return nil, errors.New("no luck") },
			"odd":    func(*Node, []any) (any, error) { return make(chan int), nil },
		},
	}
	tests := []struct {
		text string
		want any
	}{
		{"${a.b}", int64(1)},
		{"x${a.b}y", "x1y"},
		{"${a.${name}}", int64(1)},
		{"${a[l][1]}", int64(20)},
		{"${ a.b }", int64(1)},
		{"${a.l}", []any{int64(10), int64(20)}},
		{"<${a}>", "<{'b': 1, 'l': [10, 20], 'n': None}>"},
		{"${a.n}", nil},
		{"${double:${a.b}}", int64(2)},
		{"${count:${a.l}}", int64(2)},
		{"${len:${a}}", int64(3)},
		{"${len:'äöü'}", int64(3)},
		{"${oc.env:HOME}", "/h"},
		{"${oc.env:NO,1}", "1"},
		{"${oc.env:NO,null}", nil},
		{"${oc.env:NO,[1]}", "[1]"},
		{"${oc.select:a.b}", int64(1)},
		{"${oc.select:zz,{k: [1, 'x']}}", Object{{"k", []any{int64(1), "x"}}}},
		{"${oc.select:a.b.c,7}", int64(7)},
		{"${oc.decode:'[1, 2.5]'}", []any{int64(1), 2.5}},
		{"${oc.create:'{x: 1e-3}'}", Object{{"x", 0.001}}},
		{"${oc.create:word}", Object{{"word", nil}}},
		{"${oc.dict.keys:a}", []any{"b", "l", "n"}},
		{"${oc.dict.values:a}", []any{int64(1), []any{int64(10), int64(20)}, nil}},
		{"${oc.deprecated:a.b}", int64(1)},
		{"${t.rel}", int64(1)},
		{"${t.up}", int64(3)},
		{`\${a.b}`, "${a.b}"},
		{`\\${a.b}`, `\1`},
		{`\\\${a.b}`, `\${a.b}`},
		{`a\b $ {`, `a\b $ {`},
		{"${now:%Y-%m-%d %H:%M:%S.%f %j %a %b %% %I%p %s %u %w %Q%z}", nil},
	}
	for _, tt := range tests[:len(tests)-1] {
		if got, err := evalText(t, root, tt.text); err != nil || cmp.Diff(tt.want, got) != "" {
			t.Errorf("%s: %v %v, want %v", tt.text, got, err, tt.want)
		}
	}
	got, err := evalText(t, root, tests[len(tests)-1].text)
	if want := "2025-01-02 15:04:05.000678 002 Thu Jan % 03PM 1735830245 4 4 %Q"; err != nil || got != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
}

// evalText resolves a text at the root of a copy of the tree.
func evalText(t *testing.T, root *Node, text string) (any, error) {
	t.Helper()
	c := root.Clone()
	c.put("probe", newScalar(text, Origin{}))
	n, err := c.child("probe").Resolve()
	if err != nil {
		return nil, err
	}
	return n.Value(), nil
}

func TestInterpolationRefuses(t *testing.T) {
	root := mustYAML(t, "a: {b: 1, m: '???'}\nloop: ${loop2}\nloop2: ${loop}\nself: {x: '${self}'}")
	tests := []struct{ text, class, message string }{
		{"${nope}", classInterpolationKey, "Interpolation key 'nope' not found"},
		{"${a.bb}", classInterpolationKey, "Interpolation key 'a.bb' not found"},
		{"${....x}", classInterpolationKey, "ConfigKeyError while resolving interpolation: Error resolving key '....x'"},
		{"${a.m}", classToMissing, "MissingMandatoryValue while resolving interpolation: Missing mandatory value: a.m"},
		{"${a.b.c}", classInterpolation, "ConfigTypeError raised while resolving interpolation: Error trying to access a.b.c: node `a.b` is not a container and thus cannot contain `c`"},
		{"${loop}", classInterpolation, "Recursive interpolation detected"},
		{"${self}", classInterpolation, "Interpolation to parent node detected"},
		{"${probe}", classInterpolation, "Recursive interpolation detected"},
		{"${wat:1}", classUnsupported, "Unsupported interpolation type wat"},
		{"${oc.env:1}", classInterpolation, "TypeError raised while resolving interpolation: str expected, not int"},
		{"${oc.env:}", classInterpolation, "TypeError raised while resolving interpolation: env() missing 1 required positional argument: 'key'"},
		{"${oc.decode:5}", classInterpolation, "TypeError raised while resolving interpolation: `oc.decode` can only take strings or None as input, but `5` is of type int"},
		{"${oc.decode:'[1'}", classInterpolation, "GrammarParseError raised while resolving interpolation: missing BRACKET_CLOSE at '<EOF>'"},
		{"${oc.dict.keys:a.b}", classInterpolation, "TypeError raised while resolving interpolation: `oc.dict.keys` cannot be applied to objects of type: int"},
		{"${oc.dict.keys:zz}", classInterpolation, "ConfigKeyError raised while resolving interpolation: Key not found: 'zz'"},
		{"${oc.deprecated:zz}", classInterpolation, "ConfigKeyError raised while resolving interpolation: In oc.deprecated resolver at 'probe': Key not found: 'zz'"},
		{"${oc.create:5}", classInterpolation, "ValidationError raised while resolving interpolation: Object of unsupported type: 'int'"},
		{"${len:5}", classInterpolation, "TypeError raised while resolving interpolation: object of type 'int' has no len()"},
		{"${hydra:x}", classInterpolation, "ValueError raised while resolving interpolation: HydraConfig was not set"},
		{"${now:1}", classInterpolation, "TypeError raised while resolving interpolation: strftime() argument 1 must be str, not int"},
		{"${a.${a.b}}", classInterpolation, "The following interpolation is used to denote a config key and thus should return a string, but instead returned `1` of type `<class 'int'>`: ${a.b}"},
		{"${${a.b}:x}", classInterpolation, "The name of a resolver must be a string, but the interpolation ${a.b} resolved to `1` which is of type <class 'int'>"},
		{"${", classGrammar, "no viable alternative at input '${'"},
		{"${}", classGrammar, "no viable alternative at input '${}'"},
		{"${len:[1}", classGrammar, "missing BRACKET_CLOSE at '}'"},
		{"${len:é}", classGrammar, "token recognition error at: 'é'"},
		{"${len:'x}", classGrammar, "mismatched input '<EOF>' expecting MATCHING_QUOTE_CLOSE"},
		{"${a b}", classGrammar, "token recognition error at: ' b'"},
	}
	for _, tt := range tests {
		_, err := evalText(t, root, tt.text)
		e, ok := asError(err)
		if !ok || e.Class != tt.class || e.Message != tt.message {
			t.Errorf("%s: %v", tt.text, err)
		}
		if ok && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("%s: more than a line: %q", tt.text, err)
		}
	}
	_, err := evalText(t, mustYAML(t, "model: {gamma_input: 1}"), "${model.gama_input}")
	if err == nil || !strings.Contains(err.Error(), `did you mean "gamma_input"?`) {
		t.Errorf("no hint: %v", err)
	}
}

// TestBombs tries what multiplies: it must end with an error, in little memory.
func TestBombs(t *testing.T) {
	var text, lists, alias strings.Builder
	text.WriteString("a0: xxxxxxxxxxxxxxxx\n")
	lists.WriteString("a0: [1, 2]\n")
	alias.WriteString("a0: &a0 [1, 2]\n")
	for i := 1; i < 40; i++ {
		prev, this := itoa(i-1), itoa(i)
		text.WriteString("a" + this + ": ${a" + prev + "}${a" + prev + "}\n")
		lists.WriteString("a" + this + ": ['${a" + prev + "}', '${a" + prev + "}']\n")
		alias.WriteString("a" + this + ": &a" + this + " [*a" + prev + ", *a" + prev + "]\n")
	}
	for name, source := range map[string]string{"text": text.String(), "lists": lists.String()} {
		if _, err := mustYAML(t, source).Resolve(); err == nil {
			t.Errorf("%s: resolved", name)
		}
	}
	for name, source := range map[string]string{
		"alias": alias.String(), "self": "a: &a [*a]", "wide self": "a: &a [*a, *a, *a]",
		"deep": strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "long": "a: " + strings.Repeat("x", maxYAMLBytes),
	} {
		if _, err := FromYAML("t.yaml", []byte(source)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	nested := strings.Repeat("${a.", 500) + strings.Repeat("}", 500)
	if _, err := evalText(t, mustYAML(t, "a: 1"), nested); err == nil {
		t.Error("nested: resolved")
	}
	chain := mustYAML(t, "z: 1")
	for i := range 2000 {
		chain.put("k"+itoa(i), newScalar("${k"+itoa(i+1)+"}", Origin{}))
	}
	chain.put("k2000", newScalar(int64(1), Origin{}))
	if _, err := chain.Resolve(); err == nil {
		t.Error("chain: resolved")
	}
	for _, o := range []string{"a=" + strings.Repeat("[", 5000), "a=" + strings.Repeat("int(", 5000), "a=" + strings.Repeat("x", maxOverrideBytes)} {
		if err := ParseOverride(o); err == nil {
			t.Error("parsed a deep override")
		}
	}
}

func itoa(i int) string { return pyText(int64(i)) }
