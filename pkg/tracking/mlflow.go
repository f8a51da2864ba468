package tracking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/tracking/mlflow"
)

// mlflowConfig are the arguments of lightning.pytorch.loggers.MLFlowLogger. What is
// logged is always sent in the background.
type mlflowConfig struct {
	ExperimentName   string         `yaml:"experiment_name"`
	RunName          *string        `yaml:"run_name"`
	TrackingURI      *string        `yaml:"tracking_uri"`
	Tags             map[string]any `yaml:"tags"`
	SaveDir          *string        `yaml:"save_dir"`
	LogModel         logModel       `yaml:"log_model"`
	Prefix           string         `yaml:"prefix"`
	ArtifactLocation *string        `yaml:"artifact_location"`
	RunID            *string        `yaml:"run_id"`
	Synchronous      *bool          `yaml:"synchronous"`
}

func defaultMLflow() mlflowConfig {
	dir := "./mlruns"
	return mlflowConfig{ExperimentName: "lightning_logs", SaveDir: &dir, LogModel: neverModels}
}

// logModel says which checkpoints are sent: none, the best one at the end, or each that
// is the best so far.
type logModel string

const (
	neverModels logModel = "false"
	bestModel   logModel = "true"
	allModels   logModel = "all"
)

// Forms are a bool and a word.
func (logModel) Forms() []any { return []any{false, config.Words{string(allModels)}} }

// UnmarshalNode reads a bool, or "all".
func (l *logModel) UnmarshalNode(n *config.Node) error {
	switch value := n.Value(); value {
	case false:
		*l = neverModels
	case true:
		*l = bestModel
	case string(allModels):
		*l = allModels
	default:
		return fmt.Errorf("want true, false or all, got %v", value)
	}
	return nil
}

// uri is where the runs are kept, as the MLflow client finds it.
func (c mlflowConfig) uri() string {
	if uri := deref(c.TrackingURI); uri != "" {
		return uri
	}
	if uri := os.Getenv(mlflow.EnvTrackingURI); uri != "" {
		return uri
	}
	return "file:" + deref(c.SaveDir)
}

// isServer tells whether runs are kept by a server.
func (c mlflowConfig) isServer() bool {
	return strings.HasPrefix(c.uri(), "http://") || strings.HasPrefix(c.uri(), "https://")
}

// redacted is an address without its password.
func redacted(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "its tracking_uri"
	}
	return u.Redacted()
}

// Validate refuses an address that cannot be one.
func (c mlflowConfig) Validate() error {
	if !c.isServer() {
		return nil
	}
	if _, err := mlflow.NewClient(c.uri()); err != nil {
		return config.Refuse("tracking_uri", "%v", err)
	}
	return nil
}

func (c mlflowConfig) build(struct{}) (Logger, error) {
	if !c.isServer() {
		return unwritten(fmt.Sprintf("MLflow is not written into %[1]s, only through its server: "+
			"start `mlflow server --backend-store-uri %[1]s`, and set MLFLOW_TRACKING_URI to its address", redacted(c.uri()))), nil
	}
	client, err := mlflow.NewClient(c.uri())
	return &mlflowLogger{mlflowConfig: c, client: client, waits: defaultWaits}, err
}

// mlflowLogger is Lightning's MLFlowLogger: parameters, metrics and files of a run on an
// MLflow server. A training that is continued goes on with its run.
type mlflowLogger struct {
	mlflowConfig
	client *mlflow.Client
	waits  mlflowWaits
	sender *mlflowSender
	best   *File // to send at the end
}

// mlflowState is the state of an mlflowLogger.
type mlflowState struct {
	RunID string `json:"run_id"`
	// Pending is what the server had not taken.
	Pending []mlflowDelivery `json:"pending,omitempty"`
}

// Start starts the sending; the server need not answer yet.
func (l *mlflowLogger) Start(s Session) error {
	var state mlflowState
	if len(s.State) > 0 {
		if err := json.Unmarshal(s.State, &state); err != nil {
			return err
		}
	}
	l.sender = &mlflowSender{
		client: l.client, log: s.Log, experiment: l.ExperimentName, artifacts: deref(l.ArtifactLocation), name: deref(l.RunName),
		tags: l.tags(), waits: l.waits, continued: state.RunID != "", queue: state.Pending,
	}
	l.sender.run.Info.ID = state.RunID
	if state.RunID == "" {
		l.sender.run.Info.ID = deref(l.RunID)
	}
	l.sender.start()
	return nil
}

