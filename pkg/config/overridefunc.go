package config

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// castFunction applies a cast to a value, to each element of a list, mapping or
// sweep, or to several values, which make a sweep.
func castFunction(cast func(any) (any, error)) func(arguments) (any, error) {
	return func(a arguments) (any, error) {
		v := a.named["value"]
		switch {
		case v != nil && len(a.rest) > 0:
			return nil, typeError("cannot use both position and named arguments")
		case v != nil:
		case len(a.rest) == 0:
			return nil, typeError("No positional args or value specified")
		case len(a.rest) == 1:
			v = a.rest[0]
		default:
			v = &choiceSweep{list: a.rest, simple: true}
		}
		return castDeep(v, cast)
	}
}

func castDeep(v any, cast func(any) (any, error)) (any, error) {
	switch v := v.(type) {
	case quotedText:
		return cast(v.text)
	case []any:
		return castList(v, cast)
	case Object:
		object := make(Object, len(v))
		for i, p := range v {
			e, err := castDeep(p.Value, cast)
			if err != nil {
				return nil, err
			}
			object[i] = Pair{p.Key, e}
		}
		return object, nil
	case *choiceSweep:
		list, err := castList(v.list, cast)
		if err != nil {
			return nil, err
		}
		return &choiceSweep{list: list, simple: v.simple}, nil
	case *rangeSweep:
		parts, err := castList([]any{v.start, v.stop, v.step}, cast)
		if err != nil {
			return nil, err
		}
		if toRat(parts[0]) == nil {
			return nil, valueError("Range can only be cast to int or float")
		}
		return &rangeSweep{start: parts[0], stop: parts[1], step: parts[2]}, nil
	case *intervalSweep:
		parts, err := castList([]any{v.start, v.end}, cast)
		if err != nil {
			return nil, err
		}
		if toRat(parts[0]) == nil {
			return nil, valueError("Intervals cannot be cast to %s", pyType(parts[0]))
		}
		return &intervalSweep{start: parts[0], end: parts[1], tags: v.tags}, nil
	}
	return cast(v)
}

func castList(list []any, cast func(any) (any, error)) ([]any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		c, err := castDeep(e, cast)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

// errNull is what int, float and str say of null.
func errNull() error { return newError(classAssertion, "null cannot be cast") }

func castInt(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, errNull()
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if math.IsNaN(v) {
			return nil, valueError("cannot convert float NaN to integer")
		}
		if math.IsInf(v, 0) {
			return nil, newError(classOverflow, "cannot convert float infinity to integer")
		}
		i, _ := big.NewFloat(v).Int(nil)
		return smallInt(i), nil
	case string:
		text := strings.TrimSpace(v)
		if len(text) > longestNumber {
			return nil, valueError("invalid literal for int() with base 10: %s", pyRepr(shorten(v)))
		}
		if whole := intToken.FindString(text); whole == text && text != "" {
			if i, ok := parseYAMLInt(text); ok {
				return i, nil
			}
		}
		// Python takes leading zeros here, which the grammar of numbers does not.
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return smallInt(i), nil
		}
		return nil, valueError("invalid literal for int() with base 10: %s", pyRepr(v))
	}
	return v, nil
}

func castFloat(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, errNull()
	case bool:
		if v {
			return 1.0, nil
		}
		return 0.0, nil
	case int64:
		return float64(v), nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, nil
	case string:
		text := strings.TrimSpace(v)
		if !strings.ContainsAny(text, "xXpP") && underscoresBetweenDigits(text) {
			if f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64); err == nil || f != 0 {
				return f, nil
			}
		}
		return nil, valueError("could not convert string to float: %s", pyRepr(v))
	}
	return v, nil
}

func castStr(v any) (any, error) {
	if v == nil {
		return nil, errNull()
	}
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b), nil
	}
	return pyText(v), nil
}

func castBool(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, valueError("Cannot cast '%s' to bool", v)
	case int64:
		return v != 0, nil
	case *big.Int:
		return v.Sign() != 0, nil
	case float64:
		return v != 0, nil
	}
	return v, nil
}

func choiceFunction(a arguments) (any, error) {
	switch len(a.rest) {
	case 0:
		return nil, valueError("empty choice is not legal")
	case 1:
		if s, ok := a.rest[0].(*choiceSweep); ok {
			if !s.simple {
				return nil, valueError("nesting choices is not supported")
			}
			s.simple = false
			return s, nil
		}
	}
	return &choiceSweep{list: a.rest}, nil
}

func rangeFunction(a arguments) (any, error) {
	r := &rangeSweep{start: asNumber(a.named["start"]), stop: asNumber(a.named["stop"]), step: int64(1)}
	if r.stop == nil {
		r.start, r.stop = int64(0), r.start
	}
	if step, ok := a.named["step"]; ok {
		r.step = asNumber(step)
	}
	return r, nil
}

// asNumber makes an integer of a bool, as Python's arithmetic does.
func asNumber(v any) any {
	if b, ok := v.(bool); ok {
		i, _ := castInt(b)
		return i
	}
	return v
}

func intervalFunction(a arguments) (any, error) {
	start, err := castFloat(a.named["start"])
	if err != nil {
		return nil, err
	}
	end, err := castFloat(a.named["end"])
	return &intervalSweep{start: start, end: end}, err
}

