package cli

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/sweep"
	"github.com/open-retina/openretina-go/pkg/train"
)

// sweptTrain is the command train as a sweep needs it.
func sweptTrain(cmd *cobra.Command, flags *configFlags) sweptCommand {
	return sweptCommand{
		cmd: cmd, flags: flags, place: placeTraining, outcome: trainingOutcome,
		extra: func(job sweep.Job) []string {
			if job.Continue && isFile(filepath.Join(job.Dir, "checkpoints", "last.ckpt")) {
				return []string{"--" + goOnFlag}
			}
			return nil
		},
	}
}

// placeTraining checks a training; one of a search needs something to be judged by.
func placeTraining(c *config.Config) (string, error) {
	plan, err := train.NewPlan(c)
	if err != nil {
		return "", err
	}
	if n, ok := c.Root.Get("objective_target"); c.Searches() && (!ok || n.Kind() == config.Null) {
		return "", config.Errorf(c.Root, "a search needs the metric of its trials: objective_target: val_evaluation_loss, or +objective_target=… on the command line")
	}
	return plan.OutputDir, nil
}

// trainingOutcome reads what a training achieved: its objective, or what it watched
// where no search asks for one.
func trainingOutcome(dir string, searching bool) (sweep.Outcome, error) {
	result, err := train.ReadResult(dir)
	if err != nil {
		return sweep.Outcome{}, err
	}
	score := result.Monitored
	if searching {
		score = result.Objective
	}
	if score == nil {
		return sweep.Outcome{}, nil
	}
	return outcomeOf(score.Metric, score.Value, score.Mode == "max")
}
