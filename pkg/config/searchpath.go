package config

import (
	"slices"
	"strings"
)

// extendSearchPath appends what hydra.searchpath names, on the command line or in
// the primary config.
func extendSearchPath(repo *repository, o Options, overrides []*override) error {
	primary, err := repo.load(o.primary())
	if err != nil {
		return err
	}
	var list *Node
	if primary != nil {
		if primary.root.shape != mapShape {
			return newError(classComposition, "primary config '%s' must be a DictConfig, got ListConfig", o.ConfigName).at(primary.root)
		}
		if list, err = resolvedSearchPath(primary.root); err != nil {
			return wrapComposition(err)
		}
	}
	provider := "hydra.searchpath in main"
	for _, ov := range overrides {
		if ov.keyElement() == "hydra.searchpath" {
			// Interpolations stay as they are here.
			if list, err = ov.node(); err != nil {
				return err
			}
			provider = "hydra.searchpath in command-line"
			break
		}
	}
	if list == nil || list.isNull() {
		return nil
	}
	return repo.appendSources(list, provider, o)
}

// resolvedSearchPath gives hydra.searchpath of the primary config, or nil.
func resolvedSearchPath(primary *Node) (*Node, error) {
	list, err := selectStrict(primary, "hydra.searchpath")
	if err != nil || list == nil {
		return nil, err
	}
	return list.Resolve()
}

func (r *repository) appendSources(list *Node, provider string, o Options) error {
	isText := func(n *Node) bool { _, ok := n.scalar.(string); return ok }
	if list.shape != listShape || !allOf(list.children, isText) {
		return newError(classComposition, "hydra.searchpath must be a list of strings. Got: %s", pyNode(list)).at(list)
	}
	for _, n := range list.children {
		entry, _ := n.scalar.(string)
		dir := strings.TrimPrefix(entry, "file://")
		scheme, _, found := strings.Cut(entry, "://")
		if found && scheme != "file" && scheme != "pkg" && scheme != "structured" {
			return newError(classValue, "No config source registered for schema %s, supported types : [file, pkg, structured]", scheme).at(n)
		}
		if found && scheme != "file" {
			o.warn("provider=%s, path=%s is not available: only file:// can be searched", provider, entry)
			continue
		}
		if o.OpenDir == nil {
			return newError(classComposition, "hydra.searchpath is not supported here: %s", entry).at(n)
		}
		f, err := o.OpenDir(dir)
		if err != nil {
			o.warn("provider=%s, path=%s is not available: %v", provider, entry, unwrapPath(err))
			continue
		}
		r.sources = append(r.sources, Source{FS: f, Path: dir, Provider: provider})
	}
	return nil
}

func allOf(nodes []*Node, holds func(*Node) bool) bool {
	return !slices.ContainsFunc(nodes, func(n *Node) bool { return !holds(n) })
}

func describeSources(repo *repository) []any {
	var list []any
	for _, s := range repo.sources {
		schema, p := "file", s.Path
		if scheme, rest, found := strings.Cut(s.Path, "://"); found {
			schema, p = scheme, rest
		}
		list = append(list, Object{{"path", p}, {"schema", schema}, {"provider", s.Provider}})
	}
	return list
}
