package train

import (
	"fmt"
	"path/filepath"

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

// Loggers are the _target_ names of the one logger that is written.
var Loggers = &config.Registry[struct{}, csvLoggerConfig]{What: "logger"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	for _, name := range []string{"CSVLogger", "csv_logs.CSVLogger"} {
		config.Register(Loggers, "lightning.pytorch.loggers."+name, csvLoggerConfig{},
			func(c csvLoggerConfig, _ struct{}) (csvLoggerConfig, error) { return c, nil })
	}
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
	if Loggers.Check(n) != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("logger.%s (%s) is not written; the CSV log has all metrics", name, target))
		return nil
	}
	c, err := Loggers.Build(n, struct{}{})
	p.csvDir = c.dir()
	return err
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
