package config

import (
	"regexp"
	"strings"
)

// overrideKind says what an override does.
type overrideKind uint8

const (
	changeOverride overrideKind = iota
	addOverride                 // +key=value
	forceOverride               // ++key=value
	deleteOverride              // ~key or ~key=value
)

var overridePrefix = [...]string{changeOverride: "", addOverride: "+", forceOverride: "++", deleteOverride: "~"}

// override is one parsed word of a command line.
type override struct {
	kind       overrideKind
	key        string // a path of the config, or a config group
	pkg        string
	hasPackage bool
	hasValue   bool
	value      any // an element or a sweep, see overridevalue.go
	input      string
}

// keyElement is the override without its value.
func (o *override) keyElement() string {
	s := overridePrefix[o.kind] + o.key
	if o.hasPackage {
		s += "@" + o.pkg
	}
	return s
}

func (o *override) isHydra() bool {
	return strings.HasPrefix(o.key, "hydra.") || strings.HasPrefix(o.key, "hydra/")
}

func (o *override) origin() Origin { return Origin{File: "command line", Text: o.input} }

// ParseOverride checks the grammar of one override without applying it.
func ParseOverride(input string) error {
	_, err := parseOverride(input)
	return err
}

func parseOverrides(inputs []string) ([]*override, error) {
	list := make([]*override, len(inputs))
	for i, input := range inputs {
		o, err := parseOverride(input)
		if err != nil {
			return nil, err
		}
		list[i] = o
	}
	return list, nil
}

// maxOverrideBytes bounds one override; the system's own limit is 128 KiB.
const maxOverrideBytes = 1 << 20

func parseOverride(input string) (*override, error) {
	if len(input) > maxOverrideBytes {
		return nil, newError(classOverrideParse, "an override is longer than %d bytes", maxOverrideBytes)
	}
	p := &overrideParser{src: input}
	o, err := p.override()
	if err != nil {
		return nil, err
	}
	o.input = input
	return o, nil
}

var (
	keyWord = regexp.MustCompile(`^[a-zA-Z_$][a-zA-Z0-9_$-]*`)
	keyPath = regexp.MustCompile(`^(?:[a-zA-Z_$][a-zA-Z0-9_$-]*|0|[1-9](?:_?[0-9])*)(?:\.(?:[a-zA-Z_$][a-zA-Z0-9_$-]*|0|[1-9](?:_?[0-9])*))+`)
)

// overrideParser reads Hydra's grammar of overrides: first the key, by characters,
// then the value, by tokens.
type overrideParser struct {
	src    string
	pos    int
	tokens []token
	starts []int // position of each token in src
	next   int
	depth  int
	// lexErr is the error of a character that no token may hold, which counts once
	// the parser gets there.
	lexErr error
	atBad  bool
}

func (p *overrideParser) rest() string { return p.src[p.pos:] }

func (p *overrideParser) override() (*override, error) {
	o := &override{}
	switch {
	case strings.HasPrefix(p.rest(), "++"):
		o.kind = forceOverride
	case strings.HasPrefix(p.rest(), "+"):
		o.kind = addOverride
	case strings.HasPrefix(p.rest(), "~"):
		o.kind = deleteOverride
	}
	p.pos = len(overridePrefix[o.kind])
	if err := p.keyAndPackage(o); err != nil {
		return nil, err
	}
	if p.pos == len(p.src) {
		if o.kind == deleteOverride {
			return o, nil
		}
		return nil, newError(classOverrideParse, "Error parsing override '%s'", p.src).
			hint("missing '=' at the end; write key=value, or flags before --")
	}
	if p.src[p.pos] != '=' {
		return nil, p.badKey()
	}
	p.pos++
	p.pos += len(spaceToken.FindString(p.rest()))
	o.hasValue = true
	if p.pos == len(p.src) {
		o.value = ""
		return o, nil
	}
	p.tokenize()
	var err error
	if o.value, err = p.value(); err != nil {
		if p.atBad {
			err = p.lexErr
		}
		return o, err
	}
	// Functions are called once the whole value has been read.
	o.value, err = p.evaluate(o.value)
	return o, err
}

// keyAndPackage reads key, group/subgroup, and @package behind either.
func (p *overrideParser) keyAndPackage(o *override) error {
	o.key = p.packageName()
	if identifierToken.FindString(o.key) == o.key && o.key != "" {
		for strings.HasPrefix(p.rest(), "/") {
			sub := identifierToken.FindString(p.rest()[1:])
			if sub == "" {
				return p.badKey()
			}
			p.pos += 1 + len(sub)
			o.key += "/" + sub
		}
	}
	if strings.HasPrefix(p.rest(), "@") {
		p.pos++
		o.hasPackage = true
		o.pkg = p.packageName()
	}
	return nil
}

// packageName reads a word or a dotted path; it may be empty.
func (p *overrideParser) packageName() string {
	name := keyPath.FindString(p.rest())
	if word := keyWord.FindString(p.rest()); len(word) > len(name) {
		name = word
	}
	p.pos += len(name)
	return name
}

