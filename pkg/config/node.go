package config

import (
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Kind says what a Node holds, before interpolations are resolved.
type Kind uint8

// The kinds of a Node.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Map
	// Missing is the text ???: a value that must be given later.
	Missing
	// Interpolation is a text with ${…} in it, resolved when it is read.
	Interpolation
)

var kindNames = [...]string{
	Null: "null", Bool: "a bool", Int: "an integer", Float: "a float", String: "a string",
	List: "a list", Map: "a mapping", Missing: "missing (???)", Interpolation: "an interpolation",
}

// String is the kind in words, with its article.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// missingText is the value of a key that must be given later.
const missingText = "???"

// Origin is where a value was set.
type Origin struct {
	// File is the display name of the file, or "command line".
	File string
	// Line is the line in File, from 1; 0 where there is none.
	Line int
	// Text is the override on a command line; empty for files.
	Text string
}

// String is file:line, or the override; empty if nothing is known.
func (o Origin) String() string {
	switch {
	case o.Text != "":
		return o.File + " '" + o.Text + "'"
	case o.File == "":
		return ""
	case o.Line == 0:
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

type shape uint8

const (
	scalarShape shape = iota
	listShape
	mapShape
)

// Node is one value of a tree: a scalar, a list or a mapping. It keeps the order
// of keys, their case and type, and where the value was set. A Node is not safe
// for use by several goroutines while one of them changes it.
type Node struct {
	shape    shape
	scalar   any     // nil, bool, int64, *big.Int, float64 or string
	children []*Node // elements of a list, or values of a mapping in order
	index    map[any]int
	key      any // key in the parent: a string, int64, *big.Int, float64 or bool; int for list elements
	parent   *Node
	origin   Origin
	env      *environment // of the root: what resolvers know
}

func newScalar(v any, o Origin) *Node { return &Node{scalar: v, origin: o} }

func newList(o Origin) *Node { return &Node{shape: listShape, origin: o} }

func newMap(o Origin) *Node {
	return &Node{shape: mapShape, index: map[any]int{}, origin: o}
}

// NewMap makes an empty mapping.
func NewMap() *Node { return newMap(Origin{}) }

// Kind says what the node holds; interpolations are not followed.
func (n *Node) Kind() Kind {
	switch n.shape {
	case listShape:
		return List
	case mapShape:
		return Map
	}
	switch v := n.scalar.(type) {
	case nil:
		return Null
	case bool:
		return Bool
	case float64:
		return Float
	case string:
		if v == missingText {
			return Missing
		}
		if strings.Contains(v, "${") {
			return Interpolation
		}
		return String
	}
	return Int
}

// Origin is where the value was set.
func (n *Node) Origin() Origin { return n.origin }

// Len is the number of elements of a list or of keys of a mapping, 0 for scalars.
func (n *Node) Len() int { return len(n.children) }

// Key is the text of the node's key in its parent; empty for a root.
func (n *Node) Key() string { return keyText(n.key) }

// Items gives the elements of a list in order; nil for everything else.
func (n *Node) Items() []*Node {
	if n.shape != listShape {
		return nil
	}
	return slices.Clone(n.children)
}

// Fields goes over the keys and values of a mapping in order; keys that are not
// strings are given as text. Interpolations are not followed.
func (n *Node) Fields() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		if n.shape != mapShape {
			return
		}
		for _, c := range n.children {
			if !yield(keyText(c.key), c) {
				return
			}
		}
	}
}

// Keys gives the keys of a mapping in order, as text.
func (n *Node) Keys() []string {
	var keys []string
	for k := range n.Fields() {
		keys = append(keys, k)
	}
	return keys
}

// Get gives the value of a key of a mapping; interpolations are not followed.
func (n *Node) Get(key string) (*Node, bool) {
	if n.shape != mapShape {
		return nil, false
	}
	c := n.child(key)
	return c, c != nil
}

