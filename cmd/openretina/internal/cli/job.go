package cli

import (
	"os"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
)

// startJob does what Hydra does before it calls the application: it sets the
// environment variables of hydra.job.env_set and, with hydra.job.chdir, goes to the
// directory of the run, unless the run is a dry one, which leaves no trace.
func startJob(c *config.Config, dry bool) error {
	if err := setEnvironment(c); err != nil || dry {
		return err
	}
	chdir := false
	if err := c.Hydra.ReadAt("job.chdir", &chdir); err != nil || !chdir {
		return err
	}
	dir, err := c.RunDir()
	if err != nil {
		return err
	}
	if err := fileio.MkdirAll(dir); err != nil {
		return err
	}
	return os.Chdir(dir)
}

// setEnvironment sets the variables of hydra.job.env_set, to which the config may
// refer.
func setEnvironment(c *config.Config) error {
	env, err := c.Hydra.Select("job.env_set")
	if err != nil || env == nil {
		return err
	}
	if env, err = env.Resolve(); err != nil {
		return err
	}
	for name, value := range env.Fields() {
		if err := os.Setenv(name, value.Text()); err != nil {
			return config.Errorf(value, "hydra.job.env_set: %v", err)
		}
	}
	return nil
}
