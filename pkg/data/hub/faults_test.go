package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// waitForPartial returns once the partial file has the size.
func waitForPartial(t *testing.T, dir string, size int64) {
	t.Helper()
	for range 2000 {
		matches, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(largePath[:strings.LastIndex(largePath, "/")]), ".*.part"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			if info, err := os.Stat(m); err == nil && info.Size() >= size {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("no partial file of %d bytes", size)
}

// serveFrom answers with status and the content from byte start on, but ends the
// connection after n bytes.
func serveFrom(w http.ResponseWriter, content []byte, status, start, n int, contentRange string) {
	if contentRange != "" {
		w.Header().Set("Content-Range", contentRange)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)-start))
	w.WriteHeader(status)
	_, _ = w.Write(content[start:min(start+n, len(content))])
	if start+n < len(content) {
		_ = http.NewResponseController(w).Flush()
		cut(w)
	}
}

// TestFaults has one line for each way in which a transfer may fail and recover.
func TestFaults(t *testing.T) {
	content := randomBytes(300_000)
	size := len(content)
	wrong := append([]byte{content[0] ^ 1}, content[1:]...)
	once := func(f func(w http.ResponseWriter, r *http.Request)) func(int, http.ResponseWriter, *http.Request) bool {
		return func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			f(w, r)
			return true
		}
	}
	// resumed cuts the first reply in the middle and answers the second one by f.
	resumed := func(f func(w http.ResponseWriter, r *http.Request)) func(int, http.ResponseWriter, *http.Request) bool {
		return func(n int, w http.ResponseWriter, r *http.Request) bool {
			switch n {
			case 1:
				serveFrom(w, content, 200, 0, 100_000, "")
			case 2:
				if r.Header.Get("Range") == "" {
					t.Error("the second request has no range")
				}
				f(w, r)
			default:
				return false
			}
			return true
		}
	}
	status := func(code int) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, fault := range map[string]func(int, http.ResponseWriter, *http.Request) bool{
		"429": once(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}),
		"500": once(status(500)), "502": once(status(502)), "503": once(status(503)), "504": once(status(504)), "408": once(status(408)),
		"reset before the header": once(func(w http.ResponseWriter, _ *http.Request) { cut(w) }),
		"cut":                     once(func(w http.ResponseWriter, _ *http.Request) { serveFrom(w, content, 200, 0, 1234, "") }),
		"wrong length": once(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(content[:100])
		}),
		"wrong bytes": once(func(w http.ResponseWriter, _ *http.Request) { serveFrom(w, wrong, 200, 0, size, "") }),
		"endless body": once(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(content)
			}
		}),
		"chunked": once(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }),
		"gzip": once(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(content)
		}),
		"stall": once(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(content[:5000])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}),
		"stall before the header": once(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		"trickle": once(func(w http.ResponseWriter, r *http.Request) {
			for i := 0; r.Context().Err() == nil; i++ {
				_, _ = w.Write(content[i : i+1])
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}),
		"resumed": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, content, 206, 100_000, size, "bytes 100000-299999/300000")
		}),
		"resumed, total *": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, content, 206, 100_000, size, "bytes 100000-299999/*")
		}),
		"resumed, then cut": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, content, 206, 100_000, 10, "bytes 100000-299999/300000")
		}),
		"range ignored":      resumed(func(w http.ResponseWriter, _ *http.Request) { serveFrom(w, content, 200, 0, size, "") }),
		"range ignored, cut": resumed(func(w http.ResponseWriter, _ *http.Request) { serveFrom(w, content, 200, 0, 50_000, "") }),
		"wrong start": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, content, 206, 0, size, "bytes 0-299999/300000")
		}),
		"wrong total": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, content, 206, 100_000, size, "bytes 100000-299999/400000")
		}),
		"no content range": resumed(func(w http.ResponseWriter, _ *http.Request) { serveFrom(w, content, 206, 100_000, size, "") }),
		"damaged range": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, content, 206, 100_000, size, "bytes -1-x/y")
		}),
		"416": resumed(status(416)),
		"resumed wrong": resumed(func(w http.ResponseWriter, _ *http.Request) {
			serveFrom(w, wrong[:], 206, 100_000, size, "bytes 100000-299999/300000")
		}),
		"resumed too long": resumed(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 100000-299999/300000")
			w.WriteHeader(206)
			_, _ = w.Write(append(content[100_000:size:size], 1))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			h.onStore = fault
			client := h.client(t.TempDir())
			var last Progress
			client.Progress = func(p Progress) { last = p }
			if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil {
				t.Fatal(err)
			}
			h.wantOnly(client.CacheDir, largePath)
			if last.Done != int64(size) || last.Total != int64(size) {
				t.Errorf("last progress %+v", last)
			}
		})
	}
}

