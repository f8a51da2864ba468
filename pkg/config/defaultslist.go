package config

import "strings"

// takeDefaults removes the defaults list from a config and reads it.
func takeDefaults(config string, root *Node) ([]*defaultItem, error) {
	list := root.child("defaults")
	if list == nil {
		return nil, nil
	}
	if list.isMissing() {
		root.remove("defaults")
		return nil, nil
	}
	list, err := list.dereference(nil)
	if err != nil {
		return nil, wrapComposition(err)
	}
	root.remove("defaults")
	list.parent = nil
	if list.shape != listShape {
		kind := "mapping"
		if list.shape == scalarShape {
			kind = pyType(list.scalar)
		}
		return nil, newError(classValue, "Invalid defaults list in '%s', defaults must be a list (got %s)", config, kind).at(list)
	}
	items := make([]*defaultItem, 0, len(list.children))
	for _, n := range list.children {
		item, err := parseDefault(config, n)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// parseDefault reads one item: a config, or a group with its choice.
func parseDefault(config string, n *Node) (*defaultItem, error) {
	if text, ok := n.scalar.(string); ok && n.shape == scalarShape {
		item := &defaultItem{origin: n.origin}
		item.path, item.pkg, item.hasPkg = splitPackage(text)
		return item, item.normalise()
	}
	if n.shape != mapShape {
		return nil, newError(classValue, "Unsupported type in defaults : %s", lastPart(pyNodeType(n))).at(n)
	}
	if len(n.children) != 1 {
		problem := "Too many keys in default item"
		if len(n.children) == 0 {
			problem = "Missing group name in"
		}
		return nil, newError(classValue, "In %s: %s %s", config, problem, pyNode(n)).at(n)
	}
	value := n.children[0]
	key, ok := value.key.(string)
	if !ok {
		return nil, newError(classAssertion, "In %s: the group name '%s' must be a string", config, keyText(value.key)).at(n).hint("quote it")
	}
	item := &defaultItem{isGroup: true, origin: value.origin}
	key, item.pkg, item.hasPkg = splitPackage(key)
	words := strings.Split(key, " ")
	item.group = words[len(words)-1]
	for _, w := range words[:len(words)-1] {
		switch w {
		case "optional":
			item.optional = true
			continue
		case "override":
			item.override = true
			continue
		}
		break
	}
	if err := item.setChoice(value); err != nil {
		return nil, err
	}
	if item.group == "" {
		return nil, newError(classAssertion, "In %s: '%s' names no group", config, keyText(value.key)).at(value)
	}
	return item, item.normalise()
}

func splitPackage(s string) (name, pkg string, has bool) {
	name, pkg, has = strings.Cut(s, "@")
	pkg, _, _ = strings.Cut(pkg, ":")
	return name, pkg, has
}

// setChoice reads the choice of a group: a name, a list of names, or null.
func (d *defaultItem) setChoice(n *Node) error {
	switch {
	case n.isNull():
		d.choice = choice{kind: nullChoice}
	case n.shape == listShape:
		options := make([]string, len(n.children))
		for i, c := range n.children {
			s, ok := c.scalar.(string)
			if !ok || c.shape != scalarShape {
				return newError(classValue, "Unsupported item value in defaults : %s, nested list items must be strings", plainType(c)).at(c).
					hint("quote it")
			}
			options[i] = s
		}
		d.choice = choice{kind: listChoice, list: options}
	default:
		s, ok := n.scalar.(string)
		if !ok || n.shape != scalarShape {
			return newError(classValue, "Unsupported item value in defaults : %s. Supported: string or list", plainType(n)).at(n).
				hint("quote it")
		}
		d.choice = choice{kind: nameChoice, name: s}
	}
	return nil
}
