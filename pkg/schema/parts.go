package schema

import (
	_ "embed" // the Python package's signatures
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/tracking"
	"github.com/open-retina/openretina-go/pkg/train"
)

// python_targets.json is what configs may name in Python; python_targets.py makes it.
//
//go:embed python_targets.json
var pythonJSON []byte

// pythonTarget is a class or function of the Python package, torch or Lightning.
type pythonTarget struct {
	Role       string                     `json:"role"`
	Parameters map[string]pythonParameter `json:"parameters"`
	// Variadic ones take any other parameter.
	Variadic bool `json:"variadic"`
	// SameAs is its proper name where this is another one.
	SameAs string `json:"same_as"`
}

type pythonParameter struct {
	// Default is nil for None too.
	Default  any  `json:"default"`
	Required bool `json:"required"`
}

// table is what of a Registry is needed here.
type table interface {
	Targets() []string
	Arguments() map[string]any
}

// tables are the program's registries by the kind of thing that they build, and the
// roles of the Python package's things of that kind.
func tables() map[string]table {
	all := map[string]table{}
	add := func(what string, t table) { all[what] = t }
	add(models.Models.What, models.Models)
	add(models.Cores.What, models.Cores)
	add(models.Readouts.What, models.Readouts)
	add(models.Losses.What, models.Losses)
	add(models.Shifters.What, models.Shifters)
	add(models.Nonlinearities.What, models.Nonlinearities)
	add(models.Tensors.What, models.Tensors)
	add(models.Arrays.What, models.Arrays)
	add(models.Autoencoders.What, models.Autoencoders)
	add(models.AutoencoderLosses.What, models.AutoencoderLosses)
	add(optim.Optimizers.What, optim.Optimizers)
	add(optim.Schedulers.What, optim.Schedulers)
	add(train.Callbacks.What, train.Callbacks)
	add(tracking.Loggers.What, tracking.Loggers)
	add(train.Trainers.What, train.Trainers)
	add(data.StimulusReaders.What, data.StimulusReaders)
	add(data.ResponseReaders.What, data.ResponseReaders)
	add(data.Arrangers.What, data.Arrangers)
	add(data.Recordings.What, data.Recordings)
	add(data.Locations.What, data.Locations)
	add(insilico.Objectives.What, insilico.Objectives)
	add(insilico.Reducers.What, insilico.Reducers)
	add(insilico.Postprocessors.What, insilico.Postprocessors)
	add(insilico.Regularizers.What, insilico.Regularizers)
	add(insilico.Stoppers.What, insilico.Stoppers)
	return all
}

// roleOf is the role in python_targets.json, where it has another name.
var roleOf = map[string]string{data.StimulusReaders.What: "stimuli", data.ResponseReaders.What: "responses"}

// pythonTargets reads python_targets.json.
func pythonTargets() (map[string]pythonTarget, error) {
	var all map[string]pythonTarget
	err := json.Unmarshal(pythonJSON, &all)
	return all, err
}

// parts are the definitions of all that has a _target_: each one's arguments, and
// each kind of thing, where the _target_ chooses among them.
func parts(python map[string]pythonTarget) object {
	ours := map[string]any{}
	for _, t := range tables() {
		maps.Copy(ours, t.Arguments())
	}
	definitions := object{}
	for what, t := range tables() {
		role := what
		if other, ok := roleOf[what]; ok {
			role = other
		}
		names := t.Targets()
		for target, p := range python {
			if p.Role == role && p.SameAs == "" && !slices.Contains(names, target) {
				names = append(names, target)
			}
		}
		slices.Sort(names)
		for _, target := range names {
			definitions[target] = targetArguments(ours[target], python[target])
		}
		definitions[part(what)] = choice(names, aliases(python, role))
	}
	return definitions
}

// targetArguments are what the program reads, if it does, and what Python takes
// besides.
func targetArguments(ours any, p pythonTarget) object {
	s := structArguments(struct{}{})
	if ours != nil {
		s = structArguments(ours)
	}
	properties := s["properties"].(object)
	for name, parameter := range p.Parameters {
		if _, ok := properties[name]; !ok {
			properties[name] = parameter.describe()
		}
	}
	if p.Role == optim.Schedulers.What {
		addFields(reflect.ValueOf(stepping{}), properties)
	}
	if p.Variadic {
		s["additionalProperties"] = true
	}
	return s
}

// describe takes any value, since signatures have no types.
func (p pythonParameter) describe() object {
	if p.Required {
		return object{}
	}
	return object{"default": p.Default}
}

// stepping is what Lightning wants to know of a schedule, beside its arguments. Its
// keys have no defaults here, so that none are told.
type stepping struct {
	Monitor   *string `yaml:"monitor,required"`
	Interval  string  `yaml:"interval,required"`
	Frequency int     `yaml:"frequency,required"`
	Strict    bool    `yaml:"strict,required"`
	Name      *string `yaml:"name,required"`
}

// aliases are other names, under which the Python package's modules import things.
func aliases(python map[string]pythonTarget, role string) (names []string) {
	for target, p := range python {
		if p.Role == role && p.SameAs != "" {
			names = append(names, regexp.QuoteMeta(target))
		}
	}
	slices.Sort(names)
	return names
}

// known are names in packages whose contents are known.
const known = `^(openretina|torch|lightning)\.`

// choice is a mapping whose _target_ says which arguments it takes. What is not known
// may be anything, unless its name says that it should be known.
func choice(names, aliases []string) object {
	other := later
	if len(aliases) > 0 {
		other += "|^(" + strings.Join(aliases, "|") + ")$"
	}
	var cases []any
	for _, name := range names {
		cases = append(cases, object{
			"if":   object{"required": []string{config.TargetKey}, "properties": object{config.TargetKey: object{"const": name}}},
			"then": definition(name),
		})
	}
	s := isMapping()
	s["properties"] = object{config.TargetKey: object{
		"anyOf": []any{
			object{"enum": names},
			object{"type": "string", "pattern": other},
			object{"type": "string", "not": object{"pattern": known}},
		},
		"description": "the class or function, by its name in the Python package",
	}}
	s["allOf"] = cases
	return s
}
