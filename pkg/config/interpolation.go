package config

import (
	"regexp"
	"strings"
)

// An expression is a parsed text with interpolations. It follows the grammar of
// OmegaConf 2.3: text with ${path} and ${resolver:arguments}, the arguments
// being primitives, quoted texts, lists and mappings that may nest further ones.
type expression interface {
	eval(*evaluation) (*Node, error)
}

type (
	// literal is a typed primitive or a text.
	literal struct{ value any }
	// joined is text and interpolations in a row, which give a string.
	joined struct{ parts []expression }
	// listExpr is [a, b].
	listExpr struct{ items []expression }
	// dictExpr is {k: v}.
	dictExpr struct {
		keys   []any
		values []expression
	}
	// pathExpr is ${a.b}: texts, and interpolations that must give texts, which
	// make up the path when they are written one after the other.
	pathExpr struct {
		parts   []expression
		sources []string
	}
	// callExpr is ${name:args}.
	callExpr struct {
		name    []expression
		sources []string
		args    []expression
	}
)

// maxInterpolationDepth bounds nesting in one text.
const maxInterpolationDepth = 100

// interpolationParser reads one text. The lexer of the grammar has modes; here
// each mode is the method that reads what the mode may contain.
type interpolationParser struct {
	src   string
	pos   int
	depth int
	// single is set where the text is one element.
	single bool
	// closers are the marks that end the calls, lists, mappings and quoted texts
	// that are not closed, outer ones first.
	closers []byte
}

func (p *interpolationParser) push(closer byte) { p.closers = append(p.closers, closer) }

func (p *interpolationParser) pop() { p.closers = p.closers[:len(p.closers)-1] }

// parseInterpolation parses the text of a value.
func parseInterpolation(src string) (expression, error) {
	p := &interpolationParser{src: src}
	parts, err := p.text(0)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return joined{parts}, nil
}

// parseElement parses a single value, as oc.decode reads it.
func parseElement(src string) (expression, error) {
	p := &interpolationParser{src: src, single: true}
	e, err := p.element()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.src) {
		return nil, p.unexpected("<EOF>")
	}
	return e, nil
}

func (p *interpolationParser) rest() string { return p.src[p.pos:] }

func (p *interpolationParser) at(prefix string) bool { return strings.HasPrefix(p.rest(), prefix) }

func (p *interpolationParser) skipSpace() {
	for p.pos < len(p.src) && (p.src[p.pos] == ' ' || p.src[p.pos] == '\t') {
		p.pos++
	}
}

// afterSpace says whether c follows, perhaps after white space; it consumes both.
func (p *interpolationParser) afterSpace(c byte) bool {
	start := p.pos
	p.skipSpace()
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	p.pos = start
	return false
}

// The tokens that may begin an element, the key of a mapping, or stand behind a part
// of a path, as ANTLR lists them.
const (
	elementStarts  = "{INTER_OPEN, BRACE_OPEN, QUOTE_OPEN_SINGLE, QUOTE_OPEN_DOUBLE, BRACKET_OPEN, COLON, " + primitiveNames + "}"
	dictKeyStarts  = "{" + primitiveNames + "}"
	primitiveNames = "FLOAT, INT, BOOL, NULL, UNQUOTED_CHAR, ID, ESC, WS"
	pathFollowers  = "{BRACKET_OPEN, INTER_CLOSE, '.'}"
)

// unexpected is the error for the next character. Where only the expected mark is
// missing before it, ANTLR says so.
func (p *interpolationParser) unexpected(expecting string) error {
	next, outer := endToken, ""
	if p.pos < len(p.src) {
		next = string(firstRune(p.rest()))
	}
	if n := len(p.closers); n >= 2 {
		outer = string(p.closers[n-2])
	} else if n == 1 && p.single {
		outer = endToken
	}
	format := "mismatched input '%s' expecting %s"
	if isCloser := strings.HasSuffix(expecting, "_CLOSE"); isCloser && next == outer {
		format, next, expecting = "missing %s at '%s'", expecting, next
	}
	return newError(classGrammar, format, next, expecting).hint("at character %d of '%s'", p.pos+1, shorten(p.src))
}

func (p *interpolationParser) noAlternative(start int) error {
	end := p.pos
	if end < len(p.src) {
		end++
	}
	return newError(classGrammar, "no viable alternative at input '%s'", strings.ToValidUTF8(p.src[start:end], "")).
		hint("at character %d of '%s'", p.pos+1, shorten(p.src))
}

// unrecognised is the error for a character that begins no token, after blanks that
// might have belonged to one.
func (p *interpolationParser) unrecognised() error {
	rest := strings.TrimLeft(p.rest(), " \t")
	blanks := p.rest()[:len(p.rest())-len(rest)]
	if rest != "" {
		blanks += string(firstRune(rest))
	}
	return newError(classGrammar, "token recognition error at: '%s'", visibleSpace(blanks)).
		hint("at character %d of '%s'", p.pos+1, shorten(p.src))
}

