package config

import (
	"strconv"
	"strings"
)

// Merge merges a tree into another as OmegaConf does: mappings merge key by key,
// lists and scalars replace, a later ??? never wins and a later null does; a
// mapping onto a list, or a list onto a mapping, is an error. A mapping merged onto
// an interpolation of a mapping merges into a copy of it.
func Merge(dst, src *Node) error {
	if !dst.isContainer() || !src.isContainer() {
		return newError(classPythonType, "only mappings and lists can be merged").at(src)
	}
	return mergeInto(dst, src, false)
}

// mergeInto is Merge; in struct mode new keys are refused.
func mergeInto(dst, src *Node, structMode bool) error {
	switch {
	case dst.shape == mapShape && src.shape == mapShape:
		return mergeMaps(dst, src, structMode)
	case dst.shape == listShape && src.shape == listShape:
		key, parent := dst.key, dst.parent
		dst.become(src.clone())
		dst.key, dst.parent = key, parent
		return nil
	}
	e := newError(classType, "Cannot merge DictConfig with ListConfig")
	e.Key = dst.Path()
	return e.at(src)
}

func mergeMaps(dst, src *Node, structMode bool) error {
	for _, s := range src.children {
		d := dst.child(s.key)
		if d != nil && d.Kind() == Interpolation {
			if target, err := d.dereference(nil); err == nil && target.isContainer() {
				if err := dst.root().env.spendNodes(target.size()); err != nil {
					return err
				}
				d = target.clone()
				dst.put(s.key, d)
			}
		}
		switch {
		case d == nil && structMode:
			return unknownKey(classKey, dst, keyText(s.key)).at(s)
		case d == nil:
			dst.put(s.key, s.clone())
		case d.isContainer() && s.isContainer():
			if err := mergeInto(d, s, structMode); err != nil {
				return err
			}
		case s.isMissing():
		default:
			dst.put(s.key, s.clone())
		}
	}
	return nil
}

// unknownKey is the error of struct mode, with the nearest key.
func unknownKey(class string, n *Node, key string) *Error {
	e := newError(class, "Key '%s' is not in struct", key)
	e.Key = key
	path := n.Path()
	if t := hydraTypes[path]; t != "" {
		e.Message = "Key '" + key + "' not in '" + t + "'"
	}
	if path != "" {
		e.Key = path + "." + key
	}
	e.Hint = didYouMean(key, n.Keys())
	return e
}

// Set puts a value, as FromValue takes it, under a path such as "model.core.bias",
// making the mappings on the way. Mappings merge into mappings that stand there.
func (n *Node) Set(path string, value any) error {
	v, err := FromValue(value)
	if err != nil {
		return err
	}
	v.key = nil
	return n.update(path, v, true, true)
}

// update is OmegaConf.update: it goes along the path, replacing what is no
// container by an empty mapping, and sets or merges the value. Interpolations on
// the way are replaced, not followed. Unless force is set, a new key is refused.
func (n *Node) update(path string, v *Node, merge, force bool) error {
	parts := splitKey(path)
	cur := n
	for _, part := range parts[:len(parts)-1] {
		next, err := cur.step(part, true)
		if err != nil {
			return err
		}
		if next == nil || !next.isContainer() {
			next = newMap(v.origin)
			if err := cur.accepts(part, classKey, force); err != nil {
				return err
			}
			cur.assign(part, next)
		}
		cur = next
	}
	last := parts[len(parts)-1]
	if merge && v.isContainer() {
		if old, _ := cur.step(last, false); old != nil && old.isContainer() {
			if err := v.checkInterpolations(); err != nil {
				return err
			}
			return mergeInto(old, v, !force)
		}
	}
	if err := cur.accepts(last, classAttribute, force); err != nil {
		return err
	}
	if err := v.checkInterpolations(); err != nil {
		return err
	}
	cur.assign(last, v)
	return nil
}

// accepts says why a key cannot be set, if so: a list takes only the indices that
// it has, a mapping new keys only if forced.
func (n *Node) accepts(part, class string, force bool) error {
	if n.shape == mapShape {
		if !force && n.child(part) == nil {
			return unknownKey(class, n, part)
		}
		return nil
	}
	i, err := strconv.Atoi(part)
	if err != nil {
		return newError(classValue, "invalid literal for int() with base 10: %s", pyRepr(part)).at(n).
			hint("%s is a list of %d elements, counted from 0", n.Path(), len(n.children))
	}
	if i < -len(n.children) || i >= len(n.children) {
		e := newError(classIndex, "list index out of range")
		e.Key = n.Path() + "[" + part + "]"
		return e.hint("the list has %d elements", len(n.children))
	}
	return nil
}

// assign sets what accepts lets through; a negative index counts from the end.
func (n *Node) assign(part string, v *Node) {
	if n.shape == mapShape {
		n.put(part, v)
		return
	}
	i, _ := strconv.Atoi(part)
	if i < 0 {
		i += len(n.children)
	}
	v.key, v.parent, v.env = i, n, nil
	n.children[i] = v
}

// Missing lists the paths whose value is ???, in order.
func (n *Node) Missing() []string {
	var paths []string
	if n.isMissing() {
		return append(paths, n.Path())
	}
	for _, c := range n.children {
		paths = append(paths, c.Missing()...)
	}
	return paths
}

// checkInterpolations refuses texts with broken interpolations, as OmegaConf does
// when a tree is made.
func (n *Node) checkInterpolations() error {
	if text, ok := n.scalar.(string); ok && n.shape == scalarShape && strings.Contains(text, "${") {
		if _, err := parseInterpolation(text); err != nil {
			if e, ok := asError(err); ok {
				return e.at(n)
			}
			return err
		}
	}
	for _, c := range n.children {
		if err := c.checkInterpolations(); err != nil {
			return err
		}
	}
	return nil
}
