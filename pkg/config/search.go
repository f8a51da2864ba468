package config

import (
	"slices"
)

// Search is a sweep whose jobs depend on how earlier ones ended: what a sampler
// draws values for, and what all jobs share.
type Search struct {
	// Config is the composition of the sweep itself; its Hydra node has the
	// settings of the sweeper.
	Config *Config
	// Parameters are the keys that are searched over, in the order in which their
	// values are drawn.
	Parameters []Parameter
	// Fixed are the overrides of all jobs, which stand after the drawn ones.
	Fixed []string
}

// optunaSweeper is the _target_ of sweepers that search.
const optunaSweeper = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"

// Searches says whether the config's sweeper searches, so that its jobs cannot be
// listed beforehand.
func (c *Config) Searches() bool {
	n, err := c.Hydra.Select("sweeper." + TargetKey)
	return err == nil && n != nil && n.scalar == optunaSweeper
}

// NewSearch reads the space of a search from hydra.sweeper.params, from
// hydra.sweeper.search_space where there are no params, and from the command line,
// which wins.
func NewSearch(o Options) (*Search, error) {
	o.Sweeping = true
	c, err := Compose(o)
	if err != nil {
		return nil, err
	}
	if extender, err := c.Hydra.Select("sweeper.custom_search_space"); err != nil {
		return nil, err
	} else if extender != nil && !extender.isNull() {
		return nil, newError(classHydra, "custom_search_space calls a Python function").at(extender).
			hint("write the space in hydra.sweeper.params")
	}
	space := searchSpace{repo: newRepository(o.Sources, &environment{})}
	if err := space.addConfigured(c.Hydra, o.warn); err != nil {
		return nil, err
	}
	words, err := parseOverrides(c.Overrides)
	if err != nil {
		return nil, err
	}
	for _, word := range words {
		if err := space.addOverride(word, word.origin()); err != nil {
			return nil, err
		}
	}
	s := &Search{Config: c, Parameters: space.parameters}
	for _, f := range space.fixed {
		s.Fixed = append(s.Fixed, f.key+"="+f.text)
	}
	if len(s.Parameters) == 0 {
		return nil, newError(classHydra, "the search has no parameters").at(c.Hydra.child("sweeper")).
			hint("give spaces of values, as in 'model.learning_rate=tag(log,interval(1e-4,1e-1))', or set hydra.sweeper.params")
	}
	return s, nil
}

// searchSpace collects parameters and fixed values; what is added later replaces
// what has the same key.
type searchSpace struct {
	repo       *repository
	parameters []Parameter
	fixed      []fixedValue
}

type fixedValue struct{ key, text string }

func (s *searchSpace) addConfigured(hydra *Node, warn func(string, ...any)) error {
	params, err := hydra.Select("sweeper.params")
	if err != nil {
		return err
	}
	older, err := hydra.Select("sweeper.search_space")
	if err != nil {
		return err
	}
	hasParams := params != nil && !params.isNull()
	if older != nil && !older.isNull() {
		if !hasParams {
			return s.addOlder(older)
		}
		warn("hydra.sweeper.search_space is not used: hydra.sweeper.params is set")
	}
	if !hasParams {
		return nil
	}
	return s.addParams(params)
}

// addParams takes the mapping of keys to texts in the grammar of overrides.
func (s *searchSpace) addParams(params *Node) error {
	resolved, err := resolvedMapping(params)
	if err != nil {
		return err
	}
	for key, n := range resolved.Fields() {
		word, err := parseOverride(key + "=" + pyNode(n))
		if err == nil {
			err = s.addOverride(word, n.origin)
		}
		if e, ok := asError(err); ok {
			return e.at(params.child(n.key))
		}
	}
	return nil
}

// addOlder takes hydra.sweeper.search_space: a mapping of keys to mappings that
// describe a space each.
func (s *searchSpace) addOlder(space *Node) error {
	resolved, err := resolvedMapping(space)
	if err != nil {
		return err
	}
	for key, n := range resolved.Fields() {
		p, err := describedParameter(key, n)
		if e, ok := asError(err); ok {
			return e.at(space.child(n.key))
		}
		s.put(p)
	}
	return nil
}

// resolvedMapping resolves a node that must be a mapping.
func resolvedMapping(n *Node) (*Node, error) {
	resolved, err := n.Resolve()
	if err == nil && resolved.shape != mapShape {
		err = newError(classType, "%s must be a mapping, not %s", n.Path(), resolved.Kind()).at(n)
	}
	return resolved, err
}

func (s *searchSpace) addOverride(o *override, from Origin) error {
	key := o.keyElement()
	if !o.isSweep() {
		s.parameters = slices.DeleteFunc(s.parameters, func(p Parameter) bool { return p.Key == key })
		value := fixedValue{key, elementText(o.value)}
		if i := slices.IndexFunc(s.fixed, func(f fixedValue) bool { return f.key == key }); i >= 0 {
			s.fixed[i] = value
			return nil
		}
		s.fixed = append(s.fixed, value)
		return nil
	}
	p, err := s.parameterOf(o)
	if e, ok := asError(err); ok {
		e.Origin, e.Key = from, o.key
		return e
	}
	s.fixed = slices.DeleteFunc(s.fixed, func(f fixedValue) bool { return f.key == key })
	s.put(p)
	return nil
}

func (s *searchSpace) put(p Parameter) {
	if i := slices.IndexFunc(s.parameters, func(q Parameter) bool { return q.Key == p.Key }); i >= 0 {
		s.parameters[i] = p
		return
	}
	s.parameters = append(s.parameters, p)
}

// parameterOf makes the space of an override that stands for several values.
func (s *searchSpace) parameterOf(o *override) (Parameter, error) {
	p := Parameter{Key: o.keyElement()}
	var err error
	switch v := o.value.(type) {
	case *choiceSweep:
		p.Choices = v.list
	case *globSweep:
		for _, name := range v.filter(s.repo.options(o.key)) {
			p.Choices = append(p.Choices, name)
		}
	case *rangeSweep:
		if !v.shuffle {
			return p.numeric(v.start, v.stop, v.step, false)
		}
		p.Choices, err = v.values()
	case *intervalSweep:
		return p.numeric(v.start, v.end, nil, slices.Contains(v.tags, "log"))
	}
	if err == nil && len(p.Choices) == 0 {
		err = valueError("%s has no values to choose from", p.Key)
	}
	return p, err
}
