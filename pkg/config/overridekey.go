package config

import (
	"regexp"
	"slices"
	"strings"
)

// keyToken is a token of the part of an override before the value.
type keyToken struct {
	kind string // as ANTLR names it in errors
	raw  string
	pos  int
}

const (
	equalToken   = "EQUAL"
	idToken      = "ID"
	specialToken = "KEY_SPECIAL"
	pathToken    = "DOT_PATH"
	endToken     = "<EOF>"
	// badToken is a character that begins no token.
	badToken = "bad"
)

var (
	keyWord  = regexp.MustCompile(`^[a-zA-Z_$][a-zA-Z0-9_$-]*`)
	keyPath  = regexp.MustCompile(`^(?:[a-zA-Z_$][a-zA-Z0-9_$-]*|0|[1-9](?:_?[0-9])*)(?:\.(?:[a-zA-Z_$][a-zA-Z0-9_$-]*|0|[1-9](?:_?[0-9])*))+`)
	keyNames = []string{idToken, specialToken, pathToken}
	keyForms = []struct {
		kind string
		form *regexp.Regexp
	}{{specialToken, keyWord}, {pathToken, keyPath}}
	keyMarks = map[byte]string{'=': equalToken, '~': "'~'", '+': "'+'", '@': "'@'", ':': "':'", '/': "'/'"}
)

// keyToken gives the token ahead; behind the "=" there is nothing to see.
func (p *overrideParser) keyToken(ahead int) keyToken {
	pos, t := p.pos, keyToken{}
	for range ahead + 1 {
		if t = p.keyTokenAt(pos); slices.Contains([]string{equalToken, endToken, badToken}, t.kind) {
			break
		}
		pos += len(t.raw)
	}
	return t
}

func (p *overrideParser) keyTokenAt(pos int) keyToken {
	rest := p.src[pos:]
	if rest == "" {
		return keyToken{endToken, "<EOF>", pos}
	}
	if kind, ok := keyMarks[rest[0]]; ok {
		return keyToken{kind, rest[:1], pos}
	}
	best := keyToken{badToken, string(firstRune(rest)), pos}
	if id := identifierToken.FindString(rest); id != "" {
		best = keyToken{idToken, id, pos}
	}
	for _, f := range keyForms {
		raw := f.form.FindString(rest)
		if raw != "" && (best.kind == badToken || len(raw) > len(best.raw)) {
			best = keyToken{f.kind, raw, pos}
		}
	}
	return best
}

// nextIs says whether the next token is of a kind.
func (p *overrideParser) nextIs(kinds ...string) bool {
	return slices.Contains(kinds, p.keyToken(0).kind)
}

// takeKey consumes the next token if it is of a kind.
func (p *overrideParser) takeKey(kinds ...string) (string, bool) {
	t := p.keyToken(0)
	if !slices.Contains(kinds, t.kind) {
		return "", false
	}
	p.pos += len(t.raw)
	return t.raw, true
}

// key reads what stands before the value, the "=" included.
func (p *overrideParser) key() (*override, error) {
	o := &override{}
	starts := slices.Concat([]string{equalToken, "'~'", "'+'", "'@'"}, []string{specialToken, pathToken, idToken})
	if !p.nextIs(starts...) {
		return nil, p.badKey(starts, nil)
	}
	if _, ok := p.takeKey("'~'"); ok {
		o.kind = deleteOverride
	} else if _, ok := p.takeKey("'+'"); ok {
		o.kind = addOverride
		afterPlus := []string{equalToken, "'+'", "'@'", specialToken, pathToken, idToken}
		if !p.nextIs(afterPlus...) {
			return nil, p.badKey(afterPlus, nil)
		}
		if _, ok := p.takeKey("'+'"); ok {
			o.kind = forceOverride
		}
	}
	if err := p.keyAndPackage(o); err != nil {
		return nil, err
	}
	if _, o.hasValue = p.takeKey(equalToken); o.hasValue {
		return o, nil
	}
	switch {
	case o.kind != deleteOverride:
		// A colon may begin a value, so that ANTLR misses only the "=".
		return nil, p.badKey([]string{equalToken}, []string{"':'", endToken})
	case !p.nextIs(endToken):
		return nil, p.badKey([]string{endToken, equalToken}, nil)
	}
	return o, nil
}

// keyAndPackage reads key, group/subgroup, and @package behind either; key and
// package may be empty.
func (p *overrideParser) keyAndPackage(o *override) error {
	ends := []string{equalToken}
	if o.kind == deleteOverride {
		ends = append(ends, endToken)
	}
	if !p.nextIs(slices.Concat(ends, keyNames, []string{"'@'", endToken})...) {
		return p.noKey()
	}
	isID := p.nextIs(idToken)
	o.key, _ = p.takeKey(keyNames...)
	for isID && p.nextIs("'/'") {
		p.pos++
		sub, ok := p.takeKey(idToken)
		if !ok {
			return p.badKey([]string{idToken}, append([]string{"'/'", "'@'"}, ends...))
		}
		o.key += "/" + sub
	}
	if _, o.hasPackage = p.takeKey("'@'"); o.hasPackage {
		if !p.nextIs(slices.Concat(keyNames, []string{equalToken, endToken})...) {
			return p.noKey()
		}
		o.pkg, _ = p.takeKey(keyNames...)
	}
	return nil
}

// badKey is the error for a token that is not expected. Hydra's parser names it
// only where leaving out that one token, or putting the expected one before one of
// mayFollow, would not help.
func (p *overrideParser) badKey(expected, mayFollow []string) error {
	t := p.keyToken(0)
	if t.kind == badToken {
		return p.badCharacter(t)
	}
	second := keyToken{kind: endToken}
	if t.kind != endToken {
		second = p.keyTokenAt(t.pos + len(t.raw))
	}
	if second.kind == badToken && t.kind != equalToken {
		return p.badCharacter(second)
	}
	if slices.Contains(expected, second.kind) && t.kind != endToken || slices.Contains(mayFollow, t.kind) {
		e := newError(classOverrideParse, "Error parsing override '%s'", p.src)
		if t.kind == endToken {
			return e.hint("missing '=' at the end; write key=value, or flags before --")
		}
		return e.hint("unexpected '%s' at character %d", t.raw, t.pos+1)
	}
	text := strings.Join(expected, ", ")
	if len(expected) > 1 {
		text = "{" + text + "}"
	}
	return newError(classOverrideParse, "mismatched input '%s' expecting %s", t.raw, text).
		hint("at character %d of '%s'", t.pos+1, shorten(p.src))
}

// noKey is the error where no key can begin; a bad character further on comes first.
func (p *overrideParser) noKey() error {
	t := p.keyToken(0)
	last := p.keyToken(len(p.src))
	if last.kind == badToken {
		return p.badCharacter(last)
	}
	p.pos = last.pos + len(last.raw)
	if last.kind == equalToken {
		p.tokenize()
	}
	if p.lexErr != nil {
		return p.lexErr
	}
	return newError(classOverrideParse, "no viable alternative at input '%s'", t.raw).
		hint("at character %d of '%s'", t.pos+1, shorten(p.src))
}

func (p *overrideParser) badCharacter(t keyToken) error {
	return newError(classOverrideParse, "LexerNoViableAltException: %s", p.src).
		hint("the character '%s' at %d must be quoted or is not allowed", t.raw, t.pos+1)
}
