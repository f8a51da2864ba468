package config

import (
	"cmp"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// functionCall is name(args, name=value) in an override.
type functionCall struct {
	name  string
	args  []any
	named []Pair
	text  string // as written
	// misplaced is set where a plain argument follows a named one.
	misplaced bool
}

// unionOf is how Hydra names the types that choice() takes.
const unionOfChoice = "Union[str, int, float, bool, Dict[Any, Any], List[Any], ChoiceSweep]"

func (c *functionCall) eval() (any, error) {
	table := map[string]func(*functionCall) (any, error){
		"int": castFunction(castInt), "float": castFunction(castFloat),
		"str": castFunction(castStr), "bool": castFunction(castBool),
		"choice": choiceFunction, "range": rangeFunction, "interval": intervalFunction,
		"tag": tagFunction, "sort": sortFunction, "shuffle": shuffleFunction, "glob": globFunction,
	}
	f, ok := table[c.name]
	if !ok {
		known := slices.Sorted(maps.Keys(table))
		return nil, newError(classHydra, "Unknown function '%s'", c.name).hint("available: %s", strings.Join(known, ","))
	}
	for i, a := range c.args {
		c.args[i] = unquoted(a)
	}
	for i, p := range c.named {
		c.named[i].Value = unquoted(p.Value)
	}
	return f(c)
}

func unquoted(v any) any {
	if q, ok := v.(quotedText); ok {
		return q.text
	}
	return v
}

// bind puts positional and named arguments into the parameters' order. Absent ones
// are nil and not in the second result.
func (c *functionCall) bind(params ...string) ([]any, []bool, error) {
	if len(c.args) > len(params) {
		return nil, nil, typeError("too many positional arguments")
	}
	values, given := make([]any, len(params)), make([]bool, len(params))
	for i, a := range c.args {
		values[i], given[i] = a, true
	}
	for _, p := range c.named {
		i := slices.Index(params, keyText(p.Key))
		if i < 0 {
			return nil, nil, typeError("got an unexpected keyword argument '%s'", keyText(p.Key))
		}
		if given[i] {
			return nil, nil, typeError("multiple values for argument '%s'", params[i])
		}
		values[i], given[i] = p.Value, true
	}
	return values, given, nil
}

// option takes a named argument out of the call.
func (c *functionCall) option(name string) (any, bool) {
	i := slices.IndexFunc(c.named, func(p Pair) bool { return p.Key == name })
	if i < 0 {
		return nil, false
	}
	v := c.named[i].Value
	c.named = slices.Delete(c.named, i, i+1)
	return v, true
}

func (c *functionCall) noMoreNamed() error {
	if len(c.named) > 0 {
		return typeError("got an unexpected keyword argument '%s'", keyText(c.named[0].Key))
	}
	return nil
}

// castFunction applies a cast to a value, to each element of a list, mapping or
// sweep, or to several values, which make a sweep.
func castFunction(cast func(any) (any, error)) func(*functionCall) (any, error) {
	return func(c *functionCall) (any, error) {
		v, named := c.option("value")
		if err := c.noMoreNamed(); err != nil {
			return nil, err
		}
		switch {
		case named && len(c.args) > 0:
			return nil, typeError("cannot use both position and named arguments")
		case named:
		case len(c.args) == 0:
			return nil, typeError("No positional args or value specified")
		case len(c.args) == 1:
			v = c.args[0]
		default:
			v = &choiceSweep{list: c.args, simple: true}
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
	case nil:
		return nil, newError("AssertionError", "null cannot be cast")
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

func castInt(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, valueError("cannot convert float %s to integer", pyFloat(v))
		}
		i, _ := big.NewFloat(v).Int(nil)
		return smallInt(i), nil
	case string:
		text := strings.TrimSpace(v)
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
		if !strings.ContainsAny(text, "xXpP") {
			if f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64); err == nil || f != 0 {
				return f, nil
			}
		}
		return nil, valueError("could not convert string to float: %s", pyRepr(v))
	}
	return v, nil
}

func castStr(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b), nil
	}
	return pyText(v), nil
}

