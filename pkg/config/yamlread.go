package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

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
	return yamlReader{file: name}.document(data)
}

// FromYAMLWithTuples is FromYAML of a text whose lists may have the tag
// !!python/tuple, as PyYAML writes Python's tuples. No other tag of Python is known.
func FromYAMLWithTuples(name string, data []byte) (*Node, error) {
	return yamlReader{file: name, tuples: true}.document(data)
}

// document is the tree of a text; an empty mapping where the text is empty.
func (r yamlReader) document(data []byte) (*Node, error) {
	n, err := r.read(data)
	if err != nil {
		return nil, err
	}
	if n.isNull() {
		n = newMap(Origin{File: r.file})
	}
	return n, nil
}

func readYAML(name string, data []byte) (*Node, error) { return yamlReader{file: name}.read(data) }

func (r yamlReader) read(data []byte) (*Node, error) {
	name := r.file
	if len(data) > maxYAMLBytes {
		return nil, &Error{
			Class: classParser, Origin: Origin{File: name},
			Message: "the file is too large for a config",
		}
	}
	if !utf8.Valid(data) {
		return nil, &Error{Class: classReader, Origin: Origin{File: name}, Message: "the file is not UTF-8"}
	}
	data = blankDirectives(data)
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
	if len(doc.Content) == 0 {
		return newScalar(nil, Origin{File: name}), nil
	}
	if err := checkTabs(name, data, &doc); err != nil {
		return nil, err
	}
	if err := r.checkAnchors(&doc, map[string]bool{}); err != nil {
		return nil, err
	}
	return r.node(doc.Content[0], 0, false)
}

var (
	// yamlDirective matches the versions that PyYAML takes; the YAML library
	// takes 1.1 only.
	yamlDirective = regexp.MustCompile(`^%YAML +1\.[0-9]+ *$`)
	// otherDirective matches a directive whose name PyYAML warns of.
	otherDirective = regexp.MustCompile(`^%[0-9A-Za-z_-]+(?: .*)?$`)
	documentStart  = regexp.MustCompile(`^---(?:\s|$)`)
)

// blankDirectives turns the directives before the first document into comments.
func blankDirectives(data []byte) []byte {
	if !bytes.HasPrefix(data, []byte("%")) {
		return data
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		isKnown := strings.HasPrefix(line, "%YAML") || strings.HasPrefix(line, "%TAG")
		switch {
		case documentStart.MatchString(line):
			return []byte(strings.Join(lines, "\n"))
		case yamlDirective.MatchString(line), !isKnown && otherDirective.MatchString(line):
			lines[i] = "#" + line[1:]
		case line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "%"):
			return data
		}
	}
	return data
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

// checkAnchors refuses an anchor that is given twice.
func (r *yamlReader) checkAnchors(y *yaml.Node, seen map[string]bool) error {
	if y.Anchor != "" && y.Kind != yaml.AliasNode {
		if seen[y.Anchor] {
			return r.refuse(y, classComposer, "found duplicate anchor '%s'; first occurrence", y.Anchor)
		}
		seen[y.Anchor] = true
	}
	for _, c := range y.Content {
		if err := r.checkAnchors(c, seen); err != nil {
			return err
		}
	}
	return nil
}

// yamlReader turns the nodes of the YAML library into ours.
type yamlReader struct {
	file   string
	tuples bool // lists may be tagged as Python's tuples
	count  int
}

func (r *yamlReader) refuse(y *yaml.Node, class, format string, args ...any) *Error {
	return newError(class, format, args...).from(r.origin(y))
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
		if !r.takesTag(y) {
			return nil, r.refuse(y, classConstructor, "a list or mapping does not fit its tag %s", y.Tag)
		}
		if y.Kind == yaml.SequenceNode {
			return r.list(y, depth, flow)
		}
		return r.mapping(y, depth, flow)
	}
	v, err := r.scalar(y, flow, false)
	if err != nil {
		return nil, err
	}
	return newScalar(v, r.origin(y)), nil
}

