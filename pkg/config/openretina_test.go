package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// configsTree is the tree that package configs embeds.
var configsTree = os.DirFS("../../configs")

// openretinaOptions is the environment in which the values of the Python package's
// tree were recorded.
func openretinaOptions(name string, overrides ...string) Options {
	return Options{
		Sources:    []Source{{FS: configsTree, Path: "configs", Provider: "main"}},
		ConfigName: name, Overrides: overrides,
		Env: envOf(map[string]string{"OPENRETINA_CACHE_DIRECTORY": "/cache", "USER": "alice"}),
		Now: goldenClock, WorkDir: "/CWD", AppName: "openretina_main",
	}
}

// ours are the primary configs that the Python package cannot compose but we can.
var ours = map[string]bool{
	"hoefling_2024_core_readout_low_res_hyperparams_search": true,
	"template_outer_config":                                 true,
}

type recorded struct {
	ConfigName string           `json:"config_name"`
	Overrides  []string         `json:"overrides"`
	Multirun   bool             `json:"multirun"`
	Config     json.RawMessage  `json:"config"`
	Unresolved json.RawMessage  `json:"unresolved"`
	Missing    []string         `json:"missing"`
	Hydra      recordedHydra    `json:"hydra"`
	Order      map[string][]any `json:"order"`
	Error      *goldenError     `json:"error"`
	Jobs       []goldenJob      `json:"jobs"`
}

type recordedHydra struct {
	OutputDir string          `json:"output_dir"`
	Choices   json.RawMessage `json:"choices"`
	Dirname   string          `json:"override_dirname"`
	JobName   string          `json:"job_name"`
	RunDir    string          `json:"run_dir"`
	SweepDir  string          `json:"sweep_dir"`
	Sweeper   json.RawMessage `json:"sweeper"`
}

func TestOpenretinaBase(t *testing.T) { recordedFiles(t, "base") }

func TestOpenretinaCommands(t *testing.T) { recordedFiles(t, "commands") }

func recordedFiles(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob("testdata/hydra_openretina/" + dir + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			var r recorded
			readJSON(t, f, &r)
			if r.Multirun {
				checkRecordedSweep(t, r)
				return
			}
			checkRecorded(t, r)
		})
	}
}

func checkRecorded(t *testing.T, r recorded) {
	t.Helper()
	c, err := Compose(openretinaOptions(r.ConfigName, r.Overrides...))
	if r.Error != nil {
		if ours[r.ConfigName] {
			// What the recorded words would change is not in our config.
			if composes := len(r.Overrides) == 0; composes != (err == nil) {
				t.Errorf("composes: %v, want %v: %v", err == nil, composes, err)
			}
			return
		}
		if err == nil {
			t.Fatalf("accepted, want %s", r.Error.FirstLine)
		}
		checkError(t, err, *r.Error)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Unresolved != nil {
		if got, want := show(c.Root.Value(), false), show(typedJSON(t, r.Unresolved), false); got != want {
			t.Errorf("unresolved %s", firstDifference(got, want))
		}
	}
	compareResolved(t, "", c.Root, typedJSON(t, r.Config))
	if got, want := strings.Join(c.Missing(), " "), strings.Join(r.Missing, " "); got != want {
		t.Errorf("missing %s, want %s", got, want)
	}
	checkHydra(t, c, r.Hydra)
	checkOrder(t, c, r.Order)
}

func checkRecordedSweep(t *testing.T, r recorded) {
	t.Helper()
	options := openretinaOptions(r.ConfigName, r.Overrides...)
	if ours[r.ConfigName] { // a search, whose jobs are not known beforehand
		options.Sweeping = true
		if _, err := Compose(options); err != nil {
			t.Error(err)
		}
		return
	}
	jobs, err := Sweep(options)
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) != len(r.Jobs) {
		t.Fatalf("%d jobs, want %d", len(jobs), len(r.Jobs))
	}
	for i, w := range r.Jobs {
		checkJob(t, i, jobs[i], w)
		if w.Differs == nil {
			compareResolved(t, "", jobs[i].Config.Root, typedJSON(t, w.Config))
			continue
		}
		compareResolved(t, "", jobs[i].Config.Root, changed(t, r.Jobs[0].Config, *w.Differs).Value())
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "line " + strconv.Itoa(i) + ": " + g[i] + "\nwant: " + w[i]
		}
	}
	return "lengths differ"
}

