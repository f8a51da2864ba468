package models

import (
	"context"
	"os"

	"github.com/open-retina/openretina-go/pkg/data/hub"
)

// LoadPretrained loads a model that the hub has under a name, such as
// hoefling_2024_base_low_res, under a path or at an address. It is taken from the
// cache, and downloaded before unless it is there; hub.FromEnv tells which
// environment variables decide about that.
func LoadPretrained(ctx context.Context, name string, o Options) (*CoreReadout, error) {
	remote, err := hub.Resolve(name)
	if err != nil {
		return nil, err
	}
	client, err := hub.FromEnv(os.Getenv)
	if err != nil {
		return nil, err
	}
	path, err := client.Fetch(ctx, remote)
	if err != nil {
		return nil, err
	}
	return Load(path, o)
}