// TestRefusals has the faults that do not pass: an error, and no file.
func TestRefusals(t *testing.T) {
	page := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<html>Please log in</html>"))
	}
	for name, test := range map[string]struct {
		onHub, onStore func(n int, w http.ResponseWriter, r *http.Request) bool
		want           string
	}{
		"web page from the hub":   {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool { page(w); return true }, want: "web page"},
		"web page from the store": {onStore: func(_ int, w http.ResponseWriter, _ *http.Request) bool { page(w); return true }, want: "instead of 300000"},
		"no digest": {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte("plain"))
			return true
		}, want: "no digest"},
		"wrong bytes": {onStore: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(make([]byte, 300_000))
			return true
		}, want: "digest"},
		"always 503": {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }, want: "given up after 5 attempts: the hub answers HTTP 503"},
		"401":        {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(401); return true }, want: "set HF_TOKEN"},
		"403":        {onStore: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true }, want: "HTTP 403"},
		"400":        {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(400); return true }, want: "HTTP 400"},
		"always gzip": {onStore: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{1})
			return true
		}, want: "encoding \"gzip\""},
		"always cut":   {onStore: func(_ int, w http.ResponseWriter, _ *http.Request) bool { cut(w); return true }, want: "was cut"},
		"always reset": {onStore: func(_ int, w http.ResponseWriter, _ *http.Request) bool { reset(w); return true }, want: "given up"},
		"redirect loop": {onHub: func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}, want: "redirects"},
		"redirect to a file": {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
			return true
		}, want: `kind "file"`},
		"redirect to nowhere": {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(302); return true }, want: "no address"},
		"size of letters": {onHub: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Linked-Etag", strings.Repeat("a", 64))
			w.Header().Set("X-Linked-Size", "many")
			return true
		}, want: `"many" as the size`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFakeHub(t)
			h.onHub, h.onStore = test.onHub, test.onStore
			client := h.client(t.TempDir())
			_, err := client.Fetch(t.Context(), Remote{Path: largePath})
			wantError(t, err, test.want, "download "+largePath+": ")
			if _, ok := client.Cached(Remote{Path: largePath}); ok {
				t.Error("cached all the same")
			}
			if found := filesIn(t, client.CacheDir); len(found) != 0 {
				t.Errorf("cache has %v", found)
			}
		})
	}
}

// TestServerWithoutHEAD has a hub that answers GET alone.
func TestServerWithoutHEAD(t *testing.T) {
	h := newFakeHub(t)
	h.onHub = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotImplemented)
		}
		return r.Method == http.MethodHead
	}
	for _, p := range []string{smallPath, largePath} {
		client := h.client(t.TempDir())
		if _, err := client.Fetch(t.Context(), Remote{Path: p}); err != nil {
			t.Fatal(err)
		}
		h.wantOnly(client.CacheDir, p)
	}
}

// TestDowngrade refuses to leave https.
func TestDowngrade(t *testing.T) {
	_, err := redirectTarget(&http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://store/x"}}},
		mustURL(t, "https://hub/x"), mustURL(t, "https://hub"))
	wantError(t, err, `kind "http"`)
}