// badPath is the error for what follows a part of a path.
func (p *interpolationParser) badPath(path pathExpr, start int) error {
	switch {
	case p.pos < len(p.src) && strings.ContainsRune("\\{()'\" \t", rune(p.src[p.pos])):
		return p.unrecognised()
	case !path.canNameResolver():
		return p.unexpected(pathFollowers)
	}
	return p.noAlternative(start)
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

func (p *interpolationParser) enter() error {
	p.depth++
	if p.depth > maxInterpolationDepth {
		return newError(classGrammar, "interpolations nested deeper than %d levels", maxInterpolationDepth)
	}
	return nil
}

// text reads until the end (quote 0) or until the closing quote, which it
// consumes. A backslash counts only before ${ and before the quote: there two
// stand for one, and an odd one takes away the special meaning.
func (p *interpolationParser) text(quote byte) ([]expression, error) {
	var parts []expression
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, literal{b.String()})
			b.Reset()
		}
	}
	for p.pos < len(p.src) {
		slashes := len(p.rest()) - len(strings.TrimLeft(p.rest(), `\`))
		after := p.src[p.pos+slashes:]
		isInterpolation := strings.HasPrefix(after, "${")
		isQuote := quote != 0 && after != "" && after[0] == quote
		switch {
		case (isInterpolation || isQuote) && slashes > 0:
			b.WriteString(strings.Repeat(`\`, slashes/2))
			p.pos += slashes
			if slashes%2 == 1 {
				n := 1
				if isInterpolation {
					n = 2
				}
				b.WriteString(after[:n])
				p.pos += n
			}
		case isInterpolation:
			flush()
			e, err := p.interpolation()
			if err != nil {
				return nil, err
			}
			parts = append(parts, e)
		case isQuote:
			p.pos++
			flush()
			return parts, nil
		default:
			n := max(slashes, 1)
			b.WriteString(p.src[p.pos : p.pos+n])
			p.pos += n
		}
	}
	if quote != 0 {
		return nil, p.unexpected("MATCHING_QUOTE_CLOSE")
	}
	flush()
	return parts, nil
}

var (
	identifierToken = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]*`)
	pathKeyToken    = regexp.MustCompile("^[^\\\\{}()\\[\\]:. \\t'\"]+")
)

// interpolation reads ${…}. Which of the two forms it is shows at the first colon.
func (p *interpolationParser) interpolation() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	start := p.pos
	p.pos += len("${")
	p.skipSpace()
	path := pathExpr{}
	add := func(e expression, source string) {
		path.parts = append(path.parts, e)
		path.sources = append(path.sources, source)
	}
	for p.at(".") {
		p.pos++
		add(literal{"."}, ".")
	}
	for first := true; ; first = false {
		switch {
		case p.at("["):
			if err := p.bracketKey(add, start); err != nil {
				return nil, err
			}
		case first:
			if err := p.pathKey(add, start); err != nil {
				return nil, err
			}
		case p.at("."):
			p.pos++
			add(literal{"."}, ".")
			if err := p.pathKey(add, start); err != nil {
				return nil, err
			}
		case p.afterSpace('}'):
			return path, nil
		case path.canNameResolver() && p.peekAfterSpace(":"):
			p.afterSpace(':')
			return p.call(path)
		default:
			return nil, p.badPath(path, start)
		}
	}
}

// canNameResolver says whether the path may be the name of a resolver: words with
// single dots between.
func (path pathExpr) canNameResolver() bool {
	for i, part := range path.parts {
		text, isText := part.(literal)
		if !isText {
			continue
		}
		s, _ := text.value.(string)
		isDot := s == "."
		if isDot != (i%2 == 1) || !isDot && identifierToken.FindString(s) != s {
			return false
		}
	}
	return true
}

func (p *interpolationParser) bracketKey(add func(expression, string), start int) error {
	p.pos++
	add(literal{"["}, "[")
	if err := p.pathKey(add, start); err != nil {
		return err
	}
	if !p.at("]") {
		return p.unexpected("']'")
	}
	p.pos++
	add(literal{"]"}, "]")
	return nil
}

func (p *interpolationParser) pathKey(add func(expression, string), start int) error {
	begin := p.pos
	if p.at("${") {
		e, err := p.interpolation()
		if err != nil {
			return err
		}
		add(e, p.src[begin:p.pos])
		return nil
	}
	key := pathKeyToken.FindString(p.rest())
	if key == "" {
		if p.pos < len(p.src) && strings.ContainsRune("\\()'\"", rune(p.src[p.pos])) {
			return p.unrecognised()
		}
		return p.noAlternative(start)
	}
	p.pos += len(key)
	add(literal{key}, key)
	return nil
}

