package evaluation

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/eval"
)

// Config is the node `evaluation` of a config.
type Config struct {
	ModelPath          string  `yaml:"model_path,runtime"`
	ModelTag           *string `yaml:"model_tag"`
	DataSplit          string  `yaml:"data_split"`
	AddResponses       bool    `yaml:"add_responses_to_model_results"`
	ModelResultsPath   *string `yaml:"model_results_path"`
	SummaryResultsPath *string `yaml:"summary_results_path"`
	VarRatioCutoff     float64 `yaml:"var_ratio_cutoff"`
	Statistics         bool    `yaml:"compute_dataset_statistics"`
}

// DefaultConfig are the settings of a config without the node.
func DefaultConfig() Config {
	return Config{DataSplit: AllTests, VarRatioCutoff: eval.DefaultVarRatioCutoff}
}

// Validate refuses a cutoff that no ratio of variances compares with.
func (c *Config) Validate() error {
	if c.VarRatioCutoff != c.VarRatioCutoff {
		return config.Refuse("var_ratio_cutoff", "var_ratio_cutoff is not a number")
	}
	return nil
}