// TestRandomCuts cuts every reply at a random place: what arrived must be kept.
func TestRandomCuts(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		h := newFakeHub(t)
		content := h.files[largePath]
		h.onStore = func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 30 {
				return false
			}
			start := 0
			status, contentRange := 200, ""
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start); err == nil {
				status, contentRange = 206, fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1, len(content))
			}
			serveFrom(w, content, status, start, random.IntN(30_000), contentRange)
			return true
		}
		client := h.client(t.TempDir())
		if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		h.wantOnly(client.CacheDir, largePath)
		if limit := int64(len(content)) * 10 / 9; h.sentBytes() > limit {
			t.Errorf("seed %d: %d bytes were sent for a file of %d", seed, h.sentBytes(), len(content))
		}
	}
}

func TestFileChangesDuringTheDownload(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	h.onStore = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		content, _ := h.content(largePath)
		h.mu.Lock()
		h.files[largePath] = randomBytes(250_000)
		h.mu.Unlock()
		serveFrom(w, content, 200, 0, 100_000, "")
		return true
	}
	if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil {
		t.Fatal(err)
	}
	h.wantOnly(client.CacheDir, largePath)
}

func TestInterruptedFetchGoesOn(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	client.pace.stall = time.Minute
	content := h.files[largePath]
	cause := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	h.onStore = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:150_000])
		_ = http.NewResponseController(w).Flush()
		waitForPartial(t, client.CacheDir, 150_000)
		cancel(cause)
		<-r.Context().Done()
		return true
	}
	_, err := client.Fetch(ctx, Remote{Path: largePath})
	wantError(t, err, "stopped by the user", "150000 bytes are kept")
	if !errors.Is(err, cause) {
		t.Errorf("%v does not wrap the cause", err)
	}
	if _, ok := client.Cached(Remote{Path: largePath}); ok {
		t.Error("half a file counts as cached")
	}
	if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil {
		t.Fatal(err)
	}
	h.wantOnly(client.CacheDir, largePath)
	if h.sentBytes() != int64(len(content)) {
		t.Errorf("%d bytes were sent", h.sentBytes())
	}
}

// TestLeftPartialFiles has partial files of every kind in the way.
func TestLeftPartialFiles(t *testing.T) {
	h := newFakeHub(t)
	content := h.files[largePath]
	key := contentKey(facts{etag: sha256Of(content)})
	prefix := partPrefix(largePath)
	gone := host() + "-999999999"
	for name, test := range map[string]struct {
		owner, key string
		bytes      []byte
		sent       int
	}{
		"of this process":    {owner(), key, content[:200_000], 100_000},
		"of a dead process":  {gone, key, content[:200_000], 100_000},
		"complete":           {gone, key, content, 0},
		"too long":           {gone, key, append(content[:len(content):len(content)], 1), 300_000},
		"empty":              {gone, key, nil, 300_000},
		"wrong":              {gone, key, make([]byte, 200_000), 400_000},
		"of another version": {gone, strings.Repeat("0", 16), content[:200_000], 300_000},
	} {
		t.Run(name, func(t *testing.T) {
			h.reset()
			client := h.client(t.TempDir())
			dir := filepath.Join(client.CacheDir, "model_checkpoints", "27-11-2025")
			writeFile(t, filepath.Join(dir, prefix+test.key+"."+test.owner+partSuffix), string(test.bytes))
			if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil {
				t.Fatal(err)
			}
			h.wantOnly(client.CacheDir, largePath)
			if h.sentBytes() != int64(test.sent) {
				t.Errorf("%d bytes were sent, want %d", h.sentBytes(), test.sent)
			}
		})
	}
	t.Run("of a living process", func(t *testing.T) {
		client := h.client(t.TempDir())
		alive := filepath.Join(client.CacheDir, "model_checkpoints", "27-11-2025", prefix+key+"."+host()+"-1"+partSuffix)
		writeFile(t, alive, "x")
		if _, err := client.Fetch(t.Context(), Remote{Path: largePath}); err != nil {
			t.Fatal(err)
		}
		if raw, err := os.ReadFile(alive); err != nil || string(raw) != "x" {
			t.Errorf("the file of a living process became %q (%v)", raw, err)
		}
	})
}
