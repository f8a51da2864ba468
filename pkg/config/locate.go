package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Flags are what a command line says about where configs are.
type Flags struct {
	// Config is --config: a file, whose directory then replaces the embedded tree,
	// or the bare name of a primary config of the tree in use.
	Config string
	// Path is --config-path: a directory that replaces the embedded tree.
	Path string
	// Name is --config-name: a primary config of the tree in use.
	Name string
	// Dir is --config-dir: a directory appended after the tree in use.
	Dir string
	// Optional lets a command do without a primary config.
	Optional bool
}

// Locate turns flags into the search path and the name of the primary config, with
// the embedded tree where no directory is given. Relative paths start at workDir.
// A missing file is an *Error with the nearest names.
func Locate(f Flags, embedded fs.FS, workDir string) (Options, error) {
	o := Options{WorkDir: workDir, OpenDir: func(dir string) (fs.FS, error) { return openDir(dir, workDir) }}
	dir, name, err := f.primary()
	if err != nil {
		return o, err
	}
	o.ConfigName = name
	main := Source{FS: embedded, Path: "configs", Provider: "main"}
	if dir != "" {
		tree, err := openDir(dir, workDir)
		if err != nil {
			return o, notADirectory("Primary config directory not found.", dir, err)
		}
		main = Source{FS: tree, Path: filepath.ToSlash(dir), Provider: "main"}
	}
	o.Sources = []Source{main}
	if f.Dir != "" {
		tree, err := openDir(f.Dir, workDir)
		if err != nil {
			return o, notADirectory("Additional config directory '"+f.Dir+"' not found", f.Dir, err)
		}
		o.Sources = append(o.Sources, Source{FS: tree, Path: filepath.ToSlash(f.Dir), Provider: "command-line"})
	}
	return o, o.checkName()
}

// primary reads directory and name out of the flags.
func (f Flags) primary() (dir, name string, err error) {
	conflict := func(other string) error {
		return newError(classValue, "--config and %s cannot be given together", other).
			hint("--config DIR/NAME.yaml is short for --config-path DIR --config-name NAME")
	}
	switch {
	case f.Config == "" && f.Name == "" && f.Optional:
		return f.Path, "", nil
	case f.Config == "" && f.Name == "":
		return "", "", newError(classValue, "no config is named").hint("give --config FILE or --config NAME")
	case f.Config == "":
		return f.Path, f.Name, nil
	case f.Path != "":
		return "", "", conflict("--config-path")
	case f.Name != "":
		return "", "", conflict("--config-name")
	}
	if isFile := strings.ContainsAny(f.Config, `/`+string(filepath.Separator)) || strings.HasSuffix(f.Config, ".yaml") ||
		strings.HasSuffix(f.Config, ".yml"); !isFile {
		return "", f.Config, nil
	}
	return filepath.Dir(f.Config), strings.TrimSuffix(filepath.Base(f.Config), ".yaml"), nil
}

func openDir(dir, workDir string) (fs.FS, error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(workDir, dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, errors.New("not a directory")
	}
	return os.DirFS(dir), nil
}

func notADirectory(message, dir string, err error) error {
	return newError(classMissingConfig, "%s", message).hint("%s: %v", dir, unwrapPath(err))
}

// checkName refuses a primary config that no source has, naming the nearest.
func (o *Options) checkName() error {
	repo := newRepository(o.Sources, &environment{})
	if repo.exists(o.primary()) {
		return nil
	}
	e := newError(classMissingConfig, "Cannot find primary config '%s'. Check that it's in your config search path.", o.ConfigName)
	names := repo.options("")
	var hints []string
	if near, ok := Nearest(o.ConfigName, names); ok {
		hints = append(hints, "did you mean \""+near+"\"?")
	}
	var paths []string
	for _, s := range o.Sources {
		paths = append(paths, s.Path)
	}
	known := "none"
	if len(names) > 0 {
		known = strings.Join(names, ", ")
	}
	hints = append(hints, "there are "+known+" in "+strings.Join(paths, ", "))
	e.Hint = strings.Join(hints, "; ")
	return e
}

// Primaries lists the primary configs of a tree in sorted order, for help and
// completion.
func Primaries(tree fs.FS) []string {
	names := configsIn(tree, "")
	slices.Sort(names)
	return names
}
