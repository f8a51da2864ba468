package tracking

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-retina/openretina-go/pkg/tracking/mlflow"
)

// mlflowWaits are how long a server is waited for that does not answer.
type mlflowWaits struct {
	// first is the pause before it is tried again, which doubles up to longest.
	first, longest time.Duration
	// end is how long the end of a training waits for it to take something.
	end time.Duration
}

var defaultWaits = mlflowWaits{first: time.Second, longest: time.Minute, end: 10 * time.Second}

// maxPending bounds what waits.
const maxPending = 200_000

// mlflowDelivery is something that the server has not taken yet: parameters, metrics,
// or a file that is at Path or has a Content.
type mlflowDelivery struct {
	Params  []mlflow.Param  `json:"params,omitempty"`
	Metrics []mlflow.Metric `json:"metrics,omitempty"`
	Name    string          `json:"name,omitempty"`
	Path    string          `json:"path,omitempty"`
	Content []byte          `json:"content,omitempty"`
}

// values is what a delivery counts for.
func (d mlflowDelivery) values() int { return max(len(d.Metrics), 1) }

// mlflowSender sends what is logged, in its order, from a goroutine of its own: a
// training never waits for the server. While that does not answer all is kept, and
// tried again.
type mlflowSender struct {
	client                      *mlflow.Client
	log                         *slog.Logger
	experiment, artifacts, name string
	tags                        []mlflow.Tag
	continued                   bool // from a checkpoint
	waits                       mlflowWaits

	mu    sync.Mutex
	run   mlflow.Run // its ID is empty until there is one
	queue []mlflowDelivery
	// waiting is how many values are in the queue, lost how many did not fit into it.
	waiting, lost int
	refused       bool // the server takes nothing
	// moved grows with all that the server takes, each piece of a file too.
	moved atomic.Int64

	wake   chan struct{}
	ending chan struct{} // closed when all is logged
	cancel context.CancelFunc
	done   chan struct{}

	// These belong to the goroutine.
	ready    bool                       // the run is there
	known    map[string]map[logged]bool // values that the server had before the checkpoint was continued
	stumbles int                        // over the first delivery of the queue
	away     bool                       // it was said that the server does not answer
}

// logged is a value at a step.
type logged struct {
	step  int64
	value string
}

// start starts the goroutine.
func (s *mlflowSender) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.wake, s.ending, s.done, s.cancel = make(chan struct{}, 1), make(chan struct{}), make(chan struct{}), cancel
	s.known = map[string]map[logged]bool{}
	for _, d := range s.queue {
		s.waiting += d.values()
	}
	go func() {
		defer close(s.done)
		s.work(ctx)
	}()
}

// add queues a delivery.
func (s *mlflowSender) add(d mlflowDelivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused {
		return
	}
	if s.waiting+d.values() > maxPending {
		s.lost += d.values()
		return
	}
	s.waiting += d.values()
	s.queue = append(s.queue, d)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// snapshot is the run, and what waits.
func (s *mlflowSender) snapshot() (runID string, pending []mlflowDelivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run.Info.ID, slices.Clone(s.queue)
}

// work sends until all is logged and sent, or the context ends.
func (s *mlflowSender) work(ctx context.Context) {
	pause, ending := s.waits.first, s.ending
	for {
		err := s.sendAll(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = s.waits.first
			if s.away {
				s.away = false
				s.log.Info("MLflow answers again", "server", s.client.Server())
			}
			select {
			case <-s.wake:
			case <-s.ending:
				if s.empty() {
					return
				}
			case <-ctx.Done():
				return
			}
			continue
		case !s.away:
			s.away = true
			s.log.Warn("MLflow does not answer; what is logged is kept, and sent when it does", "server", s.client.Server(), "error", err)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, s.waits.longest)
		case <-ending:
			pause, ending = s.waits.first, nil
		case <-ctx.Done():
			return
		}
	}
}

func (s *mlflowSender) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) == 0
}