// tags are those of the config, and those that MLflow's client adds.
func (l *mlflowLogger) tags() []mlflow.Tag {
	user := os.Getenv("USER")
	all := map[string]string{"mlflow.source.name": "openretina", "mlflow.source.type": "LOCAL"}
	if user != "" {
		all["mlflow.user"] = user
	}
	for key, value := range l.Tags {
		all[key] = param{value: value}.text()
	}
	if l.RunName != nil {
		all["mlflow.runName"] = *l.RunName
	}
	var tags []mlflow.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, mlflow.Tag{Key: key, Value: all[key]})
	}
	return tags
}

// longestParam is where Lightning cuts the texts of parameters.
const longestParam = 250

// Hyperparameters sends them as parameters. Those of a run that is continued are the
// same, else the server refuses them.
func (l *mlflowLogger) Hyperparameters(h Hyperparameters) error {
	list, err := h.flatten()
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(list, mlflow.MaxParams) {
		var d mlflowDelivery
		for _, p := range chunk {
			text := []rune(p.text())
			d.Params = append(d.Params, mlflow.Param{Key: p.name, Value: string(text[:min(len(text), longestParam)])})
		}
		l.sender.add(d)
	}
	return nil
}

// foreignName are the characters that MLflow does not take in the name of a metric.
var foreignName = regexp.MustCompile("[^a-zA-Z0-9_/. -]+")

// Row sends metrics.
func (l *mlflowLogger) Row(r Row) error {
	now := time.Now().UnixMilli()
	var d mlflowDelivery
	for _, m := range r.metrics(l.Prefix) {
		d.Metrics = append(d.Metrics, mlflow.Metric{
			Key: foreignName.ReplaceAllString(m.Name, ""), Value: mlflow.Number(m.Value), Timestamp: now, Step: int64(r.Step),
		})
	}
	l.sender.add(d)
	return nil
}

// Picture sends a picture as a file.
func (l *mlflowLogger) Picture(p Picture) error {
	name := fmt.Sprintf("pictures/%s/step_%06d%s", path.Clean("/" + p.Tag)[1:], p.Step, filepath.Ext(p.Path))
	l.sender.add(mlflowDelivery{Name: name, Path: p.Path})
	return nil
}

// File sends a file. Checkpoints are sent as log_model says, each in a folder of its
// name; the final one always is, as by the Python package.
func (l *mlflowLogger) File(f File) error {
	if f.Kind == BestCheckpoint {
		base := filepath.Base(f.Path)
		f.Name = strings.TrimSuffix(base, filepath.Ext(base)) + "/" + base
		switch l.LogModel {
		case neverModels:
			return nil
		case bestModel:
			l.best = &f
			return nil
		}
	}
	l.send(f)
	return nil
}

func (l *mlflowLogger) send(f File) {
	l.sender.add(mlflowDelivery{Name: f.Name, Path: f.Path, Content: []byte(l.withoutPassword(string(f.Content)))})
}

// withoutPassword takes the password of the server's address out of a text.
func (l *mlflowLogger) withoutPassword(text string) string {
	return strings.ReplaceAll(text, l.uri(), l.client.Server())
}

// Save has nothing to wait for: what the server has not taken is part of the State.
func (l *mlflowLogger) Save() error { return nil }

// State is the run, and what the server has not taken.
func (l *mlflowLogger) State() (json.RawMessage, error) {
	id, pending := l.sender.snapshot()
	return json.Marshal(mlflowState{RunID: id, Pending: pending})
}

// Close sends what is left, and ends the run.
func (l *mlflowLogger) Close(ctx context.Context, s Status) error {
	if l.sender == nil {
		return nil
	}
	if s == Finished && l.best != nil {
		l.send(*l.best)
	}
	l.sender.finish(ctx, s)
	l.client.Close()
	return nil
}

// mlflowStatus are MLflow's names.
var mlflowStatus = map[Status]string{Finished: "FINISHED", Failed: "FAILED", Killed: "KILLED"}

// forbidden tells of an error after which nothing will be taken.
func forbidden(err error) bool {
	var refusal *mlflow.StatusError
	return errors.As(err, &refusal) && (refusal.Status == 401 || refusal.Status == 403)
}
