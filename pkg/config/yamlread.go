package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits on what one YAML text may become. A config of the field has some hundred
// values; the limits stop aliases that multiply and nesting that exhausts memory.
const (
	maxYAMLBytes = 16 << 20
	maxYAMLNodes = 1 << 18
	maxYAMLDepth = 200
)

// FromYAML reads one YAML document into a tree. Scalars are typed as OmegaConf
// does (YAML 1.1; 1e-3 is a float, dates are text). An empty document is an empty
// mapping. The name is what errors and origins show.
func FromYAML(name string, data []byte) (*Node, error) {
	n, err := readYAML(name, data)
	if err != nil {
		return nil, err
	}
	if n.isNull() {
		n = newMap(Origin{File: name})
	}
	return n, nil
}

func readYAML(name string, data []byte) (*Node, error) {
	if len(data) > maxYAMLBytes {
		return nil, &Error{
			Class: classParser, Origin: Origin{File: name},
			Message: "the file is too large for a config",
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return newScalar(nil, Origin{File: name}), nil
		}
		return nil, yamlError(name, data, err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, yamlError(name, data, err)
		}
		return nil, &Error{
			Class: classParser, Origin: Origin{File: name, Line: second.Line},
			Message: "expected a single document in the stream",
		}
	}
	r := yamlReader{file: name}
	if len(doc.Content) == 0 {
		return newScalar(nil, Origin{File: name}), nil
	}
	n, err := r.node(doc.Content[0], 0, false)
	if err != nil {
		return nil, err
	}
	return n, nil
}

var yamlErrorLine = regexp.MustCompile(`^line (\d+): `)

