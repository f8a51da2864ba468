package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestComplete(t *testing.T) {
	o := Options{
		Sources: []Source{{FS: fstest.MapFS{
			"config.yaml":      {Data: []byte("defaults:\n  - db: mysql\n  - _self_\ndbase: 1\nname: a b\nm:\n  lr: 0.1\n  layers: [1]\n  sub: {x: 1}\n")},
			"db/mysql.yaml":    {Data: []byte("host: h\n")},
			"db/pg.yaml":       {Data: []byte("host: p\n")},
			"db/extra/on.yaml": {Data: []byte("x: 1\n")},
		}, Path: "conf", Provider: "main"}},
		ConfigName: "config",
	}
	for word, want := range map[string]string{
		"d":         "db. db/ db= dbase=",
		"db=":       "db=mysql db=pg",
		"db=p":      "db=pg",
		"+db@x=m":   "+db@x=mysql",
		"db/":       "db/extra=",
		"~db=my":    "~db=mysql",
		"m.":        "m.layers= m.lr= m.sub.",
		"m.l":       "m.layers= m.lr=",
		"m.lr=":     "m.lr=0.1",
		"name=":     `name=a\ b`,
		"++m.sub.":  "++m.sub.x=",
		"m.lr.":     "",
		"zzz":       "",
		"hydra/lau": "hydra/launcher=",
		"m.sub=":    "",
	} {
		if got := strings.Join(Complete(o, word), " "); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
	o.Overrides = []string{"db=absent"}
	if got := strings.Join(Complete(o, "d"), " "); got != "db/ db=" {
		t.Errorf("without a config: %s", got)
	}
}
