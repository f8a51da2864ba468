package insilico

import (
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

// Settings say how stimuli are optimised. FromConfig makes checked ones.
type Settings struct {
	// MaxSteps bounds the steps, beside the Stopper.
	MaxSteps int
	// Frames is the length of the stimulus.
	Frames int
	// Seed of the random start.
	Seed uint64
	Init Init

	Objective      IncreaseObjective
	Reducer        Reducer
	Optimizer      optim.Builder
	Postprocessors []Postprocessor // applied in order
	Regularizers   []Regularizer
	Stopper        Stopper // nil where only MaxSteps ends

	// Node is the config as it was composed and resolved, for the record; nil where the settings
	// were made in Go.
	Node *config.Node
}

// Steps is the largest number of steps: the smaller of MaxSteps and the
// stopper's limit.
func (c *Settings) Steps() int {
	if c.Stopper == nil {
		return c.MaxSteps
	}
	return min(c.MaxSteps, c.Stopper.Limit())
}

// Init is where the optimisation starts: a normal distribution of standard
// deviation Scale, projected by the postprocessors, or the .npy file at Path,
// used as it is.
type Init struct {
	Scale float64
	Path  string
}

// Forms are a number and a path.
func (Init) Forms() []any { return []any{float64(0), ""} }

// UnmarshalNode reads a number or a path.
func (i *Init) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.String {
		return n.Decode(&i.Path)
	}
	if n.Kind() != config.Int && n.Kind() != config.Float {
		return config.Errorf(n, "%s must be a number, the scale of the random start, or the path of an .npy file", n.Path())
	}
	if err := n.Decode(&i.Scale); err != nil {
		return err
	}
	if math.IsNaN(i.Scale) || math.IsInf(i.Scale, 0) {
		return config.Errorf(n, "%s is %v, not a finite number", n.Path(), i.Scale)
	}
	return nil
}

// limits of what a config may ask for, far beyond any use.
const (
	maxSteps  = 1_000_000
	maxFrames = 1_000_000
)

// Config is the node mei, whose parts are not read yet.
type Config struct {
	MaxSteps       int          `yaml:"max_steps,required"`
	Frames         int          `yaml:"frames,required"`
	Seed           uint64       `yaml:"seed"`
	Init           Init         `yaml:"init,required"`
	Objective      *config.Node `yaml:"objective" of:"objective"`
	Reducer        *config.Node `yaml:"reducer,required" of:"reducer"`
	Optimizer      *config.Node `yaml:"optimizer,required" of:"optimizer"`
	Postprocessors *config.Node `yaml:"postprocessors" of:"postprocessor"`
	Regularizers   *config.Node `yaml:"regularizers" of:"regularizer"`
	Stopper        *config.Node `yaml:"stopper" of:"stopper"`
}

// Validate refuses sizes far beyond any use.
func (c Config) Validate() error {
	var refused config.Refusals
	refused.Unless(c.MaxSteps >= 0 && c.MaxSteps <= maxSteps, "max_steps", "max_steps %d is not from 0 to %d", c.MaxSteps, maxSteps)
	refused.Unless(c.Frames >= 1 && c.Frames <= maxFrames, "frames", "frames %d is not from 1 to %d", c.Frames, maxFrames)
	return refused.Err()
}

// FromConfig reads the node `mei` and tells all that is wrong with it. Its parts
// have the names and arguments of the Python package's classes. postprocessors and
// regularizers are lists, or one entry alone; null and [] switch them off, null the
// stopper too. A reducer of null takes the mean over the whole response.
func FromConfig(n *config.Node) (*Settings, error) {
	var c Config
	var problems config.Problems
	problems.Add(n.Read(&c))
	s := &Settings{MaxSteps: c.MaxSteps, Frames: c.Frames, Seed: c.Seed, Init: c.Init}
	s.Objective = buildOr(Objectives, c.Objective, IncreaseObjective{}, &problems)
	s.Reducer = buildOr(Reducers, c.Reducer, Reducer(MeanReducer{}), &problems)
	if c.Optimizer != nil {
		var err error
		s.Optimizer, err = optim.FromConfig(c.Optimizer)
		problems.Add(err)
	}
	s.Postprocessors = buildAll(Postprocessors, c.Postprocessors, &problems)
	s.Regularizers = buildAll(Regularizers, c.Regularizers, &problems)
	s.Stopper = buildOr(Stoppers, c.Stopper, nil, &problems)
	if err := problems.InOrder(n); err != nil {
		return nil, err
	}
	var err error
	s.Node, err = n.Resolve()
	return s, err
}

// buildOr builds the thing that a node describes, or gives otherwise where there
// is none.
func buildOr[T any](r *config.Registry[struct{}, T], n *config.Node, otherwise T, problems *config.Problems) T {
	if n == nil || n.Kind() == config.Null {
		return otherwise
	}
	thing, err := r.Build(n, struct{}{})
	problems.Add(err)
	return thing
}

// buildAll builds the things of a list, or of a mapping that describes one.
func buildAll[T any](r *config.Registry[struct{}, T], n *config.Node, problems *config.Problems) []T {
	if n == nil || n.Kind() == config.Null {
		return nil
	}
	nodes := n.Items()
	if n.Kind() != config.List {
		nodes = []*config.Node{n}
	}
	var list []T
	for _, item := range nodes {
		thing, err := r.Build(item, struct{}{})
		problems.Add(err)
		list = append(list, thing)
	}
	return list
}
