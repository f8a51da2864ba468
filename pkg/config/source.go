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
		return nil, wrapComposition(err)
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
		return nil, newError(classIO, "Invalid loaded object type: %s", pyType(v)).from(n.origin)
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
			return "", false, e.from(Origin{File: display, Line: i + 1})
		}
		if words[0] == "@package" {
			name, found = words[1], true
		}
	}
	return name, found, nil
}
