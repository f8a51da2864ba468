package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestHydraValues sets values of the hydra node. What is refused, and in which
// words, was recorded from Hydra.
func TestHydraValues(t *testing.T) {
	tests := []struct{ word, path, want string }{
		{"hydra.job.name=5", "job.name", "5"},
		{"hydra.job.name=true", "job.name", "True"},
		{"hydra.job.name=1e3", "job.name", "1000.0"},
		{"hydra.job.chdir=1", "job.chdir", "True"},
		{"hydra.job.chdir=off", "job.chdir", "False"},
		{"hydra.job.chdir=null", "job.chdir", "None"},
		{"hydra.job.num='5'", "job.num", "5"},
		{"hydra.run={dir:5}", "run.dir", "5"},
		{"hydra.output_subdir=null", "output_subdir", "None"},
		{"hydra.mode=1", "mode", "RUN"},
		{"+hydra.job.env_set.A=5", "job.env_set.A", "5"},
		{"hydra.job.env_copy=[HOME]", "job.env_set.HOME", "/h"},
		{"hydra.launcher=null", "launcher", "None"},
		{"hydra.job.name=null", "", "field 'hydra.job.name' is not Optional"},
		{"hydra.job.name=[1]", "", "Cannot convert 'list' to string: '[1]'"},
		{"hydra.job.name={a:1}", "", "Cannot convert 'dict' to string: '{'a': 1}'"},
		{"hydra.job.chdir=x", "", "Value 'x' is not a valid bool (type str)"},
		{"hydra.job.chdir=1.5", "", "Value '1.5' is not a valid bool (type float)"},
		{"hydra.job.num=1.5", "", "Value '1.5' of type 'float' could not be converted to Integer"},
		{"hydra.job.num=true", "", "Value 'True' of type 'bool' could not be converted to Integer"},
		{"hydra.run=null", "", "field 'hydra.run' is not Optional"},
		{"hydra.run=[1]", "", "Cannot merge DictConfig with ListConfig"},
		{"hydra.run={x:5}", "", "Key 'x' not in 'RunDir'"},
		{"hydra.job=5", "", "Invalid type assigned: int is not a subclass of JobConf. value: 5"},
		{"hydra.mode=run", "", "Invalid value 'run', expected one of [RUN, MULTIRUN]"},
		{"hydra.job.env_set=x", "", "Cannot assign str to Dict[str, str]"},
		{"hydra.job.env_copy=x", "", "Invalid value assigned: str is not a ListConfig, list or tuple."},
		{"hydra.job.env_copy=[NOPE]", "", "'NOPE'"},
		{"hydra.job_logging=null", "", "field 'hydra.job_logging' is not Optional"},
		{"hydra.help.nope=1", "", "Key 'nope' not in 'HelpConf'"},
	}
	tree := fstest.MapFS{"config.yaml": {Data: []byte("a: 1\n")}}
	for _, tt := range tests {
		o := bombOptions(tree, tt.word)
		o.Env = envOf(map[string]string{"HOME": "/h"})
		c, err := Compose(o)
		if tt.path == "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %s", tt.word, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.word, err)
			continue
		}
		if n, _ := c.Hydra.Select(tt.path); n == nil || pyNode(n) != tt.want {
			t.Errorf("%s: %v, want %s", tt.word, n, tt.want)
		}
	}
}
