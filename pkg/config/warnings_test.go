package config

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestWarnings(t *testing.T) {
	const list = "defaults:\n  - g: a\n"
	tests := []struct {
		name, primary string
		words         []string
		want          string // of the only warning; empty: none
	}{
		{"own values without _self_", list + "x: 1\n", nil, "In 'config': Defaults list is missing `_self_`"},
		{"_self_ is there", list + "  - _self_\nx: 1\n", nil, ""},
		{"no values of its own", list + "x: ???\n", nil, ""},
		{"no list", "x: 1\n", nil, ""},
		{"appended only", "x: 1\n", []string{"+g=a"}, ""},
		{"a search path that is not there", "x: 1\n", []string{"hydra.searchpath=[nope]"}, "provider=hydra.searchpath in command-line, path=nope is not available"},
		{"a package", "hydra: {searchpath: [pkg://a.b]}\n", nil, "path=pkg://a.b is not available: only file:// can be searched"},
	}
	for _, tt := range tests {
		tree := fstest.MapFS{"config.yaml": {Data: []byte(tt.primary)}, "g/a.yaml": {Data: []byte("v: 1\n")}}
		o := bombOptions(tree, tt.words...)
		o.OpenDir = func(string) (fs.FS, error) { return nil, fs.ErrNotExist }
		var warnings []string
		o.Warn = func(text string) { warnings = append(warnings, text) }
		if _, err := Compose(o); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := strings.Join(warnings, "\n")
		if len(warnings) > 1 || !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
