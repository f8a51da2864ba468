package config

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// checkTabs refuses tabs that PyYAML refuses and the YAML library takes for blanks:
// all but those in quoted texts, block texts and comments.
func checkTabs(name string, data []byte, doc *yaml.Node) error {
	if !bytes.ContainsRune(data, '\t') {
		return nil
	}
	lines := strings.Split(string(data), "\n")
	texts := map[position]yaml.Style{}
	quotedPositions(doc, texts)
	s := tabScanner{lines: lines, texts: texts}
	if line := s.firstTab(); line > 0 {
		return newError(classScanner, "found character '\\t' that cannot start any token").from(Origin{File: name, Line: line}).
			hint("use spaces, or quote the text with the tab")
	}
	return nil
}

// position is a place in a text, both counted from 1, columns in characters.
type position struct{ line, column int }

// quotedPositions notes where quoted and block texts begin, or their tags and
// anchors.
func quotedPositions(y *yaml.Node, texts map[position]yaml.Style) {
	if style := y.Style & quotedStyles; y.Kind == yaml.ScalarNode && style != 0 {
		texts[position{y.Line, y.Column}] = style
	}
	for _, c := range y.Content {
		quotedPositions(c, texts)
	}
}

// tabScanner goes over a document that is known to be sound.
type tabScanner struct {
	lines []string
	texts map[position]yaml.Style
	// inside is the style of the text that is being passed; until it begins in
	// earnest, behind its tag and anchor, open is false.
	inside yaml.Style
	open   bool
}

// firstTab gives the line of the first tab that is not allowed, or 0.
func (s *tabScanner) firstTab() int {
	for i := 0; i < len(s.lines); i++ {
		if s.tabInLine(i) {
			return i + 1
		}
		if s.open && s.inside&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			s.open, s.inside = false, 0
			i = s.skipBlock(i)
		}
	}
	return 0
}

func (s *tabScanner) tabInLine(i int) bool {
	runes := []rune(strings.TrimSuffix(s.lines[i], "\r"))
	for j := 0; j < len(runes); j++ {
		if style, ok := s.texts[position{i + 1, j + 1}]; ok && !s.open {
			s.inside = style
		}
		r := runes[j]
		switch {
		case s.open && s.inside == yaml.DoubleQuotedStyle && r == '\\',
			s.open && s.inside == yaml.SingleQuotedStyle && r == '\'' && j+1 < len(runes) && runes[j+1] == '\'':
			j++
		case s.isDelimiter(r):
			s.open = !s.open
			if !s.open {
				s.inside = 0
			}
		case s.open && s.inside&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		case r == '#' && (j == 0 || isBlank(runes[j-1])):
			return false
		case r == '\t':
			return true
		}
	}
	return false
}

// isDelimiter says whether the character begins or ends the text that is inside.
func (s *tabScanner) isDelimiter(r rune) bool {
	switch s.inside {
	case yaml.SingleQuotedStyle:
		return r == '\''
	case yaml.DoubleQuotedStyle:
		return r == '"'
	case yaml.LiteralStyle, yaml.FoldedStyle:
		return !s.open && (r == '|' || r == '>')
	}
	return false
}

// skipBlock gives the last line of the block text whose header is line i.
func (s *tabScanner) skipBlock(i int) int {
	indent := -1
	for i+1 < len(s.lines) {
		line := strings.TrimSuffix(s.lines[i+1], "\r")
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		if blanks < len(line) {
			if indent < 0 {
				indent = blanks
			}
			if blanks < indent || blanks == 0 {
				return i
			}
		}
		i++
	}
	return i
}
