// Package hub brings models and data sets from the Hugging Face hub into a local
// cache, each file whole and checked, and finds there what was brought before.
//
// The files are those of the data set repository open-retina/open-retina. A file
// lies in the cache under its path on the hub, as the Python package lays it, so
// that both programs share one cache; what this package notes about a file
// (size, digests, revision) lies beside it in the folder .openretina.
//
//	client, err := hub.FromEnv(os.Getenv)
//	remote, err := hub.Resolve("hoefling_2024_base_low_res")
//	path, err := client.Fetch(ctx, remote)
package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// DefaultEndpoint is the hub itself; HF_ENDPOINT names another one.
	DefaultEndpoint = "https://huggingface.co"
	// Repository is the data set repository that holds models and data.
	Repository = "open-retina/open-retina"
	// revision is the branch that all addresses of the field name.
	revision = "main"
)

// The environment variables that FromEnv reads.
const (
	EnvEndpoint = "HF_ENDPOINT"
	EnvToken    = "HF_TOKEN"
	EnvOffline  = "HF_HUB_OFFLINE"
	EnvCacheDir = "OPENRETINA_CACHE_DIRECTORY"
)

// Client fetches files from one endpoint into one cache. Its methods may be
// called by many goroutines, and by many processes on one cache.
type Client struct {
	// Endpoint is the address of the hub; empty means DefaultEndpoint.
	Endpoint string
	// Token is sent to the endpoint, and to no other host; empty means none.
	Token string
	// CacheDir is the folder that the files are brought to.
	CacheDir string
	// Offline forbids every use of the network.
	Offline bool
	// HTTP makes the requests; nil means a client of the default transport.
	// Its CheckRedirect is not used: redirects are followed here.
	HTTP *http.Client
	// Progress, where it is set, is told how far a fetch has come, a few times
	// a second and at its end, by one goroutine at a time.
	Progress func(Progress)

	// pace is shortened by tests; its zero value means defaultPace.
	pace pace
}

// Progress is how far a fetch has come.
type Progress struct {
	// Path is the path on the hub of what is fetched, a file or a folder.
	Path string
	// Done and Total count bytes, Done with those of an earlier attempt; Total
	// is -1 while it is unknown.
	Done, Total int64
	// Rate is in bytes per second, smoothed; 0 while it is unknown.
	Rate float64
	// Waiting is true while another process downloads the same file.
	Waiting bool
}

// pace holds the times of a download.
type pace struct {
	// stall is how long a transfer may bring less than stallBytes.
	stall time.Duration
	// backoff is the pause before the first retry; it doubles up to backoffMax.
	backoff, backoffMax time.Duration
}

var defaultPace = pace{stall: 30 * time.Second, backoff: 500 * time.Millisecond, backoffMax: 30 * time.Second}

func (c *Client) times() pace {
	if c.pace == (pace{}) {
		return defaultPace
	}
	return c.pace
}

// FromEnv makes a client from HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and
// OPENRETINA_CACHE_DIRECTORY, as getenv (os.Getenv) gives them.
func FromEnv(getenv func(string) string) (*Client, error) {
	cache, err := CacheDir(getenv)
	if err != nil {
		return nil, err
	}
	client := &Client{
		Endpoint: getenv(EnvEndpoint),
		Token:    strings.TrimSpace(getenv(EnvToken)),
		CacheDir: cache,
		Offline:  isTrue(getenv(EnvOffline)),
	}
	if _, err := client.endpoint(); err != nil {
		return nil, err
	}
	return client, nil
}

// CacheDir is the cache that the environment names, else openretina_cache in the
// user's home directory, as in the Python package.
func CacheDir(getenv func(string) string) (string, error) {
	dir := getenv(EnvCacheDir)
	rest, underHome := strings.CutPrefix(dir, "~"+string(filepath.Separator))
	if dir != "" && !underHome {
		return filepath.Abs(dir)
	}
	home := getenv("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", fmt.Errorf("find the cache: no home directory, set %s: %w", EnvCacheDir, err)
		}
	}
	if underHome {
		return filepath.Join(home, rest), nil
	}
	return filepath.Join(home, "openretina_cache"), nil
}

// isTrue reads a switch of the environment as huggingface_hub does.
func isTrue(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// endpoint is the parsed address of the hub, without a slash at its end.
func (c *Client) endpoint() (*url.URL, error) {
	address := c.Endpoint
	if address == "" {
		address = DefaultEndpoint
	}
	u, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil {
		return nil, fmt.Errorf("%s is no address: want one like %s", EnvEndpoint, DefaultEndpoint)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%s %q is no http address: want one like %s", EnvEndpoint, u.Redacted(), DefaultEndpoint)
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%s contains a character that no token has", EnvToken)
	}
	return u, nil
}

// URL is the address of a file on the hub.
func (c *Client) URL(remote Remote) (string, error) {
	u, err := c.endpoint()
	if err != nil {
		return "", err
	}
	return u.JoinPath("datasets", Repository, "resolve", revision, remote.Path).String(), nil
}

var (
	// ErrOffline is in the error of a fetch that would need the network while
	// the client is offline.
	ErrOffline = errors.New("offline")
	// ErrNotFound is in the error of a fetch of what the hub does not have.
	ErrNotFound = errors.New("not on the hub")
)
