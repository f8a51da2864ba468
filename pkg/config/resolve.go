package config

import (
	"strings"
	"time"
)

// environment is what resolvers know beside the tree. The root of a composed tree
// has one.
type environment struct {
	getenv    func(string) (string, bool)
	now       time.Time
	hydra     *Node
	resolvers map[string]Resolver
	warn      func(string)
	// outputErr says why hydra:runtime.output_dir is not known.
	outputErr error
	// merged counts the values that composing has copied.
	merged int
}

// maxMergedNodes bounds what composing copies: a config of the field has some
// hundred values.
const maxMergedNodes = 1 << 20

// spendNodes counts copied values, so that files and interpolations that are merged
// many times over end with an error.
func (env *environment) spendNodes(n int) error {
	if env == nil {
		return nil
	}
	if env.merged += n; env.merged > maxMergedNodes {
		return newError(classComposition, "the config has more than %d values", maxMergedNodes)
	}
	return nil
}

// Limits of one resolution, so that interpolations that multiply end with an
// error.
const (
	maxEvaluations = 1 << 18
	maxTextBytes   = 16 << 20 // of all texts that interpolations make
	maxEvalDepth   = 500
)

// evaluation is one pass of resolving.
type evaluation struct {
	env    *environment
	active map[*Node]bool // nodes whose interpolation is being resolved
	spent  *spending
	depth  int
	// parent is the container of the interpolation being resolved, node the
	// interpolation itself.
	parent, node *Node
}

// spending counts against the limits; all evaluations of a pass share it.
type spending struct{ steps, bytes int }

func newEvaluation(n *Node) *evaluation {
	env := n.root().env
	if env == nil {
		env = &environment{}
	}
	return &evaluation{env: env, active: map[*Node]bool{}, spent: &spending{}}
}

// Resolve gives a copy of the tree below the node with every interpolation
// replaced by its value. ??? stays. The copy knows its path but is no part of the
// original tree.
func (n *Node) Resolve() (*Node, error) {
	ev := newEvaluation(n)
	target, err := n.dereference(ev)
	if err != nil {
		return nil, err
	}
	c, err := ev.copyResolved(target, 0)
	if err != nil {
		return nil, err
	}
	c.parent, c.key = n.parent, n.key
	if target != n {
		c.origin = n.origin
	}
	if n.parent == nil {
		c.env = n.env
	}
	return c, nil
}

func (ev *evaluation) spend(n *Node) error {
	ev.spent.steps++
	if ev.spent.steps > maxEvaluations {
		return newError(classInterpolation, "resolving takes more than %d steps", maxEvaluations).at(n)
	}
	return nil
}

func (ev *evaluation) copyResolved(n *Node, depth int) (*Node, error) {
	if err := ev.spend(n); err != nil {
		return nil, err
	}
	if depth > maxYAMLDepth {
		return nil, newError(classInterpolation, "Recursive interpolation detected").at(n)
	}
	c := &Node{shape: n.shape, scalar: n.scalar, key: n.key, origin: n.origin}
	if n.shape == mapShape {
		c.index = make(map[any]int, len(n.children))
	}
	for _, child := range n.children {
		target, err := child.dereference(ev)
		if err != nil {
			return nil, err
		}
		cc, err := ev.copyResolved(target, depth+1)
		if err != nil {
			return nil, err
		}
		if cc.shape == scalarShape {
			cc.origin = child.origin
		}
		if n.shape == mapShape {
			c.put(child.key, cc)
		} else {
			c.add(cc)
		}
	}
	return c, nil
}

// dereference follows the interpolation of a node to the node it stands for, which
// is a node of the tree or a new one. Everything else is given as it is.
func (n *Node) dereference(ev *evaluation) (*Node, error) {
	if n.Kind() != Interpolation {
		return n, nil
	}
	if ev == nil {
		ev = newEvaluation(n)
	}
	target, err := ev.interpolate(n)
	if err != nil {
		if e, ok := err.(*Error); ok { //nolint:errorlint // our own, unwrapped
			return nil, e.at(n)
		}
		return nil, err
	}
	return target, nil
}

