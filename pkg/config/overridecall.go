package config

import (
	"maps"
	"slices"
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

// overrideFunction is a function of the grammar of overrides.
type overrideFunction struct {
	// rest is the type of the positional arguments of a function that takes any
	// number of them; params are the other parameters in order.
	rest   *argumentTypes
	params []parameter
	call   func(arguments) (any, error)
}

type parameter struct {
	name     string
	required bool
	types    argumentTypes
}

// argumentTypes are the types that a parameter takes: how Hydra writes them, and
// their names.
type argumentTypes struct {
	text  string
	names []string
}

func (t argumentTypes) accept(v any) bool {
	name := pyTypeOf(v)
	// A bool is an int in Python, where the types are a union.
	return slices.Contains(t.names, name) || name == "bool" && slices.Contains(t.names, "int")
}

// arguments are what a call gives: positional ones of a function that takes any
// number, and the others by name.
type arguments struct {
	rest  []any
	named map[string]any
}

var (
	elementNames = []string{"str", "int", "float", "bool", "dict", "list"}
	sweepNames   = []string{"ChoiceSweep", "RangeSweep", "IntervalSweep"}

	castTypes   = argumentTypes{"Optional[Union[str, int, float, bool, List[Any], Dict[str, Any], QuotedString, Sweep]]", slices.Concat(elementNames, sweepNames, []string{"NoneType"})}
	choiceTypes = argumentTypes{"Union[str, int, float, bool, Dict[Any, Any], List[Any], ChoiceSweep]", append([]string{"ChoiceSweep"}, elementNames...)}
	sortTypes   = argumentTypes{"Union[str, int, bool, float, list, dict, ChoiceSweep, RangeSweep]", append([]string{"ChoiceSweep", "RangeSweep"}, elementNames...)}
	tagTypes    = argumentTypes{"Union[str, Sweep]", append([]string{"str"}, sweepNames...)}
	numberTypes = argumentTypes{"Union[int, float]", []string{"int", "float"}}

	listParameter  = parameter{name: "list", types: argumentTypes{"Optional[List[Any]]", []string{"list", "NoneType"}}}
	sweepParameter = parameter{name: "sweep", types: argumentTypes{"Optional[Union[ChoiceSweep, RangeSweep]]", []string{"ChoiceSweep", "RangeSweep", "NoneType"}}}
)

func overrideFunctions() map[string]overrideFunction {
	cast := func(c func(any) (any, error)) overrideFunction {
		return overrideFunction{&castTypes, []parameter{{name: "value", types: castTypes}}, castFunction(c)}
	}
	return map[string]overrideFunction{
		"int": cast(castInt), "float": cast(castFloat), "str": cast(castStr), "bool": cast(castBool),
		"choice": {rest: &choiceTypes, call: choiceFunction},
		"range": {params: []parameter{
			{"start", true, numberTypes},
			{"stop", false, argumentTypes{"Optional[Union[int, float]]", []string{"int", "float", "NoneType"}}},
			{"step", false, numberTypes},
		}, call: rangeFunction},
		"interval": {params: []parameter{{"start", true, numberTypes}, {"end", true, numberTypes}}, call: intervalFunction},
		"tag":      {&tagTypes, []parameter{{name: "sweep", types: argumentTypes{"Optional[Sweep]", append([]string{"NoneType"}, sweepNames...)}}}, tagFunction},
		"sort": {&sortTypes, []parameter{
			sweepParameter, listParameter, {name: "reverse", types: argumentTypes{"bool", []string{"bool"}}},
		}, sortFunction},
		"shuffle": {&sortTypes, []parameter{sweepParameter, listParameter}, shuffleFunction},
		"glob": {params: []parameter{
			{"include", true, argumentTypes{"Union[List[str], str]", []string{"list", "str"}}},
			{"exclude", false, argumentTypes{"Optional[Union[str, List[str]]]", []string{"list", "str", "NoneType"}}},
		}, call: globFunction},
	}
}

func (c *functionCall) eval() (any, error) {
	table := overrideFunctions()
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
	args, err := f.bind(c)
	if err != nil {
		return nil, err
	}
	return f.call(args)
}

func unquoted(v any) any {
	if q, ok := v.(quotedText); ok {
		return q.text
	}
	return v
}

// bind gives the arguments to the parameters, with Python's errors in Python's
// order: first what does not fit the parameters, then what does not fit the types.
func (f overrideFunction) bind(c *functionCall) (arguments, error) {
	a := arguments{named: map[string]any{}}
	positional := c.args
	if f.rest != nil {
		a.rest, positional = c.args, nil
	}
	for i, p := range f.params {
		at := lastIndex(c.named, p.name)
		switch {
		case i < len(positional) && at >= 0:
			return a, typeError("multiple values for argument '%s'", p.name)
		case i < len(positional):
			a.named[p.name] = positional[i]
		case at >= 0:
			a.named[p.name] = c.named[at].Value
		case p.required:
			return a, typeError("missing a required argument: '%s'", p.name)
		}
	}
	if len(positional) > len(f.params) {
		return a, typeError("too many positional arguments")
	}
	for _, n := range c.named {
		if _, ok := a.named[keyText(n.Key)]; !ok {
			return a, typeError("got an unexpected keyword argument '%s'", keyText(n.Key))
		}
	}
	return a, f.checkTypes(a)
}

// lastIndex finds the last pair of a key, or gives -1.
func lastIndex(pairs []Pair, key string) int {
	for i, p := range slices.Backward(pairs) {
		if p.Key == key {
			return i
		}
	}
	return -1
}

func (f overrideFunction) checkTypes(a arguments) error {
	for i, v := range a.rest {
		if !f.rest.accept(v) {
			return typeError("mismatch type argument args[%d]: %s is incompatible with %s", i, pyTypeOf(v), f.rest.text)
		}
	}
	for _, p := range f.params {
		if v, given := a.named[p.name]; given && !p.types.accept(v) {
			return typeError("mismatch type argument %s: %s is incompatible with %s", p.name, pyTypeOf(v), p.types.text)
		}
	}
	return nil
}

// evaluate calls the functions in a value, inner ones first.
func (p *overrideParser) evaluate(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case []any:
		return v, p.evaluateAll(v)
	case *choiceSweep:
		return v, p.evaluateAll(v.list)
	case Object:
		for i := range v {
			if v[i].Value, err = p.evaluate(v[i].Value); err != nil {
				return nil, err
			}
		}
		return v.asDict(), nil
	case *functionCall:
		if v.misplaced {
			return nil, p.failed("positional argument follows keyword argument", nil)
		}
		if err := p.evaluateAll(v.args); err != nil {
			return nil, err
		}
		for i := range v.named {
			if v.named[i].Value, err = p.evaluate(v.named[i].Value); err != nil {
				return nil, err
			}
		}
		result, err := v.eval()
		if err != nil {
			return nil, p.failed("while evaluating '"+v.text+"'", err)
		}
		return result, nil
	}
	return v, nil
}

// asDict merges equal keys as a Python dict does: the first keeps its place, the
// last its value.
func (o Object) asDict() Object {
	places := make(map[any]int, len(o))
	dict := make(Object, 0, len(o))
	for _, pair := range o {
		key := indexKey(pair.Key)
		if i, ok := places[key]; ok {
			dict[i].Value = pair.Value
			continue
		}
		places[key] = len(dict)
		dict = append(dict, pair)
	}
	return dict
}

func (p *overrideParser) evaluateAll(list []any) error {
	for i, e := range list {
		r, err := p.evaluate(e)
		if err != nil {
			return err
		}
		list[i] = r
	}
	return nil
}

func (p *overrideParser) failed(hint string, cause error) error {
	return newError(classOverrideParse, "Error parsing override '%s'", p.src).because(cause).hint("%s", hint)
}
