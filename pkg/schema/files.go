package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/evaluation"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/train"
)

const (
	// Folder is where a tree of configs has its schemas.
	Folder = "schema"
	// Definitions is the file that all others point to.
	Definitions = "openretina.schema.json"

	draft     = "http://json-schema.org/draft-07/schema#"
	extension = ".schema.json"
	primary   = "primary"
)

// FileOf is the name of the schema for the options of a group; of primary configs
// where group is empty.
func FileOf(group string) string {
	if group == "" {
		group = primary
	}
	return strings.ReplaceAll(group, "/", "_") + extension
}

// Files makes the schemas of a tree of configs, by their names: one with all
// definitions, and one that points to it for each group and for primary configs.
func Files(tree fs.FS) (map[string][]byte, error) {
	options, err := readTree(tree)
	if err != nil {
		return nil, err
	}
	python, err := pythonTargets()
	if err != nil {
		return nil, err
	}
	definitions := parts(python)
	describe(definitions, options)
	entries := map[string]object{}
	for _, group := range groupsOf(options) {
		entries[group] = groupFile(group)
	}
	entries[""] = primaryFile(options, definitions)
	files := map[string][]byte{}
	for group, entry := range entries {
		name := "file." + strings.TrimSuffix(FileOf(group), extension)
		definitions[name] = entry
		files[FileOf(group)], err = encode(object{
			"$schema": draft, "title": title(group), "allOf": []any{object{"$ref": Definitions + "#/definitions/" + escape(name)}},
		})
		if err != nil {
			return nil, err
		}
	}
	files[Definitions], err = encodeDefinitions(definitions)
	return files, err
}

func title(group string) string {
	if group == "" {
		return "openretina: a primary config"
	}
	return "openretina: an option of the group " + group
}

func groupsOf(options []option) (groups []string) {
	for _, o := range options {
		if o.group != "" && !slices.Contains(groups, o.group) {
			groups = append(groups, o.group)
		}
	}
	slices.Sort(groups)
	return groups
}

// describe adds what the comments of the configs say of keys.
func describe(definitions object, options []option) {
	comments := map[string]map[string]string{}
	for _, o := range options {
		where := o.group
		if o.group == "model" && targetOf(o.root) == "" {
			where = models.DefaultFamily
		}
		collectComments(o.root, where, comments)
	}
	// Nodes without a _target_ have their definitions under the names of their groups.
	definitions["node.evaluation"] = structArguments(evaluation.DefaultConfig())
	definitions["node.mei"] = structArguments(insilico.Config{})
	definitions["node.root"] = rootProperties(comments)
	for name, about := range comments {
		definition, ok := definitions[name].(object)
		if !ok {
			definition, ok = definitions["node."+name].(object)
		}
		if !ok {
			continue
		}
		properties := definition["properties"].(object)
		for key, text := range about {
			if p, ok := properties[key].(object); ok && p["$ref"] == nil {
				p["description"] = text
			}
		}
	}
}

// rootNode are the keys at the root of a config beside the groups.
type rootNode struct {
	Experiment     string `yaml:"exp_name"`
	train.RootKeys `yaml:",inline"`
}

// pathKeys are the keys of paths that the shipped configs use.
var pathKeys = []string{"cache_dir", "data_dir", "load_model_path", "log_dir", "movies_path", "output_dir", "responses_path"}

func rootProperties(comments map[string]map[string]string) object {
	root := structArguments(rootNode{})
	properties := root["properties"].(object)
	delete(properties, config.TargetKey)
	paths := object{}
	for _, key := range pathKeys {
		paths[key] = object{"type": []string{"string", "null"}}
		if about := comments["paths"][key]; about != "" {
			paths[key].(object)["description"] = about
		}
	}
	properties["paths"] = object{"type": "object", "properties": paths}
	properties["hydra"] = object{}
	for key, value := range properties {
		if p, ok := value.(object); ok {
			delete(p, "default") // it is the zero value of a Go type
			if about := comments[""][key]; about != "" {
				p["description"] = about
			}
		}
	}
	return object{"properties": properties}
}

