package train

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
)

// modelCheckpointConfig are the arguments of Lightning's ModelCheckpoint.
type modelCheckpointConfig struct {
	Dirpath          *string `yaml:"dirpath"`
	Filename         *string `yaml:"filename"`
	Monitor          *string `yaml:"monitor"`
	Verbose          bool    `yaml:"verbose"`
	SaveLast         any     `yaml:"save_last"`
	SaveTopK         int     `yaml:"save_top_k"`
	SaveWeightsOnly  bool    `yaml:"save_weights_only"`
	Mode             string  `yaml:"mode"`
	AutoInsertName   bool    `yaml:"auto_insert_metric_name"`
	EveryNTrainSteps *int    `yaml:"every_n_train_steps"`
	TrainTime        *string `yaml:"train_time_interval"`
	EveryNEpochs     *int    `yaml:"every_n_epochs"`
	SaveOnTrainEnd   *bool   `yaml:"save_on_train_epoch_end"`
	EnableVersion    bool    `yaml:"enable_version_counter"`
}

func defaultModelCheckpoint() modelCheckpointConfig {
	return modelCheckpointConfig{SaveTopK: 1, Mode: "min", AutoInsertName: true, EnableVersion: true}
}

// Validate refuses what Lightning refuses, and checkpoints inside an epoch.
func (c modelCheckpointConfig) Validate() error {
	refused := config.Refusals{checkMode("ModelCheckpoint", c.Mode)}
	const atTheEnd = "ModelCheckpoint: every_n_train_steps and train_time_interval are not supported, checkpoints are written at the end of epochs"
	refused.Unless(orElse(c.EveryNTrainSteps, 0) <= 0, "every_n_train_steps", atTheEnd)
	refused.Unless(c.TrainTime == nil, "train_time_interval", atTheEnd)
	refused.Unless(c.Monitor != nil || c.SaveTopK <= 1, "save_top_k", "ModelCheckpoint(save_top_k=%d, monitor=None) is not a valid "+
		"configuration: nothing tells which checkpoints are best", c.SaveTopK)
	return refused.Err()
}

// modelCheckpoint keeps the checkpoints of the best epochs.
type modelCheckpoint struct {
	modelCheckpointConfig
	best []savedModel // best first
}

// savedModel is a checkpoint among the best.
type savedModel struct {
	Path  string  `json:"path"`
	Score float64 `json:"score"`
}

// restore takes over the best checkpoints of the training that is continued, as far
// as they are in this run's directory, which may have been moved. Those of another run
// are not this one's to remove: as in Lightning they are forgotten.
func (c *modelCheckpoint) restore(best []savedModel) {
	c.best = nil
	for _, m := range best {
		m.Path = filepath.Join(*c.Dirpath, filepath.Base(m.Path))
		if _, err := os.Stat(m.Path); err == nil {
			c.best = append(c.best, m)
		}
	}
}

// bestPath is the best checkpoint so far, empty where there is none.
func (c *modelCheckpoint) bestPath() string {
	if len(c.best) == 0 {
		return ""
	}
	return c.best[0].Path
}

// epochEnd decides whether an epoch's model is among the best; if so it is
// written by save, and the one it pushes out is removed.
func (c *modelCheckpoint) epochEnd(epoch int, metrics []metric, save func(path string) error) error {
	if c.SaveTopK == 0 || (c.EveryNEpochs != nil && *c.EveryNEpochs > 1 && (epoch+1)%*c.EveryNEpochs != 0) {
		return nil
	}
	score := float64(epoch) // without a monitor the newest is the best
	if c.Monitor != nil {
		value, ok := lookup(metrics, *c.Monitor)
		if !ok {
			return unknownMetric("ModelCheckpoint", *c.Monitor, metrics)
		}
		score = value
		if value != value { // NaN counts as worst, as in Lightning
			score = worst(c.Mode)
		}
	}
	full := c.SaveTopK > 0 && len(c.best) >= c.SaveTopK
	if full && !c.beats(score, c.best[len(c.best)-1].Score) {
		return nil
	}
	return c.add(epoch, score, metrics, full, save)
}

func (c *modelCheckpoint) beats(a, b float64) bool {
	if c.Monitor == nil {
		return a > b
	}
	return better(c.Mode, a, b)
}

func (c *modelCheckpoint) add(epoch int, score float64, metrics []metric, full bool, save func(path string) error) error {
	path, err := c.path(epoch, metrics)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(c.best, func(m savedModel) bool { return c.beats(score, m.Score) })
	if at < 0 {
		at = len(c.best)
	}
	before := slices.Clone(c.best)
	c.best = slices.Insert(c.best, at, savedModel{path, score})
	var pushedOut string
	if full {
		pushedOut = c.best[len(c.best)-1].Path
		c.best = c.best[:len(c.best)-1]
	}
	if err := save(path); err != nil {
		c.best = before
		return err
	}
	if pushedOut != "" && pushedOut != path {
		if err := os.Remove(pushedOut); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// path is a file name by the pattern that no file has yet, with Lightning's -v1,
// -v2, … where needed.
func (c *modelCheckpoint) path(epoch int, metrics []metric) (string, error) {
	pattern := "{epoch}-{step}"
	if c.Filename != nil {
		pattern = *c.Filename
	}
	values := append([]metric{{"epoch", float64(epoch)}}, metrics...)
	name, err := checkpointName(pattern, values, c.AutoInsertName)
	if err != nil {
		return "", err
	}
	base := filepath.Join(*c.Dirpath, name)
	path := base + ".ckpt"
	for version := 1; c.EnableVersion; version++ {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			break
		}
		path = base + "-v" + strconv.Itoa(version) + ".ckpt"
	}
	return path, nil
}

// finalPath is the name of the checkpoint with the test results, beside the best.
func finalPath(best string) string { return strings.TrimSuffix(best, ".ckpt") + "_final.ckpt" }
