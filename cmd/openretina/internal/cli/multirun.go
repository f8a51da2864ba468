package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/sweep"
)

// multirunFlags make a command run as a sweep, or as a job of one. The flags of jobs
// are for the program itself, which runs each job as a process of its own.
type multirunFlags struct {
	multirun bool
	job      int // its number; -1: no job of a sweep
	clock    string
	goOn     bool // from what an earlier try left
}

func (m *multirunFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&m.multirun, "multirun", "m", false, "run a job for each combination of the values given, or search (docs/sweeps.md)")
	flags.IntVar(&m.job, jobFlag, -1, "number of the job in its sweep")
	flags.StringVar(&m.clock, clockFlag, "", "time at which the sweep began")
	flags.BoolVar(&m.goOn, goOnFlag, false, "continue what an earlier try left")
	for _, name := range []string{jobFlag, clockFlag, goOnFlag} {
		if err := flags.MarkHidden(name); err != nil {
			panic(err) // the flags are those above
		}
	}
}

const jobFlag, clockFlag, goOnFlag = "sweep-job", "sweep-clock", "sweep-go-on"

// isJob says whether the command runs as a job of a sweep.
func (m *multirunFlags) isJob() bool { return m.clock != "" }

// checkDryRun refuses to forecast a sweep: only one of its runs would be told of.
func (m *multirunFlags) checkDryRun(dry bool) error {
	if dry && m.multirun {
		return flagErrorf("--dry-run is for one run: leave --multirun out (openretina config --multirun lists the jobs)")
	}
	return nil
}

// compose composes the config of a job.
func (m *multirunFlags) compose(o config.Options) (*config.Config, error) {
	now, err := time.Parse(time.RFC3339Nano, m.clock)
	if err != nil || m.job < 0 {
		return nil, errNoParent
	}
	o.Now = now
	words := o.Overrides
	o.Overrides = nil
	return config.ComposeJob(o, m.job, words)
}

// sweeps says whether the command runs as a sweep, by its flag or by hydra.mode.
func (c *configFlags) sweeps(f *Factory, words []string) (bool, error) {
	if c.sweep.multirun {
		return true, nil
	}
	options, err := c.options(f, words)
	if err != nil {
		return false, err
	}
	options.Sweeping, options.Warn = true, nil
	composed, err := config.Compose(options)
	if err != nil {
		return false, err
	}
	mode := ""
	err = composed.Hydra.ReadAt("mode", &mode)
	return mode == "MULTIRUN", err
}

// sweptCommand is what a command tells about itself to run as a sweep.
type sweptCommand struct {
	cmd   *cobra.Command
	flags *configFlags
	// place checks the config of a job and says where its run leaves its files.
	place func(*config.Config) (dir string, err error)
	// outcome reads how the job in a directory ended.
	outcome func(dir string, searching bool) (sweep.Outcome, error)
	// extra are further flags for a job.
	extra func(job sweep.Job) []string
}

// sweep runs a command as a sweep, if it is to be one, and makes it the job of one,
// if it is that.
func (f *Factory) sweep(c sweptCommand, words []string) (swept bool, err error) {
	if c.flags.sweep.isJob() {
		return false, f.becomeJob()
	}
	if swept, err = c.flags.sweeps(f, words); !swept || err != nil {
		return false, err
	}
	return true, f.runMultirun(c, words)
}

// runMultirun runs the jobs of a sweep and prints its table.
func (f *Factory) runMultirun(c sweptCommand, words []string) error {
	options, err := c.flags.options(f, words)
	if err != nil {
		return err
	}
	jobs := &childJobs{sweptCommand: c, f: f}
	s, err := sweep.New(sweep.Options{
		Config: options, Command: c.cmd.Name(), Version: Version, Log: f.Log,
		Place: func(composed *config.Config) (string, error) {
			dir, err := c.place(composed)
			if err != nil {
				return "", err
			}
			return fromJob(composed, dir)
		},
		Runner: jobs.run,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	jobs.sweep = s
	err = s.Run(f.Interrupts.Soft)
	if len(s.Record.Jobs) == 0 {
		return err
	}
	if printErr := f.printSweep(s); err == nil {
		err = printErr
	}
	return err
}

// fromJob makes a path absolute as the process of a job sees it, which goes to its
// own directory where hydra.job.chdir says so.
func fromJob(c *config.Config, path string) (string, error) {
	chdir := false
	if err := c.Hydra.ReadAt("job.chdir", &chdir); err != nil {
		return "", err
	}
	if !chdir || filepath.IsAbs(path) {
		return filepath.Abs(path)
	}
	dir, err := c.RunDir()
	return filepath.Join(dir, path), err
}

// printSweep prints the table of the jobs, and the directory of the sweep.
func (f *Factory) printSweep(s *sweep.Sweep) error {
	rows := s.Table()
	for i, heading := range rows[0] {
		rows[0][i] = strings.ToUpper(heading)
	}
	if err := f.IO.printTable(rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(f.IO.Out, s.Dir)
	return err
}

// childFlags are the flags of this command line that its jobs get too.
func childFlags(cmd *cobra.Command) []string {
	own := map[string]bool{"multirun": true, "threads": true}
	var args []string
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if own[flag.Name] {
			return
		}
		args = append(args, "--"+flag.Name+"="+flag.Value.String())
	})
	return args
}

// outcomeOf is the outcome of a job; a metric without a number is a failure.
func outcomeOf(metric string, value *float64, maximize bool) (sweep.Outcome, error) {
	if value == nil {
		return sweep.Outcome{}, fmt.Errorf("%s is no finite number", metric)
	}
	return sweep.Outcome{Metric: metric, Value: *value, Maximize: maximize}, nil
}
