package train

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
)

// csvLoggerConfig are the arguments of Lightning's CSVLogger.
type csvLoggerConfig struct {
	SaveDir    string  `yaml:"save_dir,required"`
	Name       *string `yaml:"name"`
	Version    any     `yaml:"version"`
	Prefix     string  `yaml:"prefix"`
	FlushEvery int     `yaml:"flush_logs_every_n_steps"`
}

// Validate refuses what is not written.
func (c csvLoggerConfig) Validate() error {
	if c.Prefix != "" {
		return config.Refuse("prefix", "a prefix of metrics is not supported, got %q", c.Prefix)
	}
	return nil
}

func (p *Plan) readLoggers() error {
	n, err := p.section("logger")
	if n == nil {
		return err
	}
	var problems config.Problems
	for name, logger := range n.Fields() {
		problems.Add(p.readLogger(name, logger))
	}
	return problems.Err()
}

func (p *Plan) readLogger(name string, n *config.Node) error {
	target, err := config.Target(n)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(target, ".CSVLogger") {
		p.Notes = append(p.Notes, fmt.Sprintf("logger.%s (%s) is not written; the CSV log has all metrics", name, target))
		return nil
	}
	var c csvLoggerConfig
	if err := n.Read(&c); err != nil {
		return err
	}
	p.csvDir = c.dir()
	return nil
}

// dir is where CSVLogger puts metrics.csv: save_dir/name/version, parts that are
// empty left out; the version counts from 0 where it is null.
func (c csvLoggerConfig) dir() string {
	parts := []string{c.SaveDir}
	if c.Name == nil {
		parts = append(parts, "lightning_logs")
	} else {
		parts = append(parts, *c.Name)
	}
	switch v := c.Version.(type) {
	case nil:
		parts = append(parts, "version_0")
	case string:
		parts = append(parts, v)
	default:
		parts = append(parts, fmt.Sprintf("version_%v", v))
	}
	return filepath.Join(parts...)
}
