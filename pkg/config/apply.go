package config

import (
	"math/big"
	"strings"
)

// applyOverride changes the composed tree, which is in struct mode: only + and ++
// add keys.
func applyOverride(root *Node, o *override) error {
	if o.hasPackage {
		e := newError(classComposition, "Override %s looks like a config group override, but config group '%s' does not exist.", o.input, o.key)
		e.Key = o.key
		return e
	}
	var err error
	switch o.kind {
	case deleteOverride:
		err = deleteKey(root, o)
	case addOverride:
		err = addKey(root, o)
	default:
		err = changeKey(root, o, o.kind == forceOverride)
	}
	e, ok := asError(err)
	if !ok {
		return err
	}
	switch e.Class {
	case classComposition, classPythonType, classValue:
		return e
	}
	out := newError(classComposition, "Error merging override %s", o.input).because(e)
	out.Key = o.key
	return out
}

// changeKey sets a value. A new key is refused with what to write instead.
func changeKey(root *Node, o *override, force bool) error {
	v, err := o.node()
	if err != nil {
		return err
	}
	if o.isHydra() || o.key == "hydra" {
		if err := checkHydraValues(o.key, v, true); err != nil {
			return err
		}
	}
	err = root.update(o.key, v, true, force)
	e, ok := asError(err)
	if !ok || force || e.Class != classAttribute && e.Class != classKey {
		return err
	}
	hint := "to append to your config use +" + o.input
	if e.Hint != "" {
		hint = e.Hint + "; " + hint
		e.Hint = ""
	}
	out := newError(classComposition, "Could not override '%s'.", o.key).because(e).hint("%s", hint)
	out.Key = o.key
	return out
}

func addKey(root *Node, o *override) error {
	old, err := selectStrict(root, o.key)
	if err != nil {
		return err
	}
	value := plainValue(o.value)
	_, isDict := value.(Object)
	_, isList := value.([]any)
	if old == nil || old.isNull() || old.isMissing() || isDict || isList {
		return changeKey(root, o, true)
	}
	e := newError(classComposition, "Could not append to config. An item is already at '%s'.", o.key)
	e.Key = o.key
	return e.hint("remove the + to override it, or write +%s to add or override", o.input)
}

// selectStrict finds what an override adds to or deletes. An index that is no
// integer is an error of OmegaConf here.
func selectStrict(root *Node, path string) (*Node, error) {
	n, err := root.selectPath(path, true)
	if e, ok := asError(err); ok && e.Class == classPythonType {
		e.Class = classType
	}
	return n, err
}

func deleteKey(root *Node, o *override) error {
	old, err := selectStrict(root, o.key)
	if err != nil {
		return err
	}
	if old == nil || old.isNull() || old.isMissing() {
		e := newError(classComposition, "Could not delete from config. '%s' does not exist.", o.key)
		e.Key = o.key
		e.Hint = nearestPath(root, o.key)
		return e
	}
	if value := plainValue(o.value); value != nil {
		v, err := o.node()
		if err != nil {
			return err
		}
		if !pyEqual(old, v) {
			e := newError(classComposition, "Could not delete from config. The value of '%s' is %s and not %s.", o.key, pyNode(old), pyNode(v))
			e.Key = o.key
			return e
		}
	}
	parent, last := root, o.key
	if i := strings.LastIndexByte(o.key, '.'); i >= 0 {
		last = o.key[i+1:]
		if parent, err = root.Select(o.key[:i]); err != nil {
			return err
		}
	}
	if parent == nil || parent.shape != mapShape {
		return newError(classPythonType, "list indices must be integers or slices, not str").at(parent).
			hint("elements of a list cannot be deleted one by one; give the whole list")
	}
	parent.remove(last)
	return nil
}

// nearestPath is the hint for a path of which a part is mistyped.
func nearestPath(root *Node, path string) string {
	in, part := firstAbsent(root, path)
	return didYouMean(part, in.Keys())
}

// firstAbsent is the first part of a path that is not there, and the node that lacks
// it; where all are there, the last node and no part.
func firstAbsent(root *Node, path string) (in *Node, part string) {
	in = root
	for _, part := range splitKey(path) {
		next, err := in.step(part, false)
		if err != nil || next == nil {
			return in, part
		}
		in = next
	}
	return in, ""
}

// pyEqual compares as Python does: numbers and bools by value, mappings without
// order.
func pyEqual(a, b *Node) bool {
	if a.shape != b.shape || len(a.children) != len(b.children) {
		return false
	}
	for i, c := range a.children {
		other := b.children[i]
		if a.shape == mapShape {
			if other = b.child(c.key); other == nil {
				return false
			}
		}
		if !pyEqual(c, other) {
			return false
		}
	}
	if a.shape != scalarShape {
		return true
	}
	x, y := numberOf(a.scalar), numberOf(b.scalar)
	if x != nil && y != nil {
		return x.Cmp(y) == 0
	}
	return a.scalar == b.scalar
}

func numberOf(v any) *big.Rat {
	if b, ok := v.(bool); ok {
		if b {
			return big.NewRat(1, 1)
		}
		return new(big.Rat)
	}
	return toRat(v)
}
