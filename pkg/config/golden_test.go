package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// goldenClock is where the clock stood when the cases were recorded.
var goldenClock = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)

func envOf(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := m[name]
		return v, ok
	}
}

func readJSON(t *testing.T, path string, v any) bool {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return true
}

// typed is a value of recorded JSON: an integer has no point, a float has a point
// or an exponent, mappings keep their order.
func typedJSON(t *testing.T, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := orderedValue(d)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func orderedValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Number:
		return numberValue(v.String())
	case json.Delim:
		if v == '[' {
			list := []any{}
			for d.More() {
				e, err := orderedValue(d)
				if err != nil {
					return nil, err
				}
				list = append(list, e)
			}
			_, err := d.Token()
			return list, err
		}
		object := Object{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			e, err := orderedValue(d)
			if err != nil {
				return nil, err
			}
			object = append(object, Pair{key, e})
		}
		_, err := d.Token()
		return special(object), err
	}
	return token, nil
}

func numberValue(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		return strconv.ParseFloat(s, 64)
	}
	i, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("number %q", s)
	}
	return smallInt(i), nil
}

// special undoes the notation for what JSON lacks.
func special(o Object) any {
	if len(o) != 1 {
		return o
	}
	switch o[0].Key {
	case "__float__":
		f, _ := strconv.ParseFloat(o[0].Value.(string), 64)
		return f
	case "__map__":
		out := Object{}
		for _, p := range o[0].Value.([]any) {
			pair := p.([]any)
			out = append(out, Pair{pair[0], pair[1]})
		}
		return out
	}
	return o
}

// show prints a plain value with types; without order, keys are sorted.
func show(v any, ordered bool) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = show(e, ordered)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case Object:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = pyScalarRepr(p.Key) + ": " + show(p.Value, ordered)
		}
		if !ordered {
			sortStrings(parts)
		}
		return "{" + strings.Join(parts, ",\n") + "}"
	}
	return pyScalarRepr(v)
}

func sortStrings(s []string) {
	for i := range s {
		for j := i; j > 0 && s[j] < s[j-1]; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
}

type goldenArgs struct {
	ConfigName string            `json:"config_name"`
	ConfigPath string            `json:"config_path"`
	ConfigDir  string            `json:"config_dir"`
	Overrides  []string          `json:"overrides"`
	Env        map[string]string `json:"env"`
	Multirun   bool              `json:"multirun"`
	Order      bool              `json:"key_order_matters"`
}

type goldenError struct {
	Stage     string `json:"stage"`
	Class     string `json:"class"`
	FirstLine string `json:"first_line"`
	Cause     *struct {
		Class     string `json:"class"`
		FirstLine string `json:"first_line"`
	} `json:"cause"`
}

func goldenOptions(t *testing.T, dir string, a goldenArgs) Options {
	t.Helper()
	tree, err := filepath.Abs(filepath.Join(dir, "tree"))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(s string) string {
		s = strings.ReplaceAll(s, "<MAIN>", filepath.Join(tree, a.ConfigPath))
		return strings.ReplaceAll(s, "<TREE>", tree)
	}
	o := Options{
		ConfigName: a.ConfigName, Now: goldenClock, WorkDir: "/CWD", AppName: "app",
		OpenDir: func(p string) (fs.FS, error) {
			if _, err := os.Stat(p); err != nil {
				return nil, err
			}
			return os.DirFS(p), nil
		},
	}
	env := map[string]string{}
	for k, v := range a.Env {
		env[k] = replace(v)
	}
	o.Env = envOf(env)
	for _, w := range a.Overrides {
		o.Overrides = append(o.Overrides, replace(w))
	}
	main := filepath.Join(tree, a.ConfigPath)
	o.Sources = append(o.Sources, Source{FS: os.DirFS(main), Path: "<MAIN>", Provider: "main"})
	if a.ConfigDir != "" {
		o.Sources = append(o.Sources, Source{FS: os.DirFS(filepath.Join(tree, a.ConfigDir)), Path: a.ConfigDir, Provider: "command-line"})
	}
	return o
}

func TestHydraCases(t *testing.T) {
	dirs, err := filepath.Glob("testdata/hydra/*/args.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, p := range dirs {
		dir := filepath.Dir(p)
		t.Run(filepath.Base(dir), func(t *testing.T) { goldenCase(t, dir) })
	}
}

func goldenCase(t *testing.T, dir string) {
	t.Helper()
	var a goldenArgs
	readJSON(t, filepath.Join(dir, "args.json"), &a)
	var want goldenError
	refused := readJSON(t, filepath.Join(dir, "expected_error.json"), &want)
	if a.Multirun {
		goldenSweep(t, dir, a, want)
		return
	}
	c, err := Compose(goldenOptions(t, dir, a))
	if refused && want.Stage == "compose" {
		if err == nil {
			t.Fatalf("accepted, want %s: %s", want.Class, want.FirstLine)
		}
		checkError(t, err, want)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	compareYAML(t, c.Root, filepath.Join(dir, "unresolved.yaml"), false)
	if refused {
		_, err := c.Root.Resolve()
		if err == nil {
			t.Fatalf("resolved, want %s: %s", want.Class, want.FirstLine)
		}
		checkError(t, err, want)
		return
	}
	resolved, err := c.Root.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := show(resolved.Value(), a.Order), show(typedJSON(t, data), a.Order); got != want {
		t.Errorf("values:\n%s\nwant:\n%s", got, want)
	}
	compareYAML(t, c.Root, filepath.Join(dir, "expected.yaml"), true)
	checkChoices(t, c, filepath.Join(dir, "choices.json"))
}

func compareYAML(t *testing.T, n *Node, path string, resolve bool) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ToYAML(n, resolve)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", filepath.Base(path), got, want)
	}
	back, err := FromYAML("back", got)
	if err != nil {
		t.Fatalf("the written YAML does not read: %v", err)
	}
	if resolve {
		if n, err = n.Resolve(); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := show(back.Value(), true), show(n.Value(), true); a != b {
		t.Errorf("read back\n%s\nwant\n%s", a, b)
	}
}

func checkError(t *testing.T, err error, want goldenError) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not a config error: %v", err)
	}
	t.Log(err)
	switch want.Class {
	case "ParserError", "ScannerError", "ConstructorError":
		return
	}
	if e.Class != want.Class {
		t.Errorf("class %s, want %s", e.Class, want.Class)
	}
	if !sameLine(want.Class, e.Message, want.FirstLine) {
		t.Errorf("first line\n%s\nwant\n%s", e.Message, want.FirstLine)
	}
	if want.Cause == nil {
		return
	}
	var cause *Error
	if !errors.As(e.Cause, &cause) {
		t.Fatalf("no cause, want %s", want.Cause.Class)
	}
	if cause.Class != want.Cause.Class || !sameLine(cause.Class, cause.Message, want.Cause.FirstLine) {
		t.Errorf("cause %s: %s\nwant %s: %s", cause.Class, cause.Message, want.Cause.Class, want.Cause.FirstLine)
	}
}

