package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/hub"
)

// Resolver finds the local file of a path or an address. The cache directory is
// the one that the config names, empty for the usual one.
type Resolver func(ctx context.Context, pathOrURL, cacheDir string) (string, error)

// ResolveCached finds what is on this machine: a path as it is, an address in the
// cache, where it may also lie unpacked. It never uses the network; its error for
// what is missing names the command that downloads it.
func ResolveCached(_ context.Context, pathOrURL, cacheDir string) (string, error) {
	if !strings.Contains(pathOrURL, "://") {
		return existing(expandHome(pathOrURL))
	}
	remote, err := hub.Resolve(pathOrURL)
	if err != nil {
		return "", err
	}
	if cacheDir == "" {
		if cacheDir, err = hub.CacheDir(os.Getenv); err != nil {
			return "", err
		}
	}
	cacheDir = expandHome(cacheDir)
	client := &hub.Client{CacheDir: cacheDir, Offline: true}
	if path, ok := client.Cached(remote); ok {
		return path, nil
	}
	if path, ok := unpackedIn(filepath.Join(cacheDir, filepath.FromSlash(remote.Path))); ok {
		return path, nil
	}
	return "", fmt.Errorf("%s is not in the cache %s; run: openretina download %s", remote.Path, cacheDir, remote.Path)
}

// existing gives a path to something that exists.
func existing(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("data file %s: %w", path, errors.Unwrap(err))
	}
	return path, nil
}

// expandHome replaces ~/ by the home directory, as Python's expanduser.
func expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

// unpackedIn looks beside a zip file for what it unpacks to: the Python package
// removes an archive once it is unpacked.
func unpackedIn(archive string) (string, bool) {
	stem, ok := strings.CutSuffix(archive, ".zip")
	if !ok {
		return "", false
	}
	for _, extension := range []string{"", ".pickle", ".pkl", ".h5", ".hdf5"} {
		if _, err := os.Stat(stem + extension); err == nil {
			return stem + extension, true
		}
	}
	return "", false
}

// location is a path in a config: text, or the call of get_local_file_path.
type location struct {
	path, cacheDir string
}

// Locations are what a path may be a call of.
var Locations = &config.Registry[struct{}, location]{What: "function for a path"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	config.Register(Locations, "openretina.utils.file_utils.get_local_file_path", localFilePath{}, localFilePath.location)
}

// localFilePath are the arguments of the function that finds or downloads a file.
type localFilePath struct {
	Path     string  `yaml:"file_path,required"`
	CacheDir *string `yaml:"cache_folder"`
}

func (f localFilePath) location(struct{}) (location, error) {
	l := location{path: f.Path}
	if f.CacheDir != nil {
		l.cacheDir = *f.CacheDir
	}
	return l, nil
}

// Forms are a text and the call.
func (location) Forms() []any { return []any{"", config.BuiltBy(Locations.What)} }

// UnmarshalNode reads a location from a config.
func (l *location) UnmarshalNode(n *config.Node) (err error) {
	if n.Kind() != config.Map {
		return n.Decode(&l.path)
	}
	*l, err = Locations.Build(n, struct{}{})
	return err
}

// find resolves the location.
func (l location) find(ctx context.Context, env *environment) (string, error) {
	return env.resolve(ctx, l.path, l.cacheDir)
}
