package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// maxMismatches is how often complete bytes may have the wrong digest.
const maxMismatches = 2

// download is one file on its way into the cache.
type download struct {
	client   *Client
	cache    *cache
	path     string
	url      *url.URL
	progress *tracker
	// want is what the hub said of the file; without an etag it is asked first.
	want       facts
	part       *partial
	mismatches int
	// counted is how many bytes of this file the progress includes.
	counted int64
}

// fetchFile brings one file into the cache, unless it is there. want may hold
// what a listing told of it.
func (c *Client) fetchFile(ctx context.Context, k *cache, p string, want facts, progress *tracker) (err error) {
	waited := false
	release, err := k.lock(ctx, path.Join(notesDir, p)+".lock", func() { waited = true; progress.waiting(true) })
	if waited {
		progress.waiting(false)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	// Another process may have brought it meanwhile.
	if found, err := k.find(p); err == nil && found != "" {
		progress.have(max(0, want.size))
		return nil
	}
	address, err := c.URL(Remote{Path: p})
	if err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	d := &download{client: c, cache: k, path: p, url: u, progress: progress, want: want}
	return d.end(c.retry(ctx, func() (int64, error) { return d.attempt(ctx) }))
}

// end closes the partial file of a download that failed, and says what is left.
func (d *download) end(err error) error {
	if d.part == nil {
		return err
	}
	size, statErr := d.part.size()
	if statErr == nil && size == 0 {
		return errors.Join(err, d.part.discard())
	}
	if err != nil && statErr == nil {
		err = fmt.Errorf("%w (%d bytes are kept, the next download goes on from there)", err, size)
	}
	return errors.Join(err, d.part.close())
}

// attempt asks what the file is, transfers what is missing, checks and publishes.
func (d *download) attempt(ctx context.Context) (gained int64, err error) {
	if d.want.etag == "" {
		if err := d.ask(ctx); err != nil {
			return 0, err
		}
	}
	if d.part == nil {
		if err := fileio.MkdirAllFS(d.cache.fs, path.Dir(d.path)); err != nil {
			return 0, err
		}
		if d.part, err = d.cache.openPartial(d.path, d.want); err != nil {
			return 0, err
		}
	}
	have, err := d.part.size()
	if err != nil {
		return 0, err
	}
	if d.want.size >= 0 && have > d.want.size {
		have = 0
		if err := d.part.restart(); err != nil {
			return 0, err
		}
	}
	d.count(have)
	if have == d.want.size {
		return 0, d.finish(ctx)
	}
	if gained, err = d.transfer(ctx, have); err != nil {
		return gained, err
	}
	return gained, d.finish(ctx)
}

// count tells the progress that this file has n bytes now.
func (d *download) count(n int64) {
	d.progress.have(n - d.counted)
	d.counted = n
}

// ask fetches the facts.
func (d *download) ask(ctx context.Context) error {
	ctx, dog := newWatchdog(ctx, d.client.times().stall)
	defer dog.stop()
	f, err := d.client.head(ctx, d.url)
	if err != nil {
		return err
	}
	d.want = f
	d.progress.total(f.size)
	return nil
}

// transfer appends what follows the first have bytes.
func (d *download) transfer(ctx context.Context, have int64) (gained int64, err error) {
	ctx, dog := newWatchdog(ctx, d.client.times().stall)
	defer dog.stop()
	resp, f, known, err := d.client.request(ctx, http.MethodGet, d.url, have)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := resp.Body.Close(); closeErr != nil && err == nil {
			err = networkError(ctx, closeErr, d.url)
		}
	}()
	if err := statusError(resp); err != nil {
		return 0, err
	}
	if !known && isWebPage(resp, d.path) {
		return 0, errWebPage
	}
	if known && f.etag != d.want.etag {
		return 0, d.changed()
	}
	start, err := d.startOf(resp, have)
	if err != nil {
		return 0, err
	}
	if err := d.part.room(d.want.size - start); err != nil {
		return 0, err
	}
	return d.copyBody(ctx, resp.Body, start, dog)
}