func (ev *evaluation) interpolate(n *Node) (*Node, error) {
	if err := ev.spend(n); err != nil {
		return nil, err
	}
	if ev.active[n] {
		return nil, newError(classInterpolation, "Recursive interpolation detected")
	}
	if ev.depth >= maxEvalDepth {
		return nil, newError(classInterpolation, "interpolations refer to each other more than %d times", maxEvalDepth)
	}
	text, _ := n.scalar.(string)
	e, err := parseInterpolation(text)
	if err != nil {
		return nil, err
	}
	inner := ev.within(n)
	ev.active[n] = true
	result, err := e.eval(inner)
	delete(ev.active, n)
	if err != nil {
		return nil, asInterpolationError(err)
	}
	if result.parent == nil {
		result.parent, result.key, result.origin = n.parent, n.key, n.origin
	}
	return result, nil
}

// within is the evaluation for the interpolation of a node.
func (ev *evaluation) within(n *Node) *evaluation {
	inner := *ev
	inner.depth++
	inner.node, inner.parent = n, n.parent
	return &inner
}

// asInterpolationError wraps what a resolver or a path raises, as OmegaConf does.
func asInterpolationError(err error) error {
	e, ok := err.(*Error) //nolint:errorlint // our own, unwrapped
	if !ok {
		return newError(classInterpolation, "error raised while resolving interpolation").because(err)
	}
	if strings.HasPrefix(e.Class, interpolationClassStart) || e.Class == classUnsupported {
		return e
	}
	text := e.Message
	if e.Class == classPythonKey {
		text = pyRepr(text)
	}
	return &Error{
		Class:   classInterpolation,
		Message: e.Class + " raised while resolving interpolation: " + text,
		Hint:    e.Hint, Cause: e.Cause,
	}
}

func (l literal) eval(*evaluation) (*Node, error) { return newScalar(l.value, Origin{}), nil }

func (t token) eval(*evaluation) (*Node, error) { return newScalar(t.value, Origin{}), nil }

func (j joined) eval(ev *evaluation) (*Node, error) {
	var b strings.Builder
	for _, part := range j.parts {
		n, err := part.eval(ev)
		if err != nil {
			return nil, err
		}
		if n.isContainer() {
			// Python prints interpolations inside as they stand.
			ev.spent.steps += n.size()
			if err := ev.spend(n); err != nil {
				return nil, err
			}
		}
		if err := ev.write(&b, pyNode(n)); err != nil {
			return nil, err
		}
	}
	return newScalar(b.String(), Origin{}), nil
}

// write adds to a text within the limit.
func (ev *evaluation) write(b *strings.Builder, s string) error {
	ev.spent.bytes += len(s)
	if ev.spent.bytes > maxTextBytes {
		return newError(classInterpolation, "the texts grow beyond %d bytes", maxTextBytes)
	}
	b.WriteString(s)
	return nil
}

func (n *Node) size() int {
	total := 1
	for _, c := range n.children {
		total += c.size()
	}
	return total
}

func (l listExpr) eval(ev *evaluation) (*Node, error) {
	list := newList(Origin{})
	for _, item := range l.items {
		n, err := ev.element(item)
		if err != nil {
			return nil, err
		}
		list.add(n)
	}
	return list, nil
}

func (d dictExpr) eval(ev *evaluation) (*Node, error) {
	m := newMap(Origin{})
	for i, key := range d.keys {
		n, err := ev.element(d.values[i])
		if err != nil {
			return nil, err
		}
		k, err := normalKey(key)
		if err != nil {
			return nil, err
		}
		m.put(k, n)
	}
	return m, nil
}

// element evaluates a part of a list or mapping; a node of the tree is copied.
func (ev *evaluation) element(e expression) (*Node, error) {
	n, err := e.eval(ev)
	if err != nil {
		return nil, err
	}
	if err := ev.spend(n); err != nil {
		return nil, err
	}
	if n.parent == nil {
		return n, nil
	}
	return ev.copyResolved(n, 0)
}

func (p pathExpr) eval(ev *evaluation) (*Node, error) {
	key, err := ev.pathText(p)
	if err != nil {
		return nil, err
	}
	return ev.selectKey(key, true)
}

