package config

import (
	"regexp"
	"slices"
	"strings"
)

// treeNode is an item of the defaults tree with the items that its config lists.
type treeNode struct {
	item     *defaultItem
	children []*treeNode
	parent   *treeNode
}

// resultItem is a config of the final defaults list with the package it goes to.
type resultItem struct {
	configPath string
	pkg        string
	primary    bool
	isSelf     bool
	key        string // override key of a group's choice
	parent     string // the config that lists it
}

// emptyConfig is the primary config where none is named, as Hydra calls it.
const emptyConfig = "_dummy_empty_config_"

// defaultsBuilder expands the defaults lists into the final list. It walks each
// list from its end, so that what a later item overrides is known when an earlier
// one is reached.
type defaultsBuilder struct {
	repo      *repository
	overrides *groupOverrides
	// startFrom are choices that come before the primary config's own.
	startFrom []*defaultItem
	// sweeping leaves groups without a choice open.
	sweeping bool
	depth    int
	items    int
}

// maxDefaultsDepth bounds configs that list each other, maxDefaultsItems those that
// list others many times over.
const (
	maxDefaultsDepth = 100
	maxDefaultsItems = 10_000
)

// buildDefaults makes the tree of defaults and the final list for a primary config,
// Hydra's own first.
func buildDefaults(repo *repository, o *Options, groups *groupOverrides) (*treeNode, []resultItem, error) {
	b := &defaultsBuilder{repo: repo, overrides: groups, sweeping: o.Sweeping}
	for _, c := range o.StartFrom {
		b.startFrom = append(b.startFrom, &defaultItem{
			isGroup: true, group: c.Group, choice: choice{kind: nameChoice, name: c.Option},
		})
	}
	root := &treeNode{item: &defaultItem{virtual: true}}
	for _, item := range []*defaultItem{{path: "hydra/config"}, {path: o.primary(), primary: true}} {
		root.children = append(root.children, &treeNode{item: item, parent: root})
	}
	for _, n := range slices.Backward(root.children) {
		n.item.setParent("", "")
		if err := b.expand(n, n.item.primary, false); err != nil {
			return nil, nil, err
		}
	}
	var list []resultItem
	root.collect(&list)
	if err := noDuplicates(list); err != nil {
		return nil, nil, err
	}
	if err := groups.checkUsed(); err != nil {
		return nil, nil, err
	}
	return root, list, nil
}

func noDuplicates(list []resultItem) error {
	seen := map[string]bool{}
	for _, r := range list {
		if r.isSelf || r.key == "" {
			continue
		}
		if seen[r.key] {
			return newError(classComposition, "%s appears more than once in the final defaults list", r.key)
		}
		seen[r.key] = true
	}
	return nil
}

// collect walks the tree in order.
func (n *treeNode) collect(list *[]resultItem) {
	for _, c := range n.children {
		c.collect(list)
	}
	d := n.item
	if len(n.children) > 0 || d.virtual || d.deleted || d.isMissing() || d.isGroup && d.choice.kind == nullChoice {
		return
	}
	r := resultItem{isSelf: d.isSelf()}
	source := d
	if r.isSelf {
		source = n.parent.item
	} else if d.isGroup {
		r.key = d.overrideKey()
	}
	r.configPath, r.pkg, r.primary = source.configPath(), source.finalPackage(true), source.primary
	r.parent = n.listedBy(r.isSelf)
	*list = append(*list, r)
}

// listedBy is the config whose defaults list led to the content of a node.
func (n *treeNode) listedBy(isSelf bool) string {
	parent := n.parent
	if isSelf { // the config's own content
		parent = parent.parent
	}
	return parent.item.configPath()
}

// expand fills in the children of a node from its config's defaults list.
func (b *defaultsBuilder) expand(n *treeNode, isPrimary, interpolated bool) error {
	b.depth++
	defer func() { b.depth-- }()
	if b.depth > maxDefaultsDepth {
		return newError(classComposition, "In '%s': defaults lists are nested deeper than %d levels", n.item.configPath(), maxDefaultsDepth).
			hint("does a config list itself?")
	}
	if b.items++; b.items > maxDefaultsItems {
		return newError(classComposition, "In '%s': the defaults lists name more than %d configs", n.item.configPath(), maxDefaultsItems)
	}
	d := n.item
	if isPrimary && !b.repo.exists(d.configPath()) {
		return b.notFound(n)
	}
	loaded, err := b.loadHeader(d)
	if err != nil {
		return err
	}
	if b.overrides.deletes(d) {
		d.deleted = true
		return nil
	}
	if err := b.overrides.noteChoice(d); err != nil {
		return err
	}
	if d.isGroup && d.choice.kind == nullChoice {
		return nil
	}
	if d.isMissing() {
		return b.notChosen(d)
	}
	if loaded == nil {
		if d.optional {
			d.deleted = true
			return nil
		}
		return b.notFound(n)
	}
	return b.expandList(n, loaded, isPrimary, interpolated)
}

