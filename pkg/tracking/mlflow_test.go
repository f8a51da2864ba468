package tracking

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/tracking/mlflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeMLflow is a server in memory of what the logger calls.
type fakeMLflow struct {
	*httptest.Server
	mu      sync.Mutex
	answer  int // a status that it answers instead
	auth    []string
	runs    int
	status  []string
	tags    map[string]string
	params  map[string]string
	metrics []string // key@step=value
	files   map[string]string
}

func newFakeMLflow(t *testing.T) *fakeMLflow {
	t.Helper()
	f := &fakeMLflow{tags: map[string]string{}, params: map[string]string{}, files: map[string]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeMLflow) answers(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = status
}

func (f *fakeMLflow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auth = append(f.auth, r.Header.Get("Authorization"))
	if f.answer != 0 {
		w.WriteHeader(f.answer)
		return
	}
	var body struct {
		Tags    []mlflow.Tag
		Params  []mlflow.Param
		Metrics []mlflow.Metric
		Status  string
	}
	answer := map[string]any{}
	if name, ok := strings.CutPrefix(r.URL.Path, "/api/2.0/mlflow-artifacts/artifacts/7/"); ok {
		content, _ := io.ReadAll(r.Body)
		f.files[name] = string(content)
		return
	}
	_ = json.NewDecoder(r.Body).Decode(&body) // empty for GET
	run := map[string]any{"info": map[string]string{"run_id": fmt.Sprintf("run%d", f.runs), "experiment_id": "7", "artifact_uri": "mlflow-artifacts:/7/" + fmt.Sprintf("run%d", f.runs)}}
	switch r.URL.Path {
	case "/api/2.0/mlflow/experiments/get-by-name":
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]any{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no experiment"}
	case "/api/2.0/mlflow/experiments/create":
		answer["experiment_id"] = "7"
	case "/api/2.0/mlflow/runs/create":
		f.runs++
		for _, t := range body.Tags {
			f.tags[t.Key] = t.Value
		}
		id := fmt.Sprintf("run%d", f.runs)
		answer["run"] = map[string]any{"info": map[string]string{"run_id": id, "experiment_id": "7", "artifact_uri": "mlflow-artifacts:/7/" + id}}
	case "/api/2.0/mlflow/runs/get":
		answer["run"] = run
	case "/api/2.0/mlflow/runs/update":
		f.status = append(f.status, body.Status)
	case "/api/2.0/mlflow/runs/log-batch":
		for _, p := range body.Params {
			f.params[p.Key] = p.Value
		}
		for _, m := range body.Metrics {
			f.metrics = append(f.metrics, fmt.Sprintf("%s@%d=%v", m.Key, m.Step, float64(m.Value)))
		}
	case "/api/2.0/mlflow/metrics/get-history":
		var list []map[string]any
		for _, m := range f.metrics {
			var step int
			var value float64
			rest, ok := strings.CutPrefix(m, r.URL.Query().Get("metric_key")+"@")
			if n, _ := fmt.Sscanf(rest, "%d=%g", &step, &value); ok && n == 2 {
				list = append(list, map[string]any{"step": step, "value": value, "timestamp": 1})
			}
		}
		answer["metrics"] = list
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer) // the client finds out
}

// logTo starts a logger of a server, which waits for little.
func logTo(t *testing.T, uri string, state json.RawMessage, log *slog.Logger) *mlflowLogger {
	t.Helper()
	l := build(t, "{_target_: lightning.pytorch.loggers.MLFlowLogger, experiment_name: retina, run_name: first, "+
		"tags: {user: me, n: 3}, log_model: true, tracking_uri: '"+uri+"'}").(*mlflowLogger)
	l.waits = mlflowWaits{first: 5 * time.Millisecond, longest: 20 * time.Millisecond, end: 300 * time.Millisecond}
	if err := l.Start(Session{State: state, Log: log}); err != nil {
		t.Fatal(err)
	}
	if err := l.Hyperparameters(model(t)); err != nil {
		t.Fatal(err)
	}
	return l
}

// ofEpochs are the metrics that epochs logs.
func ofEpochs(from, to int) (list []string) {
	for e := from; e < to; e++ {
		list = append(list, fmt.Sprintf("lr-AdamW@%d=0.01", 8*e), fmt.Sprintf("val_loss@%d=%v", 8*e+7, 1/float64(e+1)),
			fmt.Sprintf("epoch@%d=%d", 8*e+7, e), fmt.Sprintf("train_loss@%d=%v", 8*e+7, 2/float64(e+1)), fmt.Sprintf("epoch@%d=%d", 8*e+7, e))
	}
	return list
}

func TestMLflowRun(t *testing.T) {
	server := newFakeMLflow(t)
	t.Setenv("MLFLOW_TRACKING_TOKEN", "secret")
	t.Setenv("USER", "someone")
	dir := t.TempDir()
	best, final := filepath.Join(dir, "epoch=01.ckpt"), filepath.Join(dir, "epoch=01_final.ckpt")
	for _, path := range []string{best, final} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := logTo(t, server.URL, nil, quiet)
	epochs(t, l, 0, 2)
	tell(t, l, Row{Metrics: []Metric{{"a(b)", 2}}, Epoch: NoEpoch, Step: 16})
	for _, f := range []File{
		{Name: "config.json", Content: []byte(`{"a": 1}`)},
		{Path: best, Kind: BestCheckpoint},
		{Name: "model/epoch=01_final.ckpt", Path: final, Kind: FinalCheckpoint},
	} {
		if err := l.File(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Picture(Picture{Tag: "../weights", Step: 3, Path: dot(t)}); err != nil {
		t.Fatal(err)
	}
	end(t, l)
	if diff := cmp.Diff(append(ofEpochs(0, 2), "ab@16=2"), server.metrics); diff != "" {
		t.Errorf("metrics differ: %s", diff)
	}
	wantParams := map[string]string{
		"core/_target_": "Core", "core/channels": "[1, 3]", "core/bias": "True", "core/padding": "None", "learning_rate": "0.01",
		"in_shape": "(1, 20)", "readouts/0/a": "1", "readouts/1/a": "b",
	}
	if diff := cmp.Diff(wantParams, server.params); diff != "" {
		t.Errorf("parameters differ: %s", diff)
	}
	wantTags := map[string]string{
		"mlflow.runName": "first", "mlflow.user": "someone", "mlflow.source.name": "openretina", "mlflow.source.type": "LOCAL", "user": "me", "n": "3",
	}
	if diff := cmp.Diff(wantTags, server.tags); diff != "" {
		t.Errorf("tags differ: %s", diff)
	}
	wantFiles := map[string]string{
		"run1/config.json": `{"a": 1}`, "run1/epoch=01/epoch=01.ckpt": "epoch=01.ckpt",
		"run1/model/epoch=01_final.ckpt": "epoch=01_final.ckpt", "run1/pictures/weights/step_000003.png": read(t, dot(t)),
	}
	if diff := cmp.Diff(wantFiles, server.files); diff != "" {
		t.Errorf("files differ: %s", diff)
	}
	if !slices.Equal(server.status, []string{"FINISHED"}) || slices.ContainsFunc(server.auth, func(a string) bool { return a != "Bearer secret" }) {
		t.Errorf("status %v, authorization %v", server.status, server.auth)
	}
}

// TestMLflowGoesOnWithItsRun: killed after the server had taken more than the checkpoint
// knows.
func TestMLflowGoesOnWithItsRun(t *testing.T) {
	server := newFakeMLflow(t)
	l := logTo(t, server.URL, nil, quiet)
	epochs(t, l, 0, 2)
	for len(l.snapshotOf(t).Pending) > 0 {
		time.Sleep(time.Millisecond)
	}
	state := capture(t, l)
	epochs(t, l, 2, 3)
	if err := l.Close(t.Context(), Killed); err != nil {
		t.Fatal(err)
	}
	l = logTo(t, server.URL, state, quiet)
	epochs(t, l, 2, 4)
	end(t, l)
	if diff := cmp.Diff(ofEpochs(0, 4), server.metrics); diff != "" || server.runs != 1 {
		t.Errorf("%d runs, metrics differ: %s", server.runs, diff)
	}
	if !slices.Equal(server.status, []string{"KILLED", "RUNNING", "FINISHED"}) {
		t.Errorf("status is %v", server.status)
	}
}

func (l *mlflowLogger) snapshotOf(t *testing.T) (s mlflowState) {
	t.Helper()
	if err := json.Unmarshal(capture(t, l), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMLflowMayBeAway: at the start, and in between; all that was logged arrives.
func TestMLflowMayBeAway(t *testing.T) {
	server := newFakeMLflow(t)
	server.answers(http.StatusServiceUnavailable)
	var said bytes.Buffer
	l := logTo(t, server.URL, nil, slog.New(slog.NewTextHandler(&said, nil)))
	epochs(t, l, 0, 2)
	time.Sleep(60 * time.Millisecond)
	server.answers(0)
	for len(l.snapshotOf(t).Pending) > 0 {
		time.Sleep(time.Millisecond)
	}
	end(t, l)
	if diff := cmp.Diff(ofEpochs(0, 2), server.metrics); diff != "" {
		t.Errorf("metrics differ: %s", diff)
	}
	if n := strings.Count(said.String(), "does not answer"); n != 1 || !strings.Contains(said.String(), "answers again") {
		t.Errorf("log is %s", &said)
	}
}

// TestMLflowIsAwayToTheEnd: the training ends all the same, soon, and what waited is
// sent by the one that continues it.
func TestMLflowIsAwayToTheEnd(t *testing.T) {
	server := newFakeMLflow(t)
	server.answers(http.StatusBadGateway)
	var said bytes.Buffer
	l := logTo(t, server.URL, nil, slog.New(slog.NewTextHandler(&said, nil)))
	epochs(t, l, 0, 2)
	state := capture(t, l)
	if err := l.Close(t.Context(), Killed); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "has not taken all") || !strings.Contains(said.String(), "values=11") {
		t.Errorf("log is %s", &said)
	}
	server.answers(0)
	l = logTo(t, server.URL, state, quiet)
	epochs(t, l, 2, 3)
	end(t, l)
	if diff := cmp.Diff(ofEpochs(0, 3), server.metrics); diff != "" || server.params["learning_rate"] != "0.01" {
		t.Errorf("parameters %v, metrics differ: %s", server.params, diff)
	}
}

// TestMLflowMayBeSlow: the end of a training waits for a large file as long as it moves.
func TestMLflowMayBeSlow(t *testing.T) {
	server := newFakeMLflow(t)
	var taken atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			server.ServeHTTP(w, r)
			return
		}
		for {
			n, err := io.CopyN(io.Discard, r.Body, 4<<20)
			if taken.Add(n); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}))
	defer slow.Close()
	path := filepath.Join(t.TempDir(), "epoch=01_final.ckpt")
	const size = 32 << 20 // which takes longer than the end waits for a server that stands still
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	l := logTo(t, slow.URL, nil, slog.New(slog.DiscardHandler))
	if err := l.File(File{Name: "model/final.ckpt", Path: path, Kind: FinalCheckpoint}); err != nil {
		t.Fatal(err)
	}
	end(t, l)
	if server.mu.Lock(); taken.Load() != size || !slices.Equal(server.status, []string{"FINISHED"}) {
		t.Errorf("%d bytes of %d were taken, the run is %v", taken.Load(), size, server.status)
	}
	server.mu.Unlock()
}

func TestSecondInterruptDoesNotWaitForMLflow(t *testing.T) {
	server := newFakeMLflow(t)
	server.answers(http.StatusBadGateway)
	l := logTo(t, server.URL, nil, quiet)
	epochs(t, l, 0, 1)
	l.sender.waits.end = time.Hour
	hard, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Close(hard, Killed); err != nil {
		t.Fatal(err)
	}
}

func TestMLflowThatRefusesIsLeftAlone(t *testing.T) {
	server := newFakeMLflow(t)
	server.answers(http.StatusForbidden)
	var said bytes.Buffer
	l := logTo(t, server.URL, nil, slog.New(slog.NewTextHandler(&said, nil)))
	epochs(t, l, 0, 3)
	end(t, l)
	if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), "it answers 403 Forbidden") {
		t.Errorf("log is %s", &said)
	}
	if state := l.snapshotOf(t); len(state.Pending) != 0 {
		t.Errorf("state is %+v", state)
	}
}

