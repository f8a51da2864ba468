package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

// searchOptions are a config with the sweeper's settings, and a config group.
func searchOptions(sweeper string, overrides ...string) Options {
	tree := fstest.MapFS{
		"main.yaml": {Data: []byte("defaults:\n  - model: a\n  - override hydra/sweeper: optuna\n  - _self_\n" +
			"lr: 1\nwidth: 2\nkind: x\nlayers: [1]\nhydra:\n  sweeper:\n" + sweeper)},
		"model/a.yaml":  {Data: []byte("size: 1\n")},
		"model/b2.yaml": {Data: []byte("size: 2\n")},
		"model/b1.yaml": {Data: []byte("size: 3\n")},
	}
	return Options{Sources: []Source{{FS: tree, Path: "tree"}}, ConfigName: "main", Overrides: overrides, WorkDir: "/CWD", AppName: "app"}
}

func TestSearchSpaces(t *testing.T) {
	const none = "    n_trials: 3\n"
	for _, c := range []struct {
		name, sweeper string
		overrides     []string
		want          []string // parameters, then fixed overrides
	}{
		{"choice", none, []string{"kind=choice(a,'b c',true,1.5,[1,2])"}, []string{`kind: a | b\ c | True | 1.5 | [1,2]`}},
		{"simple choice", none, []string{`kind=a\,b,c`}, []string{`kind: a\,b | c`}},
		{"range", none, []string{"width=range(1,10)"}, []string{"width: 1 to 10 by 1"}},
		{"range that steps over its end", none, []string{"width=range(1,10,4)"}, []string{"width: 1 to 9 by 4"}},
		{"float range", none, []string{"lr=range(0.1,0.4,0.1)"}, []string{"lr: 0.1 to 0.4 by 0.1"}},
		{"mixed range", none, []string{"lr=range(0,1,0.3)"}, []string{"lr: 0.0 to 0.9 by 0.3"}},
		{"shuffled range", none, []string{"width=shuffle(range(1,4))"}, []string{"width: 1 | 2 | 3"}},
		{"interval", none, []string{"lr=interval(1,5)"}, []string{"lr: 1.0 to 5.0"}},
		{"integers", none, []string{"width=int(interval(1,5))"}, []string{"width: 1 to 5 by 1"}},
		{"log", none, []string{"lr=tag(log,interval(1e-4,1e-1))"}, []string{"lr: 0.0001 to 0.1, logarithmic"}},
		{"log integers", none, []string{"width=tag(log,int(interval(4,512)))"}, []string{"width: 4 to 512 by 1, logarithmic"}},
		{"other tags", none, []string{"lr=tag(a,interval(0,1))"}, []string{"lr: 0.0 to 1.0"}},
		{"glob", none, []string{"model=glob(b*)"}, []string{"model: b1 | b2"}},
		{"added and fixed", none, []string{"+new=1,2", "width=7", "kind='q'"}, []string{"+new: 1 | 2", "width=7", "kind='q'"}},
		{
			"params", "    params:\n      lr: tag(log, interval(1e-3, 1))\n      layers: choice([1],[2,3])\n      width: 4\n", nil,
			[]string{"lr: 0.001 to 1.0, logarithmic", "layers: [1] | [2,3]", "width=4"},
		},
		{
			"command line over params", "    params:\n      lr: interval(0, 1)\n      layers: choice([1],[2])\n      width: 4\n      kind: a,b\n",
			[]string{"width=1,2", "lr=0.5", "layers=[3],[4]"},
			[]string{"layers: [3] | [4]", "kind: a | b", "width: 1 | 2", "lr=0.5"},
		},
		{
			"older form",
			"    search_space:\n      lr: {type: float, low: 1e-3, high: 1, log: true}\n      width: {type: int, low: 2, high: 9, step: 3}\n" +
				"      kind: {type: categorical, choices: [a, b c, 1, null]}\n",
			nil,
			[]string{"lr: 0.001 to 1.0, logarithmic", "width: 2 to 8 by 3", `kind: a | b\ c | 1 | null`},
		},
		{"params over older form", "    search_space:\n      lr: {type: float, low: 0, high: 1}\n    params:\n      width: 1,2\n", nil, []string{"width: 1 | 2"}},
		{"float steps", "    search_space:\n      lr: {type: float, low: 0, high: 1, step: 0.4}\n", []string{"kind=z"}, []string{"lr: 0.0 to 0.8 by 0.4", "kind=z"}},
		{"an interpolated bound", "    params:\n      lr: interval(0, ${width})\n", nil, []string{"lr: 0.0 to 2.0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := NewSearch(searchOptions(c.sweeper, c.overrides...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range s.Parameters {
				got = append(got, p.String())
			}
			got = append(got, s.Fixed...)
			if g, w := strings.Join(got, "\n"), strings.Join(c.want, "\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
			if !s.Config.Searches() {
				t.Error("the config does not search")
			}
		})
	}
}

