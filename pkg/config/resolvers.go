package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// builtin is a standard resolver. It gets the evaluation, since some look at the
// tree around the interpolation.
type builtin struct {
	min, max int // number of arguments
	// function and param are the names of the Python function and of its first
	// parameter, for errors.
	function, param string
	call            func(ev *evaluation, args []*Node) (*Node, error)
}

// builtins are the resolvers of OmegaConf and Hydra, and len, which the Python
// package registers. A function, since oc.decode refers to the table.
func builtins() map[string]builtin {
	return map[string]builtin{
		"oc.env":         {1, 2, "env", "key", resolveEnv},
		"oc.select":      {1, 2, "select", "key", resolveSelect},
		"oc.decode":      {1, 1, "decode", "expr", resolveDecode},
		"oc.create":      {1, 1, "create", "obj", resolveCreate},
		"oc.deprecated":  {1, 2, "deprecated", "key", resolveDeprecated},
		"oc.dict.keys":   {1, 1, "keys", "key", resolveDictKeys},
		"oc.dict.values": {1, 1, "values", "key", resolveDictValues},
		"now":            {1, 1, "now", "pattern", resolveNow},
		"hydra":          {1, 1, "hydra", "path", resolveHydra},
		"len":            {1, 1, "len", "obj", resolveLen},
	}
}

func (ev *evaluation) call(name string, args []*Node) (*Node, error) {
	if custom, ok := ev.env.resolvers[name]; ok {
		return ev.callCustom(custom, args)
	}
	table := builtins()
	b, ok := table[name]
	if !ok {
		known := slices.Sorted(maps.Keys(table))
		e := newError(classUnsupported, "Unsupported interpolation type %s", name)
		e.Hint = didYouMean(name, known)
		return nil, e
	}
	if err := b.checkCount(len(args)); err != nil {
		return nil, err
	}
	return b.call(ev, args)
}

// checkCount refuses a wrong number of arguments in Python's words.
func (b builtin) checkCount(given int) error {
	switch {
	case given >= b.min && given <= b.max:
		return nil
	case b.function == "len":
		return typeError("len() takes exactly one argument (%d given)", given)
	case given < b.min:
		return typeError("%s() missing %d required positional argument: '%s'", b.function, b.min-given, b.param)
	case b.min < b.max:
		return typeError("%s() takes from %d to %d positional arguments but %d were given", b.function, b.min, b.max, given)
	}
	return typeError("%s() takes %d positional argument but %d were given", b.function, b.max, given)
}

func (ev *evaluation) callCustom(r Resolver, args []*Node) (*Node, error) {
	plain := make([]any, len(args))
	for i, a := range args {
		if a.isContainer() {
			c, err := ev.copyResolved(a, 0)
			if err != nil {
				return nil, err
			}
			plain[i] = c
			continue
		}
		plain[i] = a.scalar
	}
	v, err := r(ev.parent, plain)
	if err != nil {
		return nil, err
	}
	return FromValue(v)
}

// textArg reads an argument that must be text.
func textArg(name string, n *Node) (string, error) {
	s, ok := n.scalar.(string)
	if !ok || n.isContainer() {
		return "", newError(classPythonType, "`%s` requires a string as input, but obtained `%s` of type: %s",
			name, pyNode(n), argumentType(n))
	}
	return s, nil
}

// argumentType is the Python type of a resolver's argument: a list or mapping that is
// written there is plain, one of the tree a config's.
func argumentType(n *Node) string {
	if n.isContainer() && n.parent == nil {
		return plainType(n)
	}
	return lastPart(pyNodeType(n))
}

// resolveEnv reads an environment variable. Its default becomes text, unless it is
// null.
func resolveEnv(ev *evaluation, args []*Node) (*Node, error) {
	name, ok := args[0].scalar.(string)
	if !ok {
		return nil, typeError("str expected, not %s", argumentType(args[0]))
	}
	if ev.env.getenv != nil {
		if v, ok := ev.env.getenv(name); ok {
			return newScalar(v, Origin{}), nil
		}
	}
	if len(args) < 2 {
		return nil, newError(classPythonKey, "Environment variable '%s' not found", name)
	}
	if args[1].isNull() {
		return newScalar(nil, Origin{}), nil
	}
	return newScalar(pyNode(args[1]), Origin{}), nil
}