// yamlError gives an error of the YAML library its place. The library counts lines
// from zero in the errors of its parser.
func yamlError(name string, data []byte, err error) error {
	e := &Error{Class: classParser, Origin: Origin{File: name}, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlErrorLine.FindStringSubmatch(e.Message); m != nil {
		e.Origin.Line, _ = strconv.Atoi(m[1])
		e.Message = e.Message[len(m[0]):]
	}
	if strings.HasPrefix(e.Message, "did not find expected") {
		e.Origin.Line++
	}
	lines := bytes.Split(data, []byte("\n"))
	if i := e.Origin.Line - 1; i >= 0 && i < len(lines) && bytes.Contains(lines[i], []byte(missingText)) {
		e.Hint = "in {} and [], write '" + missingText + "' with quotes"
	}
	return e
}

// yamlReader turns the nodes of the YAML library into ours.
type yamlReader struct {
	file  string
	count int
}

func (r *yamlReader) refuse(y *yaml.Node, class, format string, args ...any) *Error {
	e := newError(class, format, args...)
	e.Origin = r.origin(y)
	return e
}

func (r *yamlReader) origin(y *yaml.Node) Origin { return Origin{File: r.file, Line: y.Line} }

func (r *yamlReader) node(y *yaml.Node, depth int, flow bool) (*Node, error) {
	r.count++
	if r.count > maxYAMLNodes {
		return nil, r.refuse(y, classParser, "more than %d values", maxYAMLNodes)
	}
	if depth > maxYAMLDepth {
		return nil, r.refuse(y, classParser, "nested deeper than %d levels", maxYAMLDepth)
	}
	flow = flow || y.Style&yaml.FlowStyle != 0
	switch y.Kind {
	case yaml.AliasNode:
		// An anchor that contains its own alias ends at the depth limit.
		return r.node(y.Alias, depth+1, flow)
	case yaml.SequenceNode, yaml.MappingNode:
		if y.Style&yaml.TaggedStyle != 0 && y.Tag != "!!seq" && y.Tag != "!!map" {
			return nil, r.refuse(y, classConstructor, "a list or mapping does not fit its tag %s", y.Tag)
		}
		if y.Kind == yaml.SequenceNode {
			return r.list(y, depth, flow)
		}
		return r.mapping(y, depth, flow)
	}
	v, err := r.scalar(y, flow)
	if err != nil {
		return nil, err
	}
	return newScalar(v, r.origin(y)), nil
}

func (r *yamlReader) list(y *yaml.Node, depth int, flow bool) (*Node, error) {
	n := newList(r.origin(y))
	for _, item := range y.Content {
		c, err := r.node(item, depth+1, flow)
		if err != nil {
			return nil, err
		}
		n.add(c)
	}
	return n, nil
}

func (r *yamlReader) mapping(y *yaml.Node, depth int, flow bool) (*Node, error) {
	n := newMap(r.origin(y))
	seen := map[string]bool{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		if isMergeKey(y.Content[i]) {
			merges = append(merges, y.Content[i+1])
		}
	}
	// Merged keys come first and give way to the mapping's own.
	for _, m := range merges {
		if err := r.mergeKey(n, m, depth, flow); err != nil {
			return nil, err
		}
	}
	for i := 0; i+1 < len(y.Content); i += 2 {
		keyNode, valueNode := y.Content[i], y.Content[i+1]
		if isMergeKey(keyNode) {
			continue
		}
		key, err := r.mapKey(keyNode, flow)
		if err != nil {
			return nil, err
		}
		if text, ok := key.(string); ok {
			if seen[text] {
				return nil, r.refuse(keyNode, classConstructor, "found duplicate key %s", text)
			}
			seen[text] = true
		}
		c, err := r.node(valueNode, depth+1, flow)
		if err != nil {
			return nil, err
		}
		// The line of the key is what an editor should show.
		c.origin.Line = keyNode.Line
		n.put(key, c)
	}
	return n, nil
}

func isMergeKey(y *yaml.Node) bool {
	return y.Kind == yaml.ScalarNode && y.Value == "<<" && (y.Style&quotedStyles == 0)
}

// mergeKey adds what stands behind "<<": a mapping or a list of mappings, of which
// earlier ones win.
func (r *yamlReader) mergeKey(n *Node, y *yaml.Node, depth int, flow bool) error {
	source, err := r.node(y, depth+1, flow)
	if err != nil {
		return err
	}
	sources := []*Node{source}
	if source.shape == listShape {
		sources = source.children
	}
	for _, s := range sources {
		if s.shape != mapShape {
			return r.refuse(y, classConstructor, "expected a mapping or list of mappings for merging")
		}
		for _, c := range s.children {
			if n.child(c.key) == nil {
				n.put(c.key, c.clone())
			}
		}
	}
	return nil
}

func (r *yamlReader) mapKey(y *yaml.Node, flow bool) (any, error) {
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if y.Kind != yaml.ScalarNode {
		return nil, r.refuse(y, classConstructor, "found unhashable key")
	}
	v, err := r.scalar(y, flow)
	if err != nil {
		return nil, err
	}
	switch k := v.(type) {
	case string, bool, int64, float64:
		return k, nil
	case nil:
		return nil, r.refuse(y, classKeyValidation, "Incompatible key type 'NoneType'")
	}
	return nil, r.refuse(y, classKeyValidation, "the key %s is too large", y.Value)
}

const quotedStyles = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalar types a scalar by its style, its explicit tag, or its text.
func (r *yamlReader) scalar(y *yaml.Node, flow bool) (any, error) {
	if y.Style&yaml.TaggedStyle != 0 {
		return r.tagged(y)
	}
	if y.Style&quotedStyles != 0 {
		return y.Value, nil
	}
	// PyYAML takes "?" and ":" in flow style for indicators, so that ??? must be
	// quoted there.
	if flow && y.Value != "" && (y.Value[0] == '?' || y.Value[0] == ':') {
		e := r.refuse(y, classParser, "expected the node content, but found '%c'", y.Value[0])
		return nil, e.hint("in {} and [], write '%s' with quotes", y.Value)
	}
	if y.Value == "<<" {
		return nil, r.refuse(y, classConstructor, "'<<' is no value").hint("write it with quotes")
	}
	return plainScalar(y.Value), nil
}

func (r *yamlReader) tagged(y *yaml.Node) (any, error) {
	mismatch := func() error {
		return r.refuse(y, classConstructor, "the value '%s' does not fit its tag %s", y.Value, y.Tag)
	}
	switch y.Tag {
	case "!!str", "!":
		return y.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		if b, ok := yamlBool[y.Value]; ok {
			return b, nil
		}
		return nil, mismatch()
	case "!!int":
		if isYAMLInt(y.Value) {
			if i, ok := parseYAMLInt(y.Value); ok {
				return i, nil
			}
		}
		return nil, mismatch()
	case "!!float":
		if len(y.Value) <= longestNumber {
			if f, ok := parseYAMLFloat(y.Value); ok {
				return f, nil
			}
		}
		return nil, mismatch()
	}
	return nil, r.refuse(y, classConstructor, "could not determine a constructor for the tag '%s'", y.Tag)
}
