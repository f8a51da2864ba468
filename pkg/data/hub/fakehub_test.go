package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(fetchAsChild())
	}
	goleak.VerifyTestMain(m)
}

const (
	testToken  = "hf_SecretTokenOfTheTest"
	testCommit = "0123456789abcdef0123456789abcdef01234567"
	signature  = "X-Signature=SecretOfTheStore"
	largePath  = "model_checkpoints/27-11-2025/hoefling_2024_base_low_res.ckpt"
	smallPath  = "euler_lab/hoefling_2024/README.md"
)

// fakeHub is a hub and, on another host, the store that it redirects large files
// to, as the real one does.
type fakeHub struct {
	t          *testing.T
	hub, store *httptest.Server
	files      map[string][]byte

	mu sync.Mutex
	// onHub and onStore may answer a request themselves, by returning true; n
	// counts the requests of that server from 1.
	onHub, onStore func(n int, w http.ResponseWriter, r *http.Request) bool
	nHub, nStore   int
	// sent counts the bytes of file content that the store sent.
	sent int64
}

func newFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	h := &fakeHub{t: t, files: map[string][]byte{
		largePath:                               randomBytes(300_000),
		smallPath:                               []byte("a small file\n"),
		"euler_lab/hoefling_2024/stimuli/a.npy": randomBytes(40_000),
		"euler_lab/hoefling_2024/stimuli/b/c.npy": randomBytes(20_000),
		"euler_lab/hoefling_2024_other/d.npy":     randomBytes(100),
		"empty.bin":                               {},
	}}
	h.hub = httptest.NewUnstartedServer(http.HandlerFunc(h.serveHub))
	h.store = httptest.NewUnstartedServer(http.HandlerFunc(h.serveStore))
	h.store.Start()
	h.hub.Start()
	t.Cleanup(h.hub.Close)
	t.Cleanup(h.store.Close)
	return h
}

// randomBytes are the same in every run.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b); err != nil {
		panic(err)
	}
	return b
}

func (h *fakeHub) client(dir string) *Client {
	return &Client{
		Endpoint: h.hub.URL, Token: testToken, CacheDir: dir, HTTP: h.hub.Client(),
		pace: pace{stall: 500 * time.Millisecond, backoff: time.Millisecond, backoffMax: 4 * time.Millisecond},
	}
}

func isLarge(content []byte) bool { return len(content) > 10_000 }

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func blobOf(b []byte) string {
	_, blob, err := digests(context.Background(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		panic(err)
	}
	return blob
}

func (h *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.nHub++
	n, fault := h.nHub, h.onHub
	h.mu.Unlock()
	if got := r.Header.Get("Authorization"); got != "Bearer "+testToken {
		h.t.Errorf("the hub got Authorization %q", got)
	}
	if fault != nil && fault(n, w, r) {
		return
	}
	if p, ok := strings.CutPrefix(r.URL.Path, "/api/datasets/"+Repository+"/tree/main/"); ok {
		h.serveTree(w, r, p)
		return
	}
	p, ok := strings.CutPrefix(r.URL.Path, "/datasets/"+Repository+"/resolve/main/")
	content, ok2 := h.content(p)
	if !ok || !ok2 {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		http.Error(w, "Entry not found", http.StatusNotFound)
		return
	}
	w.Header().Set("X-Repo-Commit", testCommit)
	if !isLarge(content) {
		w.Header().Set("ETag", `"`+blobOf(content)+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		return
	}
	w.Header().Set("X-Linked-Etag", `"`+sha256Of(content)+`"`)
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(content)))
	w.Header().Set("ETag", `"`+blobOf([]byte("pointer"))+`"`)
	http.Redirect(w, r, h.store.URL+"/"+p+"?"+signature, http.StatusFound)
}

func (h *fakeHub) content(p string) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	content, ok := h.files[p]
	return content, ok
}

func (h *fakeHub) serveStore(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.nStore++
	n, fault := h.nStore, h.onStore
	h.mu.Unlock()
	if got := r.Header.Get("Authorization"); got != "" {
		h.t.Errorf("the store got Authorization %q", got)
	}
	w = &countingWriter{w, h}
	if fault != nil && fault(n, w, r) {
		return
	}
	content, ok := h.content(strings.TrimPrefix(r.URL.Path, "/"))
	if !ok {
		http.Error(w, "no such key", http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

type countingWriter struct {
	http.ResponseWriter
	h *fakeHub
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	c.h.sent += int64(n)
	return n, err
}

func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// serveTree lists in pages of two entries.
func (h *fakeHub) serveTree(w http.ResponseWriter, r *http.Request, folder string) {
	entries := []map[string]any{{"type": "directory", "oid": testCommit, "size": 0, "path": folder + "/b"}}
	h.mu.Lock()
	for p, content := range h.files {
		if !strings.HasPrefix(p, folder+"/") {
			continue
		}
		e := map[string]any{"type": "file", "oid": blobOf(content), "size": len(content), "path": p}
		if isLarge(content) {
			e["lfs"] = map[string]any{"oid": sha256Of(content), "size": len(content), "pointerSize": 134}
		}
		entries = append(entries, e)
	}
	h.mu.Unlock()
	if len(entries) == 1 || r.URL.Query().Get("recursive") != "true" {
		http.Error(w, "Not found", http.StatusNotFound)
		return
	}
	slicesByPath(entries)
	at, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	end := min(at+2, len(entries))
	if end < len(entries) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, h.hub.URL, r.URL.Path, end))
	}
	if err := json.NewEncoder(w).Encode(entries[at:end]); err != nil {
		h.t.Error(err)
	}
}

func slicesByPath(entries []map[string]any) {
	for i := range entries {
		for j := i; j > 0 && entries[j]["path"].(string) < entries[j-1]["path"].(string); j-- {
			entries[j], entries[j-1] = entries[j-1], entries[j]
		}
	}
}

// cut ends the connection in the middle of a reply.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.Close()
}

func (h *fakeHub) sentBytes() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent
}

func (h *fakeHub) hubRequests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nHub
}

func (h *fakeHub) storeRequests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nStore
}

func (h *fakeHub) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent = 0
}

// reset ends the connection without the courtesy of an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// filesIn are the paths below dir, without the cache's notes.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == notesDir {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(dir, p)
			found = append(found, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantOnly checks that the cache has the file, right, and nothing beside it.
func (h *fakeHub) wantOnly(dir, p string) {
	h.t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p)))
	if err != nil {
		h.t.Fatal(err)
	}
	if want, _ := h.content(p); !bytes.Equal(got, want) {
		h.t.Errorf("%s: %d bytes in the cache differ from the %d on the hub", p, len(got), len(want))
	}
	if found := filesIn(h.t, dir); len(found) != 1 {
		h.t.Errorf("the cache has %v", found)
	}
}