// takesTag tells that a list or mapping has no tag, or one that fits.
func (r *yamlReader) takesTag(y *yaml.Node) bool {
	switch {
	case y.Style&yaml.TaggedStyle == 0 || y.Tag == "!":
		return true
	case y.Kind == yaml.MappingNode:
		return y.Tag == "!!map"
	}
	return y.Tag == "!!seq" || r.tuples && y.Tag == "!!python/tuple"
}

func (r *yamlReader) list(y *yaml.Node, depth int, flow bool) (*Node, error) {
	n := newList(r.origin(y))
	for _, item := range y.Content {
		if flow && endsInColon(item) {
			// PyYAML reads [a:] as [{a: null}].
			pair := &yaml.Node{Kind: yaml.MappingNode, Line: item.Line, Content: []*yaml.Node{item, {Kind: yaml.ScalarNode, Line: item.Line}}}
			item = pair
		}
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
		if flow && endsInColon(keyNode) && valueNode.Value == "" && valueNode.Kind == yaml.ScalarNode {
			shorter := *keyNode
			shorter.Value = strings.TrimRight(strings.TrimSuffix(keyNode.Value, ":"), " ")
			keyNode = &shorter
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
		if flow && endsInColon(valueNode) {
			return nil, r.refuse(valueNode, classParser, "expected ',' or '}', but got ':'")
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

// endsInColon says whether an unquoted text in flow style ends in the colon that
// PyYAML takes for the mark of a key.
func endsInColon(y *yaml.Node) bool {
	return y.Kind == yaml.ScalarNode && y.Style&quotedStyles == 0 && strings.HasSuffix(y.Value, ":")
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
	v, err := r.scalar(y, flow, true)
	if err != nil {
		return nil, err
	}
	switch k := v.(type) {
	case nil:
		return nil, r.refuse(y, classKeyValidation, "Incompatible key type 'NoneType'")
	default:
		return k, nil
	}
}

const quotedStyles = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalar types a scalar by its style, its explicit tag, or its text.
func (r *yamlReader) scalar(y *yaml.Node, flow, isKey bool) (any, error) {
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
	if y.Value == "<<" || y.Value == "=" && !isKey {
		return nil, r.refuse(y, classConstructor, "'%s' is no value", y.Value).hint("write it with quotes")
	}
	v := plainScalar(y.Value)
	if s, ok := v.(string); ok && isYAMLInt(s) {
		base := 16
		if strings.Contains(s, "b") {
			base = 2
		}
		e := r.refuse(y, classValue, "invalid literal for int() with base %d: ''", base)
		return nil, e.hint("for the text '%s' use quotes", s)
	}
	return v, nil
}

// tagged reads a scalar by its tag, with the errors of Python's conversions.
func (r *yamlReader) tagged(y *yaml.Node) (any, error) {
	text := strings.ToLower(y.Value)
	switch y.Tag {
	case "!!str", "!":
		return y.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		if b, ok := yamlBool[text]; ok {
			return b, nil
		}
		return nil, r.refuse(y, classPythonKey, "%s", pyRepr(text)).hint("the tag %s takes true and false", y.Tag)
	case "!!int":
		if i, ok := parseYAMLInt(y.Value); ok && len(y.Value) <= longestNumber {
			return i, nil
		}
		return nil, r.refuse(y, classValue, "invalid literal for int() with base 10: %s", pyRepr(y.Value)).hint("it does not fit its tag %s", y.Tag)
	case "!!float":
		if len(y.Value) <= longestNumber {
			if f, ok := parseYAMLFloat(y.Value); ok {
				return f, nil
			}
		}
		return nil, r.refuse(y, classValue, "could not convert string to float: %s", pyRepr(text)).hint("it does not fit its tag %s", y.Tag)
	}
	return nil, r.refuse(y, classConstructor, "could not determine a constructor for the tag '%s'", y.Tag)
}
