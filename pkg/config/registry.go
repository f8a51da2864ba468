package config

import (
	"fmt"
	"slices"
	"strings"
)

// TargetKey is the key whose value names what a mapping describes, by the name
// that the thing has in the Python package.
const TargetKey = "_target_"

// Factory builds a T from its part of the config and what else it needs.
type Factory[D, T any] func(n *Node, deps D) (T, error)

// Registry maps the names under _target_ to the functions that build the things.
// It is filled by an explicit table; the zero value is empty.
type Registry[D, T any] struct {
	// What names the kind of thing in errors: "core", "optimizer".
	What     string
	byTarget map[string]Factory[D, T]
}

// Register adds a name. Registering a name twice is a mistake in the program and
// panics.
func (r *Registry[D, T]) Register(target string, f Factory[D, T]) {
	if _, ok := r.byTarget[target]; ok {
		panic("config: " + target + " is already registered")
	}
	if r.byTarget == nil {
		r.byTarget = map[string]Factory[D, T]{}
	}
	r.byTarget[target] = f
}

// Targets gives the registered names in sorted order.
func (r *Registry[D, T]) Targets() []string {
	names := make([]string, 0, len(r.byTarget))
	for name := range r.byTarget {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Build calls the function registered for the node's _target_. An unknown name is
// an *Error with file, line and the nearest name.
func (r *Registry[D, T]) Build(n *Node, deps D) (T, error) {
	var zero T
	target, err := Target(n)
	if err != nil {
		return zero, err
	}
	f, ok := r.byTarget[target]
	if !ok {
		at, _ := n.At(TargetKey)
		e := newError(classTarget, "unknown %s %q", r.what(), target).at(at)
		e.Hint = r.hint(target)
		return zero, e
	}
	return f(n, deps)
}

func (r *Registry[D, T]) what() string {
	if r.What == "" {
		return TargetKey
	}
	return r.What
}

// hint compares full names first, then only their last parts, since class names
// are what people remember.
func (r *Registry[D, T]) hint(target string) string {
	names := r.Targets()
	if near, ok := Nearest(target, names); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = lastPart(name)
	}
	if near, ok := Nearest(lastPart(target), short); ok {
		return fmt.Sprintf("did you mean %q?", names[slices.Index(short, near)])
	}
	return "known: " + strings.Join(names, ", ")
}

func lastPart(dotted string) string { return dotted[strings.LastIndexByte(dotted, '.')+1:] }

// Target reads the node's _target_.
func Target(n *Node) (string, error) {
	if n == nil {
		return "", newError(classTarget, "no %s: the mapping is absent", TargetKey)
	}
	t, err := n.Select(TargetKey)
	if err != nil {
		return "", err
	}
	if t == nil {
		return "", newError(classTarget, "%s has no %s", describePath(n), TargetKey).at(n)
	}
	var name string
	if err := t.Decode(&name); err != nil {
		return "", err
	}
	return name, nil
}

// describePath names a node in a message.
func describePath(n *Node) string {
	if p := n.Path(); p != "" {
		return p
	}
	return "the config"
}
