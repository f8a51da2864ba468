package insilico

import (
	"fmt"
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

// UnmarshalNode reads a number or a path.
func (i *Init) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.String {
		return n.Decode(&i.Path)
	}
	if n.Kind() != config.Int && n.Kind() != config.Float {
		return refuse(n, "%s must be a number, the scale of the random start, or the path of an .npy file", n.Path())
	}
	if err := n.Decode(&i.Scale); err != nil {
		return err
	}
	if math.IsNaN(i.Scale) || math.IsInf(i.Scale, 0) {
		return refuse(n, "%s is %v, not a finite number", n.Path(), i.Scale)
	}
	return nil
}

// limits of what a config may ask for, far beyond any use.
const (
	maxSteps  = 1_000_000
	maxFrames = 1_000_000
)

// FromConfig reads the node `mei`. Its parts have the names and arguments of the
// Python package's classes. postprocessors and regularizers are lists, or one
// entry alone; null and [] switch them off, null the stopper too. A reducer of
// null takes the mean over the whole response.
func FromConfig(n *config.Node) (*Settings, error) {
	var c struct {
		MaxSteps       int          `yaml:"max_steps,required"`
		Frames         int          `yaml:"frames,required"`
		Seed           uint64       `yaml:"seed"`
		Init           Init         `yaml:"init,required"`
		Objective      *config.Node `yaml:"objective"`
		Reducer        *config.Node `yaml:"reducer,required"`
		Optimizer      *config.Node `yaml:"optimizer,required"`
		Postprocessors *config.Node `yaml:"postprocessors"`
		Regularizers   *config.Node `yaml:"regularizers"`
		Stopper        *config.Node `yaml:"stopper"`
	}
	if err := n.Decode(&c); err != nil {
		return nil, err
	}
	if c.MaxSteps < 0 || c.MaxSteps > maxSteps {
		return nil, refuseKey(n, "max_steps", "max_steps %d is not from 0 to %d", c.MaxSteps, maxSteps)
	}
	if c.Frames < 1 || c.Frames > maxFrames {
		return nil, refuseKey(n, "frames", "frames %d is not from 1 to %d", c.Frames, maxFrames)
	}
	composed, err := n.Resolve()
	if err != nil {
		return nil, err
	}
	s := &Settings{MaxSteps: c.MaxSteps, Frames: c.Frames, Seed: c.Seed, Init: c.Init, Node: composed}
	if s.Objective, err = buildOr(objectives, c.Objective, IncreaseObjective{}); err != nil {
		return nil, err
	}
	if s.Reducer, err = buildOr(reducers, c.Reducer, Reducer(MeanReducer{})); err != nil {
		return nil, err
	}
	if s.Optimizer, err = optim.FromConfig(c.Optimizer); err != nil {
		return nil, err
	}
	if s.Postprocessors, err = buildAll(postprocessors, c.Postprocessors); err != nil {
		return nil, err
	}
	if s.Regularizers, err = buildAll(regularizers, c.Regularizers); err != nil {
		return nil, err
	}
	s.Stopper, err = buildOr(stoppers, c.Stopper, nil)
	return s, err
}

// buildOr builds the thing that a node describes, or gives otherwise where there
// is none.
func buildOr[T any](r *config.Registry[struct{}, T], n *config.Node, otherwise T) (T, error) {
	if n == nil || n.Kind() == config.Null {
		return otherwise, nil
	}
	return r.Build(n, struct{}{})
}

// buildAll builds the things of a list, or of a mapping that describes one.
func buildAll[T any](r *config.Registry[struct{}, T], n *config.Node) ([]T, error) {
	if n == nil || n.Kind() == config.Null {
		return nil, nil
	}
	nodes := n.Items()
	if n.Kind() != config.List {
		nodes = []*config.Node{n}
	}
	var list []T
	for _, item := range nodes {
		thing, err := r.Build(item, struct{}{})
		if err != nil {
			return nil, err
		}
		list = append(list, thing)
	}
	return list, nil
}

func valueError(format string, args ...any) *config.Error {
	return &config.Error{Class: "ValueError", Message: fmt.Sprintf(format, args...)}
}

// refuse is the error of a value that a node must not have.
func refuse(n *config.Node, format string, args ...any) error {
	e := valueError(format, args...)
	e.Key, e.Origin = n.Path(), n.Origin()
	return e
}

// refuseKey is refuse of the value under a key of n.
func refuseKey(n *config.Node, key, format string, args ...any) error {
	if value, ok := n.Get(key); ok {
		n = value
	}
	return refuse(n, format, args...)
}