// badKey tells a character that no key may hold from one in the wrong place.
func (p *overrideParser) badKey() error {
	c := firstRune(p.rest())
	if !strings.ContainsRune("=~+@:/", c) && keyWord.FindString(string(c)) == "" {
		return p.badCharacter(c)
	}
	return newError(classOverrideParse, "mismatched input '%c' expecting EQUAL", c).
		hint("at character %d of '%s'", p.pos+1, shorten(p.src))
}

func (p *overrideParser) badCharacter(c rune) error {
	return newError(classOverrideParse, "LexerNoViableAltException: %s", p.src).
		hint("the character '%c' at %d must be quoted or is not allowed", c, p.pos+1)
}

var (
	quotedToken    = regexp.MustCompile(`(?s)^(?:"(?:(?:\\\\)*|.*?[^\\](?:\\\\)*)"|'(?:(?:\\\\)*|.*?[^\\](?:\\\\)*)')`)
	rawInterpToken = regexp.MustCompile(`(?s)^\$\{[^}]+\}`)
	// Punctuation takes the white space around it, except before an opening and
	// after a closing bracket.
	punctuationToken = regexp.MustCompile(`^(?:[ \t]*[(,:=][ \t]*|[ \t]*[)\]}]|[\[{][ \t]*)`)
)

// tokenize cuts the value into tokens, the longest at each place, up to a character
// that cannot start one.
func (p *overrideParser) tokenize() {
	lastBrace := strings.LastIndexByte(p.src, '}')
	for p.pos < len(p.src) {
		s := p.rest()
		best, _ := primitiveToken(s)
		try := func(kind tokenKind, raw, text string) {
			if len(raw) > len(best.raw) {
				best = token{kind: kind, raw: raw, text: text, value: text}
			}
		}
		try(quotedKind, quotedToken.FindString(s), "")
		if p.pos < lastBrace {
			interpolation := rawInterpToken.FindString(s)
			try(interpolationKind, interpolation, interpolation)
		}
		punctuation := punctuationToken.FindString(s)
		try(punctuationKind, punctuation, strings.Trim(punctuation, " \t"))
		if best.kind == noToken {
			p.lexErr = p.badCharacter(firstRune(s))
			return
		}
		p.tokens = append(p.tokens, best)
		p.starts = append(p.starts, p.pos)
		p.pos += len(best.raw)
	}
}

// peek gives the token ahead; at the end one of no kind.
func (p *overrideParser) peek(ahead int) token {
	if p.next+ahead < len(p.tokens) {
		return p.tokens[p.next+ahead]
	}
	p.atBad = p.atBad || p.lexErr != nil
	return token{}
}

// done says whether all is read.
func (p *overrideParser) done() bool { return p.peek(0).kind == noToken && p.lexErr == nil }

// take consumes a punctuation mark if it is next.
func (p *overrideParser) take(mark string) bool {
	if p.isMark(0, mark) {
		p.next++
		return true
	}
	return false
}

func (p *overrideParser) isMark(ahead int, mark string) bool {
	t := p.peek(ahead)
	return t.kind == punctuationKind && t.text == mark
}

// noAlternative is the error for a value that breaks off or goes wrong.
func (p *overrideParser) noAlternative() error {
	end := len(p.src)
	if t := p.peek(0); t.kind != noToken {
		end = p.starts[p.next] + len(t.raw)
	}
	return newError(classOverrideParse, "no viable alternative at input '%s'", visibleSpace(p.src[p.starts[0]:end])).
		hint("at character %d of '%s'", end, shorten(p.src))
}

// visibleSpace writes tabs and line breaks as escapes, as ANTLR does in messages.
func visibleSpace(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
}

// surplus is the error for a token that is in the way. Hydra's parser names it
// only where leaving out that one token would not help.
func (p *overrideParser) surplus(expecting string, skipHelps bool) error {
	t := p.peek(0)
	if t.kind == noToken {
		return p.lexErr
	}
	if skipHelps {
		return newError(classOverrideParse, "Error parsing override '%s'", p.src).
			hint("unexpected '%s' at character %d; quote the value", t.raw, p.starts[p.next]+1)
	}
	return newError(classOverrideParse, "mismatched input '%s' expecting %s", visibleSpace(t.raw), expecting).
		hint("at character %d of '%s'; quote the value", p.starts[p.next]+1, shorten(p.src))
}

const valueStarts = "{<EOF>, ':', BRACKET_OPEN, BRACE_OPEN, FLOAT, INT, BOOL, NULL, UNQUOTED_CHAR, ID, ESC, WS, QUOTED_VALUE, INTERPOLATION}"

// startsValue says whether a value can begin with the token.
func startsValue(t token) bool {
	return t.kind != punctuationKind || t.text == ":" || t.text == "[" || t.text == "{"
}

