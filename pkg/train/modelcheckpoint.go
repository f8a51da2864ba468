package train

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// modelCheckpointConfig are the arguments of Lightning's ModelCheckpoint.
type modelCheckpointConfig struct {
	Dirpath          *string    `yaml:"dirpath"`
	Filename         *string    `yaml:"filename"`
	Monitor          *string    `yaml:"monitor"`
	Verbose          bool       `yaml:"verbose"`
	SaveLast         *saveLast  `yaml:"save_last"`
	SaveTopK         int        `yaml:"save_top_k"`
	SaveOnException  bool       `yaml:"save_on_exception"`
	SaveWeightsOnly  bool       `yaml:"save_weights_only"`
	Mode             string     `yaml:"mode"`
	AutoInsertName   bool       `yaml:"auto_insert_metric_name"`
	EveryNTrainSteps *int       `yaml:"every_n_train_steps"`
	TrainTime        *timedelta `yaml:"train_time_interval"`
	EveryNEpochs     *int       `yaml:"every_n_epochs"`
	SaveOnTrainEnd   *bool      `yaml:"save_on_train_epoch_end"`
	EnableVersion    bool       `yaml:"enable_version_counter"`
}

func defaultModelCheckpoint() modelCheckpointConfig {
	return modelCheckpointConfig{SaveTopK: 1, Mode: "min", AutoInsertName: true, EnableVersion: true}
}

// saveLast is the argument save_last: true, false, or "link".
type saveLast struct{ On, Link bool }

// Forms are a bool and the word link.
func (saveLast) Forms() []any { return []any{false, ""} }

// UnmarshalNode reads a bool or the word link.
func (s *saveLast) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.Bool {
		return n.Decode(&s.On)
	}
	var word string
	if err := n.Decode(&word); err != nil || word != "link" {
		return fmt.Errorf(`%s must be true, false or "link"`, n.Path())
	}
	*s = saveLast{On: true, Link: true}
	return nil
}

// Complete sets what triggers a checkpoint where nothing is named: each epoch.
func (c *modelCheckpointConfig) Complete(*callbacks) {
	if c.EveryNTrainSteps == nil && c.EveryNEpochs == nil && c.TrainTime == nil {
		every := 1
		c.EveryNEpochs = &every
	}
}

// Validate refuses what Lightning refuses.
func (c *modelCheckpointConfig) Validate() error {
	refused := config.Refusals{checkMode("ModelCheckpoint", c.Mode)}
	steps, epochs := orElse(c.EveryNTrainSteps, 0), orElse(c.EveryNEpochs, 0)
	refused.Unless(c.SaveTopK >= -1, "save_top_k", "ModelCheckpoint: save_top_k must be at least -1 (all), got %d", c.SaveTopK)
	refused.Unless(steps >= 0, "every_n_train_steps", "ModelCheckpoint: every_n_train_steps must not be negative, got %d", steps)
	refused.Unless(epochs >= 0, "every_n_epochs", "ModelCheckpoint: every_n_epochs must not be negative, got %d", epochs)
	triggers := 0
	for _, set := range []bool{steps > 0, epochs > 0, c.TrainTime != nil} {
		if set {
			triggers++
		}
	}
	refused.Unless(triggers <= 1, "every_n_train_steps", "ModelCheckpoint: only one of every_n_train_steps=%d, every_n_epochs=%d and "+
		"train_time_interval can be set: use a ModelCheckpoint for each", steps, epochs)
	refused.Unless(c.Monitor != nil || c.SaveTopK <= 1, "save_top_k", "ModelCheckpoint(save_top_k=%d, monitor=None) is not a valid "+
		"configuration: nothing tells which checkpoints are best", c.SaveTopK)
	if _, err := checkpointName(orElse(c.Filename, ""), nil, c.AutoInsertName); err != nil {
		refused = append(refused, config.Refuse("filename", "ModelCheckpoint: %v", err))
	}
	return refused.Err()
}