func (ev *evaluation) pathText(p pathExpr) (string, error) {
	var b strings.Builder
	for i, part := range p.parts {
		n, err := part.eval(ev)
		if err != nil {
			return "", err
		}
		s, ok := n.scalar.(string)
		if !ok || n.isContainer() {
			return "", newError(classInterpolation, "The following interpolation is used to denote a config key and "+
				"thus should return a string, but instead returned `%s` of type `<class '%s'>`: %s",
				pyNode(n), pyNodeType(n), p.sources[i])
		}
		if err := ev.write(&b, s); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// selectKey finds what ${key} stands for: from the root, or with leading dots from
// the container of the interpolation upwards. A missing key is an error if
// mustExist, a nil node otherwise.
func (ev *evaluation) selectKey(key string, mustExist bool) (*Node, error) {
	start, rest, err := ev.startOf(key)
	if e, ok := asError(err); ok && e.Class == classKey && mustExist {
		return nil, newError(classInterpolationKey, "%s while resolving interpolation: %s", e.Class, e.Message)
	}
	if err != nil {
		return nil, err
	}
	n, err := ev.walk(start, rest, mustExist)
	if err != nil {
		return nil, err
	}
	if n == nil && mustExist {
		e := newError(classInterpolationKey, "Interpolation key '%s' not found", rest)
		if start.shape == mapShape {
			in, part := firstAbsent(start, rest)
			if near, ok := Nearest(part, in.Keys()); ok {
				e.Hint = "did you mean \"" + near + "\"?"
			}
		}
		return nil, e
	}
	if n != nil {
		for c := ev.parent; c != nil; c = c.parent {
			if c == n {
				return nil, newError(classInterpolation, "Interpolation to parent node detected")
			}
		}
	}
	return n, nil
}

// startOf strips the dots of a relative key and goes up as many containers.
func (ev *evaluation) startOf(key string) (*Node, string, error) {
	if ev.parent == nil {
		return nil, "", newError(classInterpolationKey, "Interpolation key '%s' not found", key)
	}
	if !strings.HasPrefix(key, ".") {
		return ev.parent.root(), key, nil
	}
	start, rest := ev.parent, key[1:]
	for strings.HasPrefix(rest, ".") {
		start, rest = start.parent, rest[1:]
		if start == nil {
			return nil, "", newError(classKey, "Error resolving key '%s'", key)
		}
	}
	return start, rest, nil
}

// walk follows a path from a container, dereferencing what it meets; ??? on the way
// is an error if strict.
func (ev *evaluation) walk(start *Node, path string, strict bool) (*Node, error) {
	if path == "" {
		return start, nil
	}
	parts := splitKey(path)
	cur := start
	for i, part := range parts {
		next, err := cur.step(part, true)
		if err != nil || next == nil {
			return nil, err
		}
		if next.isMissing() && strict {
			return nil, newError(classToMissing,
				"MissingMandatoryValue while resolving interpolation: Missing mandatory value: %s", next.Path())
		}
		if next.Kind() == Interpolation {
			if next, err = next.dereference(ev); err != nil {
				return nil, err
			}
		}
		if i < len(parts)-1 && !next.isContainer() {
			if next.isMissing() {
				return nil, nil
			}
			return nil, newError(classType,
				"Error trying to access %s: node `%s` is not a container and thus cannot contain `%s`",
				path, strings.Join(parts[:i+1], "."), parts[i+1])
		}
		cur = next
	}
	return cur, nil
}

func (c callExpr) eval(ev *evaluation) (*Node, error) {
	var name strings.Builder
	for i, part := range c.name {
		n, err := part.eval(ev)
		if err != nil {
			return nil, err
		}
		s, ok := n.scalar.(string)
		if !ok || n.isContainer() {
			return nil, newError(classInterpolation, "The name of a resolver must be a string, but the interpolation "+
				"%s resolved to `%s` which is of type <class '%s'>", c.sources[i], pyNode(n), pyNodeType(n))
		}
		name.WriteString(s)
	}
	args := make([]*Node, len(c.args))
	for i, a := range c.args {
		n, err := a.eval(ev)
		if err != nil {
			return nil, err
		}
		args[i] = n
	}
	return ev.call(name.String(), args)
}
