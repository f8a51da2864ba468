package optim

import (
	"fmt"
	"slices"
)

// Group are the settings of an optimizer's one group of parameters, in PyTorch's
// order and under its names, without "params". A schedule adds its own to them,
// such as initial_lr.
type Group []Setting

// Setting is a named value of a state_dict: nil, bool, int, float64, string,
// [2]float64 (betas), []any, or Group where settings are nested.
type Setting struct {
	Name  string
	Value any
}

// Get finds a setting.
func (g Group) Get(name string) (value any, ok bool) {
	for _, s := range g {
		if s.Name == name {
			return s.Value, true
		}
	}
	return nil, false
}

// Float is a setting that is a number; 0 where it is none.
func (g Group) Float(name string) float64 {
	value, _ := g.Get(name)
	f, _ := value.(float64)
	return f
}

// flag is a setting that is a bool.
func (g Group) flag(name string) bool {
	value, _ := g.Get(name)
	on, _ := value.(bool)
	return on
}

// betas are Adam's.
func (g Group) betas() [2]float64 {
	value, _ := g.Get("betas")
	b, _ := value.([2]float64)
	return b
}

// Set changes a setting, or adds it.
func (g *Group) Set(name string, value any) {
	for i := range *g {
		if (*g)[i].Name == name {
			(*g)[i].Value = value
			return
		}
	}
	*g = append(*g, Setting{name, value})
}

// load takes over the settings of a state. Those that the group has keep their type.
func (g *Group) load(from Group) error {
	loaded := slices.Clone(*g)
	for _, s := range from {
		have, _ := g.Get(s.Name)
		value, err := convertLike(have, s.Value)
		if err != nil {
			return fmt.Errorf("optimizer state: %s: %w", s.Name, err)
		}
		loaded.Set(s.Name, value)
	}
	*g = loaded
	return nil
}

// convertLike is value with the type of have, if that has one. Python writes whole
// numbers as integers.
func convertLike(have, value any) (any, error) {
	if i, ok := value.(int); ok {
		if _, isFloat := have.(float64); isFloat || have == nil {
			value = float64(i)
		}
	}
	same := true
	switch have.(type) {
	case float64:
		_, same = value.(float64)
	case bool:
		_, same = value.(bool)
	case [2]float64:
		_, same = value.([2]float64)
	}
	if !same {
		return nil, fmt.Errorf("must be like %v, got %v", have, value)
	}
	return value, nil
}