// partOf says what each group's options describe.
var partOf = map[string]string{
	"model": "model", "optimizer": "optimizer", "lr_scheduler": "lr_scheduler", "trainer": "trainer", "dataloader": "dataloader",
	"logger": "logger", "training_callbacks": "callback",
}

// groupNode describes what stands under a group's name in a config.
func groupNode(group string) object {
	what, ok := partOf[group]
	switch {
	case group == "logger" || group == "training_callbacks": // several, each under a name of its own
		s := isMapping()
		s["properties"] = object{config.TargetKey: isText(), "_convert_": isText()}
		s["additionalProperties"] = orNull(definition(part(what)))
		return s
	case group == "model":
		return object{
			"if":   object{"required": []string{config.TargetKey}, "properties": object{config.TargetKey: object{"const": models.AutoencoderTarget}}},
			"then": definition(models.AutoencoderTarget),
			"else": object{"allOf": []any{definition(part(what)), object{"properties": nodesOf(models.UnifiedConfig{})}}},
		}
	case ok:
		return definition(part(what))
	case group == "data_io":
		s := isMapping()
		s["properties"] = object{
			"stimuli": definition(part("stimulus reader")), "responses": definition(part("response reader")), "data_info": isMapping(),
		}
		return s
	case group == "evaluation" || group == "mei":
		return definition("node." + group)
	}
	return isMapping()
}

// nodesOf are the fields of a struct that registries build.
func nodesOf(prototype any) object {
	t := reflect.TypeOf(prototype)
	properties := object{}
	for i := range t.NumField() {
		if of := t.Field(i).Tag.Get("of"); of != "" {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			properties[name] = ofNode(of)
		}
	}
	return properties
}

// groupFile describes an option of a group. A model without a _target_ is the class
// that the Python package takes then.
func groupFile(group string) object {
	s := object{"type": "object", "allOf": []any{groupNode(group)}}
	if group == "model" {
		s["allOf"] = append(s["allOf"].([]any), withoutTarget(models.DefaultFamily))
	}
	return s
}

// withoutTarget is for a mapping that says nothing of its class: it has the arguments
// of this one.
func withoutTarget(target string) object {
	return object{
		"if":   object{"type": "object", "not": object{"required": []string{config.TargetKey}}},
		"then": definition(target),
	}
}

// primaryFile describes primary configs. The options that the defaults list names say
// whose arguments stand in the groups' mappings.
func primaryFile(options []option, definitions object) object {
	properties := object{"defaults": defaultsList(options)}
	for _, group := range groupsOf(options) {
		if !strings.Contains(group, "/") && group != "hydra" {
			properties[group] = groupNode(group)
		}
	}
	byName := map[[2]string]option{}
	for _, o := range options {
		byName[[2]string{o.group, o.name}] = o
	}
	var rules []any
	for _, o := range options {
		if o.group == "" {
			rules = append(rules, inherited(o, byName)...)
			continue
		}
		if s := ofOption(o, definitions); s != nil {
			name := optionName(o.group, o.name)
			definitions[name] = object{"properties": object{o.group: s}}
			rules = append(rules, object{"if": hasDefault(chooses(o.group, o.name)), "then": definition(name)})
		}
	}
	rules = slices.DeleteFunc(rules, func(rule any) bool {
		then := rule.(object)["then"].(object)["$ref"].(string)
		return definitions[strings.TrimPrefix(then, "#/definitions/")] == nil
	})
	return object{"type": "object", "properties": properties, "allOf": append([]any{definition("node.root")}, rules...)}
}

func optionName(group, name string) string { return "option." + group + "." + name }

