package sweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Job is what a Runner is to run.
type Job struct {
	Number int
	// Overrides are those that compose the job: Hydra's own of the sweep's command
	// line, and the job's.
	Overrides []string
	// Dir is the directory of its run.
	Dir string
	// Continue says that an earlier try was broken off.
	Continue bool
	// Name is hydra.job.name.
	Name string
	// Parallel is how many jobs may run at the same time, this one included.
	Parallel int
}

// ErrInterrupted is what a Runner returns of a job that was told to stop and can go
// on from what it saved.
var ErrInterrupted = errors.New("interrupted")

// Runner runs a job to its end. When the context is cancelled it lets the job save
// what it has, and returns ErrInterrupted.
type Runner func(ctx context.Context, job Job) (Outcome, error)

// Options are what a sweep depends on.
type Options struct {
	// Config composes the sweep and its jobs. Its Now is the clock of a new sweep.
	Config config.Options
	// Command names the command that the jobs run.
	Command string
	// Version is that of the program.
	Version string
	// Place checks the config of a job and says where its run leaves its files, an
	// absolute path.
	Place func(*config.Config) (dir string, err error)
	// Runner runs a job.
	Runner Runner
	Log    *slog.Logger
}

// Sweep is a sweep that can be run.
type Sweep struct {
	Options
	// Dir is the directory of the sweep.
	Dir string
	// Record says how its jobs stand.
	Record *Record

	master   *config.Config
	shared   []string // the overrides for Hydra
	plan     plan
	parallel int
	release  func() // ends the lock; nil before there is one
}

