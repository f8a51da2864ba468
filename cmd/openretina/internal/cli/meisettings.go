package cli

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/insilico"
)

// meiPrimary is the primary config of the command mei: the built-in settings, and
// over them what the file of --config says.
const meiPrimary = "mei_command"

// meiDefaults is where the built-in settings are. Where --config or the line choose
// another class, its arguments do not start from those of the built-in one.
const meiDefaults = "configs/mei/default.yaml"

// meiSettings composes the node mei.
func meiSettings(f *Factory, file string, words []string) (*insilico.Settings, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	options := config.Options{Sources: []config.Source{builtinConfigs()}}
	text := "defaults:\n  - mei: default\n"
	if file != "" {
		if options, err = config.Locate(config.Flags{Config: file}, configs.FS, dir); err != nil {
			return nil, err
		}
		// The built-in settings are in the group mei of the embedded tree.
		options.Sources = append(options.Sources, builtinConfigs())
		text += fmt.Sprintf("  - %q\n", options.ConfigName+"@_global_")
	}
	primary := config.Source{FS: memoryFile{meiPrimary + ".yaml", text}, Path: "openretina", Provider: "main"}
	options.Sources = append([]config.Source{primary}, options.Sources...)
	options.ConfigName, options.Overrides = meiPrimary, words
	options.WorkDir, options.AppName = dir, appName
	options.Env, options.Now = os.LookupEnv, time.Now()
	options.Warn = func(text string) { f.Log.Warn(text) }
	composed, err := config.Compose(options)
	if err != nil {
		return nil, err
	}
	node, err := composed.Root.Select("mei")
	if err != nil {
		return nil, err
	}
	config.Retarget(node, meiDefaults)
	return insilico.FromConfig(node)
}

// memoryFile is a file system with one file.
type memoryFile struct{ name, text string }

// Open opens the file.
func (m memoryFile) Open(name string) (fs.File, error) {
	if name != m.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openMemoryFile{memoryFile: m, Reader: strings.NewReader(m.text)}, nil
}

type openMemoryFile struct {
	memoryFile
	*strings.Reader
}

func (m *openMemoryFile) Stat() (fs.FileInfo, error) { return m, nil }
func (*openMemoryFile) Close() error                 { return nil }
func (m *openMemoryFile) Name() string               { return m.name }
func (m *openMemoryFile) Size() int64                { return int64(len(m.text)) }
func (*openMemoryFile) Mode() fs.FileMode            { return 0o444 }
func (*openMemoryFile) ModTime() time.Time           { return time.Time{} }
func (*openMemoryFile) IsDir() bool                  { return false }
func (*openMemoryFile) Sys() any                     { return nil }