func (b *defaultsBuilder) loadHeader(d *defaultItem) (*loadedConfig, error) {
	if d.isMissing() || d.isGroup && d.choice.kind != nameChoice {
		return nil, nil
	}
	loaded, err := b.repo.load(d.configPath())
	if err != nil {
		return nil, err
	}
	d.setHeader(loaded)
	return loaded, nil
}

func (b *defaultsBuilder) expandList(n *treeNode, loaded *loadedConfig, isPrimary, interpolated bool) error {
	d := n.item
	list := make([]*defaultItem, len(loaded.defaults))
	for i, item := range loaded.defaults {
		c := *item
		list[i] = &c
	}
	if isPrimary {
		list = slices.Concat(notChosenIn(list, b.startFrom), list)
	}
	selfAdded := false
	if len(list) > 0 || isPrimary && len(b.overrides.appended) > 0 {
		var err error
		listed := slices.ContainsFunc(list, func(item *defaultItem) bool { return !item.override })
		if list, selfAdded, err = ensureSelf(d, list); err != nil {
			return err
		}
		if selfAdded && listed && d.primary && b.repo.env.warn != nil && hasContent(loaded.root) {
			b.repo.env.warn("In '" + d.configPath() + "': Defaults list is missing `_self_`: its own values come last (write _self_ where they belong)")
		}
	}
	if isPrimary {
		for _, item := range b.overrides.appended {
			c := *item
			list = append(list, &c)
		}
	}
	if err := b.noteOverrides(d, list, interpolated); err != nil {
		return err
	}
	for _, item := range slices.Backward(list) {
		if err := b.addChild(n, item, interpolated); err != nil {
			return err
		}
	}
	if err := b.resolveInterpolated(n, list, selfAdded); err != nil {
		return err
	}
	slices.Reverse(n.children)
	return nil
}

// hasContent says whether a config has values of its own.
func hasContent(root *Node) bool {
	return slices.ContainsFunc(root.children, func(n *Node) bool { return !n.isMissing() })
}

// notChosenIn leaves out the choices from groups of which a list has its own.
func notChosenIn(list, choices []*defaultItem) []*defaultItem {
	return slices.DeleteFunc(slices.Clone(choices), func(c *defaultItem) bool {
		return slices.ContainsFunc(list, func(own *defaultItem) bool {
			return own.isGroup && !own.override && strings.TrimPrefix(own.group, "/") == c.group
		})
	})
}

// ensureSelf adds _self_ at the end of a list that has other items but not it.
func ensureSelf(d *defaultItem, list []*defaultItem) ([]*defaultItem, bool, error) {
	hasSelf, hasContent := false, false
	for _, item := range list {
		hasContent = hasContent || !item.override
		if item.isSelf() {
			if hasSelf {
				return nil, false, newError(classComposition, "Duplicate _self_ defined in %s", d.configPath()).
					from(item.origin)
			}
			hasSelf = true
		}
	}
	if !hasSelf && hasContent || len(list) == 0 {
		list = append(list, &defaultItem{path: selfName})
	}
	return list, !hasSelf, nil
}

// noteOverrides takes the items marked "override" into account.
func (b *defaultsBuilder) noteOverrides(d *defaultItem, list []*defaultItem, interpolated bool) error {
	var last *defaultItem
	for _, item := range list {
		if item.isSelf() {
			continue
		}
		item.setParent(d.groupPath(), d.finalPackage(true))
		if last != nil && !item.override && !item.appended {
			e := newError(classComposition, "In %s: Override '%s : %s' is defined before '%s: %s'.", d.configPath(),
				last.overrideKey(), last.choice.text(), item.overrideKey(), item.displayName())
			return e.from(last.origin).hint("overrides must be at the end of the defaults list")
		}
		if !item.override {
			continue
		}
		last = item
		if interpolated {
			return newError(classComposition, "%s: Default List Overrides are not allowed in the subtree", d.configPath()).
				from(item.origin).
				hint("of an interpolated config group: override %s=%s", item.overrideKey(), item.choice.text())
		}
		b.overrides.add(d.configPath(), item)
	}
	return nil
}

func (d *defaultItem) displayName() string {
	if d.isGroup {
		return d.choice.text()
	}
	return d.name()
}

// addChild expands one item of a list; those with an interpolation wait until all
// other choices are known.
func (b *defaultsBuilder) addChild(n *treeNode, item *defaultItem, interpolated bool) error {
	d := n.item
	child := &treeNode{item: item, parent: n}
	if item.isSelf() {
		item.setParent(d.parentDir, d.finalPackage(true))
		n.children = append(n.children, child)
		return nil
	}
	if item.override {
		return nil
	}
	item.setParent(d.groupPath(), d.finalPackage(true))
	b.overrides.apply(item)
	if item.isGroup && item.choice.kind == listChoice {
		return b.addOptions(n, item, interpolated)
	}
	n.children = append(n.children, child)
	if item.isInterpolation() {
		return nil
	}
	return b.expand(child, false, interpolated)
}