// stateKey names the callback's state in a checkpoint, in Lightning's words.
func (c *modelCheckpointConfig) stateKey() string {
	monitor, interval := "None", "None"
	if c.Monitor != nil {
		monitor = "'" + *c.Monitor + "'"
	}
	if c.TrainTime != nil {
		interval = c.TrainTime.String()
	}
	return fmt.Sprintf("ModelCheckpoint{'monitor': %s, 'mode': '%s', 'every_n_train_steps': %d, 'every_n_epochs': %d, 'train_time_interval': %s}",
		monitor, c.Mode, orElse(c.EveryNTrainSteps, 0), orElse(c.EveryNEpochs, 0), interval)
}

// modelCheckpoint is Lightning's callback: it decides at which moments a checkpoint is
// written, how it is called, and which ones are removed. What it decides goes into
// changes, and is done by commit.
type modelCheckpoint struct {
	modelCheckpointConfig
	checkpointState

	// dir is dirpath, or the run's own directory of checkpoints.
	dir string
	// startedFrom is the checkpoint that the training continues: it is never removed.
	startedFrom string
	// validates tells that an epoch ends with a validation each time.
	validates   bool
	lastChecked time.Time
}

// checkpointState is what a callback has to remember.
type checkpointState struct {
	// Best are the best checkpoints, in the order in which they were written.
	Best []savedModel `json:"best"`
	// BestPath is the best of them; without a monitor the newest.
	BestPath string `json:"best_path"`
	// KthPath is the worst of them once there are save_top_k.
	KthPath string `json:"kth_path"`
	// LastPath is what save_last writes.
	LastPath string `json:"last_path"`
	// SavedStep and SavedPath are of the newest checkpoint.
	SavedStep int    `json:"saved_step"`
	SavedPath string `json:"saved_path"`
	// Deferred tells that a checkpoint is due but waits for the validation's metrics.
	Deferred bool `json:"deferred"`
}

// savedModel is a checkpoint among the best.
type savedModel struct {
	Path  string     `json:"path"`
	Score exactFloat `json:"score"`
}

// moment is what a callback knows of the training when it is asked.
type moment struct {
	epoch, step int
	// metrics are the newest values of all that was logged.
	metrics []metric
	// beforeValidation tells that the batch was an epoch's last and a validation follows.
	beforeValidation bool
	// validated tells that there was a validation.
	validated bool
}

// score is a metric as Lightning holds it, in single precision.
func (m *moment) score(name string) (float64, bool) {
	value, ok := lookup(m.metrics, name)
	return float64(float32(value)), ok
}

// savesOnEpochEnd tells whether checkpoints of an epoch are written at its very end
// (what Lightning does unless epochs without validation make that doubtful) or right
// after the validation.
func (c *modelCheckpoint) savesOnEpochEnd() bool { return orElse(c.SaveOnTrainEnd, c.validates) }

// batchEnd decides after a batch; due tells that the time for a checkpoint has come,
// even where the callback waits for a metric.
func (c *modelCheckpoint) batchEnd(m moment, now time.Time, ch *changes) (due bool, err error) {
	every := orElse(c.EveryNTrainSteps, 0)
	due = every >= 1 && m.step%every == 0
	if c.TrainTime != nil && now.Sub(c.lastChecked) >= c.TrainTime.Duration {
		due, c.lastChecked = true, now
	}
	if !due {
		return false, nil
	}
	if c.Monitor != nil {
		if _, known := m.score(*c.Monitor); !known || !c.savesOnEpochEnd() && m.beforeValidation {
			c.Deferred = true
			return true, nil
		}
	}
	if c.SavedStep == m.step {
		return false, nil
	}
	return true, c.saveBoth(m, ch)
}

func (c *modelCheckpoint) saveBoth(m moment, ch *changes) error {
	if err := c.saveTopK(m, ch); err != nil {
		return err
	}
	return c.saveLast(m, ch)
}

// validationEnd decides after a validation.
func (c *modelCheckpoint) validationEnd(m moment, ch *changes) error {
	if c.SavedStep == m.step || c.savesOnEpochEnd() {
		return nil
	}
	if c.Deferred {
		c.Deferred = false
		return c.saveBoth(m, ch)
	}
	return c.epochDone(m, ch)
}

