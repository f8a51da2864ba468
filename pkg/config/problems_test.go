package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// sizes are settings with something to check beside their types.
type sizes struct {
	Width  int `yaml:"width,required"`
	Height int `yaml:"height"`
	Depth  int `yaml:"depth,required"`
}

func (s sizes) Validate() error {
	var refused Refusals
	for _, side := range []struct {
		key   string
		value int
	}{{"width", s.Width}, {"height", s.Height}, {"depth", s.Depth}} {
		refused.Unless(side.value >= 1, side.key, "%s is %d", side.key, side.value)
	}
	return refused.Err()
}

func TestReadTellsAllProblems(t *testing.T) {
	n := mustYAML(t, "box:\n  width: wide\n  height: -1\n  hight: 2\n  weight: ${nope}\n")
	box, _ := n.Get("box")
	err := box.Read(new(sizes))
	want := ErrorList{
		{Message: "box.width must be an integer, not a string (wide)", Key: "box.width", Origin: Origin{File: "t.yaml", Line: 2}},
		{Message: `unknown key "hight"`, Hint: `did you mean "height"?`, Key: "box.hight", Origin: Origin{File: "t.yaml", Line: 4}},
		{Message: "box.weight: Interpolation key 'nope' not found", Key: "box.weight", Origin: Origin{File: "t.yaml", Line: 5}},
		{Message: `unknown key "weight"`, Hint: `did you mean "height"?`, Key: "box.weight", Origin: Origin{File: "t.yaml", Line: 5}},
		{Message: `box has no "depth", which is needed`, Key: "box.depth", Origin: Origin{File: "t.yaml", Line: 1}},
		{Message: "height is -1", Key: "box.height", Origin: Origin{File: "t.yaml", Line: 3}},
	}
	checkProblems(t, err, want)
}

// checkProblems compares place, key, message and hint.
func checkProblems(t *testing.T, err error, want ErrorList) {
	t.Helper()
	var got ErrorList
	if !errors.As(err, &got) || len(got) != len(want) {
		t.Fatalf("problems are\n%s", strings.ReplaceAll(fmt.Sprint(err), "; ", "\n"))
	}
	left := map[string]bool{}
	for _, e := range want {
		left[e.Key+" "+e.Error()] = true
	}
	for _, e := range got {
		if !left[e.Key+" "+e.Error()] {
			t.Errorf("%s: %v", e.Key, e)
		}
	}
}

func TestProblemsAreInOrderAndOnce(t *testing.T) {
	n := mustYAML(t, "a: {b: 1, c: [1, 2]}\nd: 2\n")
	var p Problems
	at := func(path string) *Node {
		found, ok := n.At(path)
		if !ok {
			t.Fatal(path)
		}
		return found
	}
	if p.Err() != nil || p.InOrder(n) != nil {
		t.Error("there is a problem without one")
	}
	p.Add(errors.New("disk full"))
	if err := p.Err(); err == nil || err.Error() != "disk full" {
		t.Errorf("error is %v", err)
	}
	p.AddAt(n, errors.Join(Refuse("d", "d is 2"), Refuse("e.f", "no e.f")))
	p.Add(fmt.Errorf("wrapped: %w", Errorf(at("a.c[1]"), "c[1]")))
	p.Add(ErrorList{Errorf(at("a.b"), "b"), Errorf(at("a.b"), "b")})
	p.Add(Errorf(at("a.b"), "b"))
	p.Add(Errorf(at("a.c[0]"), "c[0]"))
	const want = "t.yaml:1: no e.f; t.yaml:1: b; t.yaml:1: c[0]; t.yaml:1: c[1]; t.yaml:2: d is 2"
	if err := p.InOrder(n); err.Error() != want {
		t.Errorf("problems are %v", err)
	}
}

// An interpolation that fails is told once, with all others, and what does not hang
// on it is still checked.
func TestDecodeGoesOnAfterBadInterpolations(t *testing.T) {
	n := mustYAML(t, `
a: {b: "${nope}", c: "${a.d}", d: [1, "${env}"]}
loop: ${loop}
seed: many
copy: ${a}
`)
	var c struct {
		A, Copy struct {
			B    string
			C, D []int
		}
		Loop int
		Seed int
	}
	err := n.Decode(&c)
	for _, want := range []string{
		"t.yaml:2: a.b: Interpolation key 'nope' not found", "t.yaml:2: a.d[1]: Interpolation key 'env' not found",
		"t.yaml:3: loop: Recursive interpolation detected", "t.yaml:4: seed must be an integer, not a string (many)",
	} {
		if strings.Count(err.Error(), want) < 1 {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "must be a string") {
		t.Errorf("an interpolation is told twice: %v", err)
	}
}

// Interpolations that multiply end with an error also where others fail beside them.
func TestDecodeOfBadInterpolationsIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("z: ${nope}\na0: [1, 1, 1, 1, 1, 1, 1, 1]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("'${a%d}', ", i-1), 8), ", "))
	}
	var c map[string]any
	err := mustYAML(t, b.String()).Decode(&c)
	if err == nil || !strings.Contains(err.Error(), "takes more than") || !strings.Contains(err.Error(), "'nope' not found") {
		t.Errorf("error is %v", err)
	}
}

// A long list of mistakes ends soon, in as many as one may want to read.
func TestProblemsAreBounded(t *testing.T) {
	n := mustYAML(t, "a: ["+strings.Repeat("x, ", 10_000)+"x]")
	var c struct{ A []int }
	err := n.Decode(&c)
	var p Problems
	p.Add(err)
	p.Add(Errorf(n, "one more"))
	var list ErrorList
	if !errors.As(p.InOrder(n), &list) || len(list) != maxProblems+1 || list[maxProblems] != tooMany {
		t.Errorf("%d problems", len(list))
	}
}

func TestRefusals(t *testing.T) {
	var none Refusals
	none.Unless(true, "a", "never")
	if err := append(none, nil).Err(); err != nil {
		t.Errorf("got %v", err)
	}
	var both Refusals
	both.Unless(false, "a", "a is %d", 1)
	both.Unless(true, "b", "never")
	both.Unless(false, "c", "c is %q", "x")
	root := mustYAML(t, "m: {a: 1, c: x}")
	n, _ := root.Get("m")
	var p Problems
	p.AddAt(n, both.Err())
	var list ErrorList
	if !errors.As(p.Err(), &list) || len(list) != 2 || list[0].Key != "m.a" || list[1].Key != "m.c" || list[1].Message != `c is "x"` {
		t.Errorf("got %v", p.Err())
	}
}

func TestReadAt(t *testing.T) {
	root := mustYAML(t, "a: {b: 3, none: null, open: '???', there: '${a.b}'}\nbox: {width: 1, depth: 0}")
	value := 7
	for _, path := range []string{"a.absent", "a.none", "x.y"} {
		if err := root.ReadAt(path, &value); err != nil || value != 7 {
			t.Errorf("%s: %d, %v", path, value, err)
		}
	}
	if err := root.ReadAt("a.there", &value); err != nil || value != 3 {
		t.Errorf("%d, %v", value, err)
	}
	if err := root.ReadAt("a.open", &value); err == nil {
		t.Error("??? is read")
	}
	if err := root.ReadAt("box", &sizes{Height: 1}); err == nil || !strings.Contains(err.Error(), "depth is 0") {
		t.Errorf("got %v", err)
	}
}
