package config

import (
	"regexp"
	"slices"
	"strings"
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
	// committed is set behind the first comma of a sweep, where ANTLR knows the
	// form of the value and names single tokens in its errors.
	committed bool
	// lexErr is the error of a character that no token may hold, which counts once
	// the parser gets there.
	lexErr error
	atBad  bool
}

func (p *overrideParser) rest() string { return p.src[p.pos:] }

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
			p.lexErr = p.badCharacter(keyToken{badToken, string(firstRune(s)), p.pos})
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

// expectation is a set of tokens that may come next, with ANTLR's list of them.
type expectation struct {
	text string
	has  func(token) bool
}

func marks(text string, list ...string) expectation {
	return expectation{text, func(t token) bool { return t.kind == punctuationKind && slices.Contains(list, t.text) }}
}

// or adds a closing mark, whose name stands in the list before another.
func (e expectation) or(mark, name, before string) expectation {
	return expectation{
		strings.Replace(e.text, before, name+", "+before, 1),
		func(t token) bool { return e.has(t) || t.kind == punctuationKind && t.text == mark },
	}
}

var (
	anElement = expectation{
		"{':', BRACKET_OPEN, BRACE_OPEN, " + primitiveNames + ", QUOTED_VALUE, INTERPOLATION}",
		func(t token) bool { return t.kind != noToken && startsValue(t) },
	}
	aDictKey = expectation{
		"{" + primitiveNames + "}",
		func(t token) bool {
			return !slices.Contains([]tokenKind{noToken, punctuationKind, quotedKind, interpolationKind}, t.kind)
		},
	}
	aColon = marks("':'", ":")
)

// broken is the error for a token that does not fit. Inside the first element of a
// value ANTLR finds no alternative; behind its comma it names the token unless
// leaving it out would help, or further elements have been read.
func (p *overrideParser) broken(expected expectation, further bool) error {
	t := p.peek(0)
	if !p.committed {
		return p.noAlternative()
	}
	if further || expected.has(p.peek(1)) {
		return newError(classOverrideParse, "Error parsing override '%s'", p.src).
			hint("unexpected %s at character %d; quote the value", t.shown(), p.offset()+1)
	}
	return newError(classOverrideParse, "mismatched input '%s' expecting %s", t.shown(), expected.text).
		hint("at character %d of '%s'; quote the value", p.offset()+1, shorten(p.src))
}

// offset is where the next token begins.
func (p *overrideParser) offset() int {
	if p.next < len(p.starts) {
		return p.starts[p.next]
	}
	return p.pos
}

// shown is the token as ANTLR shows it.
func (t token) shown() string {
	if t.kind == noToken {
		return endToken
	}
	return visibleSpace(t.raw)
}

// noAlternative is the error for a value that breaks off or goes wrong. To show it,
// ANTLR reads all tokens that are left, so that a bad character comes first.
func (p *overrideParser) noAlternative() error {
	return p.noAlternativeFrom(0)
}

// noAlternativeFrom is noAlternative for what begins with a token.
func (p *overrideParser) noAlternativeFrom(first int) error {
	if p.lexErr != nil {
		return p.lexErr
	}
	end := len(p.src)
	if t := p.peek(0); t.kind != noToken {
		end = p.starts[p.next] + len(t.raw)
	}
	return newError(classOverrideParse, "no viable alternative at input '%s'", visibleSpace(p.src[p.starts[first]:end])).
		hint("at character %d of '%s'", end, shorten(p.src))
}

// visibleSpace writes tabs and line breaks as escapes, as ANTLR does in messages.
func visibleSpace(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
}

// startsValue says whether a value can begin with the token.
func startsValue(t token) bool {
	return t.kind != punctuationKind || t.text == ":" || t.text == "[" || t.text == "{"
}

// value reads an element, or several with commas between: a sweep.
func (p *overrideParser) value() (any, error) {
	start := expectation{"{<EOF>, " + anElement.text[1:], startsValue}
	if t := p.peek(0); t.kind == noToken || !startsValue(t) {
		p.committed = true
		return nil, p.broken(start, false)
	}
	first, err := p.element(anElement)
	if err != nil {
		return nil, err
	}
	if p.isMark(0, ",") {
		p.committed = true
		sweep := &choiceSweep{simple: true, list: []any{first}}
		for p.take(",") {
			e, err := p.element(anElement)
			if err != nil {
				return nil, err
			}
			sweep.list = append(sweep.list, e)
		}
		first = sweep
	}
	if !p.done() {
		p.committed = true
		return nil, p.broken(expectation{endToken, func(t token) bool { return t.kind == noToken }}, false)
	}
	return first, nil
}

const maxOverrideDepth = 100

// element reads a value of any kind, whose place may be taken by what else is in
// starts.
func (p *overrideParser) element(starts expectation) (any, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxOverrideDepth {
		return nil, newError(classOverrideParse, "values nested deeper than %d levels", maxOverrideDepth)
	}
	if !anElement.has(p.peek(0)) {
		return nil, p.broken(starts, false)
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
	starts := anElement.or("]", "BRACKET_CLOSE", "BRACE_OPEN")
	for {
		e, err := p.element(starts)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		switch {
		case p.take("]"):
			return list, nil
		case !p.take(","):
			return nil, p.broken(marks("{COMMA, BRACKET_CLOSE}", ",", "]"), len(list) > 1)
		}
		starts = anElement
	}
}

func (p *overrideParser) dict() (any, error) {
	dict := Object{}
	if p.take("}") {
		return dict, nil
	}
	starts := aDictKey.or("}", "BRACE_CLOSE", "FLOAT")
	for pairs := 1; ; pairs++ {
		if !aDictKey.has(p.peek(0)) {
			return nil, p.broken(starts, false)
		}
		key, err := p.primitive(true)
		if err != nil {
			return nil, err
		}
		if !p.take(":") {
			return nil, p.broken(aColon, p.committed && anElement.has(p.peek(0)))
		}
		e, err := p.element(anElement)
		if err != nil {
			return nil, err
		}
		dict = append(dict, Pair{key, e})
		switch {
		case p.take("}"):
			return dict, nil
		case !p.take(","):
			return nil, p.broken(marks("{COMMA, BRACE_CLOSE}", ",", "}"), pairs > 1)
		}
		starts = aDictKey
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

// followsWord says whether an argument that begins with a word may go on with the
// token.
func followsWord(t token) bool {
	switch t.kind {
	case noToken, quotedKind:
		return false
	case punctuationKind:
		return strings.Contains("(,):", t.text)
	}
	return true
}

// function reads name(arguments).
func (p *overrideParser) function() (any, error) {
	start := p.starts[p.next]
	call := &functionCall{name: p.peek(0).text}
	p.next += 2
	starts := anElement.or(")", "PCLOSE", "BRACKET_OPEN")
	for count := 0; !p.take(")"); count++ {
		if count > 0 && !p.take(",") {
			return nil, p.broken(marks("{COMMA, PCLOSE}", ",", ")"), count > 1)
		}
		if count > 0 {
			starts = anElement
		}
		name := ""
		if p.peek(0).kind == idKind && p.isMark(1, "=") {
			name = p.peek(0).text
			p.next += 2
			starts = anElement
		} else if p.committed && p.peek(0).kind == idKind && !followsWord(p.peek(1)) {
			// It might have been a name.
			p.next++
			return nil, p.noAlternativeFrom(p.next - 1)
		}
		e, err := p.element(starts)
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
