package tracking

import (
	"context"
	"encoding/json"
	"log/slog"
)

// Logger takes what a training measures. Calls come from one goroutine: Start first,
// Close last.
type Logger interface {
	// Start begins the log of a training, or goes on with one.
	Start(s Session) error
	// Hyperparameters are told once, before the first Row.
	Hyperparameters(h Hyperparameters) error
	// Row is told of metrics.
	Row(r Row) error
	// Picture is told of a picture.
	Picture(p Picture) error
	// File is told of a file that belongs to the training.
	File(f File) error
	// Save makes durable what was told. It does not wait for other machines.
	Save() error
	// State is what Start needs to go on from here, after Save.
	State() (json.RawMessage, error)
	// Close ends the log. Cancelling the context ends the waiting for other machines.
	Close(ctx context.Context, s Status) error
}

// Session is what a logger starts with.
type Session struct {
	// State is that of the training which is continued; empty for a new one.
	State json.RawMessage
	// Log is for what the user must know.
	Log *slog.Logger
}

// Metric is a named number.
type Metric struct {
	Name  string
	Value float64
}

// Row is what is logged at one time.
type Row struct {
	Metrics []Metric
	// Epoch is logged as a metric of this name, unless it is NoEpoch.
	Epoch int
	// Step counts the optimizer's steps.
	Step int
}

// NoEpoch is the Epoch of a row that is not of an epoch as a whole.
const NoEpoch = -1

// epochMetric is the name under which Lightning logs a row's epoch.
const epochMetric = "epoch"

// metrics are a row's, the epoch last; a prefix is joined to their names as by Lightning.
func (r Row) metrics(prefix string) []Metric {
	list := make([]Metric, 0, len(r.Metrics)+1)
	list = append(list, r.Metrics...)
	if r.Epoch != NoEpoch {
		list = append(list, Metric{epochMetric, float64(r.Epoch)})
	}
	if prefix != "" {
		for i := range list {
			list[i].Name = prefixed(prefix, list[i].Name)
		}
	}
	return list
}

// prefixed joins a logger's prefix to a name.
func prefixed(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "-" + name
}

// Picture is a picture at a step.
type Picture struct {
	Tag  string
	Step int
	// Path is the file that holds it, a PNG or JPEG.
	Path string
}

// File is a file to keep beside the metrics.
type File struct {
	// Name is the one that it gets, with slashes; that of the best checkpoint is its own.
	Name string
	// Path is where it is; empty where Content is all of it.
	Path    string
	Content []byte
	// Kind says what it is.
	Kind FileKind
}

// FileKind says what a file is.
type FileKind int

// Kinds of files.
const (
	// Record describes the training: its config, what it ran on.
	Record FileKind = iota
	// BestCheckpoint is the checkpoint of the best epoch so far.
	BestCheckpoint
	// FinalCheckpoint is the trained model with its test results.
	FinalCheckpoint
)

// Status is how a training ended.
type Status int

// How a training ended.
const (
	Finished Status = iota
	Failed
	// Killed was interrupted, and may be continued.
	Killed
)