// call reads the arguments of a resolver; the colon is consumed.
func (p *interpolationParser) call(path pathExpr) (expression, error) {
	c := callExpr{name: path.parts, sources: path.sources}
	p.skipSpace()
	p.push('}')
	defer p.pop()
	var err error
	c.args, err = p.sequence('}')
	return c, err
}

// sequence reads elements up to the closing character, which it consumes. A
// missing element stands for an empty text.
func (p *interpolationParser) sequence(end byte) ([]expression, error) {
	var items []expression
	if p.afterSpace(end) {
		return items, nil
	}
	for {
		if p.peekAfterSpace(",") || p.peekAfterSpace(string(end)) {
			items = append(items, literal{""})
		} else {
			e, err := p.element()
			if err != nil {
				return nil, err
			}
			items = append(items, e)
		}
		switch {
		case p.afterSpace(end):
			return items, nil
		case p.afterSpace(','):
			p.skipSpace()
		default:
			return nil, p.unexpected(closeName(end))
		}
	}
}

func closeName(end byte) string {
	if end == ']' {
		return "BRACKET_CLOSE"
	}
	return "BRACE_CLOSE"
}

func (p *interpolationParser) peekAfterSpace(prefix string) bool {
	return strings.HasPrefix(strings.TrimLeft(p.rest(), " \t"), prefix)
}

func (p *interpolationParser) element() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if p.pos >= len(p.src) {
		return nil, p.unexpected(elementStarts)
	}
	switch c := p.src[p.pos]; c {
	case '\'', '"':
		p.pos++
		p.push(c)
		parts, err := p.text(c)
		p.pop()
		return joined{parts}, err
	case '[':
		p.pos++
		p.push(']')
		p.skipSpace()
		items, err := p.sequence(']')
		p.pop()
		return listExpr{items}, err
	case '{':
		p.pos++
		p.push('}')
		p.skipSpace()
		d, err := p.dict()
		p.pop()
		return d, err
	}
	return p.primitive(false)
}

func (p *interpolationParser) dict() (expression, error) {
	d := dictExpr{}
	if p.afterSpace('}') {
		return d, nil
	}
	for {
		key, err := p.primitive(true)
		if err != nil {
			return nil, err
		}
		if !p.afterSpace(':') {
			return nil, p.unexpected("COLON")
		}
		p.skipSpace()
		value, err := p.element()
		if err != nil {
			return nil, err
		}
		d.keys = append(d.keys, keyValue(key))
		d.values = append(d.values, value)
		switch {
		case p.afterSpace('}'):
			return d, nil
		case p.afterSpace(','):
			p.skipSpace()
		default:
			return nil, p.unexpected("BRACE_CLOSE")
		}
	}
}

// keyValue is the value of a mapping's key: of one token, or the text of several.
func keyValue(key expression) any {
	j, ok := key.(joined)
	if !ok {
		return key.(literal).value
	}
	text := ""
	for _, part := range j.parts {
		text += pyText(part.(literal).value)
	}
	return text
}

// primitive reads one or more tokens of an unquoted value. One token keeps its
// type, several make a text. A key of a mapping has neither colons nor
// interpolations.
func (p *interpolationParser) primitive(isKey bool) (expression, error) {
	var parts []expression
	for p.pos < len(p.src) && !p.endOfPrimitive(isKey) {
		if p.at("${") {
			if isKey {
				return nil, p.unexpected(dictKeyStarts)
			}
			e, err := p.interpolation()
			if err != nil {
				return nil, err
			}
			parts = append(parts, e)
			continue
		}
		if !isKey && p.peekAfterSpace(":") {
			start := p.pos
			p.afterSpace(':')
			p.skipSpace()
			parts = append(parts, literal{p.src[start:p.pos]})
			continue
		}
		token, ok := primitiveToken(p.rest())
		if !ok {
			return nil, p.unrecognised()
		}
		p.pos += len(token.raw)
		parts = append(parts, token)
	}
	if len(parts) == 0 {
		if isKey {
			return nil, p.unexpected(dictKeyStarts)
		}
		return nil, p.unexpected(elementStarts)
	}
	return joinPrimitive(parts), nil
}

// endOfPrimitive says whether the value ends here; white space before the end
// belongs to what ends it.
func (p *interpolationParser) endOfPrimitive(isKey bool) bool {
	s := strings.TrimLeft(p.rest(), " \t")
	if s == "" {
		return false
	}
	if isKey && s[0] == ':' {
		return true
	}
	return strings.IndexByte(",]}", s[0]) >= 0 || len(s) == len(p.rest()) && strings.IndexByte("[{'\"", s[0]) >= 0
}

func joinPrimitive(parts []expression) expression {
	if len(parts) == 1 {
		if t, ok := parts[0].(token); ok {
			return literal{t.value}
		}
		return parts[0]
	}
	for i, part := range parts {
		if t, ok := part.(token); ok {
			parts[i] = literal{t.text}
		}
	}
	return joined{parts}
}
