package config

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// token is a part of an unquoted value.
type token struct {
	kind  tokenKind
	raw   string // as written
	text  string // what it adds to a text: raw, with escapes undone
	value any    // its typed value, which counts when it stands alone
}

type tokenKind uint8

const (
	noToken tokenKind = iota
	floatKind
	intKind
	boolKind
	nullKind
	charKind
	idKind
	escapeKind
	spaceKind
	quotedKind
	interpolationKind
	punctuationKind // "(" ")" "[" "]" "{" "}" "," ":" "="
)

var (
	floatToken  = regexp.MustCompile(`^[+-]?(?:(?:(?:0|[1-9](?:_?[0-9])*)\.|(?:0|[1-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*|0|[1-9](?:_?[0-9])*)[eE][+-]?[0-9](?:_?[0-9])*|(?:0|[1-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*|(?:0|[1-9](?:_?[0-9])*)\.|[Ii][Nn][Ff]|[Nn][Aa][Nn])`)
	intToken    = regexp.MustCompile(`^[+-]?(?:0|[1-9](?:_?[0-9])*)`)
	escapeToken = regexp.MustCompile(`^(?:\\[\\()\[\]{}:=, \t])+`)
	spaceToken  = regexp.MustCompile(`^[ \t]+`)
)

// primitiveToken gives the longest token at the start of s; between equals the
// first of float, integer, bool, null, other characters, identifier wins. It is
// shared with the grammar of overrides.
func primitiveToken(s string) (token, bool) {
	best := token{}
	try := func(kind tokenKind, raw string) {
		if len(raw) > len(best.raw) {
			best = token{kind: kind, raw: raw, text: raw, value: raw}
		}
	}
	try(floatKind, floatToken.FindString(s))
	try(intKind, intToken.FindString(s))
	id := identifierToken.FindString(s)
	switch strings.ToLower(id) {
	case "true", "false":
		try(boolKind, id)
	case "null":
		try(nullKind, id)
	}
	if s != "" && strings.IndexByte(`/-\+.$%*@?|`, s[0]) >= 0 {
		try(charKind, s[:1])
	}
	try(idKind, id)
	try(escapeKind, escapeToken.FindString(s))
	try(spaceKind, spaceToken.FindString(s))
	switch best.kind {
	case floatKind:
		best.value = tokenFloat(best.raw)
	case intKind:
		if len(best.raw) > longestNumber {
			break
		}
		if v, ok := parseYAMLInt(best.raw); ok {
			best.value = v
		}
	case boolKind:
		best.value = strings.EqualFold(best.raw, "true")
	case nullKind:
		best.value = nil
	case escapeKind:
		best.text = everySecond(best.raw)
		best.value = best.text
	}
	return best, best.kind != noToken
}

// tokenFloat reads a float token; "inf" and "nan" need no dot here.
func tokenFloat(s string) any {
	if strings.EqualFold(strings.TrimLeft(s, "+-"), "nan") { // which Go takes without a sign only
		return math.NaN()
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && f == 0 {
		return s
	}
	return f
}

// everySecond drops the backslashes of a row of escapes.
func everySecond(s string) string {
	b := make([]byte, 0, len(s)/2)
	for i := 1; i < len(s); i += 2 {
		b = append(b, s[i])
	}
	return string(b)
}
