package config

import (
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// bombMemory is what a refusal may take: the largest thing kept is a tree of some
// hundred thousand values.
const bombMemory = 2 << 30

// refuses runs what must end in an error of ours, within memory.
func refuses(t *testing.T, name, want string, run func() error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := run()
	runtime.ReadMemStats(&after)
	if _, ours := asError(err); !ours || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %s", name, err, want)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > bombMemory {
		t.Errorf("%s: %d MiB allocated", name, used>>20)
	}
}

func composeFiles(files map[string]string, overrides ...string) error {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	_, err := Compose(bombOptions(tree, overrides...))
	return err
}

func bombOptions(tree fs.FS, overrides ...string) Options {
	return Options{
		Sources: []Source{{FS: tree, Path: "conf", Provider: "main"}}, ConfigName: "config",
		Now: goldenClock, WorkDir: "/CWD", AppName: "app", Overrides: overrides,
	}
}

// TestComposeBombs tries configs that multiply or never end when they are composed.
func TestComposeBombs(t *testing.T) {
	chain := map[string]string{"config.yaml": "defaults: [/c0@a, /c0@b]", "c60.yaml": "x: 1"}
	for i := range 60 {
		chain[fmt.Sprintf("c%d.yaml", i)] = fmt.Sprintf("defaults: [/c%d@a, /c%d@b]", i+1, i+1)
	}
	var doubling, onto strings.Builder
	doubling.WriteString("k0: {x: 1}\n")
	for i := 1; i < 60; i++ {
		fmt.Fprintf(&doubling, "k%d: {l: '${k%d}', r: '${k%d}'}\n", i, i-1, i-1)
		fmt.Fprintf(&onto, "k%d: {l: {y: 1}, r: {y: 1}}\n", i)
	}
	var many strings.Builder
	many.WriteString("defaults:\n")
	for i := range 5000 {
		fmt.Fprintf(&many, "  - /big@p%d\n", i)
	}
	tests := []struct {
		name, want string
		files      map[string]string
	}{
		{"a config that lists itself", "nested deeper than 100 levels", map[string]string{"config.yaml": "defaults: [config]"}},
		{"two that list each other", "nested deeper than 100 levels", map[string]string{"config.yaml": "defaults: [a]", "a.yaml": "defaults: [b]", "b.yaml": "defaults: [a]"}},
		{"each lists the next twice", "name more than 10000 configs", chain},
		{"a large file many times", "more than 1048576 values", map[string]string{"config.yaml": many.String(), "big.yaml": strings.Repeat("- 1\n", 20_000)}},
		{"merging copies what it merges onto", "more than 1048576 values", map[string]string{
			"config.yaml": "defaults: [a, b]", "a.yaml": doubling.String(), "b.yaml": onto.String(),
		}},
	}
	for _, tt := range tests {
		refuses(t, tt.name, tt.want, func() error { return composeFiles(tt.files) })
	}
}

// TestOverrideBombs tries words that nest or list without end, and sweeps over them.
func TestOverrideBombs(t *testing.T) {
	for name, tt := range map[string]struct{ word, want string }{
		"lists":     {"a=" + strings.Repeat("[", 20_000), "nested deeper than 100 levels"},
		"dicts":     {"a=" + strings.Repeat("{a:", 20_000), "nested deeper than 100 levels"},
		"calls":     {"a=" + strings.Repeat("int(", 20_000), "nested deeper than 100 levels"},
		"length":    {"a=" + strings.Repeat("x", maxOverrideBytes), "longer than"},
		"digits":    {"a=int('" + strings.Repeat("9", 900_000) + "x')", "invalid literal"},
		"no quotes": {"a=" + strings.Repeat(`'\`, 200_000), "LexerNoViableAltException"},
	} {
		refuses(t, name, tt.want, func() error { return ParseOverride(tt.word) })
	}
	tree := fstest.MapFS{"config.yaml": {Data: []byte("a: 1\nb: 1\nc: 1\n")}}
	for name, tt := range map[string]struct {
		words []string
		want  string
	}{
		"range":       {[]string{"a=range(1e300)"}, "more than 10000 values"},
		"small steps": {[]string{"a=range(0,1,1e-300)"}, "more than 10000 values"},
		"endless":     {[]string{"a=range(1,inf)"}, "Invalid range values"},
		"product":     {[]string{"a=range(1000)", "b=range(1000)", "c=range(1000)"}, "more than 10000 jobs"},
		"choices":     {[]string{"a=" + strings.Repeat("1,", 5000) + "1", "b=1,2,3"}, "more than 10000 jobs"},
	} {
		refuses(t, name, tt.want, func() error {
			_, err := Sweep(bombOptions(tree, tt.words...))
			return err
		})
	}
}
