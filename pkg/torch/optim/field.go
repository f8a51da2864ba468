package optim

import (
	"fmt"
	"math"
)

// field is an entry of a schedule's state: a pointer to a bool, int, float64 or
// string, or a value that converts itself.
type field struct {
	name string
	to   any
}

// converter is a field with a form of its own in a state.
type converter interface {
	value() any
	set(value any) error
}

// single is a number that PyTorch keeps in a list, one for each group of parameters.
type single struct{ to *float64 }

func (s single) value() any { return []any{*s.to} }

func (s single) set(value any) error {
	list, ok := value.([]any)
	if !ok || len(list) != 1 {
		return fmt.Errorf("must be a list of one number, got %v", value)
	}
	return assign(s.to, list[0])
}

// stateOf makes a state of fields.
func stateOf(fields []field) Group {
	state := make(Group, len(fields))
	for i, f := range fields {
		state[i].Name = f.name
		switch to := f.to.(type) {
		case *bool:
			state[i].Value = *to
		case *int:
			state[i].Value = *to
		case *float64:
			state[i].Value = *to
		case *string:
			state[i].Value = *to
		case converter:
			state[i].Value = to.value()
		}
	}
	return state
}

// restore sets the fields that a state has.
func restore(fields []field, state Group) error {
	for _, f := range fields {
		value, ok := state.Get(f.name)
		if !ok {
			continue
		}
		if err := assign(f.to, value); err != nil {
			return fmt.Errorf("lr_scheduler state: %s %w", f.name, err)
		}
	}
	return nil
}

// assign converts a value. Python writes whole numbers of either kind.
func assign(to, value any) error {
	switch to := to.(type) {
	case *bool:
		if v, ok := value.(bool); ok {
			*to = v
			return nil
		}
	case *string:
		if v, ok := value.(string); ok {
			*to = v
			return nil
		}
	case *float64:
		switch v := value.(type) {
		case float64:
			*to = v
			return nil
		case int:
			*to = float64(v)
			return nil
		}
	case *int:
		switch v := value.(type) {
		case int:
			*to = v
			return nil
		case float64:
			if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
				*to = int(v)
				return nil
			}
		}
	case converter:
		return to.set(value)
	}
	return fmt.Errorf("is %v, which it cannot be", value)
}