// compareResolved compares value by value, since some recorded values cannot be
// resolved.
func compareResolved(t *testing.T, path string, n *Node, want any) {
	t.Helper()
	target, err := n.dereference(nil)
	if o, ok := want.(Object); ok && len(o) == 2 && o[0].Key == "__unresolved__" {
		if err == nil {
			t.Errorf("%s resolved, want %v", path, o[1].Value)
		} else if e, _ := asError(err); e.Class != o[1].Value {
			t.Errorf("%s: %v, want %v", path, err, o[1].Value)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	switch w := want.(type) {
	case Object:
		if target.shape != mapShape || len(target.children) != len(w) {
			t.Errorf("%s: %v, want %v", path, target.Value(), w)
			return
		}
		for _, p := range w {
			c := target.child(p.Key)
			if c == nil {
				t.Errorf("%s.%v is absent", path, p.Key)
				continue
			}
			compareResolved(t, path+"."+keyText(p.Key), c, p.Value)
		}
	case []any:
		if target.shape != listShape || len(target.children) != len(w) {
			t.Errorf("%s: %v, want %v", path, target.Value(), w)
			return
		}
		for i, e := range w {
			compareResolved(t, path+"["+strconv.Itoa(i)+"]", target.children[i], e)
		}
	default:
		if got := show(target.Value(), false); got != show(want, false) {
			t.Errorf("%s: %s, want %s", path, got, show(want, false))
		}
	}
}

func checkHydra(t *testing.T, c *Config, h recordedHydra) {
	t.Helper()
	if h.Choices == nil {
		return
	}
	dir, _ := c.Hydra.At("run.dir")
	sweep, _ := c.Hydra.At("sweep.dir")
	name, _ := c.Hydra.At("job.override_dirname")
	for _, p := range [][3]string{
		{"output_dir", c.OutputDir, h.OutputDir},
		{"run_dir", pyNode(dir), h.RunDir},
		{"sweep_dir", pyNode(sweep), h.SweepDir},
		{"override_dirname", pyNode(name), h.Dirname},
		{"job_name", c.JobName, h.JobName},
	} {
		if p[1] != p[2] {
			t.Errorf("hydra %s: %s, want %s", p[0], p[1], p[2])
		}
	}
	got := Object{}
	for _, p := range c.Choices {
		if !strings.HasPrefix(keyText(p.Key), "hydra/") {
			got = append(got, p)
		}
	}
	if g, w := show(got, true), show(typedJSON(t, h.Choices), true); g != w {
		t.Errorf("choices %s\nwant %s", g, w)
	}
	if h.Sweeper != nil {
		s, _ := c.Hydra.At("sweeper")
		if g, w := show(s.Value(), false), show(typedJSON(t, h.Sweeper), false); g != w {
			t.Errorf("sweeper %s", firstDifference(g, w))
		}
	}
}

func checkOrder(t *testing.T, c *Config, order map[string][]any) {
	t.Helper()
	for key, want := range order {
		n, ok := c.Root.Get(key)
		if !ok {
			t.Errorf("no %s", key)
			continue
		}
		var names []string
		for _, w := range want {
			names = append(names, w.(string))
		}
		if g, w := strings.Join(n.Keys(), " "), strings.Join(names, " "); g != w {
			t.Errorf("order of %s: %s, want %s", key, g, w)
		}
	}
}

type recordedLine struct {
	Overrides []string         `json:"overrides"`
	Set       json.RawMessage  `json:"set"`
	Removed   []string         `json:"removed"`
	Missing   []string         `json:"missing"`
	Order     map[string][]any `json:"order"`
	OutputDir string           `json:"output_dir"`
	Error     *goldenError     `json:"error"`
}

func TestOpenretinaLines(t *testing.T) {
	files, err := filepath.Glob("testdata/hydra_openretina/lines/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		var lines map[string]recordedLine
		readJSON(t, f, &lines)
		base, err := os.ReadFile("testdata/hydra_openretina/base/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		if err := json.Unmarshal(base, &r); err != nil {
			t.Fatal(err)
		}
		for line, want := range lines {
			t.Run(name+"/"+line, func(t *testing.T) { checkLine(t, name, r, want) })
		}
	}
}

func checkLine(t *testing.T, name string, base recorded, want recordedLine) {
	t.Helper()
	c, err := Compose(openretinaOptions(name, want.Overrides...))
	if want.Error != nil {
		if err == nil {
			t.Fatalf("accepted, want %s", want.Error.FirstLine)
		}
		checkError(t, err, *want.Error)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	tree := changed(t, base.Config, want)
	compareResolved(t, "", c.Root, tree.Value())
	if want.Missing == nil {
		want.Missing = base.Missing
	}
	if got, want := strings.Join(c.Missing(), " "), strings.Join(want.Missing, " "); got != want {
		t.Errorf("missing %s, want %s", got, want)
	}
	if c.OutputDir != want.OutputDir {
		t.Errorf("output directory %s, want %s", c.OutputDir, want.OutputDir)
	}
	checkOrder(t, c, want.Order)
}

// changed applies a recorded difference.
func changed(t *testing.T, base json.RawMessage, want recordedLine) *Node {
	t.Helper()
	tree, err := FromValue(typedJSON(t, base))
	if err != nil {
		t.Fatal(err)
	}
	for _, pointer := range want.Removed {
		parent, last := follow(t, tree, pointer)
		parent.remove(last)
	}
	if want.Set != nil {
		for _, p := range objectOf(t, want.Set) {
			parent, last := follow(t, tree, keyText(p.Key))
			v, err := FromValue(p.Value)
			if err != nil {
				t.Fatal(err)
			}
			if parent.shape == listShape {
				t.Fatalf("%v is in a list", p.Key)
			}
			parent.put(last, v)
		}
	}
	return tree
}

func objectOf(t *testing.T, data []byte) Object {
	t.Helper()
	if bytes.Equal(data, []byte("{}")) {
		return nil
	}
	o, ok := typedJSON(t, data).(Object)
	if !ok {
		t.Fatalf("not an object: %s", data)
	}
	return o
}

// follow goes along a JSON pointer to the parent of what it names.
func follow(t *testing.T, n *Node, pointer string) (*Node, string) {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(p)
	}
	for _, p := range parts[:len(parts)-1] {
		next, err := n.step(p, true)
		if err != nil || next == nil {
			t.Fatalf("no %s in %s", p, pointer)
		}
		n = next
	}
	return n, parts[len(parts)-1]
}