// sameLine compares first lines. Python's assertions say nothing, ours say what is
// wrong.
func sameLine(class, got, want string) bool {
	return got == want || class == classAssertion && want == "" && got != ""
}

func checkChoices(t *testing.T, c *Config, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := Object{}
	for _, p := range c.Choices {
		if !strings.HasPrefix(keyText(p.Key), "hydra/") {
			got = append(got, p)
		}
	}
	if g, w := show(got, false), show(typedJSON(t, data), false); g != w {
		t.Errorf("choices\n%s\nwant\n%s", g, w)
	}
}

type goldenJob struct {
	Overrides []string        `json:"overrides"`
	OutputDir string          `json:"output_dir"`
	Config    json.RawMessage `json:"config"`
	Differs   *recordedLine   `json:"differs_from_first"`
}

func goldenSweep(t *testing.T, dir string, a goldenArgs, refused goldenError) {
	t.Helper()
	jobs, err := Sweep(goldenOptions(t, dir, a))
	if refused.Class != "" {
		if err == nil {
			t.Fatalf("accepted, want %s", refused.FirstLine)
		}
		checkError(t, err, refused)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var want []goldenJob
	readJSON(t, filepath.Join(dir, "expected_jobs.json"), &want)
	if len(jobs) != len(want) {
		t.Fatalf("%d jobs, want %d", len(jobs), len(want))
	}
	for i, w := range want {
		checkJob(t, i, jobs[i], w)
		if g, w := show(resolvedValue(t, jobs[i].Config), false), show(typedJSON(t, w.Config), false); g != w {
			t.Errorf("job %d: %s", i, firstDifference(g, w))
		}
	}
}

func checkJob(t *testing.T, i int, got Job, want goldenJob) {
	t.Helper()
	if g, w := strings.Join(got.Overrides, " "), strings.Join(want.Overrides, " "); g != w {
		t.Errorf("job %d: %s, want %s", i, g, w)
	}
	if got.Config.OutputDir != want.OutputDir {
		t.Errorf("job %d: %s, want %s", i, got.Config.OutputDir, want.OutputDir)
	}
}

func resolvedValue(t *testing.T, c *Config) any {
	t.Helper()
	n, err := c.Root.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return n.Value()
}
