package data

import (
	"context"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/hub"
)

// Resolver finds the local file of a path or an address. The cache directory is
// the one that the config names, empty for the usual one.
type Resolver func(ctx context.Context, pathOrURL, cacheDir string) (string, error)

// ResolveCached finds what is on this machine, without the network: hub.Local.
func ResolveCached(_ context.Context, pathOrURL, cacheDir string) (string, error) {
	return hub.Local(pathOrURL, cacheDir)
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