func TestSearchRefusals(t *testing.T) {
	for _, c := range []struct{ name, sweeper, override, want string }{
		{"nothing to search", "    n_trials: 1\n", "width=3", "the search has no parameters"},
		{"bounds", "", "lr=interval(2,1)", "command line 'lr=interval(2,1)': the lower bound 2.0 of lr is above the upper one, 1.0"},
		{"log of zero", "", "lr=tag(log,interval(0,1))", "must be positive"},
		{"log integers from zero", "", "lr=tag(log,int(interval(0,9)))", "must be 1 or more"},
		{"downward", "", "width=range(9,1,-2)", "the step -2 of width must be positive"},
		{"no step", "", "width=range(1,9,0)", "the step 0 of width must be positive"},
		{"infinite", "", "lr=interval(0,inf)", "must be finite"},
		{"far", "", "lr=interval(-1.7e308,1.7e308)", "too far out"},
		{"large integers", "", "width=range(0,9007199254740994)", "too far out"},
		{"no option", "", "model=glob(q*)", "model has no values to choose from"},
		{"file and line", "    params:\n      width: 1,2\n      lr: interval(3, 1)\n", "kind=z", "tree/main.yaml:13: the lower bound"},
		{"grammar in a file", "    params:\n      lr: choice(\n", "kind=z", "tree/main.yaml:12: "},
		{"a list for params", "    params: [1]\n", "kind=z", "hydra.sweeper.params must be a mapping"},
		{"a list for the space", "    search_space: [1]\n", "kind=z", "hydra.sweeper.search_space must be a mapping"},
		{"no type", "    search_space:\n      lr: {low: 1, high: 2}\n", "kind=z", `has no "type"`},
		{"unknown type", "    search_space:\n      lr: {type: number, low: 1, high: 2}\n", "kind=z", "must be int, float or categorical, not number"},
		{"unknown key", "    search_space:\n      lr: {type: float, low: 1, hihg: 2}\n", "kind=z", `did you mean "high"`},
		{"no bound", "    search_space:\n      lr: {type: float, low: 1}\n", "kind=z", "lr needs low and high"},
		{"half an integer", "    search_space:\n      width: {type: int, low: 1.5, high: 3}\n", "kind=z", "1.5 is no integer"},
		{"no choices", "    search_space:\n      kind: {type: categorical}\n", "lr=2", "kind has no choices"},
		{"text as a bound", "    search_space:\n      lr: {type: float, low: a, high: 3}\n", "kind=z", "a is no finite number"},
		{"a function", "    custom_search_space: my.function\n", "lr=1,2", "custom_search_space calls a Python function"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sweeper := c.sweeper
			if sweeper == "" {
				sweeper = "    n_trials: 1\n"
			}
			_, err := NewSearch(searchOptions(sweeper, c.override))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
			if _, ok := asError(err); !ok {
				t.Errorf("%T is no *Error", err)
			}
		})
	}
}

func TestParameterValues(t *testing.T) {
	for _, c := range []struct {
		p     Parameter
		value float64
		word  string
		plain any
	}{
		{Parameter{Key: "a", Low: 0, High: 1}, 1e-5, "a=1e-05", 1e-5},
		{Parameter{Key: "+a@b", Low: 1, High: 9, Step: 1, Integer: true}, 3, "+a@b=3", int64(3)},
		{Parameter{Key: "a", Low: 0, High: 2}, 2, "a=2.0", 2.0},
		{Parameter{Key: "a", Choices: []any{"x y", quotedText{"it's", '"'}, nil}}, 0, `a=x\ y`, "x y"},
		{Parameter{Key: "a", Choices: []any{"x y", quotedText{"it's", '"'}, nil}}, 1, `a="it's"`, "it's"},
		{Parameter{Key: "a", Choices: []any{"x y", quotedText{"it's", '"'}, nil}}, 2, "a=null", nil},
	} {
		if got := c.p.Override(c.value); got != c.word {
			t.Errorf("override %s, want %s", got, c.word)
		} else if err := ParseOverride(got); err != nil {
			t.Error(err)
		}
		if got := c.p.Value(c.value); got != c.plain {
			t.Errorf("value %v, want %v", got, c.plain)
		}
	}
}

// TestComposeJob composes the job of a search, which no list has.
func TestComposeJob(t *testing.T) {
	o := searchOptions("    n_trials: 1\n", "lr=interval(0,1)", "hydra.sweep.dir=out", "hydra.sweep.subdir=job_${hydra.job.num}")
	c, err := ComposeJob(o, 17, []string{"lr=0.25"})
	if err != nil {
		t.Fatal(err)
	}
	lr, _ := c.Root.Get("lr")
	if c.OutputDir != "/CWD/out/job_17" || lr.Value() != 0.25 {
		t.Errorf("%s, lr=%v", c.OutputDir, lr.Value())
	}
	if dir, err := c.SweepDir(); err != nil || dir != "/CWD/out" {
		t.Errorf("sweep directory %s, %v", dir, err)
	}
	if _, err := ComposeJob(o, 0, []string{"lr=interval(0,1)"}); err == nil {
		t.Error("a job took a space for a value")
	}
}
