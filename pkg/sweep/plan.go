package sweep

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
)

// plan decides which jobs a sweep has.
type plan interface {
	// next gives the jobs that come after those of the record, all of which have
	// ended; none where the sweep is complete.
	next(jobs []*JobState) []proposal
	// tolerates says how many of a batch may fail before the sweep ends.
	tolerates(batch int) int
}

// proposal is a job to be.
type proposal struct {
	overrides []string
	values    []float64 // of a trial
}

// list is the plan of a sweep over all combinations.
type list struct{ overrides [][]string }

func newList(o config.Options) (*list, error) {
	jobs, err := config.Sweep(o)
	if err != nil {
		return nil, err
	}
	l := &list{}
	for _, job := range jobs {
		l.overrides = append(l.overrides, job.Overrides)
	}
	return l, nil
}

func (l *list) next(jobs []*JobState) []proposal {
	var rest []proposal
	for _, overrides := range l.overrides[min(len(jobs), len(l.overrides)):] {
		rest = append(rest, proposal{overrides: overrides})
	}
	return rest
}

func (l *list) tolerates(batch int) int { return batch }

// sameJobs says whether a record has the jobs of the list, in any order, since
// shuffled ones come in another order every time.
func (l *list) sameJobs(jobs []*JobState) bool {
	join := func(overrides []string) string { return strings.Join(overrides, "\x00") }
	var mine, theirs []string
	for _, overrides := range l.overrides {
		mine = append(mine, join(overrides))
	}
	for _, job := range jobs {
		theirs = append(theirs, join(job.Overrides))
	}
	slices.Sort(mine)
	slices.Sort(theirs)
	return slices.Equal(mine, theirs)
}

// search is the plan of a sampler: batches of trials, each of which knows how those
// of the batches before it ended.
type search struct {
	space    *config.Search
	settings searchSettings
	sampler  Sampler
}

func newSearch(o config.Options, seed uint64) (*search, error) {
	space, err := config.NewSearch(o)
	if err != nil {
		return nil, err
	}
	s := &search{space: space}
	if s.settings, err = readSearchSettings(space.Config.Hydra); err != nil {
		return nil, err
	}
	s.sampler, err = samplers().Build(s.settings.Sampler, seed)
	return s, err
}

func (s *search) next(jobs []*JobState) []proposal {
	history := s.history(jobs)
	var batch []proposal
	for number := len(jobs); number < s.settings.Trials && len(batch) < s.settings.Batch; number++ {
		p := proposal{values: s.sampler.Suggest(number, s.space.Parameters, history)}
		history = append(history, Trial{Number: number, Values: p.values, Running: true})
		for i := range s.space.Parameters {
			p.overrides = append(p.overrides, s.space.Parameters[i].Override(p.values[i]))
		}
		p.overrides = append(p.overrides, s.space.Fixed...)
		batch = append(batch, p)
	}
	return batch
}

// history tells the sampler how trials ended; failed ones tell nothing.
func (s *search) history(jobs []*JobState) []Trial {
	var trials []Trial
	for _, job := range jobs {
		if job.Status != Done || job.Outcome == nil {
			continue
		}
		t := Trial{Number: job.Number, Values: job.Values, Score: job.Outcome.Value}
		if s.settings.Direction.maximize {
			t.Score = -t.Score
		}
		trials = append(trials, t)
	}
	return trials
}

// describe tells one search from another, a line for each thing that matters.
func (s *search) describe() []string {
	lines := []string{s.settings.Direction.String(), s.sampler.String()}
	for _, p := range s.space.Parameters {
		lines = append(lines, p.String())
	}
	return append(lines, s.space.Fixed...)
}

func (s *search) tolerates(batch int) int {
	if s.settings.MaxFailureRate == nil {
		return batch
	}
	return int(math.Floor(*s.settings.MaxFailureRate * float64(batch)))
}

// check refuses a record whose trials do not lie in the space.
func (s *search) check(jobs []*JobState) error {
	for _, job := range jobs {
		ok := len(job.Values) == len(s.space.Parameters)
		for i := range s.space.Parameters {
			ok = ok && s.space.Parameters[i].Contains(job.Values[i])
		}
		if !ok {
			return fmt.Errorf("trial %d of the record does not lie in the space that is searched", job.Number)
		}
	}
	return nil
}
