package tracking

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
)

// Directory are the arguments by which Lightning's loggers of files name their
// directory: save_dir/name/version.
type Directory struct {
	SaveDir string   `yaml:"save_dir,required"`
	Name    *string  `yaml:"name"`
	Version *version `yaml:"version"`
}

func defaultDirectory() Directory {
	name := "lightning_logs"
	return Directory{Name: &name}
}

// version names one of several logs: a text, or a number; null is the first number
// that is free.
type version string

// Forms are a text and a number.
func (version) Forms() []any { return []any{"", 0} }

const versionPrefix = "version_"

// UnmarshalNode reads a text or a number.
func (v *version) UnmarshalNode(n *config.Node) error {
	switch value := n.Value().(type) {
	case string:
		*v = version(value)
	case int64:
		*v = version(versionPrefix + strconv.FormatInt(value, 10))
	default:
		return errors.New("want a text, a number, or null for the next free one")
	}
	return nil
}

// versioned is the directory without the parts that are null or empty, and the
// version in it. continued is the version of the training that is continued, if any.
func (d Directory) versioned(continued *version) (path string, v version, err error) {
	root := d.SaveDir
	if d.Name != nil {
		root = filepath.Join(root, *d.Name)
	}
	switch {
	case d.Version != nil:
		v = *d.Version
	case continued != nil:
		v = *continued
	default:
		if v, err = nextVersion(root); err != nil {
			return "", "", err
		}
	}
	return filepath.Join(root, string(v)), v, nil
}

// prepare makes a logger's directory, and removes what killed processes have left half
// written there.
func prepare(dir string, log *slog.Logger) error {
	if err := fileio.MkdirAll(dir); err != nil {
		return err
	}
	n, err := fileio.RemoveLitter(dir)
	if n > 0 {
		log.Info("removed files that a killed process left half written", "files", n, "directory", dir)
	}
	return err
}

// nextVersion counts on from the versions that a directory has.
func nextVersion(root string) (version, error) {
	entries, err := os.ReadDir(root)
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	numbers := []int{-1}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), versionPrefix)
		digits, _, _ = strings.Cut(digits, "_")
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 0 && e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	return version(versionPrefix + strconv.Itoa(slices.Max(numbers)+1)), nil
}

// expand puts the user's directory and environment into a path; what is not set stays.
func expand(path string) string {
	path = os.Expand(path, func(name string) string {
		if value, ok := os.LookupEnv(name); ok {
			return value
		}
		return "${" + name + "}"
	})
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