// changed throws away what belongs to the version before.
func (d *download) changed() error {
	err := d.part.discard()
	d.part, d.want = nil, facts{}
	d.count(0)
	return errors.Join(err, transient(errors.New("the file on the hub changed during the download")))
}

// startOf is where in the file the body of a reply to a request from have on
// begins: there, or at 0 where the server sends everything.
func (d *download) startOf(resp *http.Response, have int64) (int64, error) {
	switch resp.StatusCode {
	case http.StatusOK:
		if err := d.learnSize(resp.ContentLength); err != nil {
			return 0, err
		}
		d.count(0)
		return 0, d.part.restart()
	case http.StatusPartialContent:
		first, last, total, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err == nil && first == have && have > 0 {
			err = d.learnSize(total)
		} else if err == nil {
			err = fmt.Errorf("the server sends bytes %d to %d, asked for those from %d", first, last, have)
		}
		if err != nil {
			return 0, d.again(err)
		}
		return have, nil
	default: // 416: the server has no byte there, so ours are too many
		return 0, d.again(fmt.Errorf("the server has no bytes from %d on", have))
	}
}

// learnSize compares a size with the known one, or takes it.
func (d *download) learnSize(size int64) error {
	switch {
	case size < 0 && d.want.size < 0:
		return transient(errors.New("the server does not tell the size of the file"))
	case size < 0:
		return nil
	case d.want.size >= 0 && size != d.want.size:
		return transient(fmt.Errorf("the server announces %d bytes instead of %d", size, d.want.size))
	}
	d.want.size = size
	d.progress.total(size)
	return nil
}

// again throws the bytes away, so that the next attempt starts at 0.
func (d *download) again(because error) error {
	d.count(0)
	return errors.Join(transient(because), d.part.restart())
}

// copyBody writes the body behind the first start bytes, which is as much as is
// missing and no byte more.
func (d *download) copyBody(ctx context.Context, body io.Reader, start int64, dog *watchdog) (gained int64, err error) {
	if _, err := d.part.file.Seek(start, io.SeekStart); err != nil {
		return 0, err
	}
	missing := d.want.size - start
	buffer := make([]byte, 1<<18)
	for {
		n, readErr := body.Read(buffer)
		if int64(n) > missing-gained {
			return 0, d.again(fmt.Errorf("the server sends more than the %d bytes of the file", d.want.size))
		}
		if _, err := d.part.file.Write(buffer[:n]); err != nil {
			return gained, fmt.Errorf("after %d bytes: %w", start+gained, bare(err))
		}
		gained += int64(n)
		dog.fed(n)
		d.counted += int64(n)
		d.progress.received(n)
		switch {
		case errors.Is(readErr, io.EOF) && gained == missing:
			return gained, nil
		case readErr != nil:
			return gained, networkError(ctx, readErr, d.url)
		}
	}
}

// bare strips the name of the partial file from an error.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// finish compares the digest of the complete bytes, gives the file its name and
// notes what is known of it.
func (d *download) finish(ctx context.Context) error {
	sum, blob, err := d.part.digests(ctx)
	if err != nil {
		return err
	}
	if d.want.etag != sum && d.want.etag != blob {
		return d.mismatch()
	}
	part := d.part
	d.part = nil
	if err := part.publish(d.path); errors.Is(err, fs.ErrNotExist) {
		return transient(errors.New("another program removed the partial file"))
	} else if err != nil {
		return err
	}
	return d.cache.writeJSON(fileNoteName(d.path), note{
		Path: d.path, Size: d.want.size, SHA256: sum, ETag: d.want.etag, Commit: d.want.commit,
	})
}

func (d *download) mismatch() error {
	err := errors.New("the bytes that arrived have not the digest that the hub gives")
	d.mismatches++
	again := d.again(err)
	if d.mismatches >= maxMismatches {
		return err
	}
	return again
}