// TestMLflowThatFailsOverSomethingTakesTheRest: the server has a fault.
func TestMLflowThatFailsOverSomethingTakesTheRest(t *testing.T) {
	server := newFakeMLflow(t)
	var said bytes.Buffer
	l := logTo(t, server.URL, nil, slog.New(slog.NewTextHandler(&said, nil)))
	for len(l.snapshotOf(t).Pending) > 0 {
		time.Sleep(time.Millisecond)
	}
	server.answers(http.StatusInternalServerError)
	epochs(t, l, 0, 1)
	for len(l.snapshotOf(t).Pending) > 0 {
		time.Sleep(time.Millisecond)
	}
	server.answers(0)
	epochs(t, l, 1, 2)
	end(t, l)
	if got := server.metrics[len(server.metrics)-5:]; !slices.Equal(got, ofEpochs(1, 2)) || !strings.Contains(said.String(), "refuses what was logged") {
		t.Errorf("metrics are %v, log is %s", got, &said)
	}
}

func TestMLflowKeepsSecrets(t *testing.T) {
	server := newFakeMLflow(t)
	uri := strings.Replace(server.URL, "http://", "http://me:secret@", 1)
	var said bytes.Buffer
	l := logTo(t, uri, nil, slog.New(slog.NewTextHandler(&said, nil)))
	if err := l.File(File{Name: "config.json", Content: []byte(`{"tracking_uri": "` + uri + `"}`)}); err != nil {
		t.Fatal(err)
	}
	state := capture(t, l)
	server.answers(http.StatusBadGateway)
	end(t, l)
	for what, text := range map[string]string{"log": said.String(), "state": string(state), "file": server.files["run1/config.json"]} {
		if strings.Contains(text, "secret") {
			t.Errorf("%s is %s", what, text)
		}
	}
	if !slices.Contains(server.auth, "Basic bWU6c2VjcmV0") {
		t.Errorf("authorization is %v", server.auth)
	}
}

