package config

import (
	"maps"
	"slices"
	"strings"
)

// groupOverrides are the overrides that concern the defaults list, of the command
// line and of items marked "override", with what became of them.
type groupOverrides struct {
	choices   map[string]*groupOverride // by override key
	order     []string
	appended  []*defaultItem // +group=option
	deletions map[string]*groupDeletion
	deleted   []string // keys of deletions in order
	// config are the overrides of values.
	config []*override

	known      Object // choices that were met, in order
	knownIndex map[string]choice
	perGroup   map[string]map[string]bool
}

type groupOverride struct {
	choice   choice
	external bool
	file     string // config that overrides, if not external
	origin   Origin
	used     bool
}

type groupDeletion struct {
	name   *string // option to delete; nil: any
	origin Origin
	used   bool
}

// newGroupOverrides sorts the overrides of a command line into those of groups and
// those of values. Sweeps are left out.
func newGroupOverrides(repo *repository, list []*override) (*groupOverrides, error) {
	g := &groupOverrides{
		choices: map[string]*groupOverride{}, deletions: map[string]*groupDeletion{},
		knownIndex: map[string]choice{}, perGroup: map[string]map[string]bool{},
	}
	for _, o := range list {
		if o.isSweep() {
			continue
		}
		value := plainValue(o.value)
		_, isDict := value.(Object)
		if isDict || !repo.groupExists(o.key) {
			g.config = append(g.config, o)
			continue
		}
		if err := g.addExternal(o, value); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *groupOverrides) addExternal(o *override, value any) error {
	refuse := func(class, format string, args ...any) error {
		return newError(class, format, args...).from(o.origin())
	}
	if o.kind == forceOverride {
		return refuse(classComposition, "force-add of config groups is not supported: '%s'", o.input)
	}
	key := o.keyElement()[len(overridePrefix[o.kind]):]
	if o.kind == deleteOverride {
		name, isText := value.(string)
		if value != nil && !isText {
			return refuse(classValue, "Config group override deletion value must be a string : %s", o.input)
		}
		d := &groupDeletion{origin: o.origin()}
		if isText {
			d.name = &name
		}
		if g.deletions[key] == nil {
			g.deleted = append(g.deleted, key)
		}
		g.deletions[key] = d
		return nil
	}
	var c choice
	switch v := value.(type) {
	case string:
		c = choice{kind: nameChoice, name: v}
	case []any:
		c.kind = listChoice
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				format := "argument of type '%s' is not iterable"
				if kind := pyTypeOf(e); kind == "dict" || kind == "list" {
					format = `can only concatenate str (not "%s") to str`
				}
				return refuse(classPythonType, format, pyTypeOf(e))
			}
			c.list = append(c.list, s)
		}
	default:
		e := newError(classValue, "Config group override must be a string or a list. Got %s", pyTypeOf(value)).from(o.origin())
		if value == nil {
			e.Hint = "to leave the group out, write ~" + key
		}
		return e
	}
	if o.kind == addOverride {
		item := &defaultItem{isGroup: true, group: o.key, pkg: o.pkg, hasPkg: o.hasPackage, choice: c, appended: true, origin: o.origin()}
		g.appended = append(g.appended, item)
		return item.normalise()
	}
	if g.choices[key] == nil {
		g.order = append(g.order, key)
	}
	g.choices[key] = &groupOverride{choice: c, external: true, origin: o.origin()}
	return nil
}

// add notes an item marked "override"; the first one met wins.
func (g *groupOverrides) add(file string, d *defaultItem) {
	key := d.overrideKey()
	if g.choices[key] == nil {
		g.order = append(g.order, key)
		g.choices[key] = &groupOverride{choice: d.choice, file: file, origin: d.origin}
	}
}

