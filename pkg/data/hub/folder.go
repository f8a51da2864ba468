package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	// folderTransfers is how many files of a folder are fetched at once.
	folderTransfers = 4
	maxListingBytes = 32 << 20
	maxListingPages = 10_000
	maxListingFiles = 1_000_000
)

// treeEntry is one line of the hub's listing of a folder.
type treeEntry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	// OID is the git blob id, Size the size; LFS has those of a large file.
	OID  string `json:"oid"`
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// remoteFile is a file that a listing names.
type remoteFile struct {
	path string
	facts
}

// fetchFolder brings all files below p that are missing, and notes that the
// folder is complete.
func (c *Client) fetchFolder(ctx context.Context, k *cache, p string, progress *tracker) (err error) {
	files, err := c.list(ctx, p)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	progress.total(total)
	done := folderNote{Path: p}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(folderTransfers)
	for _, f := range files {
		done.Files = append(done.Files, f.path)
		group.Go(func() error {
			if err := c.fetchFile(ctx, k, f.path, f.facts, progress); err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return k.writeJSON(folderNoteName(p), done)
}

// list is all files below a folder, with their digests.
func (c *Client) list(ctx context.Context, p string) ([]remoteFile, error) {
	endpoint, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	page := endpoint.JoinPath("api", "datasets", Repository, "tree", revision, p)
	page.RawQuery = url.Values{"recursive": {"true"}}.Encode()
	var files []remoteFile
	for range maxListingPages {
		var entries []treeEntry
		var next *url.URL
		err := c.retry(ctx, func() (int64, error) {
			var err error
			entries, next, err = c.listPage(ctx, page)
			return 0, err
		})
		if err != nil {
			return nil, err
		}
		if files, err = appendFiles(files, entries, p); err != nil {
			return nil, err
		}
		if next == nil {
			if len(files) == 0 {
				return nil, fmt.Errorf("%w: the folder has no file", ErrNotFound)
			}
			return files, nil
		}
		page = next
	}
	return nil, fmt.Errorf("the listing of the folder has more than %d pages", maxListingPages)
}

// appendFiles adds the files of one page. A name that leads out of the folder,
// or a file without a digest, is an error: nothing is fetched then.
func appendFiles(files []remoteFile, entries []treeEntry, folder string) ([]remoteFile, error) {
	for _, e := range entries {
		if e.Type != "file" {
			continue
		}
		if err := checkPath(e.Path); err != nil {
			return nil, fmt.Errorf("the listing of the folder: %w", err)
		}
		if !strings.HasPrefix(e.Path, folder+"/") {
			return nil, fmt.Errorf("the listing of the folder names %q, which is not in it", e.Path)
		}
		oid, size := e.OID, e.Size
		if e.LFS != nil {
			oid, size = e.LFS.OID, e.LFS.Size
		}
		etag, err := parseETag(oid)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("the listing of the folder gives no digest or no size of %q", e.Path)
		}
		files = append(files, remoteFile{e.Path, facts{etag: etag, size: size}})
	}
	if len(files) > maxListingFiles {
		return nil, fmt.Errorf("the folder has more than %d files", maxListingFiles)
	}
	return files, nil
}

func (c *Client) listPage(ctx context.Context, u *url.URL) (entries []treeEntry, next *url.URL, err error) {
	ctx, dog := newWatchdog(ctx, c.times().stall)
	defer dog.stop()
	resp, _, _, err := c.request(ctx, http.MethodGet, u, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if err := statusError(resp); err != nil {
		return nil, nil, err
	}
	if isWebPage(resp, "") {
		return nil, nil, errWebPage
	}
	content, err := io.ReadAll(io.LimitReader(fedReader{resp.Body, dog}, maxListingBytes+1))
	switch {
	case err != nil:
		return nil, nil, networkError(ctx, err, u)
	case len(content) > maxListingBytes:
		return nil, nil, fmt.Errorf("a page of the listing has more than %d bytes", maxListingBytes)
	}
	if err := json.Unmarshal(content, &entries); err != nil {
		return nil, nil, errors.New("the listing of the folder is damaged")
	}
	next, err = parseNextLink(resp.Header.Get("Link"), u)
	return entries, next, err
}

// fedReader tells the watchdog of what is read.
type fedReader struct {
	r   io.Reader
	dog *watchdog
}

func (f fedReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.dog.fed(n)
	return n, err
}