// ofOption describes a mapping that changes what an option of a group says: without a
// _target_ of its own, it has the arguments of the option's. nil where nothing is
// known of them.
func ofOption(o option, definitions object) object {
	unnamed := ""
	if o.group == "model" {
		unnamed = models.DefaultFamily
	}
	return changing(o.root, unnamed, definitions)
}

func changing(n *yaml.Node, unnamed string, definitions object) object {
	s := object{}
	properties := object{}
	fields(n, func(key string, value *yaml.Node, _ string) {
		if below := changing(value, "", definitions); below != nil {
			properties[key] = below
		}
	})
	if len(properties) > 0 {
		s["properties"] = properties
	}
	target := targetOf(n)
	if target == "" {
		target = unnamed
	}
	if _, known := definitions[target]; known {
		s["allOf"] = []any{withoutTarget(target)}
	}
	if len(s) == 0 {
		return nil
	}
	return s
}

// chooses is an item of a defaults list that names an option of a group.
func chooses(group, name string) object {
	value := object{"anyOf": []any{object{"const": name}, object{"type": "array", "contains": object{"const": name}}}}
	var either []any
	for _, key := range []string{group, "override " + group} {
		either = append(either, object{"properties": object{key: value}, "required": []string{key}, "type": "object"})
	}
	return object{"anyOf": either}
}

// hasDefault is a config whose defaults list has such an item.
func hasDefault(item object) object {
	return object{"required": []string{"defaults"}, "properties": object{"defaults": object{"contains": item}}}
}

// inherited are the rules of a config whose defaults list names another primary one:
// the options of that hold, unless they are overridden.
func inherited(o option, byName map[[2]string]option) (rules []any) {
	for _, chosen := range allChoices(o, byName) {
		rules = append(rules, object{
			"if": object{"allOf": []any{
				hasDefault(object{"const": o.name}),
				object{"not": hasDefault(object{"type": "object", "required": []string{"override " + chosen[0]}})},
			}},
			"then": definition(optionName(chosen[0], chosen[1])),
		})
	}
	return rules
}

// allChoices are the options that a primary config chooses, itself or by another one.
func allChoices(o option, byName map[[2]string]option) (chosen [][2]string) {
	for _, c := range choices(o.root) {
		if c[0] != "" {
			chosen = append(chosen, c)
		} else if other, ok := byName[c]; ok && other.name != o.name {
			chosen = append(chosen, allChoices(other, byName)...)
		}
	}
	return chosen
}

// defaultsList offers groups and options; others may be named.
func defaultsList(options []option) object {
	groups := object{}
	anyOption := object{"type": []string{"string", "array", "null"}}
	for _, group := range groupsOf(options) {
		offered := namesOf(options, group)
		one := object{"anyOf": append(slices.Clone(offered), any(object{"type": "array", "items": object{"anyOf": append(offered, isText())}}), anyOption)}
		groups[group], groups["override "+group] = one, one
	}
	return object{
		"type":        "array",
		"description": "what the config is made of, in order: group: option, other primary configs, and _self_ for this file",
		"items": object{"anyOf": []any{
			object{"anyOf": append(namesOf(options, ""), object{"const": "_self_"}, isText())},
			object{"type": "object", "properties": groups, "additionalProperties": anyOption},
		}},
	}
}

// namesOf are the options of a group, with what they say of themselves.
func namesOf(options []option, group string) (list []any) {
	for _, o := range options {
		if o.group == group {
			list = append(list, object{"const": o.name, "description": o.about})
		}
	}
	return list
}

// encode writes a small schema.
func encode(s object) ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// encodeDefinitions writes a line for each definition, so that changes can be read.
func encodeDefinitions(definitions object) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n\"$schema\": %q,\n\"definitions\": {\n", draft)
	for i, name := range slices.Sorted(maps.Keys(definitions)) {
		text, err := encodeLine(definitions[name])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%q: %s", name, text)
	}
	b.WriteString("\n}\n}\n")
	return b.Bytes(), nil
}

func encodeLine(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
