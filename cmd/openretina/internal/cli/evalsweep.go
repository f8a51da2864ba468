package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/sweep"
)

// sweptEval is the command eval as a sweep needs it: the results of a job go to its
// own directory.
func sweptEval(cmd *cobra.Command, flags *configFlags) sweptCommand {
	return sweptCommand{
		cmd: cmd, flags: flags, outcome: evaluationOutcome,
		place: func(c *config.Config) (string, error) {
			if cmd.Flags().Changed("output") {
				return "", flagErrorf("--output cannot be given with --multirun: results go to hydra.sweep.dir")
			}
			if _, err := data.ParseConfig(c.Root); err != nil {
				return "", err
			}
			return c.RunDir()
		},
		extra: func(job sweep.Job) []string { return []string{"--output=" + job.Dir} },
	}
}

// evaluationOutcome reads the mean correlation from the summaries that an evaluation
// left, one for each part of the data.
func evaluationOutcome(dir string, _ bool) (sweep.Outcome, error) {
	const metric = "corr_to_avg_mean"
	files, err := filepath.Glob(filepath.Join(dir, "summary_*.json"))
	if err != nil || len(files) == 0 {
		return sweep.Outcome{}, fmt.Errorf("no summary in %s", dir)
	}
	mean := 0.0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return sweep.Outcome{}, err
		}
		var summary map[string]any
		if err := json.Unmarshal(text, &summary); err != nil {
			return sweep.Outcome{}, fmt.Errorf("%s: %w", file, err)
		}
		value, ok := summary[metric].(float64)
		if !ok {
			return outcomeOf(metric, nil, true)
		}
		mean += value / float64(len(files))
	}
	return outcomeOf(metric, &mean, true)
}
