package config

import "slices"

// The parts of a composed config that a View may show.
const (
	PartJob   = "job"   // the application's config
	PartHydra = "hydra" // Hydra's own
	PartAll   = "all"   // both
)

// Parts are the words for View.Part.
func Parts() []string { return []string{PartJob, PartHydra, PartAll} }

// View says what of a composed config to print, as the flags of Hydra's --cfg do.
type View struct {
	// Part is PartJob, PartHydra or PartAll.
	Part string
	// Package is the path of the node to print; empty or _global_ for the whole part.
	Package string
	// Resolve replaces interpolations by their values.
	Resolve bool
	// Origin adds a comment to each value: the file and line, or the override, that
	// set it.
	Origin bool
}

// Render prints a part of the config as YAML. Of a package that is a single value
// it is the value's text alone.
func (c *Config) Render(v View) ([]byte, error) {
	if !slices.Contains(Parts(), v.Part) {
		e := newError(classValue, "unknown part %q of a config", v.Part)
		e.Hint = didYouMean(v.Part, Parts())
		return nil, e
	}
	if v.Package != "" && v.Package != globalName {
		return c.renderPackage(v)
	}
	n := map[string]*Node{PartJob: c.Root, PartHydra: c.Hydra, PartAll: c.Hydra.root()}[v.Part]
	if v.Resolve {
		var err error
		if n, err = n.Resolve(); err != nil {
			return nil, err
		}
	}
	if v.Part == PartHydra {
		n = withoutHelp(n)
	}
	return writeYAML(n, v.Origin), nil
}

func (c *Config) renderPackage(v View) ([]byte, error) {
	root := c.Root
	if v.Part != PartJob {
		root = c.Hydra.root()
	}
	n, err := root.Select(v.Package)
	if err != nil {
		return nil, err
	}
	if n == nil || n.isNull() {
		e := newError(classValue, "package '%s' not found in config", v.Package)
		e.Hint = nearestPath(root, v.Package)
		return nil, e
	}
	if v.Resolve {
		if n, err = n.Resolve(); err != nil {
			return nil, err
		}
	}
	if !n.isContainer() {
		return []byte(pyNode(n) + "\n"), nil
	}
	return append([]byte("# @package "+v.Package+"\n"), writeYAML(n, v.Origin)...), nil
}

// withoutHelp is the hydra node as Hydra shows it, without the texts of its help.
func withoutHelp(hydra *Node) *Node {
	shown := hydra.clone()
	shown.remove("hydra_help")
	shown.remove("help")
	root := newMap(Origin{})
	root.put("hydra", shown)
	return root
}
