package config

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func viewTree(t *testing.T, overrides ...string) *Config {
	t.Helper()
	files := fstest.MapFS{
		"config.yaml":   {Data: []byte("defaults:\n  - db: mysql\n  - optional x: y\n  - _self_\na: 1\nlog: logs/${db.host}\nempty: []\n")},
		"db/mysql.yaml": {Data: []byte("host: h${a}\nports:\n  - 1\n  - 2\n")},
		"db/pg.yaml":    {Data: []byte("host: pg\n")},
	}
	c, err := Compose(Options{
		Sources:    []Source{{FS: files, Path: "conf", Provider: "main"}},
		ConfigName: "config", Overrides: overrides, AppName: "app", WorkDir: "/CWD", Now: goldenClock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRenderParts(t *testing.T) {
	for _, test := range []struct {
		view View
		want string
	}{
		{View{Part: PartJob}, "db:\n  host: h${a}\n  ports:\n  - 1\n  - 2\na: 1\nlog: logs/${db.host}\nempty: []\n"},
		{View{Part: PartJob, Resolve: true}, "db:\n  host: h1\n  ports:\n  - 1\n  - 2\na: 1\nlog: logs/h1\nempty: []\n"},
		{View{Part: PartJob, Package: "db"}, "# @package db\nhost: h${a}\nports:\n- 1\n- 2\n"},
		{View{Part: PartJob, Package: "db", Resolve: true}, "# @package db\nhost: h1\nports:\n- 1\n- 2\n"},
		{View{Part: PartJob, Package: "_global_", Resolve: true}, "db:\n  host: h1\n  ports:\n  - 1\n  - 2\na: 1\nlog: logs/h1\nempty: []\n"},
		{View{Part: PartJob, Package: "db.host"}, "h1\n"},
		{View{Part: PartHydra, Package: "hydra.run"}, "# @package hydra.run\ndir: ${log}\n"},
		{View{Part: PartAll, Package: "hydra.run", Resolve: true}, "# @package hydra.run\ndir: logs/h1\n"},
		{
			View{Part: PartJob, Origin: true}, "db:\n  host: h${a}  # conf/db/mysql.yaml:1\n  ports:\n  - 1  # conf/db/mysql.yaml:3\n" +
				"  - 2  # conf/db/mysql.yaml:4\na: 1  # conf/config.yaml:5\nlog: logs/${db.host}  # conf/config.yaml:6\nempty: []  # conf/config.yaml:7\n",
		},
	} {
		got, err := viewTree(t, "hydra.run.dir=${log}").Render(test.view)
		if err != nil || string(got) != test.want {
			t.Errorf("%+v: %v\n%s\nwant\n%s", test.view, err, got, test.want)
		}
	}
}

// TestRenderOrigin shows that overrides are named, and that comments do not change
// what a reader reads.
func TestRenderOrigin(t *testing.T) {
	c := viewTree(t, "a='x\ty'", "+b.c=2", "db=pg")
	got, err := c.Render(View{Part: PartJob, Origin: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  # command line '+b.c=2'\n", "  # command line 'a='x y''\n", "host: pg  # conf/db/pg.yaml:1\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	back, err := FromYAML("back", got)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := show(back.Value(), true), show(c.Root.Value(), true); a != b {
		t.Errorf("read back as %s, want %s", a, b)
	}
}

func TestRenderHydra(t *testing.T) {
	c := viewTree(t, "hydra.run.dir=${log}")
	got, err := c.Render(View{Part: PartHydra})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hydra:\n", "  run:\n    dir: ${log}\n", "    name: app\n", "    output_dir: /CWD/logs/h1\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "\n  help:") || strings.Contains(string(got), "\na:") {
		t.Errorf("help or the application's keys are shown:\n%s", got)
	}
	all, err := c.Render(View{Part: PartAll})
	if err != nil || !strings.HasPrefix(string(all), "hydra:\n") || !strings.Contains(string(all), "\na: 1\n") {
		t.Errorf("all: %v\n%s", err, all)
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, test := range []struct {
		view View
		want string
	}{
		{View{Part: "jobs"}, `unknown part "jobs" of a config (did you mean "job"?)`},
		{View{Part: PartJob, Package: "db.hots"}, `package 'db.hots' not found in config (did you mean "host"?)`},
		{View{Part: PartJob, Package: "hydra.run"}, "package 'hydra.run' not found in config"},
		{View{Part: PartJob, Package: "db.host", Resolve: true}, ""},
	} {
		_, err := viewTree(t).Render(test.view)
		if test.want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.view, err, test.want)
		}
	}
}

func TestInfo(t *testing.T) {
	c := viewTree(t, "db=pg")
	for what, want := range map[string]string{
		"searchpath": `Config search path
******************
| Provider | Search path      |
-------------------------------
| hydra    | pkg://hydra.conf |
| main     | file://conf      |
-------------------------------
`,
		"defaults-tree": `Defaults Tree
*************
<root>:
  hydra/config:
    hydra/output: default
    hydra/launcher: basic
    hydra/sweeper: basic
    hydra/help: default
    hydra/hydra_help: default
    hydra/hydra_logging: default
    hydra/job_logging: default
    hydra/callbacks: null
    hydra/env: default
    _self_
  config:
    db: pg
    x: y
    _self_
`,
		"defaults": `Defaults List
*************
| Config path                 | Package             | _self_ | Parent       |
-----------------------------------------------------------------------------
| hydra/output/default        | hydra               | False  | hydra/config |
| hydra/launcher/basic        | hydra.launcher      | False  | hydra/config |
| hydra/sweeper/basic         | hydra.sweeper       | False  | hydra/config |
| hydra/help/default          | hydra.help          | False  | hydra/config |
| hydra/hydra_help/default    | hydra.hydra_help    | False  | hydra/config |
| hydra/hydra_logging/default | hydra.hydra_logging | False  | hydra/config |
| hydra/job_logging/default   | hydra.job_logging   | False  | hydra/config |
| hydra/env/default           | hydra.env           | False  | hydra/config |
| hydra/config                | hydra               | True   | <root>       |
| db/pg                       | db                  | False  | config       |
| config                      |                     | True   | <root>       |
-----------------------------------------------------------------------------
`,
	} {
		got, err := c.Info(what)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", what, err, got, want)
		}
	}
	all, err := c.Info("all")
	if err != nil || !strings.Contains(string(all), "Defaults Tree\n") || !strings.HasSuffix(string(all), "Config\n******\ndb:\n  host: pg\na: 1\nlog: logs/${db.host}\nempty: []\n") {
		t.Errorf("all: %v\n%s", err, all)
	}
	if _, err := c.Info("default"); err == nil || !strings.Contains(err.Error(), `did you mean "defaults"?`) {
		t.Errorf("unknown info: %v", err)
	}
}

// TestStartFrom shows that built-in settings stand before what a primary config
// says, that its own choice takes their place, and that none is needed.
func TestStartFrom(t *testing.T) {
	builtin := fstest.MapFS{"mei/default.yaml": {Data: []byte("steps: 10\nlr: 1\n")}}
	lab := fstest.MapFS{
		"inline.yaml":   {Data: []byte("mei:\n  steps: 5\n")},
		"chosen.yaml":   {Data: []byte("defaults:\n  - mei: mine\n")},
		"absolute.yaml": {Data: []byte("defaults:\n  - /mei: mine\n  - _self_\n")},
		"mei/mine.yaml": {Data: []byte("steps: 7\n")},
	}
	for _, test := range []struct {
		name      string
		overrides []string
		want      string
	}{
		{"", nil, "mei:\n  steps: 10\n  lr: 1\n"},
		{"", []string{"mei.steps=3"}, "mei:\n  steps: 3\n  lr: 1\n"},
		{"", []string{"mei=mine"}, "mei:\n  steps: 7\n"},
		{"inline", nil, "mei:\n  steps: 5\n  lr: 1\n"},
		{"chosen", nil, "mei:\n  steps: 7\n"},
		{"absolute", nil, "mei:\n  steps: 7\n"},
		{"chosen", []string{"mei=default"}, "mei:\n  steps: 10\n  lr: 1\n"},
	} {
		c, err := Compose(Options{
			Sources:    []Source{{FS: lab, Path: "lab"}, {FS: builtin, Path: "builtin"}},
			ConfigName: test.name, Overrides: test.overrides, StartFrom: []Choice{{"mei", "default"}},
		})
		if err != nil {
			t.Errorf("%s %v: %v", test.name, test.overrides, err)
			continue
		}
		if got, err := c.Render(View{Part: PartJob}); err != nil || string(got) != test.want {
			t.Errorf("%s %v: %v\n%s\nwant\n%s", test.name, test.overrides, err, got, test.want)
		}
	}
}
