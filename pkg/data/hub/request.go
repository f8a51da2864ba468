package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"syscall"
	"time"
)

const maxRedirects = 10

var (
	errStalled     = errors.New("the transfer stalled")
	errUnreachable = errors.New("the hub cannot be reached")
	errWebPage     = errors.New("the server sends a web page instead of the file: is there a login page before the network, or is " + EnvEndpoint + " wrong?")
)

// transientError may be gone at the next attempt.
type transientError struct {
	err error
	// after is the pause that the server asks for.
	after time.Duration
}

func (e *transientError) Error() string { return e.err.Error() }
func (e *transientError) Unwrap() error { return e.err }

func transient(err error) error { return &transientError{err: err} }

// request sends one request and follows its redirects. Of the replies on the way
// the first one with a digest tells the facts; known says whether there was one.
// A HEAD request goes no further than to that reply. The token goes to the
// endpoint alone. The caller closes the body.
func (c *Client) request(ctx context.Context, method string, u *url.URL, from int64) (resp *http.Response, f facts, known bool, err error) {
	endpoint, err := c.endpoint()
	if err != nil {
		return nil, facts{}, false, err
	}
	client := c.httpClient()
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			return nil, facts{}, false, fmt.Errorf("the address of the file is damaged")
		}
		// Compressed bytes have another length and another digest.
		req.Header.Set("Accept-Encoding", "identity")
		req.Header.Set("User-Agent", "openretina-go")
		if from > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		if c.Token != "" && sameOrigin(u, endpoint) {
			req.Header.Set("Authorization", "Bearer "+c.Token)
		}
		if resp, err = client.Do(req); err != nil {
			return nil, facts{}, false, networkError(ctx, err, u)
		}
		next, err := redirectTarget(resp, u, endpoint)
		if err == nil && !known && resp.StatusCode < http.StatusBadRequest {
			whole := resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == ""
			f, err = parseFacts(resp.Header, whole)
			if known = err == nil; errors.Is(err, errNoDigest) {
				err = nil
			}
		}
		if err != nil || next == nil || (known && method == http.MethodHead) {
			return resp, f, known, closeOn(err, resp)
		}
		if err := resp.Body.Close(); err != nil {
			return nil, facts{}, false, networkError(ctx, err, u)
		}
		u = next
	}
	return nil, facts{}, false, fmt.Errorf("more than %d redirects", maxRedirects)
}

// head asks for the facts of a file with HEAD, or, at a server that does not know
// it, with GET.
func (c *Client) head(ctx context.Context, u *url.URL) (facts, error) {
	f, err := c.headBy(ctx, http.MethodHead, u)
	if errors.Is(err, errNoHead) {
		return c.headBy(ctx, http.MethodGet, u)
	}
	return f, err
}

var errNoHead = errors.New("the server does not know HEAD")

func (c *Client) headBy(ctx context.Context, method string, u *url.URL) (facts, error) {
	resp, f, known, err := c.request(ctx, method, u, 0)
	if err != nil {
		return facts{}, err
	}
	if err := resp.Body.Close(); err != nil {
		return facts{}, networkError(ctx, err, u)
	}
	code := resp.StatusCode
	if method == http.MethodHead && (code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented) {
		return facts{}, errNoHead
	}
	if known {
		return f, nil
	}
	if err := statusError(resp); err != nil {
		return facts{}, err
	}
	if isWebPage(resp, u.Path) {
		return facts{}, errWebPage
	}
	return facts{}, fmt.Errorf("%w: is %s wrong?", errNoDigest, EnvEndpoint)
}

// closeOn closes the body of a reply that is given up because of err.
func closeOn(err error, resp *http.Response) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, resp.Body.Close())
}

func (c *Client) httpClient() *http.Client {
	client := &http.Client{}
	if c.HTTP != nil {
		*client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

// redirectTarget is where a reply leads, nil where it leads nowhere.
func redirectTarget(resp *http.Response, u, endpoint *url.URL) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	next, err := u.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, errors.New("the server redirects to no address")
	}
	if next.Scheme != "https" && (next.Scheme != "http" || endpoint.Scheme == "https") {
		return nil, fmt.Errorf("the server redirects to an address of the kind %.10q", next.Scheme)
	}
	return next, nil
}

// statusError is nil for the replies that a transfer can go on from.
func statusError(resp *http.Response) error {
	code := resp.StatusCode
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" && code < 300 {
		return transient(fmt.Errorf("the server sends the file with encoding %.20q, which was not asked for", encoding))
	}
	switch {
	case code == http.StatusOK || code == http.StatusPartialContent || code == http.StatusRequestedRangeNotSatisfiable:
		return nil
	case code == http.StatusNotFound:
		return ErrNotFound
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("the hub refuses (HTTP %d): set %s to a token that may read it", code, EnvToken)
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		return &transientError{
			err:   fmt.Errorf("the hub answers HTTP %d", code),
			after: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
		}
	}
	return fmt.Errorf("the hub answers HTTP %d", code)
}

// isWebPage is true for HTML where the file is none.
func isWebPage(resp *http.Response, p string) bool {
	html := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	return html && !strings.HasPrefix(path.Ext(p), ".htm")
}

// networkError strips the address from an error, which may hold a signature, and
// tells a network that is not there from one that broke down.
func networkError(ctx context.Context, err error, u *url.URL) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errStalled) {
			return transient(cause)
		}
		return cause
	}
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return transient(fmt.Errorf("%w: no address for the host %s", errUnreachable, u.Hostname()))
	}
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED} {
		if errors.Is(err, errno) {
			return transient(fmt.Errorf("%w: %s: %w", errUnreachable, u.Host, errno))
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return transient(fmt.Errorf("the connection to %s was cut", u.Host))
	}
	return transient(fmt.Errorf("%s: %w", u.Host, err))
}

// stallBytes is what a transfer has to bring within the time of pace.stall.
const stallBytes = 1 << 10

// watchdog cancels a transfer that brings too little.
type watchdog struct {
	timer   *time.Timer
	limit   time.Duration
	pending int
	cancel  context.CancelCauseFunc
}

func newWatchdog(parent context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %v", errStalled, limit)) })
	return ctx, &watchdog{timer: timer, limit: limit, cancel: cancel}
}

// fed tells the watchdog of n bytes.
func (w *watchdog) fed(n int) {
	if w.pending += n; w.pending >= stallBytes {
		w.pending = 0
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
