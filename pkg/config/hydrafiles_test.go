package config

import (
	"strings"
	"testing"
)

func TestHydraFiles(t *testing.T) {
	files, err := viewTree(t, "a=2", "hydra.run.dir=there").HydraFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		".hydra/config.yaml":    "db:\n  host: h${a}\n  ports:\n  - 1\n  - 2\na: 2\nlog: logs/${db.host}\nempty: []\n",
		".hydra/overrides.yaml": "- a=2\n",
	} {
		if string(files[name]) != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, files[name], want)
		}
	}
	if hydra := string(files[".hydra/hydra.yaml"]); !strings.HasPrefix(hydra, "hydra:\n  run:\n    dir: there\n") || len(files) != 3 {
		t.Errorf("%d files, hydra.yaml is\n%s", len(files), hydra)
	}
	files, err = viewTree(t, "hydra.output_subdir=meta").HydraFiles()
	if err != nil || len(files) != 3 || string(files["meta/overrides.yaml"]) != "[]\n" {
		t.Errorf("%v, %v", files, err)
	}
	if files, err = viewTree(t, "hydra.output_subdir=null").HydraFiles(); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}