func tagFunction(a arguments) (any, error) {
	if len(a.rest) < 1 {
		return nil, valueError("Not enough arguments to tag, must take at least a sweep")
	}
	args := a.rest
	if s := a.named["sweep"]; s != nil {
		args = append(args, s)
	}
	last := args[len(args)-1]
	if _, isText := last.(string); isText {
		return nil, valueError("Last argument to tag() must be a choice(), range() or interval(), got NoneType")
	}
	var tags []string
	for _, t := range args[:len(args)-1] {
		s, ok := t.(string)
		if !ok {
			return nil, valueError("tag arguments type must be string, got %s", pyTypeOf(t))
		}
		tags = append(tags, s)
	}
	switch s := last.(type) {
	case *choiceSweep:
		s.tags = tags
	case *rangeSweep:
		s.tags = tags
	case *intervalSweep:
		s.tags = tags
	}
	return last, nil
}

// input gives what sort and shuffle work on: a named list or sweep, or the
// arguments.
func (a arguments) input() []any {
	for _, name := range []string{"list", "sweep"} {
		if v := a.named[name]; v != nil {
			return []any{v}
		}
	}
	return a.rest
}

func sortFunction(a arguments) (any, error) {
	reverse, _ := a.named["reverse"].(bool)
	args := a.input()
	switch len(args) {
	case 0:
		return nil, valueError("empty sort input")
	case 1:
		switch v := args[0].(type) {
		case *choiceSweep:
			list, err := sortElements(v.list, reverse)
			return &choiceSweep{list: list, simple: v.simple, shuffle: v.shuffle, tags: v.tags}, err
		case *rangeSweep:
			return v.sorted(reverse), nil
		case []any:
			return sortElements(v, reverse)
		}
		return args[0], nil
	}
	for _, v := range args {
		switch v.(type) {
		case string, bool, int64, *big.Int, float64:
		default:
			return nil, typeError("Invalid arguments: a %s cannot be sorted", pyTypeOf(v))
		}
	}
	list, err := sortElements(args, reverse)
	return &choiceSweep{list: list, simple: true}, err
}

// sortElements sorts numbers or texts, but not both. As in Python the order of
// equals stays, in reverse too, and quoted texts do not compare with plain ones.
func sortElements(list []any, reverse bool) ([]any, error) {
	out := slices.Clone(list)
	if reverse {
		slices.Reverse(out)
	}
	var failed error
	slices.SortStableFunc(out, func(a, b any) int {
		c, err := compareElements(a, b)
		if failed == nil {
			failed = err
		}
		return c
	})
	if reverse {
		slices.Reverse(out)
	}
	return out, failed
}

func compareElements(a, b any) (int, error) {
	textA, isTextA := a.(string)
	textB, isTextB := b.(string)
	if isTextA && isTextB {
		return strings.Compare(textA, textB), nil
	}
	x, y := numberOf(a), numberOf(b)
	if x == nil || y == nil {
		fa, okA := a.(float64)
		fb, okB := b.(float64)
		if okA && okB || okA && y != nil || okB && x != nil { // inf or nan
			if x != nil {
				fa, _ = x.Float64()
			}
			if y != nil {
				fb, _ = y.Float64()
			}
			return cmp.Compare(fa, fb), nil
		}
		return 0, typeError("'<' not supported between instances of '%s' and '%s'", elementType(a), elementType(b))
	}
	return x.Cmp(y), nil
}

// elementType is pyTypeOf where quotes count.
func elementType(v any) string {
	if _, ok := v.(quotedText); ok {
		return "QuotedString"
	}
	return pyTypeOf(v)
}

// sorted turns a range around if it runs the other way.
func (r *rangeSweep) sorted(reverse bool) *rangeSweep {
	out := *r
	start, stop, step := toRat(r.start), toRat(r.stop), toRat(r.step)
	if start == nil || stop == nil || step == nil {
		return &out
	}
	size := new(big.Rat).Abs(step)
	if c := start.Cmp(stop); !reverse && c > 0 {
		start, stop = new(big.Rat).Add(stop, size), new(big.Rat).Add(start, size)
	} else if reverse && c < 0 {
		start, stop = new(big.Rat).Sub(stop, size), new(big.Rat).Sub(start, size)
	} else {
		return &out
	}
	number := func(v *big.Rat) any {
		if isInteger(r.start) && isInteger(r.stop) && isInteger(r.step) {
			return smallInt(v.Num())
		}
		f, _ := v.Float64()
		return f
	}
	out.start, out.stop, out.step = number(start), number(stop), number(new(big.Rat).Neg(step))
	return &out
}

// shuffleFunction marks a sweep to be shuffled. The order is drawn when the jobs
// are listed.
func shuffleFunction(a arguments) (any, error) {
	args := a.input()
	if len(args) != 1 {
		return &choiceSweep{list: args, simple: true, shuffle: true}, nil
	}
	switch v := args[0].(type) {
	case *choiceSweep:
		out := *v
		out.shuffle = true
		return &out, nil
	case *rangeSweep:
		out := *v
		out.shuffle = true
		return &out, nil
	case []any:
		if len(v) < 2 {
			return v, nil
		}
		return &choiceSweep{list: v, shuffle: true}, nil
	}
	return []any{args[0]}, nil
}

func globFunction(a arguments) (any, error) {
	include, err := patterns(a.named["include"])
	if err != nil {
		return nil, err
	}
	exclude, err := patterns(a.named["exclude"])
	return &globSweep{include: include, exclude: exclude}, err
}

func patterns(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			s, ok := unquoted(e).(string)
			if !ok {
				return nil, typeError("a pattern must be a text, not %s", pyTypeOf(e))
			}
			list[i] = s
		}
		return list, nil
	}
	return nil, nil
}
