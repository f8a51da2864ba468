package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

func (p *Plan) readLoggers() error {
	n, err := p.section("logger")
	if n == nil || p.trainer.FastDevRun > 0 { // which logs nothing
		return err
	}
	var problems config.Problems
	for name, logger := range n.Fields() {
		if logger.Kind() != config.Null {
			problems.Add(p.readLogger(name, logger))
		}
	}
	return problems.Err()
}

func (p *Plan) readLogger(name string, n *config.Node) error {
	target, err := config.Target(n)
	if err != nil {
		return err
	}
	if tracking.Loggers.Check(n) != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("logger.%s (%s) is not written; the CSV log has all metrics", name, target))
		return nil
	}
	l, err := tracking.Loggers.Build(n, struct{}{})
	if err != nil {
		return err
	}
	if noter, ok := l.(tracking.Noter); ok {
		p.Notes = append(p.Notes, fmt.Sprintf("logger.%s: %s", name, noter.Note()))
	}
	p.loggers.Add(name, l)
	return nil
}

// logRow tells the loggers of metrics, with Lightning's step of them.
func (f *fitter) logRow(metrics []metric, epoch, step int) error {
	return f.loggers.Row(rowOf(metrics, epoch, step))
}

func rowOf(metrics []metric, epoch, step int) tracking.Row {
	row := tracking.Row{Epoch: epoch, Step: step}
	for _, m := range metrics {
		row.Metrics = append(row.Metrics, tracking.Metric{Name: m.name, Value: m.value})
	}
	return row
}

// logged starts the loggers, trains, and tells them how that ended.
func (f *fitter) logged(hard context.Context, train func() (*Result, error)) (*Result, error) {
	err := f.loggers.Start(f.logStates, f.log)
	if err == nil {
		err = errors.Join(f.logHyperparameters(), f.logRecords())
	}
	var result *Result
	if err == nil {
		result, err = train()
	}
	if closing := f.loggers.Close(hard, endStatus(hard, err)); closing != nil {
		err = errors.Join(err, closing)
	}
	return result, err
}

// endStatus is how a training ended that gave an error.
func endStatus(hard context.Context, err error) tracking.Status {
	var interrupted *Interrupted
	switch {
	case err == nil:
		return tracking.Finished
	case errors.As(err, &interrupted), hard.Err() != nil:
		return tracking.Killed
	}
	return tracking.Failed
}

// logHyperparameters tells the loggers of the model's hyperparameters, less those that
// describe the data, as on_fit_start does in the Python package.
func (f *fitter) logHyperparameters() error {
	if f.Model.Hyper == nil {
		return nil
	}
	var object config.Object
	for name, value := range f.Model.Hyper.Fields() {
		if name != "n_neurons_dict" {
			object = append(object, config.Pair{Key: name, Value: value})
		}
	}
	n, err := config.FromValue(object)
	if err != nil {
		return err
	}
	return f.loggers.Hyperparameters(tracking.Hyperparameters{Node: n, Tuples: []string{"in_shape", "hidden_channels"}})
}

// logRecords tells the loggers what the training is and what it runs on, under the
// names that the Python package gives that.
func (f *fitter) logRecords() error {
	text, err := config.ToJSON(f.cfg.Root, true)
	if err != nil { // a part that training does not need
		if text, err = config.ToJSON(f.cfg.Root, false); err != nil {
			return err
		}
	}
	return errors.Join(
		f.loggers.File(tracking.File{Name: "config.json", Content: text}),
		f.loggers.File(tracking.File{Name: "system_info.json", Path: filepath.Join(f.OutputDir, RunFile)}))
}

// logBest tells the loggers of a checkpoint that has become the best.
func (f *fitter) logBest() error {
	keeper := f.callbacks.best()
	if keeper == nil || keeper.BestPath == f.loggedBest {
		return nil
	}
	f.loggedBest = keeper.BestPath
	return f.loggers.File(tracking.File{Path: f.loggedBest, Kind: tracking.BestCheckpoint})
}