// sendAll sends what waits; its error is one that may go away.
func (s *mlflowSender) sendAll(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return s.failed(ctx, err, s.refuse)
	}
	for {
		d, n := s.next()
		if n == 0 {
			return nil
		}
		if err := s.send(ctx, d); err != nil {
			if err := s.failed(ctx, err, func(err error) { s.say(err, d) }); err != nil {
				return err
			}
		}
		s.taken(n)
		s.stumbles = 0
	}
}

func (s *mlflowSender) send(ctx context.Context, d mlflowDelivery) error {
	switch {
	case d.Name != "":
		return s.sendFile(ctx, d)
	case d.Params != nil:
		return s.client.LogBatch(ctx, s.run.Info.ID, nil, d.Params)
	}
	return s.sendMetrics(ctx, d.Metrics)
}

// failed gives an error that may go away back, and tells give of another one.
func (s *mlflowSender) failed(ctx context.Context, err error, give func(error)) error {
	switch {
	case ctx.Err() != nil, mlflow.Temporary(err) && !s.stumblesOver(err):
		return err
	case forbidden(err):
		s.refuse(err)
	default:
		give(err)
	}
	return nil
}

// maxStumbles is how often a delivery is tried that the server fails over.
const maxStumbles = 5

// stumblesOver tells that a delivery makes the server fail, again and again.
func (s *mlflowSender) stumblesOver(err error) bool {
	var refusal *mlflow.StatusError
	if errors.As(err, &refusal) && refusal.Status == http.StatusInternalServerError {
		s.stumbles++
	}
	return s.stumbles >= maxStumbles
}

// refuse gives up: the server wants nothing of this training.
func (s *mlflowSender) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refused {
		s.log.Warn("MLflow refuses this training, which is not logged there", "server", s.client.Server(), "error", err)
	}
	s.refused, s.queue, s.waiting = true, nil, 0
}

// say tells of what was refused alone.
func (s *mlflowSender) say(err error, d mlflowDelivery) {
	what := d.Name
	switch {
	case d.Params != nil:
		what = "hyperparameters"
	case d.Metrics != nil:
		what = d.Metrics[0].Key
	}
	s.log.Warn("MLflow refuses what was logged", "server", s.client.Server(), "what", what, "error", err)
}

// next is what to send next, made of the first n deliveries of the queue.
func (s *mlflowSender) next() (d mlflowDelivery, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queue {
		if n == 0 {
			d = q
			d.Metrics = slices.Clone(q.Metrics)
		} else if q.Metrics == nil || d.Metrics == nil || len(d.Metrics)+len(q.Metrics) > mlflow.MaxMetrics {
			break
		} else {
			d.Metrics = append(d.Metrics, q.Metrics...)
		}
		n++
	}
	return d, n
}

// taken removes the first n deliveries.
func (s *mlflowSender) taken(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.queue)) // none is left where the server has refused
	for _, d := range s.queue[:n] {
		s.waiting -= d.values()
	}
	s.queue = slices.Delete(s.queue, 0, n)
	s.moved.Add(1)
}

// prepare makes the run, or goes on with it.
func (s *mlflowSender) prepare(ctx context.Context) error {
	if s.ready || s.isRefused() {
		return nil
	}
	run, err := s.findRun(ctx)
	if err != nil {
		return err
	}
	created := run.Info.ID == ""
	if created {
		if run, err = s.createRun(ctx); err != nil {
			return err
		}
		s.continued = false
	} else if err := s.client.UpdateRun(ctx, run.Info.ID, "RUNNING", time.Time{}); err != nil {
		return err
	}
	s.mu.Lock()
	s.run = run
	s.mu.Unlock()
	s.ready = true
	s.log.Info("logging to MLflow", "server", s.client.Server(), "run", run.Info.ID)
	return nil
}

func (s *mlflowSender) isRefused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// findRun gives the run to go on with; its ID is empty where there is none, or the one
// of the checkpoint is not on this server.
func (s *mlflowSender) findRun(ctx context.Context) (mlflow.Run, error) {
	id, _ := s.snapshot()
	if id == "" {
		return mlflow.Run{}, nil
	}
	run, err := s.client.GetRun(ctx, id)
	var refusal *mlflow.StatusError
	if s.continued && errors.As(err, &refusal) && refusal.Code == "RESOURCE_DOES_NOT_EXIST" {
		s.log.Warn("the run that is continued is not on this MLflow server: starting another", "server", s.client.Server(), "run", id)
		return mlflow.Run{}, nil
	}
	return run, err
}

