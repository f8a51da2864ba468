package sweep

import (
	"math/rand/v2"
	"runtime"

	"github.com/open-retina/openretina-go/pkg/config"
)

// searchSettings are the keys of hydra.sweeper when it searches. The spaces are
// read by config.NewSearch.
type searchSettings struct {
	Sampler           *config.Node `yaml:"sampler,required"`
	Direction         direction    `yaml:"direction"`
	Storage           *string      `yaml:"storage"`
	StudyName         *string      `yaml:"study_name"`
	Trials            int          `yaml:"n_trials"`
	Batch             int          `yaml:"n_jobs"`
	MaxFailureRate    *float64     `yaml:"max_failure_rate"`
	SearchSpace       *config.Node `yaml:"search_space"`
	Params            *config.Node `yaml:"params"`
	CustomSearchSpace *config.Node `yaml:"custom_search_space"`
}

// direction is minimize or maximize, alone or as the only one of a list.
type direction struct{ maximize bool }

// UnmarshalNode implements config.NodeDecoder.
func (d *direction) UnmarshalNode(n *config.Node) error {
	if items := n.Items(); len(items) > 1 {
		return config.Errorf(n, "several directions are not supported: give one, minimize or maximize")
	} else if len(items) == 1 {
		n = items[0]
	}
	switch n.Value() {
	case "minimize", "maximize":
		d.maximize = n.Value() == "maximize"
		return nil
	}
	return config.Errorf(n, "the direction must be minimize or maximize")
}

// String is the direction as configs write it.
func (d direction) String() string {
	if d.maximize {
		return "maximize"
	}
	return "minimize"
}

// readSearchSettings decodes and checks hydra.sweeper.
func readSearchSettings(hydra *config.Node) (searchSettings, error) {
	s := searchSettings{Trials: 20, Batch: 2}
	n, err := hydra.Select("sweeper")
	if err != nil {
		return s, err
	}
	if err := n.Decode(&s); err != nil {
		return s, err
	}
	at := func(key string) *config.Node {
		if found, ok := n.Get(key); ok {
			return found
		}
		return n
	}
	const most = 100_000
	switch {
	case s.Trials < 1 || s.Trials > most:
		return s, config.Errorf(at("n_trials"), "hydra.sweeper.n_trials must be from 1 to %d", most)
	case s.Batch < 1:
		return s, config.Errorf(at("n_jobs"), "hydra.sweeper.n_jobs must be 1 or more")
	case s.MaxFailureRate != nil && !(*s.MaxFailureRate >= 0 && *s.MaxFailureRate <= 1):
		return s, config.Errorf(at("max_failure_rate"), "hydra.sweeper.max_failure_rate must be from 0 to 1")
	}
	return s, nil
}

// The names of the samplers, those of Optuna's classes.
const (
	randomTarget = "optuna.samplers.RandomSampler"
	tpeTarget    = "optuna.samplers.TPESampler"
)

// samplers are the names that hydra.sweeper.sampler may have. They take the seed of
// configs that give none.
func samplers() *config.Registry[uint64, Sampler] {
	r := &config.Registry[uint64, Sampler]{What: "sampler"}
	config.Register(r, randomTarget, randomArguments{}, randomArguments.sampler)
	config.Register(r, tpeTarget, defaultTPEArguments(), tpeArguments.sampler)
	return r
}

type randomArguments struct {
	Seed *uint32 `yaml:"seed"`
}

func (a randomArguments) sampler(seed uint64) (Sampler, error) {
	return RandomSampler{seedOr(a.Seed, seed)}, nil
}

type tpeArguments struct {
	Seed            *uint32      `yaml:"seed"`
	ConsiderPrior   bool         `yaml:"consider_prior"`
	PriorWeight     float64      `yaml:"prior_weight"`
	MagicClip       bool         `yaml:"consider_magic_clip"`
	Endpoints       bool         `yaml:"consider_endpoints"`
	StartupTrials   int          `yaml:"n_startup_trials"`
	Candidates      int          `yaml:"n_ei_candidates"`
	Multivariate    bool         `yaml:"multivariate"`
	ConstantLiar    bool         `yaml:"constant_liar"`
	Group           bool         `yaml:"group"`
	Gamma           *config.Node `yaml:"gamma"`
	Weights         *config.Node `yaml:"weights"`
	Constraints     *config.Node `yaml:"constraints_func"`
	Distance        *config.Node `yaml:"categorical_distance_func"`
	WarnIndependent bool         `yaml:"warn_independent_sampling"` // of no effect
}

