package config

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	keyPathHead  = regexp.MustCompile(`^\.*[^.\[]*`)
	keyPathOther = regexp.MustCompile(`\.([^.\[]*)|\[(.*?)\]`)
)

// splitKey cuts a path as OmegaConf does: a.b, a[b], [a].b.
func splitKey(key string) []string {
	head := keyPathHead.FindString(key)
	tokens := strings.Split(head, ".")
	if head == key {
		return tokens
	}
	if key[len(head)] == '[' && tokens[len(tokens)-1] == "" {
		tokens = tokens[:len(tokens)-1]
	}
	for _, m := range keyPathOther.FindAllStringSubmatch(key[len(head):], -1) {
		if m[1] != "" {
			tokens = append(tokens, m[1])
		} else {
			tokens = append(tokens, m[2])
		}
	}
	return tokens
}

// step gives the child under one part of a path, or nil. An index that is no
// integer is an error if strict.
func (n *Node) step(part string, strict bool) (*Node, error) {
	switch n.shape {
	case mapShape:
		return n.child(part), nil
	case listShape:
		i, err := strconv.Atoi(part)
		if err != nil {
			if strict {
				return nil, newError(classPythonType, "Index '%s' (str) is not an int", part)
			}
			return nil, nil
		}
		if i >= 0 && i < len(n.children) {
			return n.children[i], nil
		}
	}
	return nil, nil
}

// At gives the node under a path such as "model.core.layers[0]". Interpolations on
// the way are followed, the node itself is given as it stands. It is false where
// nothing stands or an interpolation on the way fails; Select says why.
func (n *Node) At(path string) (*Node, bool) {
	parts := splitKey(path)
	cur := n
	for i, part := range parts {
		next, err := cur.step(part, false)
		if err != nil || next == nil {
			return nil, false
		}
		if i < len(parts)-1 {
			if next, err = next.dereference(nil); err != nil {
				return nil, false
			}
		}
		cur = next
	}
	return cur, true
}

// Select gives the node under a path with its interpolation followed, nil if
// nothing stands there, or the error of an interpolation.
func (n *Node) Select(path string) (*Node, error) { return n.selectPath(path, false) }

// selectPath is Select; if strict, a list index that is no integer is an error.
func (n *Node) selectPath(path string, strict bool) (*Node, error) {
	cur := n
	for _, part := range splitKey(path) {
		next, err := cur.step(part, strict)
		if err != nil || next == nil {
			return nil, err
		}
		if cur, err = next.dereference(nil); err != nil {
			return nil, err
		}
	}
	return cur, nil
}
