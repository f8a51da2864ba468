package config

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ToYAML writes the tree as YAML that a YAML 1.1 reader reads back with the same
// types, in the form that OmegaConf.to_yaml gives it: block style, keys in order,
// lines folded after 80 columns. ??? is written as it is. With resolve set,
// interpolations are replaced by their values first.
func ToYAML(n *Node, resolve bool) ([]byte, error) {
	if resolve {
		r, err := n.Resolve()
		if err != nil {
			return nil, err
		}
		n = r
	}
	return writeYAML(n, false), nil
}

// writeYAML is ToYAML of the tree as it stands, with a comment after each value
// that says where it was set if origins are wanted.
func writeYAML(n *Node, origins bool) []byte {
	w := &yamlWriter{origins: origins}
	w.node(n, 0, rootContext)
	if w.column > 0 {
		w.newline(0)
	}
	return []byte(w.b.String())
}

// yamlContext is where a value stands, which decides how it is indented.
type yamlContext uint8

const (
	rootContext yamlContext = iota
	valueContext
	itemContext
)

const (
	yamlIndent = 2
	yamlWidth  = 80
	// longestSimpleKey is the length from which PyYAML marks a key with "? ": 128
	// with the tag !!str that it does not write.
	longestSimpleKey = 123
)

type yamlWriter struct {
	b       strings.Builder
	column  int
	origins bool
}

func (w *yamlWriter) write(s string) {
	w.b.WriteString(s)
	w.column += utf8.RuneCountInString(s)
}

func (w *yamlWriter) newline(indent int) {
	w.b.WriteByte('\n')
	w.b.WriteString(strings.Repeat(" ", indent))
	w.column = indent
}

// node writes a value whose container is indented by indent.
func (w *yamlWriter) node(n *Node, indent int, in yamlContext) {
	switch {
	case n.shape == scalarShape:
		if in != rootContext {
			w.write(" ")
		}
		w.scalar(n.scalar, indent+yamlIndent, false)
		w.origin(n)
	case len(n.children) == 0:
		if in != rootContext {
			w.write(" ")
		}
		w.write(map[shape]string{listShape: "[]", mapShape: "{}"}[n.shape])
		w.origin(n)
	case n.shape == listShape:
		w.list(n, indent, in)
	default:
		w.mapping(n, indent, in)
	}
}

// origin adds the comment to a value that has been written.
func (w *yamlWriter) origin(n *Node) {
	if place := n.origin.String(); w.origins && place != "" {
		w.write("  # " + strings.Map(printableOrSpace, place))
	}
}

// list writes the items; below a key they stand at the key's own indentation.
func (w *yamlWriter) list(n *Node, indent int, in yamlContext) {
	if in == itemContext {
		indent += yamlIndent
	}
	for i, c := range n.children {
		switch {
		case i == 0 && in == itemContext:
			w.write(" ")
		case i > 0 || in != rootContext:
			w.newline(indent)
		}
		w.write("-")
		w.node(c, indent, itemContext)
	}
}

func (w *yamlWriter) mapping(n *Node, indent int, in yamlContext) {
	if in != rootContext {
		indent += yamlIndent
	}
	for i, c := range n.children {
		switch {
		case i == 0 && in == itemContext:
			w.write(" ")
		case i > 0 || in != rootContext:
			w.newline(indent)
		}
		if s, ok := c.key.(string); ok && isComplexKey(s) {
			w.write("? ")
			w.scalar(s, indent+yamlIndent, false)
			w.newline(indent)
			w.write(":")
			w.node(c, indent, itemContext)
			continue
		}
		w.scalar(c.key, indent+yamlIndent, true)
		w.write(":")
		w.node(c, indent, valueContext)
	}
}

// isComplexKey says whether PyYAML marks the key with "? ".
func isComplexKey(s string) bool {
	return s == "" || utf8.RuneCountInString(s) >= longestSimpleKey || strings.ContainsAny(s, "\n\u0085\u2028\u2029")
}

func (w *yamlWriter) scalar(v any, indent int, isKey bool) {
	switch v := v.(type) {
	case nil:
		w.write("null")
	case bool:
		w.write(strconv.FormatBool(v))
	case float64:
		w.write(yamlFloatText(v))
	case string:
		w.text(v, indent, isKey)
	default:
		w.write(pyText(v))
	}
}

// yamlFloatText writes a float so that YAML 1.1 reads a float: with a point.
func yamlFloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := pyFloat(f)
	if !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

// text writes a string plain where that reads back as the same string, else in
// single quotes, else in double quotes.
func (w *yamlWriter) text(s string, indent int, isKey bool) {
	a := analyseText(s)
	switch {
	case a.plain && !readsAsOther(s) && (s != "" || !isKey):
		w.folded([]rune(s), indent, !isKey)
	case a.single:
		w.singleQuoted([]rune(s), indent, !isKey)
	default:
		w.doubleQuoted([]rune(s), indent, !isKey)
	}
}

// textStyles says in which styles a text can be written.
type textStyles struct{ plain, single bool }

func isBreak(r rune) bool { return r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029 }

func isBlank(r rune) bool { return r == 0 || r == ' ' || r == '\t' || r == '\r' || isBreak(r) }