// resolveSelect reads a key that may be absent.
func resolveSelect(ev *evaluation, args []*Node) (*Node, error) {
	key, ok := args[0].scalar.(string)
	if !ok {
		return nil, newError(classAttributePython, "'%s' object has no attribute 'startswith'", argumentType(args[0]))
	}
	n, err := ev.selectKey(key, false)
	if e, ok := asError(err); ok && e.Class == classType {
		n, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if n != nil && !n.isMissing() {
		return n, nil
	}
	if len(args) > 1 {
		return args[1], nil
	}
	return newScalar(nil, Origin{}), nil
}

// resolveDecode parses a text by the grammar of interpolations.
func resolveDecode(ev *evaluation, args []*Node) (*Node, error) {
	if args[0].isNull() {
		return newScalar(nil, Origin{}), nil
	}
	text, ok := args[0].scalar.(string)
	if !ok || args[0].isContainer() {
		return nil, newError(classPythonType, "`oc.decode` can only take strings or None as input, but `%s` is of type %s",
			pyNode(args[0]), argumentType(args[0]))
	}
	e, err := parseElement(text)
	if err != nil {
		return nil, err
	}
	return e.eval(ev)
}

// resolveCreate makes a container of its argument; a text is read as YAML.
func resolveCreate(_ *evaluation, args []*Node) (*Node, error) {
	switch a := args[0]; {
	case a.isContainer():
		return a.clone(), nil
	case a.isNull():
		return newScalar(nil, Origin{}), nil
	default:
		text, ok := a.scalar.(string)
		if !ok {
			return nil, newError(classValidation, "Object of unsupported type: '%s'", pyType(a.scalar))
		}
		return textContainer("oc.create", text)
	}
}

// textContainer makes a container of YAML, as OmegaConf.create does with a text:
// nothing is an empty mapping, and a text a key with a null.
func textContainer(name, text string) (*Node, error) {
	n, err := readYAML(name, []byte(text))
	if err != nil || n.isContainer() {
		return n, err
	}
	m := newMap(n.origin)
	switch v := n.scalar.(type) {
	case nil:
	case string:
		m.put(v, newScalar(nil, n.origin))
	default:
		return nil, newError(classAssertion, "the text is no mapping or list but of type %s", pyType(v)).from(n.origin)
	}
	return m, nil
}

// resolveDeprecated is another key's value, with a warning.
func resolveDeprecated(ev *evaluation, args []*Node) (*Node, error) {
	key, ok := args[0].scalar.(string)
	if !ok {
		return nil, newError(classPythonType, "oc.deprecated: interpolation key type is not a string (%s)", pyNodeType(args[0]))
	}
	message := "'$OLD_KEY' is deprecated. Change your code and config to use '$NEW_KEY'"
	if len(args) > 1 {
		if message, ok = args[1].scalar.(string); !ok {
			return nil, newError(classPythonType, "oc.deprecated: interpolation message type is not a string (%s)", pyNodeType(args[1]))
		}
	}
	oldKey := ""
	if ev.node != nil {
		oldKey = ev.node.Path()
	}
	n, err := ev.selectKey(key, false)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, newError(classKey, "In oc.deprecated resolver at '%s': Key not found: '%s'", oldKey, key)
	}
	if ev.env.warn != nil {
		ev.env.warn(strings.NewReplacer("$OLD_KEY", oldKey, "$NEW_KEY", n.Path(),
			"${OLD_KEY}", oldKey, "${NEW_KEY}", n.Path()).Replace(message))
	}
	return n, nil
}

func (ev *evaluation) selectDict(resolver string, arg *Node) (*Node, string, error) {
	key, err := textArg(resolver, arg)
	if err != nil {
		return nil, "", err
	}
	n, err := ev.selectKey(key, false)
	if err != nil {
		return nil, "", err
	}
	if n == nil {
		return nil, "", newError(classKey, "Key not found: '%s'", key)
	}
	if n.isMissing() {
		return nil, "", newError(classMissingValue, "Missing mandatory value: %s", n.Path())
	}
	if n.shape != mapShape {
		return nil, "", newError(classPythonType, "`%s` cannot be applied to objects of type: %s", resolver, lastPart(pyNodeType(n)))
	}
	return n, key, nil
}

