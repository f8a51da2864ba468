package config

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// repository finds configs in the entries of the search path, the first of which
// wins, and keeps what it has read.
type repository struct {
	sources []Source
	env     *environment
	loaded  map[string]*loadedConfig
}

// loadedConfig is one file: its content without the defaults list, that list, and
// the package that its header names.
type loadedConfig struct {
	root      *Node
	defaults  []*defaultItem
	header    string
	hasHeader bool
}

func newRepository(sources []Source, env *environment) *repository {
	all := []Source{{FS: hydraFiles, Path: "pkg://hydra.conf", Provider: "hydra"}}
	empty := &loadedConfig{root: newMap(Origin{})}
	return &repository{sources: append(all, sources...), env: env, loaded: map[string]*loadedConfig{emptyConfig: empty}}
}

func (r *repository) exists(config string) bool {
	if r.loaded[config] != nil {
		return true
	}
	_, found := r.find(config)
	return found
}

// fileName adds the extension that config names leave out.
func fileName(config string) string {
	if strings.HasSuffix(config, ".yaml") {
		return config
	}
	return config + ".yaml"
}

// statKind says whether there is a file or a directory of that name. Nothing else is
// a config: a named pipe would be waited for without end.
func statKind(f fs.FS, name string) (file, dir bool) {
	if !fs.ValidPath(name) {
		return false, false
	}
	info, err := fs.Stat(f, name)
	if err != nil {
		return false, false
	}
	return info.Mode().IsRegular(), info.IsDir()
}

// find gives the first source that has the config.
func (r *repository) find(config string) (Source, bool) {
	for _, s := range r.sources {
		if file, _ := statKind(s.FS, path.Clean(fileName(config))); file {
			return s, true
		}
	}
	return Source{}, false
}

func (r *repository) groupExists(group string) bool {
	return slices.ContainsFunc(r.sources, func(s Source) bool { return isGroup(s, group) })
}

func isGroup(s Source, group string) bool {
	name := path.Clean(group)
	if group == "" {
		name = "."
	}
	_, dir := statKind(s.FS, name)
	return dir
}

// options lists the configs of a group over all sources, sorted.
func (r *repository) options(group string) []string {
	var names []string
	for _, s := range r.sources {
		if !isGroup(s, group) {
			continue
		}
		names = append(names, configsIn(s.FS, group)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func configsIn(f fs.FS, dir string) []string {
	if dir == "" {
		dir = "."
	}
	entries, err := fs.ReadDir(f, path.Clean(dir))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok {
			continue
		}
		if file, _ := statKind(f, path.Join(dir, e.Name())); file {
			names = append(names, name)
		}
	}
	return names
}

// load reads a config; nil if no source has it.
func (r *repository) load(config string) (*loadedConfig, error) {
	if l, ok := r.loaded[config]; ok {
		return l, nil
	}
	source, ok := r.find(config)
	if !ok {
		r.loaded[config] = nil
		return nil, nil
	}
	l, err := r.read(source, config)
	if err != nil {
		return nil, err
	}
	r.loaded[config] = l
	return l, nil
}

func (r *repository) read(source Source, config string) (*loadedConfig, error) {
	file := path.Clean(fileName(config))
	display := strings.TrimSuffix(source.Path, "/") + "/" + file
	if source.Path == "" {
		display = file
	}
	data, err := fs.ReadFile(source.FS, file)
	if err != nil {
		return nil, newError(classIO, "cannot read %s", display).because(unwrapPath(err))
	}
	root, err := readYAML(display, data)
	if e, ok := asError(err); ok && e.Class == classKeyValidation {
		return nil, wrapComposition(e)
	}
	if err != nil {
		return nil, err
	}
	if root, err = fileContainer(root); err != nil {
		return nil, err
	}
	if err := root.checkInterpolations(); err != nil {
		return nil, (&Error{Class: classComposition}).because(err)
	}
	root.env = r.env
	l := &loadedConfig{root: root}
	if l.header, l.hasHeader, err = packageHeader(display, data); err != nil {
		return nil, err
	}
	l.defaults, err = takeDefaults(config, root)
	return l, err
}

// fileContainer makes a container of a document, as OmegaConf.load does: nothing is
// an empty mapping, a text is YAML of its own.
func fileContainer(n *Node) (*Node, error) {
	switch v := n.scalar.(type) {
	case nil:
		if n.isNull() {
			return newMap(n.origin), nil
		}
		return n, nil
	case string:
		return textContainer(n.origin.File, v)
	default:
		e := newError(classIO, "Invalid loaded object type: %s", pyType(v))
		e.Origin = n.origin
		return nil, e
	}
}

// unwrapPath drops the operation and path that the message names already.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

var headerLine = regexp.MustCompile(`^\s*#\s*@`)

// packageHeader reads "# @package name" from the comments at the top of a file.
func packageHeader(display string, data []byte) (string, bool, error) {
	const window = 512
	text := string(data[:min(len(data), window)])
	name, found := "", false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if !headerLine.MatchString(line) {
			break
		}
		words := strings.Fields(strings.TrimLeft(line, "#"))
		if len(words) != 2 {
			format := "Expected header format: KEY VALUE, got '%s'"
			if len(words) > 2 {
				format = "Too many components in '%s'"
			}
			e := newError(classValue, format, strings.TrimSpace(strings.TrimLeft(line, "#")))
			e.Origin = Origin{File: display, Line: i + 1}
			return "", false, e
		}
		if words[0] == "@package" {
			name, found = words[1], true
		}
	}
	return name, found, nil
}

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

// plainType is the Python type of a node's content.
func plainType(n *Node) string {
	switch n.shape {
	case listShape:
		return "list"
	case mapShape:
		return "dict"
	}
	return pyType(n.scalar)
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