func (s *mlflowSender) createRun(ctx context.Context) (mlflow.Run, error) {
	experiment, err := s.client.Experiment(ctx, s.experiment, s.artifacts)
	if err != nil {
		return mlflow.Run{}, err
	}
	return s.client.CreateRun(ctx, experiment, s.name, time.Now(), s.tags)
}

// sendMetrics sends values, without those that the server has since before the
// training was continued.
func (s *mlflowSender) sendMetrics(ctx context.Context, metrics []mlflow.Metric) error {
	if s.continued {
		for _, m := range metrics {
			if err := s.know(ctx, m.Key); err != nil {
				return err
			}
		}
		metrics = slices.DeleteFunc(metrics, func(m mlflow.Metric) bool { return s.known[m.Key][valueOf(m)] })
	}
	for chunk := range slices.Chunk(metrics, mlflow.MaxMetrics) {
		if err := s.client.LogBatch(ctx, s.run.Info.ID, chunk, nil); err != nil {
			return err
		}
	}
	return nil
}

// know asks the server for what it has of a metric, once.
func (s *mlflowSender) know(ctx context.Context, key string) error {
	if s.known[key] != nil {
		return nil
	}
	history, err := s.client.History(ctx, s.run.Info.ID, key)
	if err != nil {
		return err
	}
	s.known[key] = map[logged]bool{}
	for _, m := range history {
		s.known[key][valueOf(m)] = true
	}
	return nil
}

func valueOf(m mlflow.Metric) logged {
	text, _ := m.Value.MarshalJSON() // which never fails
	return logged{m.Step, string(text)}
}

// sendFile sends a file. One that is gone, as a checkpoint that others have pushed out,
// is none.
func (s *mlflowSender) sendFile(ctx context.Context, d mlflowDelivery) error {
	var content io.Reader = bytes.NewReader(d.Content)
	size := int64(len(d.Content))
	if d.Path != "" {
		f, err := os.Open(d.Path)
		if err != nil {
			s.log.Debug("not sent to MLflow", "error", err)
			return nil
		}
		defer func() { _ = f.Close() }() // it was only read
		info, err := f.Stat()
		if err != nil {
			s.log.Debug("not sent to MLflow", "error", err)
			return nil
		}
		content, size = &watched{f, &s.moved}, info.Size()
	}
	return s.client.Upload(ctx, s.run, d.Name, content, size)
}

// watched is a file that counts what is read of it.
type watched struct {
	io.Reader
	count *atomic.Int64
}

func (w *watched) Read(p []byte) (n int, err error) {
	n, err = w.Reader.Read(p)
	w.count.Add(int64(n))
	return n, err
}

// finish waits until all is sent, or the server has not answered for a while, and ends
// the run.
func (s *mlflowSender) finish(ctx context.Context, status Status) {
	close(s.ending)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	s.await(ctx)
	s.cancel()
	<-s.done
	if s.isRefused() {
		return
	}
	if s.ready && s.empty() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.waits.end)
		defer cancel()
		if err := s.client.UpdateRun(last, s.run.Info.ID, mlflowStatus[status], time.Now()); err != nil {
			s.log.Warn("MLflow is not told that the run has ended", "server", s.client.Server(), "status", mlflowStatus[status], "error", err)
		}
	}
	if !s.empty() || s.lost > 0 {
		s.log.Warn("MLflow has not taken all that was logged; trainer.ckpt_path=last sends what the last checkpoint knows of it",
			"server", s.client.Server(), "values", s.waiting+s.lost)
	}
}

// await waits as long as the server takes something now and then.
func (s *mlflowSender) await(ctx context.Context) {
	for {
		before := s.moved.Load()
		select {
		case <-s.done:
			return
		case <-ctx.Done():
			return
		case <-time.After(s.waits.end):
		}
		if s.moved.Load() == before {
			return
		}
	}
}