func resolveDictKeys(ev *evaluation, args []*Node) (*Node, error) {
	dict, _, err := ev.selectDict("oc.dict.keys", args[0])
	if err != nil {
		return nil, err
	}
	list := newList(Origin{})
	for _, c := range dict.children {
		list.add(newScalar(c.key, Origin{}))
	}
	return list, nil
}

// resolveDictValues gives interpolations to the values, so that they stay
// current; a relative key gets a dot more, since the list is a level of its own.
func resolveDictValues(ev *evaluation, args []*Node) (*Node, error) {
	dict, key, err := ev.selectDict("oc.dict.values", args[0])
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(key, ".") {
		key = "." + key
	}
	list := newList(Origin{})
	for _, c := range dict.children {
		list.add(newScalar("${"+key+"."+keyText(c.key)+"}", Origin{}))
	}
	return list, nil
}

func resolveNow(ev *evaluation, args []*Node) (*Node, error) {
	layout, ok := args[0].scalar.(string)
	if !ok {
		return nil, typeError("strftime() argument 1 must be str, not %s", argumentType(args[0]))
	}
	return newScalar(strftime(ev.env.now, layout), Origin{}), nil
}

// resolveHydra reads the hydra node, which is no part of the application's config.
func resolveHydra(ev *evaluation, args []*Node) (*Node, error) {
	path, err := textArg("hydra", args[0])
	if err != nil {
		return nil, err
	}
	if ev.env.hydra == nil {
		return nil, newError(classValue, "HydraConfig was not set")
	}
	n, err := ev.walk(ev.env.hydra, path, false)
	if err != nil {
		return nil, err
	}
	if n == nil || n.isMissing() {
		if path == "runtime.output_dir" && ev.env.outputErr != nil {
			return nil, ev.env.outputErr
		}
		return newScalar(nil, Origin{}), nil
	}
	return n, nil
}

func resolveLen(_ *evaluation, args []*Node) (*Node, error) {
	if args[0].isContainer() {
		return newScalar(int64(args[0].Len()), Origin{}), nil
	}
	s, ok := args[0].scalar.(string)
	if !ok {
		return nil, newError(classPythonType, "object of type '%s' has no len()", pyType(args[0].scalar))
	}
	return newScalar(int64(len([]rune(s))), Origin{}), nil
}

// strftime formats a time by the directives of Python's method of that name, in
// the C locale. Unknown ones stay.
func strftime(t time.Time, layout string) string {
	var b strings.Builder
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' || i+1 == len(layout) {
			b.WriteByte(layout[i])
			continue
		}
		i++
		trim := layout[i] == '-' && i+1 < len(layout) // glibc's flag: no padding
		if trim {
			i++
		}
		text := timeDirective(t, layout[i])
		if short := strings.TrimLeft(text, "0 "); trim && short != "" {
			text = short
		}
		b.WriteString(text)
	}
	return b.String()
}

func timeDirective(t time.Time, c byte) string {
	layouts := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05",
		'p': "PM", 'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan",
		'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
		'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'e': "_2",
		'P': "pm", 'r': "03:04:05 PM",
	}
	if layout, ok := layouts[c]; ok {
		return t.Format(layout)
	}
	weekday, monday := int(t.Weekday()), (int(t.Weekday())+6)%7
	year, week := t.ISOWeek()
	switch c {
	case '%':
		return "%"
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100)
	case 'G':
		return fmt.Sprint(year)
	case 'g':
		return fmt.Sprintf("%02d", year%100)
	case 'V':
		return fmt.Sprintf("%02d", week)
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-weekday)/7)
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-monday)/7)
	case 'k':
		return fmt.Sprintf("%2d", t.Hour())
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1)
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000)
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay())
	case 's':
		return fmt.Sprint(t.Unix())
	case 'w':
		return fmt.Sprint(weekday)
	case 'u':
		return fmt.Sprint(monday + 1)
	case 'n':
		return "\n"
	case 't':
		return "\t"
	}
	// Python's now() is naive: zone directives are empty.
	if c == 'z' || c == 'Z' {
		return ""
	}
	return "%" + string(c)
}