func TestMLflowAddresses(t *testing.T) {
	t.Setenv("MLFLOW_TRACKING_URI", "")
	for uri, want := range map[string]string{
		"sqlite:///runs.db":           "mlflow server --backend-store-uri sqlite:///runs.db",
		"''":                          "file:./mlruns",
		"postgresql://me:secret@host": "postgresql://me:xxxxx@host",
	} {
		l := build(t, "{_target_: lightning.pytorch.loggers.MLFlowLogger, tracking_uri: "+uri+"}")
		if note := l.(Noter).Note(); !strings.Contains(note, want) || strings.Contains(note, "secret") {
			t.Errorf("%s: %s", uri, note)
		}
		start(t, l, nil)
		epochs(t, l, 0, 1)
		end(t, l)
	}
	for yaml, want := range map[string]string{
		"tracking_uri: 'http://'":      "is no http address",
		"log_model: some":              "want true, false or all, got some",
		"tracking_uri: 'http://a:b:c'": "is no URL",
	} {
		n, err := config.FromYAML("logger.yaml", []byte("_target_: lightning.pytorch.loggers.mlflow.MLFlowLogger\n"+yaml))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Loggers.Build(n, struct{}{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", yaml, err, want)
		}
	}
}

// TestMLflowServer logs to a real server: `make test-python` installs one.
func TestMLflowServer(t *testing.T) {
	program := os.Getenv("OPENRETINA_MLFLOW")
	if program == "" {
		t.Skip("SKIPPED: set OPENRETINA_MLFLOW to MLflow's program ('make test-python' does)")
	}
	uri := startMLflow(t, program)
	l := logTo(t, uri, nil, quiet) // it does not answer yet
	l.sender.waits.end = time.Minute
	epochs(t, l, 0, 2)
	for l.snapshotOf(t).RunID == "" || len(l.snapshotOf(t).Pending) > 0 {
		time.Sleep(50 * time.Millisecond)
	}
	state := capture(t, l)
	epochs(t, l, 2, 3)
	if err := l.Close(t.Context(), Killed); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	l = logTo(t, uri, state, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})))
	l.sender.waits.end = time.Minute
	epochs(t, l, 2, 4)
	tell(t, l, Row{Metrics: []Metric{{"nan", math.NaN()}, {"infinity", math.Inf(1)}}, Epoch: NoEpoch, Step: 32})
	if err := l.File(File{Name: "folder/config.json", Content: []byte(`{"a": 1}`)}); err != nil {
		t.Fatal(err)
	}
	end(t, l)
	if said.Len() > 0 {
		t.Errorf("log is %s", &said)
	}
	client, err := mlflow.NewClient(uri)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	history, err := client.History(t.Context(), l.snapshotOf(t).RunID, "val_loss")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range history {
		got = append(got, fmt.Sprintf("%d=%.3f", m.Step, float64(m.Value)))
	}
	if want := []string{"7=1.000", "15=0.500", "23=0.333", "31=0.250"}; !slices.Equal(got, want) {
		t.Errorf("val_loss is %v, want %v", got, want)
	}
	run := ask(t, uri+"/api/2.0/mlflow/runs/get?run_id="+l.snapshotOf(t).RunID)
	for _, want := range []string{
		`"status": "FINISHED"`, `"run_name": "first"`, `"key": "core/channels", "value": "[1, 3]"`, `"key": "user", "value": "me"`,
		`"key": "nan", "value": "NaN"`, `"key": "lr-AdamW", "value": 0.01`,
	} {
		if !strings.Contains(run, want) {
			t.Errorf("the run lacks %s: %s", want, run)
		}
	}
	files := ask(t, uri+"/api/2.0/mlflow/artifacts/list?path=folder&run_id="+l.snapshotOf(t).RunID)
	if !strings.Contains(files, `"path": "folder/config.json", "is_dir": false, "file_size": 8`) {
		t.Errorf("artifacts are %s", files)
	}
}

// ask gets an answer, on one line.
func ask(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return strings.Join(strings.Fields(string(text)), " ")
}

// startMLflow starts a server, which ends with the test.
func startMLflow(t *testing.T, program string) (uri string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(program, "server", "--host", "127.0.0.1", "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "runs.db"), "--artifacts-destination", filepath.Join(dir, "files"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with its workers; it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("server: %s", &out)
		}
	})
	return (&url.URL{Scheme: "http", Host: address}).String()
}
