package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// fakeRuns stands for a command: its jobs end as outcome says.
type fakeRuns struct {
	outcome func(job Job, c *config.Config) (Outcome, error)

	mu      sync.Mutex
	started []Job
	open    int
	most    int // ran at the same time
	configs map[string]*config.Config
}

func (f *fakeRuns) place(c *config.Config) (string, error) {
	dir, err := c.RunDir()
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.configs == nil {
		f.configs = map[string]*config.Config{}
	}
	f.configs[dir] = c
	return dir, nil
}

func (f *fakeRuns) run(_ context.Context, job Job) (Outcome, error) {
	f.mu.Lock()
	f.started = append(f.started, job)
	f.open++
	f.most = max(f.most, f.open)
	c := f.configs[job.Dir]
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.open--
		f.mu.Unlock()
	}()
	return f.outcome(job, c)
}

func (f *fakeRuns) numbers() []int {
	var numbers []int
	for _, job := range f.started {
		numbers = append(numbers, job.Number)
	}
	return numbers
}

func number(c *config.Config, key string) float64 {
	n, _ := c.Root.Get(key)
	switch v := n.Value().(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

// parabola is smallest at a=3, b=1.
func parabola(_ Job, c *config.Config) (Outcome, error) {
	a, b := number(c, "a"), number(c, "b")
	return Outcome{Metric: "loss", Value: (a-3)*(a-3) + (b-1)*(b-1)}, nil
}

func options(dir string, f *fakeRuns, words ...string) Options {
	tree := fstest.MapFS{
		"main.yaml": {Data: []byte("a: 0\nb: 1\ntime: ${now:%H:%M:%S}\n")},
		"search.yaml": {Data: []byte("defaults:\n  - override hydra/sweeper: optuna\n  - _self_\na: 0\nb: 1\ntime: ${now:%H:%M:%S}\n" +
			"hydra:\n  sweeper:\n    n_trials: 14\n    n_jobs: 1\n    sampler: {seed: 5, n_startup_trials: 6}\n    params:\n      a: interval(-5, 5)\n      b: range(0, 4)\n")},
	}
	name := "main"
	if len(words) > 0 && words[0] == "search" {
		name, words = "search", words[1:]
	}
	return Options{
		Config: config.Options{
			Sources: []config.Source{{FS: tree, Path: "tree"}}, ConfigName: name, WorkDir: dir, AppName: "app",
			Overrides: append([]string{"hydra.sweep.dir=sweep"}, words...),
			Now:       time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		},
		Command: "train", Version: "test", Place: f.place, Runner: f.run, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// runSweep makes and runs a sweep.
func runSweep(t *testing.T, ctx context.Context, o Options) (*Sweep, error) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s, s.Run(ctx)
}

func statuses(r *Record) string {
	var words []string
	for _, job := range r.Jobs {
		words = append(words, string(job.Status))
	}
	return strings.Join(words, " ")
}

func TestListRunsInOrder(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: parabola}
	s, err := runSweep(t, t.Context(), options(dir, f, "a=1,3", "b=0,1", "hydra.sweep.subdir=${hydra.job.num}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.numbers(); !slices.Equal(got, []int{0, 1, 2, 3}) || f.most != 1 {
		t.Errorf("jobs %v ran, %d at a time", got, f.most)
	}
	if want := filepath.Join(dir, "sweep", "2"); f.started[2].Dir != want || s.Record.Jobs[2].Dir != "2" {
		t.Errorf("job 2 is in %s, want %s", f.started[2].Dir, want)
	}
	want := []string{"hydra.sweep.dir=sweep", "hydra.sweep.subdir=${hydra.job.num}", "a=3", "b=0"}
	if got := f.started[2].Overrides; !slices.Equal(got, want) || f.started[2].Name != "app" {
		t.Errorf("job 2 of %s composes of %q, want %q", f.started[2].Name, got, want)
	}
	table := s.Table()
	if got := strings.Join(table[4], " "); !strings.HasPrefix(got, "3 a=3 b=1 loss 0 ") || !strings.HasSuffix(got, "done best") {
		t.Errorf("row of job 3: %s", got)
	}
	for name, want := range map[string]string{TableFile: "\n3,a=3 b=1,loss,0,", MultirunFile: "\nhydra:\n"} {
		text, err := os.ReadFile(filepath.Join(dir, "sweep", name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s has no %q: %v\n%s", name, want, err, text)
		}
	}
	r, err := readRecord(filepath.Join(dir, "sweep"))
	if err != nil || statuses(r) != "done done done done" || !r.Clock.Equal(s.Config.Now) {
		t.Errorf("the record: %v, %+v", err, r)
	}
}

// TestFailedJobs: a job that fails is marked, the others run, and the next run
// repeats it alone, at the time of the first.
func TestFailedJobs(t *testing.T) {
	dir := t.TempDir()
	broken := true
	f := &fakeRuns{}
	f.outcome = func(job Job, c *config.Config) (Outcome, error) {
		if job.Number == 1 && broken {
			return Outcome{}, errors.New("out of memory")
		}
		return parabola(job, c)
	}
	s, err := runSweep(t, t.Context(), options(dir, f, "a=1,2,3"))
	if err == nil || !strings.Contains(err.Error(), "1 of 3 jobs failed") || statuses(s.Record) != "done failed done" {
		t.Fatalf("%v, %s", err, statuses(s.Record))
	}
	if job := s.Record.Jobs[1]; job.Error != "out of memory" || job.Outcome != nil {
		t.Errorf("job 1: %+v", job)
	}
	broken = false
	f.started = nil
	o := options(dir, f, "a=1,2,3")
	o.Config.Now = o.Config.Now.Add(time.Hour)
	s, err = runSweep(t, t.Context(), o)
	if err != nil || statuses(s.Record) != "done done done" || !slices.Equal(f.numbers(), []int{1}) || f.started[0].Continue {
		t.Errorf("%v, %s, ran %+v", err, statuses(s.Record), f.started)
	}
	when, _ := f.configs[f.started[0].Dir].Root.Select("time")
	if when.Value() != "04:05:06" {
		t.Errorf("the clock of the repeated job is %v", when.Value())
	}
}

func TestInterruption(t *testing.T) {
	dir := t.TempDir()
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &fakeRuns{}
	f.outcome = func(job Job, c *config.Config) (Outcome, error) {
		if job.Number == 1 {
			cancel(cause)
			return Outcome{}, fmt.Errorf("job: %w", ErrInterrupted)
		}
		return parabola(job, c)
	}
	s, err := runSweep(t, ctx, options(dir, f, "a=1,2,3"))
	if !errors.Is(err, cause) || statuses(s.Record) != "done interrupted waiting" {
		t.Fatalf("%v, %s", err, statuses(s.Record))
	}
	f.outcome, f.started = parabola, nil
	s, err = runSweep(t, t.Context(), options(dir, f, "a=1,2,3"))
	if err != nil || statuses(s.Record) != "done done done" {
		t.Fatalf("%v, %s", err, statuses(s.Record))
	}
	if !slices.Equal(f.numbers(), []int{1, 2}) || !f.started[0].Continue || f.started[1].Continue {
		t.Errorf("ran %+v", f.started)
	}
}

// TestKilled: what a record calls running was broken off.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: parabola}
	o := options(dir, f, "a=1,2")
	s, err := runSweep(t, t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Record.Jobs[0].Status = Running
	if err := s.Record.write(s.Dir); err != nil {
		t.Fatal(err)
	}
	f.started = nil
	if _, err := runSweep(t, t.Context(), o); err != nil || len(f.started) != 1 || !f.started[0].Continue {
		t.Errorf("%v, ran %+v", err, f.started)
	}
}

func TestParallel(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{}
	both := make(chan struct{}, 2)
	f.outcome = func(job Job, c *config.Config) (Outcome, error) {
		both <- struct{}{}
		for len(both) < 2 && job.Number < 2 { // the first two wait for each other
			time.Sleep(time.Millisecond)
		}
		if job.Parallel != 2 {
			return Outcome{}, fmt.Errorf("%d at a time", job.Parallel)
		}
		if job.Number > 1 {
			<-both
		}
		return parabola(job, c)
	}
	o := options(dir, f, "a=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
	s, err := runSweep(t, t.Context(), o)
	if err != nil || f.most != 2 || statuses(s.Record) != "done done" {
		t.Errorf("%v, %d at a time, %s", err, f.most, statuses(s.Record))
	}
}

func TestPanicsAndBadValues(t *testing.T) {
	f := &fakeRuns{}
	f.outcome = func(job Job, _ *config.Config) (Outcome, error) {
		switch job.Number {
		case 0:
			panic("oh")
		case 1:
			return Outcome{Metric: "loss", Value: math.NaN()}, nil
		case 2:
			return Outcome{Metric: "loss", Value: math.Inf(1)}, nil
		}
		return Outcome{}, nil // no value, which a list of jobs does not need
	}
	s, err := runSweep(t, t.Context(), options(t.TempDir(), f, "a=1,2,3,4"))
	if err == nil || statuses(s.Record) != "failed failed failed done" {
		t.Fatalf("%v, %s", err, statuses(s.Record))
	}
	for i, want := range []string{"internal error: oh", "loss is NaN", "loss is +Inf"} {
		if got := s.Record.Jobs[i].Error; got != want {
			t.Errorf("job %d: %s, want %s", i, got, want)
		}
	}
	if s.Best() != nil {
		t.Errorf("best %+v", s.Best())
	}
}

func TestBest(t *testing.T) {
	job := func(value float64, metric string, maximize bool) *JobState {
		return &JobState{Status: Done, Outcome: &Outcome{metric, value, maximize}}
	}
	for _, c := range []struct {
		jobs []*JobState
		want int // -1: none
	}{
		{[]*JobState{job(2, "m", false), job(1, "m", false), job(1, "m", false)}, 1},
		{[]*JobState{job(2, "m", true), job(3, "m", true)}, 1},
		{[]*JobState{job(2, "m", true), job(3, "n", true)}, -1},
		{[]*JobState{job(2, "m", true), job(3, "m", false)}, -1},
		{[]*JobState{{Status: Failed}, job(3, "m", true), {Status: Done}}, 1},
		{nil, -1},
	} {
		got := (&Sweep{Record: &Record{Jobs: c.jobs}}).Best()
		if i := slices.Index(c.jobs, got); got == nil && c.want != -1 || got != nil && i != c.want {
			t.Errorf("%d of %v", i, c)
		}
	}
}

func TestSearchRuns(t *testing.T) {
	f := &fakeRuns{outcome: parabola}
	whole := t.TempDir()
	s, err := runSweep(t, t.Context(), options(whole, f, "search"))
	if err != nil || len(s.Record.Jobs) != 14 {
		t.Fatalf("%v, %d jobs", err, len(s.Record.Jobs))
	}
	best := s.Best()
	text, err := os.ReadFile(filepath.Join(whole, "sweep", StudyFile))
	want := fmt.Sprintf("name: optuna\nbest_params:\n  a: %v\n  b: %v\nbest_value: ", best.Values[0], best.Values[1])
	if err != nil || !strings.HasPrefix(string(text), want) {
		t.Errorf("%v\n%s\nwant %s", err, text, want)
	}

	// The same search, broken off after each trial, has the same trials.
	pieces := t.TempDir()
	cause := errors.New("interrupted")
	f = &fakeRuns{}
	for range 40 {
		ctx, cancel := context.WithCancelCause(t.Context())
		f.outcome = func(job Job, c *config.Config) (Outcome, error) {
			defer cancel(cause)
			return parabola(job, c)
		}
		o := options(pieces, f, "search")
		o.Config.Now = o.Config.Now.Add(time.Hour)
		r, err := runSweep(t, ctx, o)
		if err == nil {
			for i, job := range s.Record.Jobs {
				if !slices.Equal(job.Overrides, r.Record.Jobs[i].Overrides) {
					t.Errorf("trial %d: %v, then %v", i, job.Overrides, r.Record.Jobs[i].Overrides)
				}
			}
			return
		}
		if !errors.Is(err, cause) {
			t.Fatal(err)
		}
	}
	t.Error("the search does not end")
}

// TestSearchInBatches does not depend on which trial of a batch ends first.
func TestSearchInBatches(t *testing.T) {
	trials := func(slow int) [][]string {
		f := &fakeRuns{}
		f.outcome = func(job Job, c *config.Config) (Outcome, error) {
			if job.Number%3 == slow {
				time.Sleep(2 * time.Millisecond)
			}
			return parabola(job, c)
		}
		s, err := runSweep(t, t.Context(), options(t.TempDir(), f, "search", "hydra.sweeper.n_jobs=3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3"))
		if err != nil {
			t.Fatal(err)
		}
		var list [][]string
		for _, job := range s.Record.Jobs {
			list = append(list, job.Overrides)
		}
		return list
	}
	first := trials(0)
	if second := trials(2); !slices.EqualFunc(first, second, slices.Equal) || len(first) != 14 {
		t.Errorf("%v\n%v", first, second)
	}
}

// TestFailedTrials: they count as trials but teach nothing, and more of them than
// allowed end the search.
func TestFailedTrials(t *testing.T) {
	f := &fakeRuns{}
	f.outcome = func(job Job, c *config.Config) (Outcome, error) {
		switch job.Number {
		case 3:
			return Outcome{}, errors.New("broken")
		case 5:
			return Outcome{Metric: "loss", Value: math.NaN()}, nil
		case 8:
			return Outcome{}, nil
		}
		return parabola(job, c)
	}
	s, err := runSweep(t, t.Context(), options(t.TempDir(), f, "search"))
	if err == nil || s.Record.Count(Failed) != 3 || s.Record.Count(Done) != 11 {
		t.Fatalf("%v, %s", err, statuses(s.Record))
	}
	if got := len(s.plan.(*search).history(s.Record.Jobs)); got != 11 {
		t.Errorf("the sampler knows %d trials", got)
	}
	s, err = runSweep(t, t.Context(), options(t.TempDir(), f, "search", "++hydra.sweeper.max_failure_rate=0"))
	if err == nil || !strings.Contains(err.Error(), "max_failure_rate") || len(s.Record.Jobs) != 4 {
		t.Errorf("%v, %d jobs", err, len(s.Record.Jobs))
	}
}

// TestRefusedTrials: a point that cannot be composed or placed is a failed trial,
// unless it is of the first ones, which show that the search makes no sense.
func TestRefusedTrials(t *testing.T) {
	for _, first := range []bool{false, true} {
		f := &fakeRuns{}
		f.outcome = func(job Job, c *config.Config) (Outcome, error) {
			if job.Number == 5 {
				return Outcome{}, errors.New("refused")
			}
			return parabola(job, c)
		}
		o := options(t.TempDir(), f, "search")
		place := o.Place
		o.Place = func(c *config.Config) (string, error) {
			number, err := c.Hydra.Select("job.num")
			if err == nil && (first || number.Text() == "5") {
				err = config.Errorf(number, "this point does not work")
			}
			if err != nil {
				return "", err
			}
			return place(c)
		}
		s, err := runSweep(t, t.Context(), o)
		var refused *config.Error
		if first != errors.As(err, &refused) || first != (len(s.Record.Jobs) == 0) {
			t.Errorf("first %v: %v, %d jobs", first, err, len(s.Record.Jobs))
		}
		if !first && (s.Record.Jobs[5].Status != Failed || s.Record.Count(Done) != len(s.Record.Jobs)-1) {
			t.Errorf("%v, %s", err, statuses(s.Record))
		}
	}
}

// TestDirection: the score of a search that maximizes is turned around.
func TestDirection(t *testing.T) {
	f := &fakeRuns{}
	f.outcome = func(job Job, c *config.Config) (Outcome, error) {
		o, err := parabola(job, c)
		o.Value = -o.Value
		return o, err
	}
	smallest, err := runSweep(t, t.Context(), options(t.TempDir(), &fakeRuns{outcome: parabola}, "search"))
	if err != nil {
		t.Fatal(err)
	}
	largest, err := runSweep(t, t.Context(), options(t.TempDir(), f, "search", "hydra.sweeper.direction=[maximize]"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := smallest.Best(), largest.Best()
	if !largest.Maximizes() || a.Number != b.Number || a.Outcome.Value != -b.Outcome.Value {
		t.Errorf("%+v, %+v", a, b)
	}
}

// TestMoreTrials: a search may be made longer.
func TestMoreTrials(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: parabola}
	if _, err := runSweep(t, t.Context(), options(dir, f, "search", "hydra.sweeper.n_trials=4")); err != nil {
		t.Fatal(err)
	}
	s, err := runSweep(t, t.Context(), options(dir, f, "search", "hydra.sweeper.n_trials=7"))
	if err != nil || !slices.Equal(f.numbers(), []int{0, 1, 2, 3, 4, 5, 6}) || len(s.Record.Jobs) != 7 {
		t.Errorf("%v, ran %v", err, f.numbers())
	}
}

// TestUnseeded: without a seed in the config the record keeps one.
func TestUnseeded(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: parabola}
	words := []string{"search", "hydra.sweeper.sampler.seed=null", "hydra.sweeper.n_trials=2"}
	first, err := runSweep(t, t.Context(), options(dir, f, words...))
	if err != nil {
		t.Fatal(err)
	}
	second, err := runSweep(t, t.Context(), options(dir, f, words...))
	if err != nil || first.Record.Seed != second.Record.Seed {
		t.Errorf("%v, seeds %d and %d", err, first.Record.Seed, second.Record.Seed)
	}
}

func TestAnotherSweepIsRefused(t *testing.T) {
	for _, c := range []struct{ name, first, second, want string }{
		{"values", "a=1,2", "a=1,3", "it ran train of main with"},
		{"settings", "search", "search hydra.sweeper.direction=maximize", "its space, sampler or direction is another"},
		{"seed", "search", "search hydra.sweeper.sampler.seed=6", "its space, sampler or direction is another"},
		{"config", "search", "a=1,2", "it ran train of search"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			f := &fakeRuns{outcome: parabola}
			if _, err := runSweep(t, t.Context(), options(dir, f, strings.Fields(c.first)...)); err != nil {
				t.Fatal(err)
			}
			_, err := New(options(dir, f, strings.Fields(c.second)...))
			if e := (*config.Error)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: parabola}
	s, err := New(options(dir, f, "a=1,2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(options(dir, f, "a=1,2")); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
	s.Close()
	again, err := New(options(dir, f, "a=1,2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	again.Close()
	// One that is refused keeps nobody out.
	if _, err := New(options(dir, f, "a=1,3")); err == nil || !strings.Contains(err.Error(), "another sweep") {
		t.Errorf("got %v", err)
	}
	last, err := New(options(dir, f, "a=1,2"))
	if err != nil {
		t.Fatal(err)
	}
	last.Close()
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"hydra.sweeper.n_trials=0", "n_trials must be from 1"},
		{"hydra.sweeper.n_jobs=0", "n_jobs must be 1 or more"},
		{"++hydra.sweeper.max_failure_rate=1.5", "max_failure_rate must be from 0 to 1"},
		{"hydra.sweeper.direction=up", "must be minimize or maximize"},
		{"hydra.sweeper.direction=[minimize,maximize]", "several directions"},
		{"hydra.sweeper.direction=[]", "must be minimize or maximize"},
		{"hydra.sweeper.sampler._target_=optuna.samplers.TPESample", "did you mean"},
		{"hydra.sweeper.sampler._target_=optuna.samplers.CmaEsSampler", "unknown sampler"},
		{"+hydra.sweeper.sampler.n_candidates=3", `unknown key "n_candidates"`},
		{"+hydra.sweeper.sampler.gamma=f", "gamma names a Python function"},
		{"+hydra.sweeper.sampler.group=true", "group=true is not supported"},
		{"hydra.sweeper.sampler.consider_prior=false", "consider_prior=false is not supported"},
		{"hydra.sweeper.sampler.prior_weight=-1", "prior_weight must be 0 or more"},
		{"hydra.sweeper.sampler.n_ei_candidates=0", "n_ei_candidates must be from 1"},
		{"hydra.sweeper.sampler.n_startup_trials=-1", "n_startup_trials must be 0 or more"},
		{"hydra.sweeper.sampler.seed=-1", "does not fit"},
		{"hydra.launcher._target_=submitit", "unknown launcher"},
		{"hydra.sweeper._target_=hydra_plugins.hydra_ax_sweeper.ax_sweeper.AxSweeper", "unknown sweeper"},
		{"hydra/launcher=joblib hydra.launcher.n_jobs=0", "n_jobs must not be 0"},
		{"+hydra.launcher.x=1", `unknown key "x"`},
		{"hydra.sweeper.custom_search_space=f", "custom_search_space calls a Python function"},
	} {
		t.Run(c.word, func(t *testing.T) {
			dir := t.TempDir()
			s, err := New(options(dir, &fakeRuns{outcome: parabola}, append([]string{"search"}, strings.Fields(c.word)...)...))
			if err == nil {
				s.Close()
				t.Fatal("accepted")
			}
			e, list := (*config.Error)(nil), config.ErrorList{}
			if !errors.As(err, &e) && !errors.As(err, &list) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "sweep")); err == nil {
				t.Error("the directory was made")
			}
		})
	}
}

// TestUnwritableRecord: no job starts whose end could not be recorded.
func TestUnwritableRecord(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{}
	f.outcome = func(job Job, c *config.Config) (Outcome, error) {
		record := filepath.Join(dir, "sweep", RecordFile)
		if err := errors.Join(os.Remove(record), os.Mkdir(record, 0o777)); err != nil {
			t.Error(err)
		}
		return parabola(job, c)
	}
	_, err := runSweep(t, t.Context(), options(dir, f, "a=1,2,3"))
	if err == nil || !strings.Contains(err.Error(), RecordFile) || !slices.Equal(f.numbers(), []int{0}) {
		t.Errorf("%v, ran %v", err, f.numbers())
	}
}

// TestMoved: a sweep goes on where its directory was moved.
func TestMoved(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: func(Job, *config.Config) (Outcome, error) { return Outcome{}, errors.New("no") }}
	if _, err := runSweep(t, t.Context(), options(dir, f, "a=1,2")); err == nil {
		t.Fatal("no job failed")
	}
	if err := os.Rename(filepath.Join(dir, "sweep"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	f.started, f.outcome = nil, func(Job, *config.Config) (Outcome, error) { return Outcome{}, nil }
	s, err := runSweep(t, t.Context(), options(dir, f, "a=1,2", "hydra.sweep.dir=moved"))
	if err != nil || len(f.started) != 2 || f.started[1].Dir != filepath.Join(dir, "moved", "1") {
		t.Errorf("%v, ran %+v in %s", err, f.started, s.Dir)
	}
}

func TestJobsInOneDirectory(t *testing.T) {
	f := &fakeRuns{outcome: parabola}
	s, err := New(options(t.TempDir(), f, "a=1,2", "hydra.sweep.subdir=same"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "jobs 0 and 1 have the same directory") || len(f.started) > 0 {
		t.Errorf("%v, ran %v", err, f.numbers())
	}
}

func TestBadRecords(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":      "{",
		"no numbers":   `{"jobs":[{"number":1}]}`,
		"a null job":   `{"jobs":[null]}`,
		"another type": `{"jobs":7}`,
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "sweep"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "sweep", RecordFile), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := New(options(dir, &fakeRuns{outcome: parabola}, "a=1,2")); err == nil || !strings.Contains(err.Error(), "is no record of a sweep") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignTrials refuses a record whose trials were changed.
func TestForeignTrials(t *testing.T) {
	dir := t.TempDir()
	f := &fakeRuns{outcome: parabola}
	s, err := runSweep(t, t.Context(), options(dir, f, "search"))
	if err != nil {
		t.Fatal(err)
	}
	s.Record.Jobs[3].Values[0] = 99
	if err := s.Record.write(s.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := New(options(dir, f, "search")); err == nil || !strings.Contains(err.Error(), "trial 3") {
		t.Errorf("got %v", err)
	}
}