// trainEpochEnd decides at the end of an epoch.
func (c *modelCheckpoint) trainEpochEnd(m moment, ch *changes) error {
	if c.SavedStep == m.step || !c.savesOnEpochEnd() {
		return nil
	}
	return c.epochDone(m, ch)
}

func (c *modelCheckpoint) epochDone(m moment, ch *changes) error {
	if every := orElse(c.EveryNEpochs, 0); every >= 1 && (m.epoch+1)%every == 0 {
		if err := c.saveTopK(m, ch); err != nil {
			return err
		}
	}
	if c.SavedStep == m.step || c.SaveLast != nil && c.SaveLast.Link && c.SavedPath != "" {
		return c.saveLast(m, ch)
	}
	return nil
}

// trainEnd keeps the promise of save_last where nothing was written so far.
func (c *modelCheckpoint) trainEnd(m moment, ch *changes) error {
	if c.SavedPath == "" {
		return c.saveLast(m, ch)
	}
	return nil
}

// interrupted is save_on_exception for a training that is asked to stop.
func (c *modelCheckpoint) interrupted(m moment, ch *changes) error {
	if !c.SaveOnException || c.SavedStep == m.step {
		return nil
	}
	path, err := c.path(m, orElse(c.Filename, ""), 0)
	if err != nil {
		return err
	}
	c.write(path, m, ch)
	return c.saveLast(m, ch)
}

func (c *modelCheckpoint) saveTopK(m moment, ch *changes) error {
	switch {
	case c.SaveTopK == 0:
		return nil
	case c.Monitor == nil:
		return c.saveNewest(m, ch)
	}
	score, known := m.score(*c.Monitor)
	if !known {
		if m.validated {
			return unknownMetric("ModelCheckpoint", *c.Monitor, m.metrics)
		}
		return nil
	}
	if !c.inTopK(score) {
		ch.say(c.Verbose, "epoch %d, step %d: %s was not in top %d", m.epoch, m.step, *c.Monitor, c.SaveTopK)
		return nil
	}
	return c.saveBest(score, m, ch)
}

// saveNewest is for a callback without a monitor: the newest checkpoint, or all.
func (c *modelCheckpoint) saveNewest(m moment, ch *changes) error {
	path, err := c.freePath(m, orElse(c.Filename, ""), c.BestPath, ch)
	if err != nil {
		return err
	}
	previous := c.BestPath
	c.BestPath = path
	c.write(path, m, ch)
	if c.SaveTopK == 1 {
		c.remove(previous, path, ch)
	}
	return nil
}

func (c *modelCheckpoint) inTopK(score float64) bool {
	if c.SaveTopK < 0 || len(c.Best) < c.SaveTopK {
		return true
	}
	kth := slices.IndexFunc(c.Best, func(s savedModel) bool { return s.Path == c.KthPath })
	return kth < 0 || better(c.Mode, score, float64(c.Best[kth].Score))
}

// saveBest writes a checkpoint that is among the best, and removes the one that is no
// longer.
func (c *modelCheckpoint) saveBest(score float64, m moment, ch *changes) error {
	k := c.SaveTopK
	if k < 0 {
		k = len(c.Best) + 1
	}
	var pushedOut string
	if len(c.Best) == k {
		pushedOut = c.KthPath
		c.Best = slices.DeleteFunc(slices.Clone(c.Best), func(s savedModel) bool { return s.Path == pushedOut })
	}
	if score != score { // NaN counts as worst
		score = worst(c.Mode)
	}
	path, err := c.freePath(m, orElse(c.Filename, ""), pushedOut, ch)
	if err != nil {
		return err
	}
	c.Best = append(slices.DeleteFunc(slices.Clone(c.Best), func(s savedModel) bool { return s.Path == path }),
		savedModel{path, exactFloat(score)})
	if len(c.Best) == k {
		c.KthPath = c.extreme(opposite(c.Mode)).Path
	}
	best := c.extreme(c.Mode)
	c.BestPath = best.Path
	ch.say(c.Verbose, "epoch %d, step %d: %s reached %.5f (best %.5f), saving model to %s as top %d",
		m.epoch, m.step, *c.Monitor, score, float64(best.Score), path, k)
	c.write(path, m, ch)
	c.remove(pushedOut, path, ch)
	return nil
}