func castBool(v any) (any, error) {
	switch v := v.(type) {
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

func choiceFunction(c *functionCall) (any, error) {
	if err := c.noMoreNamed(); err != nil {
		return nil, err
	}
	for i, a := range c.args {
		switch a.(type) {
		case nil, *rangeSweep, *intervalSweep, *globSweep:
			return nil, typeError("mismatch type argument args[%d]: %s is incompatible with %s", i, pyTypeOf(a), unionOfChoice)
		}
	}
	switch len(c.args) {
	case 0:
		return nil, valueError("empty choice is not legal")
	case 1:
		if s, ok := c.args[0].(*choiceSweep); ok {
			if !s.simple {
				return nil, valueError("nesting choices is not supported")
			}
			s.simple = false
			return s, nil
		}
	}
	return &choiceSweep{list: c.args}, nil
}

func rangeFunction(c *functionCall) (any, error) {
	v, given, err := c.bind("start", "stop", "step")
	if err != nil {
		return nil, err
	}
	if !given[0] {
		return nil, typeError("missing a required argument: 'start'")
	}
	if !given[2] {
		v[2] = int64(1)
	}
	if !given[1] || v[1] == nil {
		v[0], v[1] = int64(0), v[0]
	}
	for i, name := range []string{"start", "stop", "step"} {
		if !isInteger(v[i]) && pyTypeOf(v[i]) != "float" {
			return nil, typeError("mismatch type argument %s: %s is incompatible with Union[int, float]", name, pyTypeOf(v[i]))
		}
	}
	return &rangeSweep{start: v[0], stop: v[1], step: v[2]}, nil
}

func intervalFunction(c *functionCall) (any, error) {
	v, given, err := c.bind("start", "end")
	if err != nil {
		return nil, err
	}
	for i, name := range []string{"start", "end"} {
		if !given[i] {
			return nil, typeError("missing a required argument: '%s'", name)
		}
		if !isInteger(v[i]) && pyTypeOf(v[i]) != "float" {
			return nil, typeError("mismatch type argument %s: %s is incompatible with Union[int, float]", name, pyTypeOf(v[i]))
		}
		if v[i], err = castFloat(v[i]); err != nil {
			return nil, err
		}
	}
	return &intervalSweep{start: v[0], end: v[1]}, nil
}

func tagFunction(c *functionCall) (any, error) {
	args := c.args
	if s, ok := c.option("sweep"); ok {
		args = append(args, s)
	}
	if len(args) < 1 {
		return nil, valueError("Not enough arguments to tag, must take at least a sweep")
	}
	var tags []string
	for _, a := range args[:len(args)-1] {
		s, ok := a.(string)
		if !ok {
			return nil, valueError("tag arguments type must be string, got %s", pyTypeOf(a))
		}
		tags = append(tags, s)
	}
	switch s := args[len(args)-1].(type) {
	case *choiceSweep:
		s.tags = tags
		return s, nil
	case *rangeSweep:
		s.tags = tags
		return s, nil
	case *intervalSweep:
		s.tags = tags
		return s, nil
	}
	return nil, valueError("Last argument to tag() must be a choice(), range() or interval(), got %s", pyTypeOf(args[len(args)-1]))
}

// input gives what sort and shuffle work on: a named list or sweep, or the
// arguments.
func (c *functionCall) input() []any {
	for _, name := range []string{"list", "sweep"} {
		if v, ok := c.option(name); ok && v != nil {
			return []any{v}
		}
	}
	return c.args
}

func sortFunction(c *functionCall) (any, error) {
	reverse := false
	if v, ok := c.option("reverse"); ok {
		if reverse, ok = v.(bool); !ok {
			return nil, typeError("mismatch type argument reverse: %s is incompatible with bool", pyTypeOf(v))
		}
	}
	args := c.input()
	if err := c.noMoreNamed(); err != nil {
		return nil, err
	}
	switch len(args) {
	case 0:
		return nil, valueError("empty sort input")
	case 1:
		switch v := args[0].(type) {
		case *choiceSweep:
			list, err := sortElements(v.list, reverse)
			return &choiceSweep{list: list, simple: v.simple, tags: v.tags}, err
		case *rangeSweep:
			return v.sorted(reverse), nil
		case []any:
			return sortElements(v, reverse)
		case *intervalSweep, *globSweep:
			return nil, typeError("Invalid arguments: a %s cannot be sorted", pyTypeOf(v))
		}
		return args[0], nil
	}
	list, err := sortElements(args, reverse)
	return &choiceSweep{list: list, simple: true}, err
}

// sortElements sorts numbers or texts, but not both.
func sortElements(list []any, reverse bool) ([]any, error) {
	out := slices.Clone(list)
	var failed error
	slices.SortStableFunc(out, func(a, b any) int {
		if reverse {
			a, b = b, a
		}
		sa, aText := unquoted(a).(string)
		sb, bText := unquoted(b).(string)
		if aText && bText {
			return strings.Compare(sa, sb)
		}
		fa, errA := castFloat(a)
		fb, errB := castFloat(b)
		x, okA := fa.(float64)
		y, okB := fb.(float64)
		if aText || bText || errA != nil || errB != nil || !okA || !okB {
			failed = typeError("'<' not supported between instances of '%s' and '%s'", pyTypeOf(b), pyTypeOf(a))
			return 0
		}
		return cmp.Compare(x, y)
	})
	return out, failed
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
func shuffleFunction(c *functionCall) (any, error) {
	args := c.input()
	if err := c.noMoreNamed(); err != nil {
		return nil, err
	}
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
		return &choiceSweep{list: v, shuffle: true}, nil
	}
	return []any{args[0]}, nil
}

func globFunction(c *functionCall) (any, error) {
	v, given, err := c.bind("include", "exclude")
	if err != nil {
		return nil, err
	}
	if !given[0] {
		return nil, typeError("missing a required argument: 'include'")
	}
	g := &globSweep{}
	if g.include, err = patterns("include", v[0]); err != nil {
		return nil, err
	}
	g.exclude, err = patterns("exclude", v[1])
	return g, err
}

func patterns(name string, v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			s, ok := unquoted(e).(string)
			if !ok {
				return nil, typeError("mismatch type argument %s: %s is incompatible with str", name, pyTypeOf(e))
			}
			list[i] = s
		}
		return list, nil
	}
	return nil, typeError("mismatch type argument %s: %s is incompatible with Union[List[str], str]", name, pyTypeOf(v))
}
