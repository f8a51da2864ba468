package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// seeds gives the words and files of the recorded cases.
func seeds(f *testing.F) (overrides, files []string) {
	f.Helper()
	cases, err := filepath.Glob("testdata/hydra/*/args.json")
	if err != nil || len(cases) == 0 {
		f.Fatalf("no cases: %v", err)
	}
	for _, c := range cases {
		var a goldenArgs
		data, err := os.ReadFile(c)
		if err != nil {
			f.Fatal(err)
		}
		n, err := FromYAML(c, data)
		if err != nil {
			f.Fatal(err)
		}
		if words, ok := n.Get("overrides"); ok && words.Decode(&a.Overrides) == nil {
			overrides = append(overrides, a.Overrides...)
		}
		trees, _ := filepath.Glob(filepath.Join(filepath.Dir(c), "tree", "*.yaml"))
		for _, t := range trees {
			text, err := os.ReadFile(t)
			if err != nil {
				f.Fatal(err)
			}
			files = append(files, string(text))
		}
	}
	return overrides, files
}

// FuzzOverride checks that what parses is written back so that it parses to the
// same.
func FuzzOverride(f *testing.F) {
	words, _ := seeds(f)
	for _, w := range words {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, word string) {
		o, err := parseOverride(word)
		if err != nil {
			mustBeOurs(t, err)
			return
		}
		if o.isSweep() {
			if values, err := o.sweepValues(func() []string { return []string{"a", "b"} }); err == nil && len(values) > maxSweepValues {
				t.Errorf("%d values", len(values))
			}
			return
		}
		n, err := o.node()
		if err != nil {
			mustBeOurs(t, err)
			return
		}
		if !o.hasValue {
			return
		}
		again, err := parseOverride("k=" + elementText(o.value))
		if err != nil {
			// Texts made of several tokens may hold characters that only escapes allow.
			return
		}
		if m, err := again.node(); err != nil || !sameShape(n, m) {
			t.Errorf("%q became %q: %v", word, "k="+elementText(o.value), err)
		}
	})
}

func sameShape(a, b *Node) bool { return a.shape == b.shape && len(a.children) == len(b.children) }

// FuzzInterpolation checks that resolving ends, with a value or an error of ours.
func FuzzInterpolation(f *testing.F) {
	for _, s := range []string{
		"${a}", "${a.b}", "x${a.l[1]}y", "${len:${a.l}}", "${oc.env:H,'x y'}", `\${a}`, "${oc.select:zz,{k:[1,null]}}",
		"${oc.decode:'[1,2]'}", "${oc.create:'{a: 1}'}", "${${n}.b}", "${probe}", "${now:%Y}", "${oc.dict.values:a}", "${",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root := newMap(Origin{})
		root.env = &environment{getenv: envOf(map[string]string{"H": "h"})}
		a := newMap(Origin{})
		a.put("b", newScalar(int64(1), Origin{}))
		l := newList(Origin{})
		l.add(newScalar("x", Origin{}))
		l.add(newScalar("${..b}", Origin{}))
		a.put("l", l)
		root.put("a", a)
		root.put("n", newScalar("a", Origin{}))
		root.put("probe", newScalar(text, Origin{}))
		n, err := root.Resolve()
		if err != nil {
			mustBeOurs(t, err)
			return
		}
		if _, err := ToYAML(n, false); err != nil {
			t.Error(err)
		}
	})
}

// FuzzYAML checks that a document that reads is written so that it reads back the
// same.
func FuzzYAML(f *testing.F) {
	_, files := seeds(f)
	for _, text := range files {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := FromYAML("f.yaml", []byte(text))
		if err != nil {
			mustBeOurs(t, err)
			return
		}
		out, err := ToYAML(n, false)
		if err != nil {
			t.Fatal(err)
		}
		back, err := FromYAML("f.yaml", out)
		if n.Len() == 0 {
			return
		}
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, out, err)
		}
		if a, b := show(n.Value(), true), show(back.Value(), true); a != b {
			t.Errorf("%q was written as %q: %s became %s", text, out, a, b)
		}
	})
}

// FuzzCompose checks that composing ends for any primary config, option and word.
func FuzzCompose(f *testing.F) {
	words, files := seeds(f)
	for i, text := range files {
		f.Add(text, "p: 1\n", words[i%len(words)])
	}
	f.Fuzz(func(t *testing.T, primary, option, word string) {
		files := fstest.MapFS{
			"config.yaml": {Data: []byte(primary)}, "db/mysql.yaml": {Data: []byte(option)}, "db/pg.yaml": {Data: []byte("a: ${db.b}\n")},
		}
		o := Options{Sources: []Source{{FS: files, Provider: "main"}}, ConfigName: "config", AppName: "app", WorkDir: "/CWD", Now: goldenClock}
		if word != "" {
			o.Overrides = []string{word}
		}
		c, err := Compose(o)
		if err != nil {
			mustBeOurs(t, err)
			return
		}
		if _, err := c.Render(View{Part: PartJob, Resolve: true}); err != nil {
			mustBeOurs(t, err)
		}
	})
}

func mustBeOurs(t *testing.T, err error) {
	t.Helper()
	if _, ok := asError(err); !ok {
		t.Errorf("not an error of ours: %v", err)
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("more than a line: %q", err)
	}
}