// addOptions expands a list of options, each like a config of its own.
func (b *defaultsBuilder) addOptions(n *treeNode, item *defaultItem, interpolated bool) error {
	for _, name := range slices.Backward(item.choice.list) {
		if strings.Contains(name, "${") {
			return newError(classComposition, "In '%s': Defaults List interpolation is not supported in options list items", n.item.configPath()).
				from(item.origin)
		}
		option := &defaultItem{
			path: item.group + "/" + name, pkg: item.pkg, hasPkg: item.hasPkg, optional: item.optional, origin: item.origin,
		}
		option.setParent(n.item.groupPath(), n.item.finalPackage(true))
		child := &treeNode{item: option, parent: n}
		n.children = append(n.children, child)
		if err := b.expand(child, false, interpolated); err != nil {
			return err
		}
	}
	return nil
}

// resolveInterpolated fills in choices such as ${model}_extra.
func (b *defaultsBuilder) resolveInterpolated(n *treeNode, list []*defaultItem, selfAdded bool) error {
	var known *Node
	for _, c := range n.children {
		if !c.item.isInterpolation() || len(c.children) > 0 {
			continue
		}
		if known == nil {
			known = b.overrides.choiceTree(list, selfAdded)
			known.env = b.repo.env
		}
		if err := resolveChoice(c.item, known); err != nil {
			return err
		}
		c.item.setParent(n.item.groupPath(), n.item.finalPackage(true))
		if err := b.expand(c, false, true); err != nil {
			return err
		}
	}
	return nil
}

// legacyChoice is how Hydra 1.0 referred to other choices.
var legacyChoice = regexp.MustCompile(`^\$\{defaults\.[0-9]\.`)

func resolveChoice(d *defaultItem, known *Node) error {
	text := d.choice.name
	if !d.isGroup {
		text = d.configPath()
	}
	if d.isGroup && legacyChoice.MatchString(text) {
		return newError(classComposition, "Defaults list element '%s=%s' is using a deprecated interpolation form.", d.overrideKey(), text).
			from(d.origin).hint("name the group: ${group}")
	}
	// A relative path starts beside the choice, where there is nothing else.
	own := newMap(d.origin)
	own.parent = known
	n := newScalar(text, d.origin)
	own.put("_dummy_", n)
	target, err := n.dereference(nil)
	var name string
	if err == nil {
		name, _ = target.scalar.(string)
	}
	if name == "" {
		e := newError(classComposition, "Error resolving interpolation '%s'", text).at(n)
		e.Key = ""
		var keys []string
		for _, k := range known.Keys() {
			if k != "defaults" {
				keys = append(keys, k)
			}
		}
		if len(keys) > 0 {
			e.Message += ", possible interpolation keys: " + strings.Join(keys, ", ")
		}
		return e
	}
	if d.isGroup {
		d.choice.name = name
	} else {
		d.path = name
	}
	return nil
}

// notChosen is the error for a group whose choice is ???.
func (b *defaultsBuilder) notChosen(d *defaultItem) error {
	if b.sweeping {
		return nil
	}
	if !d.isGroup {
		return newError(classValue, "Missing ConfigDefault is not supported : %s", d.configPath()).from(d.origin)
	}
	key := d.overrideKey()
	e := newError(classComposition, "You must specify '%s', e.g, %s=<OPTION>", key, key).from(d.origin)
	return e.hint("available options: %s", strings.Join(b.repo.options(d.groupPath()), ", "))
}

// notFound is the error for a config that no source has.
func (b *defaultsBuilder) notFound(n *treeNode) error {
	d := n.item
	e := &Error{Class: classMissingConfig, Origin: d.origin}
	candidates := b.repo.options(d.groupPath())
	switch {
	case d.primary:
		e.Message = "Cannot find primary config '" + d.configPath() + "'. Check that it's in your config search path."
	case d.isGroup:
		e.Message = "Could not find '" + d.configPath() + "'"
	default:
		e.Message = "Could not load '" + d.configPath() + "'."
	}
	if !d.primary && n.parent != nil {
		e.Message = "In '" + n.parent.item.configPath() + "': " + e.Message
	}
	var hints []string
	if near, ok := Nearest(d.displayName(), candidates); ok {
		hints = append(hints, "did you mean \""+near+"\"?")
	}
	if len(candidates) > 0 {
		where := "available options in '" + d.groupPath() + "'"
		if d.groupPath() == "" {
			where = "available configs"
		}
		hints = append(hints, where+": "+strings.Join(candidates, ", "))
	}
	var paths []string
	for _, s := range b.repo.sources {
		if s.Provider != "hydra" {
			paths = append(paths, s.Path)
		}
	}
	hints = append(hints, "search path: "+strings.Join(paths, ", "))
	e.Hint = strings.Join(hints, "; ")
	return e
}