// extreme is the first of the best checkpoints that no other one beats.
func (c *modelCheckpoint) extreme(mode string) savedModel {
	found := c.Best[0]
	for _, s := range c.Best[1:] {
		if better(mode, float64(s.Score), float64(found.Score)) {
			found = s
		}
	}
	return found
}

// bestScore is nil where nothing is watched, or nothing was saved.
func (c *modelCheckpoint) bestScore() *float64 {
	for _, s := range c.Best {
		if s.Path == c.BestPath {
			score := float64(s.Score)
			return &score
		}
	}
	return nil
}

func (c *modelCheckpoint) saveLast(m moment, ch *changes) error {
	if c.SaveLast == nil || !c.SaveLast.On {
		return nil
	}
	path, err := c.freePath(m, lastName, c.LastPath, ch)
	if err != nil {
		return err
	}
	c.LastPath = path
	if c.SaveLast.Link && c.SavedPath != "" && c.SaveTopK != 0 {
		ch.Links = append(ch.Links, checkpointLink{Path: path, To: c.SavedPath})
		return nil
	}
	c.write(path, m, ch)
	return nil
}

func (c *modelCheckpoint) write(path string, m moment, ch *changes) {
	ch.write(path, c.SaveWeightsOnly)
	c.SavedStep, c.SavedPath = m.step, path
}

// remove removes a checkpoint that another one replaces, where it is this run's.
func (c *modelCheckpoint) remove(path, replacement string, ch *changes) {
	if c.holds(path) && path != replacement && path != c.startedFrom {
		ch.remove(path)
	}
}

// freePath is the name by a pattern that no file has yet, unless it is replaced's,
// with Lightning's -v1, -v2, … where needed.
func (c *modelCheckpoint) freePath(m moment, pattern, replaced string, ch *changes) (string, error) {
	path, err := c.path(m, pattern, 0)
	for version := 1; err == nil && c.EnableVersion && path != replaced && ch.exists(path); version++ {
		path, err = c.path(m, pattern, version)
	}
	return path, err
}

func (c *modelCheckpoint) path(m moment, pattern string, version int) (string, error) {
	name, err := checkpointName(pattern, &m, c.AutoInsertName)
	if version > 0 {
		name = fmt.Sprintf("%s-v%d", name, version)
	}
	return filepath.Join(c.dir, name+checkpointSuffix), err
}

// holds tells whether a path lies in the callback's directory.
func (c *modelCheckpoint) holds(path string) bool {
	return strings.HasPrefix(path, c.dir+string(filepath.Separator))
}

// adopt takes over the state of the training that is continued, as far as its
// checkpoints exist in this callback's directory. Those of another run are not this
// one's to remove: as in Lightning they are forgotten.
func (c *modelCheckpoint) adopt(s checkpointState, exists func(path string) bool) {
	own := c.LastPath
	c.checkpointState = s
	for _, path := range []*string{&c.BestPath, &c.LastPath, &c.SavedPath} {
		if !c.holds(*path) || !exists(*path) {
			*path = ""
		}
	}
	if c.LastPath == "" {
		c.LastPath = own
	}
	c.Best = slices.DeleteFunc(slices.Clone(s.Best), func(m savedModel) bool { return !c.holds(m.Path) || !exists(m.Path) })
	if len(c.Best) == len(s.Best) {
		return
	}
	c.BestPath, c.KthPath = "", ""
	if len(c.Best) > 0 {
		c.BestPath = c.extreme(c.Mode).Path
	}
	if c.SaveTopK < 0 && len(c.Best) > 0 {
		c.KthPath = c.extreme(opposite(c.Mode)).Path
	}
}

// finalPath is the name of the checkpoint with the test results, beside the best.
func finalPath(best string) string { return strings.TrimSuffix(best, checkpointSuffix) + finalSuffix }

// Names of checkpoints, and of their directory in a run.
const (
	checkpointsDir   = "checkpoints"
	lastName         = "last"
	checkpointSuffix = ".ckpt"
	finalSuffix      = "_final" + checkpointSuffix
)
