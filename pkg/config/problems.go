package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// BadValue is an error about an argument by one who knows its key but not where it
// was set: Problems.AddAt and the Registry find the place.
type BadValue struct{ Key, Message string }

func (e *BadValue) Error() string { return e.Message }

// Refuse makes a BadValue.
func Refuse(key, format string, args ...any) error {
	return &BadValue{Key: key, Message: fmt.Sprintf(format, args...)}
}

// Refusals are what a method Validate finds wrong.
type Refusals []error

// Unless refuses the value of a key where a condition does not hold.
func (r *Refusals) Unless(holds bool, key, format string, args ...any) {
	if !holds {
		*r = append(*r, Refuse(key, format, args...))
	}
}

// Err joins them; nil where there are none.
func (r Refusals) Err() error { return errors.Join(r...) }

// Problems collects all that is wrong with a config, so that the user hears of it
// at once. The zero value is empty.
type Problems struct {
	list  ErrorList
	other error
}

// maxProblems is how many are told: nobody reads more.
const maxProblems = 100

// tooMany stands for the problems beyond maxProblems.
var tooMany = &Error{Class: classApplication, Message: "there are more problems than these"}

// Add takes an error of any kind: errors of the config one by one, each once;
// others (a disk that is full) are kept apart. nil is none.
func (p *Problems) Add(err error) { p.AddAt(nil, err) }

// AddAt is Add of errors about the mapping n: a BadValue gets the place of its key
// there. It is left out where the key could not be read in the first place.
func (p *Problems) AddAt(n *Node, err error) {
	if err == nil {
		return
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			p.AddAt(n, one)
		}
		return
	}
	refused, bad := (*Error)(nil), (*BadValue)(nil)
	switch {
	case errors.As(err, &refused):
		if refused != tooMany {
			refused = refused.at(n)
		}
		p.add(refused)
	case errors.As(err, &bad):
		p.refuse(n, bad)
	default:
		p.other = errors.Join(p.other, err)
	}
}

func (p *Problems) refuse(n *Node, bad *BadValue) {
	if n == nil {
		p.add(&Error{Class: classApplication, Message: bad.Message, Key: bad.Key})
		return
	}
	key := joinKey(n.Path(), bad.Key)
	unread := func(e *Error) bool { return e.Class != classApplication && isBelow(e.Key, key) }
	if slices.ContainsFunc(p.list, unread) {
		return
	}
	e := Errorf(n.nearest(bad.Key), "%s", bad.Message)
	e.Key = key
	p.add(e)
}

// nearest is the node under a path, or the one nearest to it on the way there.
func (n *Node) nearest(path string) *Node {
	for path != "" {
		if value, ok := n.At(path); ok {
			return value
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
	return n
}

func (p *Problems) add(e *Error) {
	if len(p.list) > maxProblems {
		return
	}
	if len(p.list) == maxProblems {
		e = tooMany
	}
	known := func(other *Error) bool {
		return other.Error() == e.Error() && (other.Key == e.Key || other.Origin == e.Origin)
	}
	if !slices.ContainsFunc(p.list, known) {
		p.list = append(p.list, e)
	}
}

// Err gives the problems: nil, an *Error, or an ErrorList where there are several.
// Errors that are not the config's come only where there are no others.
func (p *Problems) Err() error {
	switch len(p.list) {
	case 0:
		return p.other
	case 1:
		return p.list[0]
	}
	return p.list
}

// InOrder is Err with the problems in the order in which the config has their keys.
func (p *Problems) InOrder(root *Node) error {
	ranks := map[string]int{}
	rank(root, root.Path(), ranks)
	slices.SortStableFunc(p.list, func(a, b *Error) int {
		return placeOf(a, ranks) - placeOf(b, ranks)
	})
	return p.Err()
}

// rank numbers the nodes of a tree by their paths.
func rank(n *Node, path string, ranks map[string]int) {
	ranks[path] = len(ranks)
	for _, c := range n.children {
		below := joinKey(path, keyText(c.key))
		if n.shape == listShape {
			below = path + "[" + keyText(c.key) + "]"
		}
		rank(c, below, ranks)
	}
}

// placeOf is the rank of the key of a problem, or of the nearest one above it that is
// there; tooMany comes last.
func placeOf(e *Error, ranks map[string]int) int {
	if e == tooMany {
		return len(ranks)
	}
	for key := e.Key; ; {
		if r, ok := ranks[key]; ok {
			return r
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return -1 // absent: the root lacks it
		}
		key = key[:cut]
	}
}

func joinKey(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// isBelow tells whether a key is another one or lies below it.
func isBelow(key, other string) bool {
	rest, ok := strings.CutPrefix(key, other)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Read decodes the node into the struct that v points to, and asks its method
// Validate, if it has one, what else is wrong. What Validate finds is told beside
// what Decode found.
func (n *Node) Read(v any) error {
	var p Problems
	p.Add(n.Decode(v))
	if checked, ok := v.(interface{ Validate() error }); ok {
		p.AddAt(n, checked.Validate())
	}
	return p.Err()
}

// ReadAt is Read of what stands under a path; what is absent or null leaves v as it is.
func (n *Node) ReadAt(path string, v any) error {
	found, err := n.Select(path)
	if err != nil || found == nil || found.isNull() {
		return err
	}
	return found.Read(v)
}