// Path is the full key of the node: "model.core.layers[2]".
func (n *Node) Path() string {
	var parts []string
	for c := n; c.parent != nil; c = c.parent {
		part := keyText(c.key)
		if c.parent.shape == listShape {
			part = "[" + part + "]"
		} else if c.parent.parent != nil {
			part = "." + part
		}
		parts = append(parts, part)
	}
	slices.Reverse(parts)
	return strings.Join(parts, "")
}

// Clone copies the tree below the node. The copy is a root.
func (n *Node) Clone() *Node {
	c := n.clone()
	c.env = n.root().env
	return c
}

func (n *Node) clone() *Node {
	c := &Node{shape: n.shape, scalar: n.scalar, key: n.key, origin: n.origin}
	if n.shape == mapShape {
		c.index = make(map[any]int, len(n.children))
	}
	c.children = make([]*Node, len(n.children))
	for i, child := range n.children {
		cc := child.clone()
		cc.parent = c
		c.children[i] = cc
		if n.shape == mapShape {
			c.index[indexKey(cc.key)] = i
		}
	}
	return c
}

func (n *Node) root() *Node {
	for n.parent != nil {
		n = n.parent
	}
	return n
}

func (n *Node) isContainer() bool { return n.shape != scalarShape }

func (n *Node) isMissing() bool { return n.shape == scalarShape && n.scalar == missingText }

func (n *Node) isNull() bool { return n.shape == scalarShape && n.scalar == nil }

// indexKey makes equal what Python's dict holds equal: 1, 1.0 and true.
func indexKey(key any) any {
	switch k := key.(type) {
	case bool:
		if k {
			return int64(1)
		}
		return int64(0)
	case float64:
		if i := int64(k); float64(i) == k {
			return i
		}
	case *big.Int:
		return bigKey(k.String())
	}
	return key
}

// bigKey is the comparable form of a large integer.
type bigKey string

// child gives the value under a key of a mapping, or nil.
func (n *Node) child(key any) *Node {
	i, ok := n.index[indexKey(key)]
	if !ok {
		return nil
	}
	return n.children[i]
}

// put sets a key of a mapping; a key that exists keeps its place and type.
func (n *Node) put(key any, v *Node) {
	v.key, v.parent, v.env = key, n, nil
	if i, ok := n.index[indexKey(key)]; ok {
		v.key = n.children[i].key
		n.children[i] = v
		return
	}
	n.index[indexKey(key)] = len(n.children)
	n.children = append(n.children, v)
}

// add appends an element to a list.
func (n *Node) add(v *Node) {
	v.key, v.parent, v.env = len(n.children), n, nil
	n.children = append(n.children, v)
}

// remove deletes a key of a mapping or, by its index, an element of a list.
func (n *Node) remove(key any) {
	i := -1
	if n.shape == mapShape {
		found, ok := n.index[indexKey(key)]
		if !ok {
			return
		}
		i = found
	} else if k, ok := key.(int); ok && k >= 0 && k < len(n.children) {
		i = k
	}
	if i < 0 {
		return
	}
	n.children = slices.Delete(n.children, i, i+1)
	if n.shape == listShape {
		for j, c := range n.children {
			c.key = j
		}
		return
	}
	delete(n.index, indexKey(key))
	for j := i; j < len(n.children); j++ {
		n.index[indexKey(n.children[j].key)] = j
	}
}

// become takes over the content of another node, keeping key and parent.
func (n *Node) become(v *Node) {
	n.shape, n.scalar, n.children, n.index, n.origin = v.shape, v.scalar, v.children, v.index, v.origin
	for _, c := range n.children {
		c.parent = n
	}
}

func keyText(key any) string {
	switch k := key.(type) {
	case nil:
		return ""
	case string:
		return k
	case int:
		return strconv.Itoa(k)
	}
	return pyText(key)
}

// GoString helps in tests and debuggers.
func (n *Node) GoString() string { return fmt.Sprintf("%s=%v", n.Path(), n.Value()) }
