package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// facts is what the hub says about a file.
type facts struct {
	// etag is the digest in lower-case hexadecimal: 64 digits are the SHA-256 of
	// a large file, 40 the git blob id (SHA-1) of a small one.
	etag string
	// size is in bytes, -1 where it is unknown.
	size int64
	// commit is the revision of the repository, possibly empty.
	commit string
}

const (
	sha1Digits   = 40
	sha256Digits = 64
)

var errNoDigest = errors.New("the server gives no digest of the file (X-Linked-Etag or ETag)")

// parseFacts reads the headers of a reply of the hub. whole says that its body is
// the file, so that its length is the file's.
func parseFacts(h http.Header, whole bool) (facts, error) {
	raw := h.Get("X-Linked-Etag")
	if raw == "" {
		raw = h.Get("ETag")
	}
	if raw == "" {
		return facts{}, errNoDigest
	}
	etag, err := parseETag(raw)
	if err != nil {
		return facts{}, err
	}
	f := facts{etag: etag, size: -1, commit: parseCommit(h.Get("X-Repo-Commit"))}
	raw = h.Get("X-Linked-Size")
	if raw == "" && whole {
		raw = h.Get("Content-Length")
	}
	if raw != "" {
		if f.size, err = parseSize(raw); err != nil {
			return facts{}, err
		}
	}
	return f, nil
}

func parseETag(raw string) (string, error) {
	etag := strings.TrimPrefix(strings.TrimSpace(raw), "W/")
	if unquoted, ok := strings.CutPrefix(etag, `"`); ok {
		if etag, ok = strings.CutSuffix(unquoted, `"`); !ok {
			return "", fmt.Errorf("%w: the entity tag is damaged", errNoDigest)
		}
	}
	if (len(etag) != sha1Digits && len(etag) != sha256Digits) || !isHex(etag) {
		return "", fmt.Errorf("%w: the entity tag is neither a SHA-256 nor a git blob id", errNoDigest)
	}
	return strings.ToLower(etag), nil
}

// parseCommit keeps nothing but a commit id, which ends up in notes and reports.
func parseCommit(raw string) string {
	if len(raw) != sha1Digits || !isHex(raw) {
		return ""
	}
	return strings.ToLower(raw)
}

func isHex(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f') && (r < 'A' || r > 'F')
	})
}

func parseSize(raw string) (int64, error) {
	// ParseInt takes signs, which no header has.
	n, err := strconv.ParseUint(strings.TrimSpace(raw), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("the server gives %.40q as the size of the file", raw)
	}
	return int64(n), nil
}

// parseContentRange reads "bytes first-last/total", "bytes first-last/*" or
// "bytes */total"; what is not told is -1.
func parseContentRange(raw string) (first, last, total int64, err error) {
	fault := fmt.Errorf("the server gives %.60q as the range of its reply", raw)
	spec, ok := strings.CutPrefix(raw, "bytes ")
	interval, whole, ok2 := strings.Cut(spec, "/")
	if !ok || !ok2 {
		return 0, 0, 0, fault
	}
	first, last, total = -1, -1, -1
	if whole != "*" {
		if total, err = parseSize(whole); err != nil {
			return 0, 0, 0, fault
		}
	}
	if interval == "*" {
		if total < 0 {
			return 0, 0, 0, fault
		}
		return first, last, total, nil
	}
	from, to, ok := strings.Cut(interval, "-")
	if !ok {
		return 0, 0, 0, fault
	}
	if first, err = parseSize(from); err != nil {
		return 0, 0, 0, fault
	}
	if last, err = parseSize(to); err != nil {
		return 0, 0, 0, fault
	}
	if first > last || (total >= 0 && last >= total) {
		return 0, 0, 0, fault
	}
	return first, last, total, nil
}

// parseRetryAfter is the pause that a reply asks for; 0 where it asks for none.
func parseRetryAfter(raw string, now time.Time) time.Duration {
	if raw == "" {
		return 0
	}
	const most = time.Minute
	if seconds, err := strconv.ParseUint(raw, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	if at, err := http.ParseTime(raw); err == nil {
		return max(0, min(at.Sub(now), most))
	}
	return 0
}

// parseNextLink is the address of the next page of a listing, nil on the last
// one. A page on another host than base is an error: it would get the token.
func parseNextLink(raw string, base *url.URL) (*url.URL, error) {
	for link := range strings.SplitSeq(raw, ",") {
		target, parameters, ok := strings.Cut(link, ";")
		if !ok || !strings.Contains(strings.ReplaceAll(parameters, " ", ""), `rel="next"`) {
			continue
		}
		target = strings.TrimSpace(target)
		if !strings.HasPrefix(target, "<") || !strings.HasSuffix(target, ">") {
			return nil, errors.New("the server's link to the next page of the listing is damaged")
		}
		next, err := base.Parse(target[1 : len(target)-1])
		if err != nil || !sameOrigin(next, base) {
			return nil, errors.New("the server's link to the next page of the listing leads elsewhere")
		}
		return next, nil
	}
	return nil, nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}