// value reads an element, or several with commas between: a sweep.
func (p *overrideParser) value() (any, error) {
	if t := p.peek(0); t.kind == noToken || !startsValue(t) {
		return nil, p.surplus(valueStarts, startsValue(p.peek(1)))
	}
	first, err := p.element()
	if err != nil {
		return nil, err
	}
	if p.isMark(0, ",") {
		sweep := &choiceSweep{simple: true, list: []any{first}}
		for p.take(",") {
			if p.done() {
				return nil, newError(classOverrideParse, "mismatched input '<EOF>' expecting %s", strings.Replace(valueStarts, "<EOF>, ", "", 1)).
					hint("a comma at the end")
			}
			e, err := p.element()
			if err != nil {
				return nil, err
			}
			sweep.list = append(sweep.list, e)
		}
		first = sweep
	}
	if !p.done() {
		after := p.peek(1)
		return nil, p.surplus("<EOF>", after.kind == noToken)
	}
	return first, nil
}

const maxOverrideDepth = 100

func (p *overrideParser) element() (any, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxOverrideDepth {
		return nil, newError(classOverrideParse, "values nested deeper than %d levels", maxOverrideDepth)
	}
	switch {
	case p.peek(0).kind == idKind && p.isMark(1, "("):
		return p.function()
	case p.take("["):
		return p.list()
	case p.take("{"):
		return p.dict()
	}
	return p.primitive(false)
}

func (p *overrideParser) list() (any, error) {
	list := []any{}
	if p.take("]") {
		return list, nil
	}
	for {
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		switch {
		case p.take("]"):
			return list, nil
		case !p.take(","):
			return nil, p.noAlternative()
		}
	}
}

func (p *overrideParser) dict() (any, error) {
	dict := Object{}
	if p.take("}") {
		return dict, nil
	}
	for {
		key, err := p.primitive(true)
		if err != nil {
			return nil, err
		}
		if !p.take(":") {
			return nil, p.noAlternative()
		}
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		dict = append(dict, Pair{key, e})
		switch {
		case p.take("}"):
			return dict, nil
		case !p.take(","):
			return nil, p.noAlternative()
		}
	}
}

// primitive reads a quoted text, or unquoted tokens, of which one alone keeps its
// type. White space around them falls away.
func (p *overrideParser) primitive(isKey bool) (any, error) {
	if t := p.peek(0); t.kind == quotedKind && !isKey {
		p.next++
		return quotedText{unquote(t.raw), t.raw[0]}, nil
	}
	var parts []token
	for {
		t := p.peek(0)
		colon := p.isMark(0, ":") && !isKey
		if t.kind == noToken || t.kind == quotedKind || t.kind == punctuationKind && !colon ||
			t.kind == interpolationKind && isKey {
			break
		}
		if colon {
			t.text = t.raw
		}
		parts = append(parts, t)
		p.next++
	}
	if len(parts) == 0 {
		return nil, p.noAlternative()
	}
	if parts[0].kind == spaceKind {
		parts = parts[1:]
	}
	if len(parts) > 0 && parts[len(parts)-1].kind == spaceKind {
		parts = parts[:len(parts)-1]
	}
	switch len(parts) {
	case 0:
		return nil, newError(classOverrideParse, "Error parsing override '%s'", p.src).
			hint("trying to parse a primitive that is all whitespaces")
	case 1:
		if parts[0].kind == punctuationKind {
			return parts[0].raw, nil
		}
		return parts[0].value, nil
	}
	var b strings.Builder
	for _, t := range parts {
		b.WriteString(t.text)
	}
	return b.String(), nil
}

// unquote takes off the quotes; backslashes count only before a quote.
func unquote(s string) string {
	quote := s[0]
	s = s[1:]
	var b strings.Builder
	for s != "" {
		slashes := len(s) - len(strings.TrimLeft(s, `\`))
		switch {
		case slashes < len(s) && s[slashes] == quote:
			b.WriteString(strings.Repeat(`\`, slashes/2))
			if slashes%2 == 1 {
				b.WriteByte(quote)
			}
			s = s[slashes+1:]
		case slashes > 0:
			b.WriteString(s[:slashes])
			s = s[slashes:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String()
}

// function reads name(arguments).
func (p *overrideParser) function() (any, error) {
	start := p.starts[p.next]
	call := &functionCall{name: p.peek(0).text}
	p.next += 2
	for !p.take(")") {
		if len(call.args)+len(call.named) > 0 && !p.take(",") {
			return nil, p.noAlternative()
		}
		name := ""
		if p.peek(0).kind == idKind && p.isMark(1, "=") {
			name = p.peek(0).text
			p.next += 2
		}
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		switch {
		case name != "":
			call.named = append(call.named, Pair{name, e})
		case len(call.named) > 0:
			call.misplaced = true
		default:
			call.args = append(call.args, e)
		}
	}
	call.text = p.src[start : p.starts[p.next-1]+len(p.tokens[p.next-1].raw)]
	return call, nil
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