// New composes a sweep and takes up the record in its directory, if there is one.
// Nothing is run or written, except that the directory is made.
func New(o Options) (_ *Sweep, err error) {
	s := &Sweep{Options: o}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	dir, err := s.compose()
	if err != nil {
		return nil, err
	}
	// A record is read by the one process that may go on with it.
	if err := s.lock(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if s.Record, err = readRecord(dir); err != nil {
		return nil, err
	}
	known := s.Record != nil
	if known {
		// The jobs still to come are composed at the time of the earlier ones.
		s.Config.Now = s.Record.Clock
		if dir, err = s.compose(); err != nil {
			return nil, err
		}
	} else {
		s.Record = &Record{
			Version: o.Version, Command: o.Command, Config: o.Config.ConfigName, Clock: o.Config.Now,
			Overrides: slices.Concat([]string{}, s.master.Overrides), Seed: randomSeed(),
		}
	}
	s.Dir = dir
	if s.parallel, err = readLauncher(s.master.Hydra); err != nil {
		return nil, err
	}
	if err := s.makePlan(known); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := s.lock(dir); err != nil {
		return nil, err
	}
	return s, nil
}

// lock keeps other processes from running the sweep, until Close.
func (s *Sweep) lock(dir string) (err error) {
	if s.release == nil {
		s.release, err = lock(dir)
	}
	return err
}

// Close lets other processes run the sweep.
func (s *Sweep) Close() {
	if s.release != nil {
		s.release()
	}
}

// compose composes the sweep itself and gives its directory.
func (s *Sweep) compose() (dir string, err error) {
	o := s.Config
	o.Sweeping = true
	if s.master, err = config.Compose(o); err != nil {
		return "", err
	}
	shared, err := s.master.Hydra.Select("overrides.hydra")
	if err != nil {
		return "", err
	}
	s.shared = nil
	for _, word := range shared.Items() {
		s.shared = append(s.shared, word.Text()) // as given: interpolations are the job's
	}
	return s.master.SweepDir()
}

// makePlan reads which jobs there are to be, and refuses a record of others.
func (s *Sweep) makePlan(known bool) error {
	if known && !s.sameCommand() {
		r := s.Record
		return s.another(fmt.Sprintf("it ran %s of %s with %q", r.Command, r.Config, r.Overrides))
	}
	if !s.master.Searches() {
		l, err := newList(s.Config)
		if err != nil {
			return err
		}
		s.plan = l
		if known && !l.sameJobs(s.Record.Jobs) {
			return s.another("its jobs are others")
		}
		return nil
	}
	search, err := newSearch(s.Config, s.Record.Seed)
	if err != nil {
		return err
	}
	s.plan = search
	if search.settings.Storage != nil && !known {
		s.Log.Warn("hydra.sweeper.storage is not used: the study is kept in " + RecordFile)
	}
	if !known {
		s.Record.Search = search.describe()
		return nil
	}
	if !slices.Equal(s.Record.Search, search.describe()) {
		return s.another("its space, sampler or direction is another")
	}
	return search.check(s.Record.Jobs)
}

func (s *Sweep) sameCommand() bool {
	r := s.Record
	return r.Command == s.Command && r.Config == s.Config.ConfigName && slices.Equal(r.Overrides, s.master.Overrides)
}

// another is the error for a directory that has another sweep.
func (s *Sweep) another(why string) error {
	return &config.Error{
		Class: "ValueError", Key: "hydra.sweep.dir",
		Message: fmt.Sprintf("%s holds another sweep: %s", s.Dir, why),
		Hint:    "give another hydra.sweep.dir, or the command that the sweep was started with",
	}
}

// Searches says whether a sampler draws the jobs. Their outcomes are then what it is
// to make small, or large.
func (s *Sweep) Searches() bool {
	_, ok := s.plan.(*search)
	return ok
}

// Maximizes says whether the sweep is a search for the largest value.
func (s *Sweep) Maximizes() bool {
	search, ok := s.plan.(*search)
	return ok && search.settings.Direction.maximize
}

// Run runs the jobs that are not done. It ends early when the context is cancelled,
// with its cause, and when more trials failed than the config allows. Jobs that
// failed are an error at the end.
func (s *Sweep) Run(ctx context.Context) error {
	if n := s.Record.Count(Done); n > 0 {
		s.Log.Info("the sweep goes on", "dir", s.Dir, "done", n)
	}
	err := s.runBatches(ctx)
	if writeErr := s.writeResults(); err == nil {
		err = writeErr
	}
	if err != nil {
		return err
	}
	if n := len(s.Record.Jobs) - s.Record.Count(Done); n > 0 {
		return fmt.Errorf("%d of %d jobs failed: the same command with hydra.sweep.dir=%s repeats them", n, len(s.Record.Jobs), s.Dir)
	}
	return nil
}

func (s *Sweep) runBatches(ctx context.Context) error {
	jobs := s.Record.Jobs // what an earlier run left, then batch after batch
	for {
		open := slices.DeleteFunc(slices.Clone(jobs), func(j *JobState) bool { return j.Status == Done })
		if err := s.launch(ctx, open); err != nil {
			return err
		}
		if n := count(open, Failed); n > s.plan.tolerates(len(open)) {
			return fmt.Errorf("%d of %d jobs failed, more than hydra.sweeper.max_failure_rate allows", n, len(open))
		}
		next := s.plan.next(s.Record.Jobs)
		if len(next) == 0 {
			return nil
		}
		if err := s.add(next); err != nil {
			return err
		}
		jobs = s.Record.Jobs[len(s.Record.Jobs)-len(next):]
	}
}

func count(jobs []*JobState, status Status) int {
	return (&Record{Jobs: jobs}).Count(status)
}

// add composes jobs, so that none starts where one is refused, and records them. Of
// a search that is for the first trials.
func (s *Sweep) add(batch []proposal) error {
	taken := map[string]int{}
	for _, job := range s.Record.Jobs {
		taken[job.Dir] = job.Number
	}
	var added []*JobState
	for i, p := range batch {
		number := len(s.Record.Jobs) + i
		dir, err := s.place(number, p.overrides)
		switch {
		case err == nil:
		case len(s.Record.Jobs) > 0 && s.Searches():
			dir = strconv.Itoa(number) // a point that does not work is a failed trial, not the end of the search
		default:
			s.Log.Warn(fmt.Sprintf("job %d is refused", number), "overrides", strings.Join(p.overrides, " "))
			return err
		}
		if inside, err := filepath.Rel(s.Dir, dir); err == nil && filepath.IsLocal(inside) {
			dir = inside
		}
		if other, ok := taken[dir]; ok {
			return &config.Error{
				Class: "ValueError", Message: fmt.Sprintf("jobs %d and %d have the same directory, %s", other, number, dir),
				Hint: "let paths.output_dir be ${hydra:runtime.output_dir}, and hydra.sweep.subdir differ by ${hydra.job.num}",
			}
		}
		taken[dir] = number
		added = append(added, &JobState{Number: number, Overrides: p.overrides, Dir: dir, Status: Waiting, Values: p.values})
	}
	if len(s.Record.Jobs) == 0 {
		if err := s.writeMultirun(); err != nil {
			return err
		}
	}
	s.Record.Jobs = append(s.Record.Jobs, added...)
	return s.Record.write(s.Dir)
}

// place composes a job and gives the directory of its run.
func (s *Sweep) place(number int, overrides []string) (dir string, err error) {
	composed, err := config.ComposeJob(s.Config, number, overrides)
	if err != nil {
		return "", err
	}
	return s.Place(composed)
}

// absolute is the path of a directory in the record.
func (s *Sweep) absolute(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(s.Dir, dir)
}

// elapsed is a duration in seconds, to the millisecond.
func elapsed(since time.Time) float64 {
	return time.Since(since).Round(time.Millisecond).Seconds()
}
