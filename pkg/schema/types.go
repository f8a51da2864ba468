package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
)

// object is a JSON Schema, or a part of one.
type object = map[string]any

// The texts that stand for values of other types: an interpolation or ???, and what
// YAML 1.1 reads as a bool or a number but editors, which know 1.2, as text.
const (
	later     = `\$\{|^\?\?\?$`
	oldBool   = `^([Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)$`
	oldNumber = `^[-+]?[0-9]+(_[0-9]+)+(\.[0-9]*)?$`
)

// orText adds strings of a pattern to a schema of another type.
func orText(s object, patterns ...string) object {
	types, _ := s["type"].([]string)
	s["patternErrorMessage"] = "must be of type " + strings.Join(types, " or ") + ", an interpolation ${…}, or ???" // for editors
	s["type"] = append(types, "string")
	s["pattern"] = strings.Join(append(patterns, later), "|")
	return s
}

func isNumber(kind string) object { return orText(object{"type": []string{kind}}, oldNumber) }

func isBool() object { return orText(object{"type": []string{"boolean"}}, oldBool) }

func isText() object { return object{"type": "string"} }

func isList(items object) object { return orText(object{"type": []string{"array"}, "items": items}) }

func isMapping() object { return orText(object{"type": []string{"object"}}) }

// orNull lets null stand for a value.
func orNull(s object) object {
	if types, ok := s["type"].([]string); ok {
		s["type"] = append(types, "null")
		return s
	}
	return object{"anyOf": []any{s, object{"type": "null"}}}
}

// definition points to one of the definitions.
func definition(name string) object { return object{"$ref": "#/definitions/" + escape(name)} }

// escape makes a JSON pointer's step.
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

var (
	nodeType  = reflect.TypeFor[*config.Node]()
	formsType = reflect.TypeFor[config.Forms]()
)

// ofType describes the values that config.Decode reads into a Go type.
func ofType(t reflect.Type) object {
	if t.Kind() != reflect.Pointer && t.Implements(formsType) {
		return ofForms(reflect.Zero(t).Interface().(config.Forms))
	}
	switch t.Kind() {
	case reflect.Bool:
		return isBool()
	case reflect.String:
		return isText()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return isNumber("integer")
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s := isNumber("integer")
		s["minimum"] = 0
		return s
	case reflect.Float32, reflect.Float64:
		return isNumber("number")
	case reflect.Pointer:
		return orNull(ofType(t.Elem()))
	case reflect.Slice:
		return orNull(isList(ofType(t.Elem())))
	case reflect.Array:
		s := isList(ofType(t.Elem()))
		s["minItems"], s["maxItems"] = t.Len(), t.Len()
		return s
	case reflect.Struct:
		return arguments(reflect.Zero(t))
	case reflect.Map:
		s := orNull(isMapping())
		s["additionalProperties"] = ofType(t.Elem())
		return s
	}
	return object{} // any value
}

// ofForms describes a type that reads itself.
func ofForms(f config.Forms) object {
	var taken []any
	for _, form := range f.Forms() {
		switch form := form.(type) {
		case config.Words:
			taken = append(taken, object{"enum": []string(form)})
		case config.BuiltBy:
			taken = append(taken, definition(part(string(form))))
		default:
			taken = append(taken, ofType(reflect.TypeOf(form)))
		}
	}
	return object{"anyOf": append(taken, object{"type": "string", "pattern": later})}
}

// part names the definition of what a registry builds.
func part(what string) string { return "part." + strings.ReplaceAll(what, " ", "_") }

// arguments describes a mapping that is decoded into a struct over the values it has.
func arguments(v reflect.Value) object {
	properties := object{}
	addFields(v, properties)
	for _, key := range []string{config.TargetKey, "_convert_"} {
		properties[key] = isText()
	}
	for _, key := range []string{"_partial_", "_recursive_"} {
		properties[key] = isBool()
	}
	s := isMapping()
	s["properties"], s["additionalProperties"] = properties, false
	return s
}

func addFields(v reflect.Value, properties object) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		list := strings.Split(options, ",")
		switch {
		case !field.IsExported() || name == "-":
		case slices.Contains(list, "inline"):
			addFields(v.Field(i), properties)
		default:
			if name == "" {
				name = strings.ToLower(field.Name)
			}
			properties[name] = ofField(field, v.Field(i), slices.Contains(list, "required"))
		}
	}
}

// ofField adds the default to what the type says.
func ofField(field reflect.StructField, v reflect.Value, required bool) object {
	if field.Type == nodeType {
		return ofNode(field.Tag.Get("of"))
	}
	s := ofType(field.Type)
	if value, ok := defaultOf(v); ok && !required {
		s["default"] = value
	}
	return s
}

// ofNode describes a mapping that a registry builds, or anything where none is named.
// Lists and null are for those of which several or none may stand.
func ofNode(what string) object {
	if what == "" {
		return object{}
	}
	one := definition(part(what))
	return object{"anyOf": []any{one, object{"type": "array", "items": one}, object{"type": "null"}}}
}

// defaultOf is a plain value as JSON has it.
func defaultOf(v reflect.Value) (any, bool) {
	if !v.CanInterface() || v.Type().Implements(formsType) {
		return nil, false
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return v.Interface(), true
	case reflect.Pointer:
		if v.IsNil() {
			return nil, true
		}
		return defaultOf(v.Elem())
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Float64 {
			return v.Interface(), true
		}
	}
	return nil, false
}

// structArguments is arguments of a struct in an interface.
func structArguments(prototype any) object {
	v := reflect.ValueOf(prototype)
	if v.Kind() != reflect.Struct {
		panic(fmt.Sprintf("schema: the arguments are a %T, not a struct", prototype))
	}
	return arguments(v)
}
