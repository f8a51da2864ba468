package config

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// Job is one composition of a sweep.
type Job struct {
	// Overrides are the job's own overrides, one value each.
	Overrides []string
	// Config is what they compose to; its output directory is that of the job.
	Config *Config
}

// maxJobs bounds a sweep over all combinations, whose configs are all kept.
const maxJobs = 10_000

// sweepJob is a job's number, for hydra.job.num and the output directory.
type sweepJob struct{ number int }

// Sweep lists the jobs of a multirun over all combinations of the values given, in
// Hydra's order: the last key varies fastest, and values that hydra.sweeper.params
// names come first. Every job is composed before any is returned.
func Sweep(o Options) ([]Job, error) {
	o.Sweeping = true
	master, err := Compose(o)
	if err != nil {
		return nil, err
	}
	if err := checkSweeper(master.Hydra); err != nil {
		return nil, err
	}
	words, err := sweepParams(master.Hydra)
	if err != nil {
		return nil, err
	}
	overrides, err := parseOverrides(append(words, master.Overrides...))
	if err != nil {
		return nil, err
	}
	lists, err := jobOverrides(overrides, newRepository(o.Sources, &environment{}))
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, len(lists))
	for i, words := range lists {
		c, err := ComposeJob(o, i, words)
		if err != nil {
			return nil, err
		}
		jobs[i] = Job{Overrides: words, Config: c}
	}
	return jobs, nil
}

// ComposeJob composes the job of a sweep that has the number and the overrides
// given. Of the options' own overrides those for Hydra count, which every job
// shares; the clock of the options is that of the sweep.
func ComposeJob(o Options, number int, overrides []string) (*Config, error) {
	shared, err := hydraOverrides(o.Overrides)
	if err != nil {
		return nil, err
	}
	o.Sweeping = false
	o.Overrides = slices.Concat(shared, overrides)
	o.job = &sweepJob{number: number}
	return Compose(o)
}

// hydraOverrides keeps the overrides that are for Hydra itself.
func hydraOverrides(words []string) ([]string, error) {
	list, err := parseOverrides(words)
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, o := range list {
		if o.isHydra() {
			kept = append(kept, o.input)
		}
	}
	return kept, nil
}

// SweepDir is the directory of the sweep that the config was composed for, made
// absolute.
func (c *Config) SweepDir() (string, error) {
	dir, err := hydraText(c.Hydra, "sweep.dir")
	if err != nil {
		return "", err
	}
	cwd, err := hydraText(c.Hydra, "runtime.cwd")
	if err != nil {
		return "", err
	}
	return absolute(dir, cwd), nil
}

const basicSweeper = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"

// checkSweeper refuses sweepers that search, which list no jobs beforehand.
func checkSweeper(hydra *Node) error {
	sweeper, err := hydra.Select("sweeper")
	if err != nil || sweeper == nil {
		return err
	}
	target, err := Target(sweeper)
	if err != nil {
		return err
	}
	switch target {
	case basicSweeper:
		return nil
	case optunaSweeper:
		return newError(classHydra, "a search has no jobs to list beforehand").at(sweeper).
			hint("hydra/sweeper=basic lists all combinations")
	}
	return newError(classHydra, "unknown sweeper %s", target).at(sweeper).
		hint("there are hydra/sweeper=basic and hydra/sweeper=optuna")
}

// sweepParams reads hydra.sweeper.params as overrides.
func sweepParams(hydra *Node) ([]string, error) {
	params, err := hydra.Select("sweeper.params")
	if err != nil || params == nil || params.shape != mapShape {
		return nil, err
	}
	resolved, err := params.Resolve()
	if err != nil {
		return nil, err
	}
	var words []string
	for key, n := range resolved.Fields() {
		words = append(words, key+"="+pyNode(n))
	}
	return words, nil
}

// jobOverrides makes the combinations. A later override of a key replaces an
// earlier one in its place.
func jobOverrides(list []*override, repo *repository) ([][]string, error) {
	var keys []string
	values := map[string][]string{}
	for _, o := range list {
		key := o.keyElement()
		texts := []string{elementText(o.value)}
		if o.isSweep() {
			var err error
			if texts, err = o.sweepValues(func() []string { return repo.options(o.key) }); err != nil {
				return nil, err
			}
			if o.shuffled() {
				rand.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
			}
		}
		if _, ok := values[key]; !ok {
			keys = append(keys, key)
		}
		values[key] = texts
	}
	jobs := [][]string{nil}
	for _, key := range keys {
		if len(jobs)*len(values[key]) > maxJobs {
			return nil, newError(classHydra, "the sweep has more than %d jobs", maxJobs)
		}
		next := make([][]string, 0, len(jobs)*len(values[key]))
		for _, job := range jobs {
			for _, v := range values[key] {
				next = append(next, append(slices.Clone(job), key+"="+v))
			}
		}
		jobs = next
	}
	return jobs, nil
}

func (o *override) shuffled() bool {
	switch s := o.value.(type) {
	case *choiceSweep:
		return s.shuffle
	case *rangeSweep:
		return s.shuffle
	}
	return false
}

// outputDir resolves the directory of a run, or of a job of a sweep.
func (o *Options) outputDir(hydra *Node) (string, error) {
	paths := []string{"run.dir"}
	if o.job != nil {
		paths = []string{"sweep.dir", "sweep.subdir"}
	}
	dir := ""
	for _, p := range paths {
		part, err := hydraText(hydra, p)
		if err != nil {
			return "", err
		}
		dir = filepath.Join(dir, part)
	}
	return absolute(dir, o.WorkDir), nil
}

// hydraText reads a value of the hydra node as text.
func hydraText(hydra *Node, path string) (string, error) {
	n, err := hydra.Select(path)
	if err != nil {
		return "", err
	}
	if n == nil {
		return "", newError(classKey, "hydra.%s is absent", path).at(hydra)
	}
	return pyNode(n), nil
}

func absolute(dir, workDir string) string {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(workDir, dir)
	}
	return filepath.Clean(dir)
}
