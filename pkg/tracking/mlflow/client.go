// Package mlflow speaks the REST interface of an MLflow tracking server (API 2.0), as
// far as logging a run needs it.
package mlflow

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"time"
)

// Environment variables of MLflow's own client.
const (
	EnvTrackingURI = "MLFLOW_TRACKING_URI"
	envUsername    = "MLFLOW_TRACKING_USERNAME"
	envPassword    = "MLFLOW_TRACKING_PASSWORD" //nolint:gosec // its name
	envToken       = "MLFLOW_TRACKING_TOKEN"    //nolint:gosec // its name
	envInsecureTLS = "MLFLOW_TRACKING_INSECURE_TLS"
)

const (
	// answerLimit bounds what of an answer is read.
	answerLimit = 64 << 20
	// patience is how long a small request may take.
	patience = 30 * time.Second
)

// Client calls a server. Each call is tried once.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient makes a client of the server at an http or https address. Credentials come
// from the address, or from the variables that MLflow's own client reads.
func NewClient(trackingURI string) (*Client, error) {
	base, err := url.Parse(trackingURI)
	if err != nil {
		return nil, errors.New("the tracking URI is no URL") // its error would show a password
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("the tracking URI %s is no http address", base.Redacted())
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if os.Getenv(envInsecureTLS) == "true" {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // what the variable asks for
	}
	return &Client{base: base, http: &http.Client{Transport: transport}}, nil
}

// Server is the address without credentials.
func (c *Client) Server() string { return c.base.Scheme + "://" + c.base.Host + c.base.Path }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// StatusError is an answer that is a refusal.
type StatusError struct {
	Status int
	// Code is MLflow's, such as RESOURCE_DOES_NOT_EXIST; empty where something else
	// answered.
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (e *StatusError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("it answers %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Code)
}

// Temporary tells of an error that may go away: no answer, or one that promises so.
func Temporary(err error) bool {
	var s *StatusError
	if !errors.As(err, &s) {
		return true
	}
	return s.Status >= 500 || s.Status == http.StatusTooManyRequests || s.Status == http.StatusRequestTimeout
}

// call sends values as JSON to an endpoint, or asks it with values as parameters, and
// decodes the answer.
func (c *Client) call(ctx context.Context, method, endpoint string, query url.Values, values, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if values != nil {
		text, err := json.Marshal(values)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	to := c.base.JoinPath("api/2.0/mlflow", endpoint)
	to.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	text, err := c.send(request)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("it does not answer as MLflow does: %w", err)
	}
	return nil
}

// send gives the answer to a request, with credentials.
func (c *Client) send(request *http.Request) ([]byte, error) {
	if request.URL.User == nil {
		user, password, token := os.Getenv(envUsername), os.Getenv(envPassword), os.Getenv(envToken)
		switch {
		case user != "" && password != "":
			request.SetBasicAuth(user, password)
		case token != "":
			request.Header.Set("Authorization", "Bearer "+token)
		}
	}
	answer, err := c.http.Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which the caller names
		}
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 2 {
		return text, nil
	}
	refusal := &StatusError{}
	if json.Unmarshal(text, refusal) != nil {
		refusal = &StatusError{}
	}
	refusal.Status = answer.StatusCode
	return nil, refusal
}

// Tag is a tag of a run, Param a hyperparameter.
type (
	Tag struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	Param Tag
)

// Number is a metric's value; JSON has no NaN and infinities, MLflow takes words.
type Number float64

// MarshalJSON writes a number or a word.
func (n Number) MarshalJSON() ([]byte, error) {
	switch v := float64(n); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	}
}

// UnmarshalJSON reads a number or a word.
func (n *Number) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(string(bytes.Trim(text, `"`)), 64)
	*n = Number(v)
	return err
}

// Metric is a value of a metric; Timestamp is in milliseconds.
type Metric struct {
	Key       string `json:"key"`
	Value     Number `json:"value"`
	Timestamp int64  `json:"timestamp"`
	Step      int64  `json:"step"`
}

// What a server takes in one call.
const (
	MaxMetrics = 1000
	MaxParams  = 100
)

