package config

import (
	"fmt"
	"slices"
	"strings"
)

// fieldKind is the type of a value of the hydra node.
type fieldKind uint8

const (
	textField fieldKind = iota
	boolField
	integerField
	modeField
	mappingField
	listField
	classField // a part of hydraTypes
)

type hydraField struct {
	kind     fieldKind
	optional bool
	// text is how OmegaConf names the type of a mapping.
	text string
}

var runModes = []string{"RUN", "MULTIRUN"}

// hydraFields are the types of the values that Hydra gives its node.
var hydraFields = map[string]hydraField{
	"hydra.mode":                                     {kind: modeField, optional: true},
	"hydra.searchpath":                               {kind: listField},
	"hydra.run.dir":                                  {},
	"hydra.sweep.dir":                                {},
	"hydra.sweep.subdir":                             {},
	"hydra.hydra_logging":                            {kind: mappingField, text: "Dict[str, Any]"},
	"hydra.job_logging":                              {kind: mappingField, text: "Dict[str, Any]"},
	"hydra.callbacks":                                {kind: mappingField, text: "Dict[str, Any]"},
	"hydra.help.app_name":                            {},
	"hydra.help.header":                              {},
	"hydra.help.footer":                              {},
	"hydra.help.template":                            {},
	"hydra.output_subdir":                            {optional: true},
	"hydra.job.name":                                 {},
	"hydra.job.chdir":                                {kind: boolField, optional: true},
	"hydra.job.id":                                   {},
	"hydra.job.num":                                  {kind: integerField},
	"hydra.job.config_name":                          {optional: true},
	"hydra.job.env_set":                              {kind: mappingField, text: "Dict[str, str]"},
	"hydra.job.env_copy":                             {kind: listField},
	"hydra.job.config.override_dirname.kv_sep":       {},
	"hydra.job.config.override_dirname.item_sep":     {},
	"hydra.job.config.override_dirname.exclude_keys": {kind: listField},
}

func fieldAt(path string) (hydraField, bool) {
	if _, isClass := hydraTypes[path]; isClass {
		return hydraField{kind: classField}, true
	}
	f, ok := hydraFields[path]
	return f, ok
}

// checkHydraValues refuses values whose type Hydra does not take, in what is about to
// be set under the path by an override, or by a file. What merging refuses is left
// to it.
func checkHydraValues(path string, n *Node, byOverride bool) error {
	if n.Kind() == Missing || n.Kind() == Interpolation {
		return nil
	}
	if f, ok := fieldAt(path); ok {
		if problem := f.problem(path, n, byOverride); problem != "" {
			return &Error{Class: classValidation, Message: problem, Key: path, Origin: n.origin}
		}
	}
	for _, c := range n.children {
		if n.shape != mapShape {
			break
		}
		if err := checkHydraValues(path+"."+keyText(c.key), c, byOverride); err != nil {
			return err
		}
	}
	return nil
}

// problem says in OmegaConf's words why the field does not take the value; empty if
// it does.
func (f hydraField) problem(path string, n *Node, byOverride bool) string {
	kind, value := plainType(n), pyNode(n)
	switch {
	case n.isNull() && (f.optional || path == "hydra"):
		return ""
	case n.isNull() && f.kind == textField && !byOverride:
		return "Incompatible value 'None' for field of type 'str'"
	case n.isNull():
		return fmt.Sprintf("field '%s' is not Optional", path)
	}
	_, fits := f.convert(n)
	switch f.kind {
	case classField:
		switch {
		case n.shape == mapShape || n.shape == listShape && byOverride:
			return ""
		case byOverride:
			return fmt.Sprintf("Invalid type assigned: %s is not a subclass of %s. value: %s", kind, hydraTypes[path], value)
		}
		return fmt.Sprintf("Merge error: %s is not a subclass of %s. value: %s", kind, hydraTypes[path], value)
	case mappingField:
		if n.shape == scalarShape {
			return fmt.Sprintf("Cannot assign %s to %s", kind, f.text)
		}
	case listField:
		if n.shape == scalarShape {
			return fmt.Sprintf("Invalid value assigned: %s is not a ListConfig, list or tuple.", kind)
		}
	case textField:
		if n.isContainer() && !byOverride {
			kind = lastPart(pyNodeType(n))
		}
		if n.isContainer() {
			return fmt.Sprintf("Cannot convert '%s' to string: '%s'", kind, value)
		}
	case boolField:
		if !fits {
			return fmt.Sprintf("Value '%s' is not a valid bool (type %s)", value, kind)
		}
	case integerField:
		if !fits {
			return fmt.Sprintf("Value '%s' of type '%s' could not be converted to Integer", value, kind)
		}
	case modeField:
		if !fits {
			return fmt.Sprintf("Invalid value '%s', expected one of [%s]", value, strings.Join(runModes, ", "))
		}
	}
	return ""
}

// convert gives a scalar the field's type.
func (f hydraField) convert(n *Node) (any, bool) {
	if n.shape != scalarShape || n.scalar == nil {
		return n.scalar, n.isNull()
	}
	text := pyText(n.scalar)
	switch f.kind {
	case textField:
		return text, true
	case boolField:
		_, isFloat := n.scalar.(float64)
		i, isInt := n.scalar.(int64)
		b, known := map[string]bool{
			"yes": true, "y": true, "on": true, "true": true, "1": true,
			"no": false, "n": false, "off": false, "false": false, "0": false,
		}[strings.ToLower(text)]
		return b || isInt && i != 0, !isFloat && (known || isInt)
	case integerField:
		if _, isBool := n.scalar.(bool); isBool || strings.Contains(text, ".") {
			return nil, false
		}
		i, err := castInt(text)
		return i, err == nil
	case modeField:
		if i, ok := n.scalar.(int64); ok && i >= 1 && int(i) <= len(runModes) {
			return runModes[i-1], true
		}
		return text, slices.Contains(runModes, text)
	}
	return n.scalar, true
}

// convertHydraValues gives the values of the hydra node Hydra's types: a job named 5
// is named "5".
func convertHydraValues(n *Node, path string) {
	f, ok := hydraFields[path]
	if strings.HasPrefix(path, "hydra.job.env_set.") {
		f, ok = hydraField{}, true
	}
	if ok && n.Kind() != Missing && n.Kind() != Interpolation {
		if v, fits := f.convert(n); fits && n.shape == scalarShape {
			n.scalar = v
		}
	}
	for _, c := range n.children {
		if n.shape == mapShape {
			convertHydraValues(c, path+"."+keyText(c.key))
		}
	}
}

// copyEnvironment sets the variables that hydra.job.env_copy names in env_set.
func copyEnvironment(hydra *Node, getenv func(string) (string, bool)) error {
	list, ok := hydra.At("job.env_copy")
	if !ok {
		return nil
	}
	for _, n := range list.Items() {
		name := pyNode(n)
		value, isSet := "", false
		if getenv != nil {
			value, isSet = getenv(name)
		}
		if !isSet {
			return newError(classPythonKey, "%s", pyRepr(name)).at(n).hint("hydra.job.env_copy names a variable that is not set")
		}
		set, ok := hydra.At("job.env_set")
		if ok && set.shape == mapShape {
			set.put(name, newScalar(value, n.origin))
		}
	}
	return nil
}
