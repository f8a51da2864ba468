package config

import "strings"

type choiceKind uint8

const (
	nullChoice choiceKind = iota
	nameChoice
	listChoice
)

// choice is what a defaults list chooses from a group.
type choice struct {
	kind choiceKind
	name string
	list []string
}

// text is the choice as it is shown.
func (c choice) text() string {
	switch c.kind {
	case nameChoice:
		return c.name
	case listChoice:
		return "[" + strings.Join(c.list, ", ") + "]"
	}
	return "None"
}

func (c choice) value() any {
	switch c.kind {
	case nameChoice:
		return c.name
	case listChoice:
		list := make([]any, len(c.list))
		for i, s := range c.list {
			list[i] = s
		}
		return list
	}
	return nil
}

// defaultItem is an item of a defaults list: a config (path), or a group with its
// choice. Group and path are relative to the directory of the config that lists
// them unless they start with a slash; the package in which the content is put is
// relative to that config's package unless it starts with _global_.
type defaultItem struct {
	isGroup bool
	virtual bool   // the root above hydra/config and the primary config
	path    string // of a config
	group   string
	choice  choice

	pkg    string // behind "@"
	hasPkg bool
	// header is the package that the file itself asks for, once it is known.
	header    string
	hasHeader bool

	parentDir     string // the group of the config that lists this item
	parentPackage string

	primary  bool
	optional bool
	override bool
	deleted  bool
	appended bool // by +group=option on the command line
	origin   Origin
}

const (
	selfName   = "_self_"
	globalName = "_global_"
)

// normalise checks and expands the package.
func (d *defaultItem) normalise() error {
	if d.isSelf() && d.hasPkg && !d.isGroup {
		return newError(classValue, "_self_@PACKAGE is not supported").from(d.origin)
	}
	if d.hasPkg && d.pkg == "_here_" {
		d.pkg = ""
	}
	return nil
}

func (d *defaultItem) isSelf() bool {
	if d.isGroup {
		return d.choice.kind == nameChoice && d.choice.name == selfName
	}
	return d.path == selfName && !d.virtual
}

// setParent tells the item where it is listed.
func (d *defaultItem) setParent(dir, pkg string) {
	d.parentDir, d.parentPackage = dir, pkg
	if d.hasPkg && strings.Contains(d.pkg, "_group_") {
		d.pkg = globalName + "." + strings.ReplaceAll(d.pkg, "_group_", d.defaultPackage())
	}
}

// name is the file's name without its directory.
func (d *defaultItem) name() string {
	if d.isGroup {
		return d.choice.name
	}
	return d.path[strings.LastIndexByte(d.path, '/')+1:]
}

func (d *defaultItem) hasName() bool { return !d.isGroup || d.choice.kind == nameChoice }

func (d *defaultItem) isMissing() bool { return !d.virtual && d.hasName() && d.name() == missingText }

// groupPath is the directory of the config from the root of the search path.
func (d *defaultItem) groupPath() string {
	group := d.relativeGroup()
	if strings.HasPrefix(d.rawPath(), "/") || d.parentDir == "" {
		return group
	}
	if group == "" {
		return d.parentDir
	}
	return d.parentDir + "/" + group
}

func (d *defaultItem) rawPath() string {
	if d.isGroup {
		return d.group
	}
	return d.path
}

// relativeGroup is the directory as written, without a leading slash.
func (d *defaultItem) relativeGroup() string {
	raw := strings.TrimPrefix(d.rawPath(), "/")
	if d.isGroup {
		return raw
	}
	i := strings.LastIndexByte(raw, '/')
	return raw[:max(i, 0)]
}

// configPath is the config's path from the root of the search path.
func (d *defaultItem) configPath() string {
	switch {
	case d.virtual:
		return "<root>"
	case d.isGroup:
		return d.groupPath() + "/" + d.choice.text()
	case strings.HasPrefix(d.path, "/"):
		return d.path[1:]
	case d.parentDir == "":
		return d.path
	}
	return d.parentDir + "/" + d.path
}

func (d *defaultItem) defaultPackage() string { return strings.ReplaceAll(d.groupPath(), "/", ".") }

// setHeader notes the package of the file's header, which is always absolute.
func (d *defaultItem) setHeader(l *loadedConfig) {
	if l == nil || !l.hasHeader {
		return
	}
	d.hasHeader = true
	switch {
	case l.header == globalName || strings.HasPrefix(l.header, globalName+"."):
		d.header = l.header
	case l.header == "":
		d.header = globalName
	default:
		d.header = globalName + "." + l.header
	}
}

// finalPackage is where the content goes: the package behind "@", else that of the
// header if wanted, else the group, below the parent's package.
func (d *defaultItem) finalPackage(withHeader bool) string {
	pkg := strings.ReplaceAll(d.relativeGroup(), "/", ".")
	switch {
	case d.hasPkg:
		pkg = d.pkg
	case withHeader && d.hasHeader:
		pkg = d.header
	}
	full := pkg
	if d.parentPackage != "" {
		full = d.parentPackage
		if pkg != "" {
			full += "." + pkg
		}
	}
	i := strings.LastIndex(full, globalName)
	if i < 0 {
		return full
	}
	return strings.TrimPrefix(full[i+len(globalName):], ".")
}

// overrideKey is how overrides name the item: group, or group@package where that
// is not the group's own.
func (d *defaultItem) overrideKey() string {
	pkg := d.finalPackage(false)
	if pkg == d.defaultPackage() {
		return d.groupPath()
	}
	if pkg == "" {
		pkg = globalName
	}
	return d.groupPath() + "@" + pkg
}

// isInterpolation says whether the choice depends on other choices.
func (d *defaultItem) isInterpolation() bool {
	if d.isGroup {
		return d.choice.kind == nameChoice && strings.Contains(d.choice.name, "${")
	}
	return !d.virtual && strings.Contains(d.path, "${")
}