// Experiment gives the id of the experiment of a name, which is made where it is not
// there; its artifacts are kept at a location, or where the server likes.
func (c *Client) Experiment(ctx context.Context, name, artifactLocation string) (id string, err error) {
	var found struct {
		Experiment struct {
			ID    string `json:"experiment_id"`
			Stage string `json:"lifecycle_stage"`
		} `json:"experiment"`
	}
	err = c.call(ctx, http.MethodGet, "experiments/get-by-name", url.Values{"experiment_name": {name}}, nil, &found)
	var refusal *StatusError
	switch {
	case err == nil && found.Experiment.Stage == "deleted":
		return "", &StatusError{
			Status: http.StatusConflict, Code: "RESOURCE_ALREADY_EXISTS",
			Message: fmt.Sprintf("the experiment %q is deleted: restore it, or choose another experiment_name", name),
		}
	case err == nil:
		return found.Experiment.ID, nil
	case !errors.As(err, &refusal) || refusal.Code != "RESOURCE_DOES_NOT_EXIST":
		return "", err
	}
	values := map[string]string{"name": name}
	if artifactLocation != "" {
		values["artifact_location"] = artifactLocation
	}
	var made struct {
		ID string `json:"experiment_id"`
	}
	err = c.call(ctx, http.MethodPost, "experiments/create", nil, values, &made)
	return made.ID, err
}

// Run is a run.
type Run struct {
	Info struct {
		ID           string `json:"run_id"`
		ExperimentID string `json:"experiment_id"`
		ArtifactURI  string `json:"artifact_uri"`
	} `json:"info"`
}

type runAnswer struct {
	Run Run `json:"run"`
}

// CreateRun starts a run.
func (c *Client) CreateRun(ctx context.Context, experimentID, name string, start time.Time, tags []Tag) (Run, error) {
	values := map[string]any{"experiment_id": experimentID, "start_time": start.UnixMilli()}
	if len(tags) > 0 {
		values["tags"] = tags
	}
	if name != "" {
		values["run_name"] = name
	}
	var made runAnswer
	err := c.call(ctx, http.MethodPost, "runs/create", nil, values, &made)
	return made.Run, err
}

// GetRun gives what is known of a run.
func (c *Client) GetRun(ctx context.Context, id string) (Run, error) {
	var found runAnswer
	err := c.call(ctx, http.MethodGet, "runs/get", url.Values{"run_id": {id}}, nil, &found)
	return found.Run, err
}

// UpdateRun sets a run's status: RUNNING, FINISHED, FAILED or KILLED; the last three
// end it at a time.
func (c *Client) UpdateRun(ctx context.Context, id, status string, end time.Time) error {
	values := map[string]any{"run_id": id, "status": status}
	if !end.IsZero() {
		values["end_time"] = end.UnixMilli()
	}
	return c.call(ctx, http.MethodPost, "runs/update", nil, values, nil)
}

// LogBatch logs at most MaxMetrics metrics and MaxParams parameters.
func (c *Client) LogBatch(ctx context.Context, id string, metrics []Metric, params []Param) error {
	values := map[string]any{"run_id": id} // servers stumble over null
	if len(metrics) > 0 {
		values["metrics"] = metrics
	}
	if len(params) > 0 {
		values["params"] = params
	}
	return c.call(ctx, http.MethodPost, "runs/log-batch", nil, values, nil)
}

// History gives all values of a metric of a run.
func (c *Client) History(ctx context.Context, id, key string) (all []Metric, err error) {
	query := url.Values{"run_id": {id}, "metric_key": {key}, "max_results": {"10000"}}
	for {
		var page struct {
			Metrics []Metric `json:"metrics"`
			Next    string   `json:"next_page_token"`
		}
		if err := c.call(ctx, http.MethodGet, "metrics/get-history", query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Metrics...)
		if page.Next == "" || len(page.Metrics) == 0 {
			return all, nil
		}
		query.Set("page_token", page.Next)
	}
}

// artifactScheme is that of artifacts which the server itself keeps.
const artifactScheme = "mlflow-artifacts"

// Upload sends a file to the artifacts of a run, under a name with slashes. Artifacts
// that the server does not keep itself are an error that does not go away.
func (c *Client) Upload(ctx context.Context, run Run, name string, content io.Reader, size int64) error {
	root, err := url.Parse(run.Info.ArtifactURI)
	if err != nil || root.Scheme != artifactScheme {
		return &StatusError{Status: http.StatusNotImplemented, Code: "NOT_SUPPORTED", Message: fmt.Sprintf(
			"files go to the server only where it serves artifacts, those of this run are at %s", run.Info.ArtifactURI)}
	}
	to := c.base.JoinPath("api/2.0/mlflow-artifacts/artifacts", path.Join(root.Path, name))
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, to.String(), content)
	if err != nil {
		return err
	}
	request.ContentLength = size
	_, err = c.send(request)
	return err
}
