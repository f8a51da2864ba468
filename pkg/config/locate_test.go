package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"lab/mine.yaml": "defaults: [{db: a}, _self_]\nx: 1\n", "lab/db/a.yaml": "from: lab\n", "more/db/b.yaml": "from: more\n",
		"extra.yaml": "hydra: {searchpath: ['file://" + dir + "/more']}\ny: 1\n",
	})
	tests := []struct {
		flags     Flags
		overrides []string
		want      string
	}{
		{Flags{Config: "lab/mine.yaml"}, nil, "db:\n  from: lab\nx: 1\n"},
		{Flags{Config: filepath.Join(dir, "lab", "mine.yaml")}, nil, "db:\n  from: lab\nx: 1\n"},
		{Flags{Path: "lab", Name: "mine"}, nil, "db:\n  from: lab\nx: 1\n"},
		{Flags{Path: "lab", Name: "mine", Dir: "more"}, []string{"db=b"}, "db:\n  from: more\nx: 1\n"},
		{Flags{Path: "lab", Name: "mine.yaml"}, []string{"hydra.searchpath=[more]", "db=b"}, "db:\n  from: more\nx: 1\n"},
		{Flags{Config: "extra.yaml"}, []string{"+db=b"}, "'y': 1\ndb:\n  from: more\n"},
	}
	for _, tt := range tests {
		o, err := Locate(tt.flags, configsTree, dir)
		if err != nil {
			t.Errorf("%+v: %v", tt.flags, err)
			continue
		}
		o.Overrides = tt.overrides
		c, err := Compose(o)
		if err != nil {
			t.Errorf("%+v: %v", tt.flags, err)
			continue
		}
		if got, err := c.Render(View{Part: PartJob, Resolve: true}); err != nil || string(got) != tt.want {
			t.Errorf("%+v: %s %v, want %s", tt.flags, got, err, tt.want)
		}
	}
	o, err := Locate(Flags{Config: "hoefling_2024"}, configsTree, dir)
	if err != nil || o.ConfigName != "hoefling_2024" || o.Sources[0].Path != "configs" {
		t.Errorf("bare name: %+v %v", o, err)
	}
}

func TestLocateRefuses(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"lab/mine.yaml": "x: 1\n", "lab/mimic.yaml": "x: 1\n"})
	tests := []struct {
		flags Flags
		want  string
	}{
		{Flags{}, "no config is named"},
		{Flags{Config: "hoefling_2042"}, `did you mean "hoefling_2024"?`},
		{Flags{Name: "nope"}, "there are goldin_2022_core_readout, "},
		{Flags{Config: "lab/mime.yaml"}, `Cannot find primary config 'mime'. Check that it's in your config search path. (did you mean "mine"?; there are mimic, mine in lab)`},
		{Flags{Config: "nowhere/x.yaml"}, "Primary config directory not found. (nowhere: no such file or directory)"},
		{Flags{Config: "lab/mine.yaml/x.yaml"}, "Primary config directory not found."},
		{Flags{Path: "lab", Name: "mine", Dir: "nowhere"}, "Additional config directory 'nowhere' not found"},
		{Flags{Config: "a.yaml", Path: "lab"}, "--config and --config-path cannot be given together"},
		{Flags{Config: "a.yaml", Name: "x"}, "--config and --config-name cannot be given together"},
		{Flags{Path: "lab", Name: "../lab/mine"}, "Cannot find primary config"},
	}
	for _, tt := range tests {
		_, err := Locate(tt.flags, configsTree, dir)
		if _, ok := asError(err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.flags, err, tt.want)
		}
	}
}

// A link to itself leads nowhere, and a named pipe would be waited for without end.
func TestLocateTakesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"lab/mine.yaml": "x: 1\n"})
	if err := os.Symlink("mine.yaml", filepath.Join(dir, "lab/link.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop.yaml", filepath.Join(dir, "lab/loop.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "lab/pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Locate(Flags{Path: "lab", Name: "link"}, configsTree, dir); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"loop", "pipe"} {
		_, err := Locate(Flags{Path: "lab", Name: name}, configsTree, dir)
		if err == nil || !strings.HasSuffix(err.Error(), "(there are link, mine in lab)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOwnConfigs(t *testing.T) {
	names := Primaries(configsTree)
	if len(names) < 21 {
		t.Errorf("%d primary configs", len(names))
	}
	for _, name := range names {
		o := openretinaOptions(name)
		if name == "template_outer_config" {
			o.Overrides = []string{"data_io=hdf5_reader", "dataloader=hdf5_loader", "paths.data_dir=d"}
		}
		if _, err := Compose(o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	render := func(o Options) string {
		t.Helper()
		c, err := Compose(o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.Render(View{Part: PartJob, Resolve: true})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if a, b := render(openretinaOptions("hoefling_2024")), render(openretinaOptions("hoefling_2024_core_readout_low_res")); a != b {
		t.Error(firstDifference(a, b))
	}
	retina := render(openretinaOptions("simulated_retina", "paths.data_dir=demo-data"))
	for _, want := range []string{"base_data_path: demo-data", "- natural_test", "precision: 32-true", "gamma_temporal: 40.0"} {
		if !strings.Contains(retina, want) {
			t.Errorf("simulated_retina has no %q", want)
		}
	}
	if mei := render(openretinaOptions("mei/default", "mei.optimizer.lr=10")); !strings.HasPrefix(mei, "mei:\n  max_steps: 10\n  frames: 50\n  seed: 42\n  init: 0.1\n") {
		t.Error(mei)
	}
}

// TestOptions checks every option of every group with some primary config.
func TestOptions(t *testing.T) {
	repo := newRepository([]Source{{FS: configsTree}}, &environment{})
	for _, group := range []string{"data_io", "dataloader", "model", "optimizer", "lr_scheduler", "trainer", "logger", "training_callbacks", "quality_checks", "evaluation"} {
		for _, option := range repo.options(group) {
			word := group + "=" + option
			switch group {
			case "evaluation":
				word = "+" + word
			case "logger", "training_callbacks":
				word = group + "=[" + option + "]"
			}
			if _, err := Compose(openretinaOptions("hoefling_2024", word)); err != nil {
				t.Errorf("%s: %v", word, err)
			}
		}
	}
}