// analyseText looks for what plain and single-quoted scalars cannot hold.
func analyseText(s string) textStyles {
	a := textStyles{plain: true, single: true}
	if s == "" {
		return textStyles{plain: false, single: true}
	}
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		a.plain = false
	}
	runes := []rune(s)
	last := len(runes) - 1
	for i, r := range runes {
		followed := i == last || isBlank(runes[i+1])
		preceded := i == 0 || isBlank(runes[i-1])
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r),
			i == 0 && strings.ContainsRune("?-", r) && followed,
			r == ':' && followed,
			r == '#' && preceded:
			a.plain = false
		}
		if (i == 0 || i == last) && (r == ' ' || isBreak(r)) || isBreak(r) {
			a.plain = false
		}
		afterBreak := i > 0 && isBreak(runes[i-1])
		if r == ' ' && afterBreak || isBreak(r) && i > 0 && runes[i-1] == ' ' || !printable(r) {
			a.plain, a.single = false, false
		}
		if isBreak(r) && r != '\n' {
			// YAML 1.1 and 1.2 differ on these; escapes read the same in both.
			a.single = false
		}
	}
	return a
}

// printable says whether a character may stand in a scalar without an escape.
func printable(r rune) bool {
	return r == '\n' || r >= 0x20 && r <= 0x7e || r == 0x85 || r >= 0xa0 && r <= 0xd7ff ||
		r >= 0xe000 && r <= 0xfffd && r != 0xfeff && r != utf8.RuneError || r >= 0x10000 && r < 0x10ffff
}

func printableOrSpace(r rune) rune {
	if r == '\n' || !printable(r) {
		return ' '
	}
	return r
}

var yamlTimestamp = regexp.MustCompile(`^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|` +
	`[0-9]{4}-[0-9]{2}?-[0-9]{2}?(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$`)

// readsAsOther says whether a plain text would be read as another type, by this
// package, by PyYAML or by YAML 1.1 at large.
func readsAsOther(s string) bool {
	switch s {
	case "y", "Y", "n", "N", "<<", "=":
		return true
	}
	if _, ok := plainScalar(s).(string); !ok {
		return true
	}
	return isYAMLInt(s) || isYAMLFloat(s) || yamlTimestamp.MatchString(s) || isPythonNumber(s)
}

// isPythonNumber says whether Python's int() or float() takes the text, which is
// when OmegaConf quotes it.
func isPythonNumber(s string) bool {
	s = strings.Map(asciiDigit, strings.TrimSpace(s))
	if s == "" || len(s) > longestNumber || strings.ContainsAny(s, "xXpPbBoO") {
		return false
	}
	digits := s
	if strings.Contains(s, "_") {
		if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || !underscoresBetweenDigits(s) {
			return false
		}
		digits = strings.ReplaceAll(s, "_", "")
	}
	if _, ok := new(big.Int).SetString(digits, 10); ok {
		return true
	}
	f, err := strconv.ParseFloat(digits, 64)
	return err == nil || math.IsInf(f, 0)
}

// asciiDigit replaces the digits of other scripts, which Python reads too.
func asciiDigit(r rune) rune {
	if r > unicode.MaxASCII && unicode.IsDigit(r) {
		return '1'
	}
	return r
}

func underscoresBetweenDigits(s string) bool {
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !isDigit(s[i-1]) || !isDigit(s[i+1])) {
			return false
		}
	}
	return true
}

// folded writes a text, breaking the line at a single space behind the width.
func (w *yamlWriter) folded(s []rune, indent int, split bool) {
	for i, r := range s {
		single := r == ' ' && i > 0 && i < len(s)-1 && s[i-1] != ' ' && s[i+1] != ' '
		if single && split && w.column > yamlWidth {
			w.newline(indent)
			continue
		}
		w.write(string(r))
	}
}

// singleQuoted doubles quotes and writes a line break as an empty line.
func (w *yamlWriter) singleQuoted(s []rune, indent int, split bool) {
	w.write("'")
	for i, r := range s {
		single := r == ' ' && i > 0 && i < len(s)-1 && s[i-1] != ' ' && s[i+1] != ' '
		switch {
		case single && split && w.column > yamlWidth:
			w.newline(indent)
		case r == '\n':
			if i == 0 || s[i-1] != '\n' {
				w.b.WriteByte('\n')
			}
			w.b.WriteByte('\n')
			if i == len(s)-1 || s[i+1] != '\n' {
				w.b.WriteString(strings.Repeat(" ", indent))
				w.column = indent
			}
		case r == '\'':
			w.write("''")
		default:
			w.write(string(r))
		}
	}
	w.write("'")
}

var yamlEscapes = map[rune]string{
	0: "0", 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "e",
	'"': `"`, '\\': `\`, 0x85: "N", 0x2028: "L", 0x2029: "P",
}

// doubleQuoted escapes what is not printable; a line that is too long is broken by
// a backslash.
func (w *yamlWriter) doubleQuoted(s []rune, indent int, split bool) {
	w.write(`"`)
	start := 0 // of what is not written yet
	for end := 0; end <= len(s); end++ {
		escape := end == len(s) || !plainInDouble(s[end])
		if escape {
			w.write(string(s[start:end]))
			start = end
			if end < len(s) {
				w.write(`\` + escaped(s[end]))
				start = end + 1
			}
		}
		if end > 0 && end < len(s)-1 && split && (s[end] == ' ' || start >= end) && w.column+end-start > yamlWidth {
			if start < end {
				w.write(string(s[start:end]))
				start = end
			}
			w.write(`\`)
			w.newline(indent)
			if s[start] == ' ' {
				w.write(`\`)
			}
		}
	}
	w.write(`"`)
}

func plainInDouble(r rune) bool {
	return r != '"' && r != '\\' && r != 0xfeff && !isBreak(r) &&
		(r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd && r != utf8.RuneError)
}

func escaped(r rune) string {
	if e, ok := yamlEscapes[r]; ok {
		return e
	}
	switch {
	case r <= 0xff:
		return fmt.Sprintf("x%02X", r)
	case r <= 0xffff:
		return fmt.Sprintf("u%04X", r)
	}
	return fmt.Sprintf("U%08X", r)
}