func defaultTPEArguments() tpeArguments {
	s := DefaultTPE(0)
	return tpeArguments{
		ConsiderPrior: true, PriorWeight: s.PriorWeight, MagicClip: s.MagicClip,
		StartupTrials: s.StartupTrials, Candidates: s.Candidates,
	}
}

// Validate refuses what is not done here, and numbers that make no sense.
func (a tpeArguments) Validate() error {
	var refused config.Refusals
	for _, function := range []*config.Node{a.Gamma, a.Weights, a.Constraints, a.Distance} {
		if function != nil && function.Kind() != config.Null {
			refused = append(refused, config.Errorf(function, "%s names a Python function: leave it out", function.Path()))
		}
	}
	refused.Unless(a.ConsiderPrior, "consider_prior", "consider_prior=false is not supported (Optuna ignores it too since 4.3)")
	refused.Unless(!a.Group, "group", "group=true is not supported: every trial has all parameters")
	refused.Unless(a.PriorWeight >= 0, "prior_weight", "prior_weight must be 0 or more")
	refused.Unless(a.StartupTrials >= 0, "n_startup_trials", "n_startup_trials must be 0 or more")
	refused.Unless(a.Candidates >= 1 && a.Candidates <= 100_000, "n_ei_candidates", "n_ei_candidates must be from 1 to 100000")
	return refused.Err()
}

func (a tpeArguments) sampler(seed uint64) (Sampler, error) {
	return TPESampler{
		Seed: seedOr(a.Seed, seed), StartupTrials: a.StartupTrials, Candidates: a.Candidates,
		PriorWeight: a.PriorWeight, MagicClip: a.MagicClip, Endpoints: a.Endpoints,
		Multivariate: a.Multivariate, ConstantLiar: a.ConstantLiar,
	}, nil
}

func seedOr(given *uint32, otherwise uint64) uint64 {
	if given != nil {
		return uint64(*given)
	}
	return otherwise
}

// randomSeed is for samplers with seed: null; the record keeps it.
func randomSeed() uint64 { return uint64(rand.Uint32()) }

// launchers read how many jobs run at a time.
func launchers() *config.Registry[struct{}, int] {
	r := &config.Registry[struct{}, int]{What: "launcher"}
	config.Register(r, "hydra._internal.core_plugins.basic_launcher.BasicLauncher", struct{}{},
		func(struct{}, struct{}) (int, error) { return 1, nil })
	config.Register(r, "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", joblibArguments{Jobs: -1}, joblibArguments.jobs)
	return r
}

// joblibArguments are the number of jobs at a time; -1 stands for one on every core,
// -2 for one less. The other keys steer Python's pool of processes.
type joblibArguments struct {
	Jobs        int          `yaml:"n_jobs"`
	Backend     *config.Node `yaml:"backend"`
	Prefer      *config.Node `yaml:"prefer"`
	Require     *config.Node `yaml:"require"`
	Verbose     *config.Node `yaml:"verbose"`
	Timeout     *config.Node `yaml:"timeout"`
	PreDispatch *config.Node `yaml:"pre_dispatch"`
	BatchSize   *config.Node `yaml:"batch_size"`
	TempFolder  *config.Node `yaml:"temp_folder"`
	MaxNBytes   *config.Node `yaml:"max_nbytes"`
	MmapMode    *config.Node `yaml:"mmap_mode"`
}

func (c joblibArguments) jobs(struct{}) (int, error) {
	switch {
	case c.Jobs == 0:
		return 0, config.Refuse("n_jobs", "hydra.launcher.n_jobs must not be 0")
	case c.Jobs < 0:
		return max(runtime.GOMAXPROCS(0)+1+c.Jobs, 1), nil
	}
	return c.Jobs, nil
}

// readLauncher gives the number of jobs that run at a time.
func readLauncher(hydra *config.Node) (int, error) {
	n, err := hydra.Select("launcher")
	if err != nil {
		return 0, err
	}
	return launchers().Build(n, struct{}{})
}
