package config

import (
	"fmt"
	"slices"
	"strings"
)

// TargetKey is the key whose value names what a mapping describes, by the name
// that the thing has in the Python package.
const TargetKey = "_target_"

// Registry maps the names under _target_ to the functions that build the things.
// It is filled by an explicit table; the zero value is empty.
type Registry[D, T any] struct {
	// What names the kind of thing in errors: "core", "optimizer".
	What     string
	byTarget map[string]entry[D, T]
}

type entry[D, T any] struct {
	// arguments are the defaults of what stands beside _target_.
	arguments any
	build     func(n *Node, deps D) (T, error)
}

// Register adds a name to a table. What stands beside the name in a config is
// decoded over the defaults into an A, which may have two methods: Complete takes
// what the thing gets from elsewhere, then Validate tells what is wrong. build makes
// the thing; its BadValue errors get the place of their key. Registering a name
// twice is a mistake in the program and panics.
func Register[A, D, T any](r *Registry[D, T], target string, defaults A, build func(arguments A, deps D) (T, error)) {
	if _, ok := r.byTarget[target]; ok {
		panic("config: " + target + " is already registered")
	}
	if r.byTarget == nil {
		r.byTarget = map[string]entry[D, T]{}
	}
	r.byTarget[target] = entry[D, T]{arguments: defaults, build: func(n *Node, deps D) (T, error) {
		var zero T
		arguments, err := readArguments(n, defaults, deps)
		if err != nil {
			return zero, err
		}
		thing, err := build(arguments, deps)
		if err != nil {
			var problems Problems
			problems.AddAt(n, err)
			return zero, problems.Err()
		}
		return thing, nil
	}}
}

// readArguments is Node.Read over a copy of the defaults, completed by the deps.
func readArguments[A, D any](n *Node, arguments A, deps D) (A, error) {
	var problems Problems
	problems.Add(n.Decode(&arguments))
	if a, ok := any(&arguments).(interface{ Complete(deps D) }); ok {
		a.Complete(deps)
	}
	if a, ok := any(&arguments).(interface{ Validate() error }); ok {
		problems.AddAt(n, a.Validate())
	}
	return arguments, problems.Err()
}

// Arguments gives the defaults of what stands beside each name.
func (r *Registry[D, T]) Arguments() map[string]any {
	all := make(map[string]any, len(r.byTarget))
	for target, e := range r.byTarget {
		all[target] = e.arguments
	}
	return all
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
	e, err := r.find(n)
	if err != nil {
		var zero T
		return zero, err
	}
	return e.build(n, deps)
}

// Check tells whether Build knows the node's _target_.
func (r *Registry[D, T]) Check(n *Node) error {
	_, err := r.find(n)
	return err
}

func (r *Registry[D, T]) find(n *Node) (entry[D, T], error) {
	target, err := Target(n)
	if err != nil {
		return entry[D, T]{}, err
	}
	e, ok := r.byTarget[target]
	if !ok {
		at, _ := n.At(TargetKey)
		unknown := newError(classTarget, "unknown %s %q", r.what(), target).at(at)
		unknown.Hint = r.hint(target)
		return e, unknown
	}
	return e, nil
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