// apply replaces the item's choice if it is overridden.
func (g *groupOverrides) apply(d *defaultItem) {
	if !d.isGroup {
		return
	}
	if o := g.choices[d.overrideKey()]; o != nil {
		d.choice, o.used = o.choice, true
		d.origin = o.origin
	}
}

// deletes says whether the item is deleted, and notes that the deletion was used.
func (g *groupOverrides) deletes(d *defaultItem) bool {
	if !d.isGroup {
		return false
	}
	del := g.deletions[d.overrideKey()]
	if del == nil || del.name != nil && (d.choice.kind != nameChoice || *del.name != d.choice.name) {
		return false
	}
	del.used = true
	return true
}

// noteChoice records a choice; two different ones for one group are refused.
func (g *groupOverrides) noteChoice(d *defaultItem) error {
	if !d.isGroup {
		return nil
	}
	key := d.overrideKey()
	if prev, ok := g.knownIndex[key]; !ok {
		g.knownIndex[key] = d.choice
		g.known = append(g.known, Pair{key, d.choice.value()})
	} else if prev.kind != d.choice.kind || prev.name != d.choice.name {
		return newError(classComposition, "Multiple values for %s. To override a value use 'override %s: %s'", key, key, prev.text()).
			from(d.origin)
	}
	group := d.groupPath()
	if g.perGroup[group] == nil {
		g.perGroup[group] = map[string]bool{}
	}
	g.perGroup[group][key] = true
	return nil
}

// choiceTree is what an interpolated choice may refer to.
func (g *groupOverrides) choiceTree(list []*defaultItem, selfAdded bool) *Node {
	tree := newMap(Origin{})
	for _, p := range g.known {
		n, _ := fromValue(p.Value, Origin{}, 0)
		tree.put(p.Key, n)
	}
	defaults := newList(Origin{})
	for _, d := range list {
		if selfAdded && d.isSelf() {
			continue
		}
		if !d.isGroup {
			defaults.add(newScalar(d.configPath(), d.origin))
			continue
		}
		m := newMap(d.origin)
		n, _ := fromValue(d.choice.value(), d.origin, 0)
		m.put(d.overrideKey(), n)
		defaults.add(m)
	}
	tree.put("defaults", defaults)
	return tree
}

// checkUsed refuses overrides and deletions that met no item.
func (g *groupOverrides) checkUsed() error {
	for _, key := range g.order {
		if o := g.choices[key]; !o.used {
			return g.unused(key, o)
		}
	}
	for _, key := range g.deleted {
		d := g.deletions[key]
		if d.used {
			continue
		}
		text := key
		if d.name != nil {
			text += "=" + *d.name
		}
		e := newError(classComposition, "Could not delete '%s'. No match in the defaults list", text).from(d.origin)
		e.Hint = didYouMean(key, g.knownKeys())
		return e
	}
	return nil
}

func (g *groupOverrides) knownKeys() []string {
	keys := make([]string, len(g.known))
	for i, p := range g.known {
		keys[i] = keyText(p.Key)
	}
	return keys
}

func (g *groupOverrides) unused(key string, o *groupOverride) error {
	group, _, _ := strings.Cut(key, "@")
	candidates := slices.Sorted(maps.Keys(g.perGroup[group]))
	e := newError(classComposition, "Could not override '%s'.", key).from(o.origin)
	var hints []string
	switch len(candidates) {
	case 0:
		e.Message += " No match in the defaults list."
		if near, ok := Nearest(key, g.knownKeys()); ok {
			hints = append(hints, "did you mean \""+near+"\"?")
		}
	case 1:
		hints = append(hints, "did you mean to override "+candidates[0]+"?")
	default:
		hints = append(hints, "did you mean to override one of "+strings.Join(candidates, ", ")+"?")
	}
	if o.external {
		hints = append(hints, "to append to your default list use +"+key+"="+o.choice.text())
	} else {
		e.Message = "In '" + o.file + "': " + e.Message
	}
	e.Hint = strings.Join(hints, "; ")
	return e
}
