package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustResolve(t *testing.T, name string) Remote {
	t.Helper()
	remote, err := Resolve(name)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

func TestFetchFile(t *testing.T) {
	for name, what := range map[string]string{
		"model": "hoefling_2024_base_low_res", "small": smallPath, "empty": "empty.bin",
		"address": DefaultEndpoint + "/datasets/" + Repository + "/tree/main/" + largePath,
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t)
			dir := filepath.Join(t.TempDir(), "new", "cache")
			client := h.client(dir)
			var last Progress
			client.Progress = func(p Progress) { last = p }
			remote := mustResolve(t, what)
			if _, ok := client.Cached(remote); ok {
				t.Error("cached before the fetch")
			}
			got, err := client.Fetch(t.Context(), remote)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(dir, filepath.FromSlash(remote.Path)); got != want {
				t.Errorf("path %q, want %q", got, want)
			}
			h.wantOnly(dir, remote.Path)
			size := int64(len(h.files[remote.Path]))
			if last.Done != size || last.Total != size {
				t.Errorf("last progress %+v, want %d bytes", last, size)
			}
			if cached, ok := client.Cached(remote); !ok || cached != got {
				t.Errorf("cached %q, %v", cached, ok)
			}
			if ok, err := client.Verify(t.Context(), remote); !ok || err != nil {
				t.Errorf("verify: %v, %v", ok, err)
			}
			h.wantNote(dir, remote.Path)
			before := h.hubRequests()
			if again, err := client.Fetch(t.Context(), remote); err != nil || again != got || h.hubRequests() != before {
				t.Errorf("second fetch: %q, %v, %d requests", again, err, h.hubRequests()-before)
			}
		})
	}
}

func (h *fakeHub) wantNote(dir, p string) {
	h.t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(fileNoteName(p))))
	if err != nil {
		h.t.Fatal(err)
	}
	content := h.files[p]
	want := note{Path: p, Size: int64(len(content)), SHA256: sha256Of(content), ETag: blobOf(content), Commit: testCommit}
	if isLarge(content) {
		want.ETag = want.SHA256
	}
	var got note
	if err := json.Unmarshal(raw, &got); err != nil || got != want {
		h.t.Errorf("note %+v, want %+v (%v)", got, want, err)
	}
	if bytes.Contains(raw, []byte("Secret")) {
		h.t.Errorf("the note holds a secret: %s", raw)
	}
}

func TestFetchFolder(t *testing.T) {
	for _, name := range []string{"euler_lab/hoefling_2024/", "euler_lab/hoefling_2024"} {
		h := newFakeHub(t)
		dir := t.TempDir()
		client := h.client(dir)
		var last Progress
		client.Progress = func(p Progress) { last = p }
		remote := mustResolve(t, name)
		got, err := client.Fetch(t.Context(), remote)
		if err != nil {
			t.Fatal(err)
		}
		if got != filepath.Join(dir, "euler_lab", "hoefling_2024") {
			t.Errorf("path %q", got)
		}
		want := []string{smallPath, "euler_lab/hoefling_2024/stimuli/a.npy", "euler_lab/hoefling_2024/stimuli/b/c.npy"}
		if found := filesIn(t, dir); !slices.Equal(found, want) {
			t.Errorf("cache has %v, want %v", found, want)
		}
		if last.Done != 60_013 || last.Total != 60_013 {
			t.Errorf("last progress %+v", last)
		}
		client.Offline = true
		if again, err := client.Fetch(t.Context(), remote); err != nil || again != got {
			t.Errorf("offline: %q, %v", again, err)
		}
		if err := os.Remove(filepath.Join(got, "stimuli", "a.npy")); err != nil {
			t.Fatal(err)
		}
		if _, ok := client.Cached(remote); ok {
			t.Error("a folder that lacks a file counts as cached")
		}
		if _, err := client.Fetch(t.Context(), remote); !errors.Is(err, ErrOffline) {
			t.Errorf("offline, incomplete: %v", err)
		}
		client.Offline = false
		if _, err := client.Fetch(t.Context(), remote); err != nil || len(filesIn(t, dir)) != 3 {
			t.Errorf("completing: %v, %v", err, filesIn(t, dir))
		}
	}
}

func TestFolderByHand(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	remote := mustResolve(t, "euler_lab/hoefling_2024/")
	folder := filepath.Join(client.CacheDir, "euler_lab", "hoefling_2024")
	mine := filepath.Join(folder, "README.md")
	writeFile(t, mine, "mine")
	for range 2 {
		client.Offline = true
		if got, err := client.Fetch(t.Context(), remote); err != nil || got != folder {
			t.Errorf("offline: %q, %v", got, err)
		}
		client.Offline = false
		// A fetch that fails must not take the folder away.
		if _, err := client.Fetch(t.Context(), Remote{Path: remote.Path + "/none.h5"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
	if _, err := client.Fetch(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(mine); err != nil || string(content) != "mine" {
		t.Errorf("the file put there by hand became %q (%v)", content, err)
	}
	if len(filesIn(t, client.CacheDir)) != 3 {
		t.Errorf("cache has %v", filesIn(t, client.CacheDir))
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestFileByHandIsAccepted(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	elsewhere := filepath.Join(t.TempDir(), "big")
	writeFile(t, elsewhere, "linked")
	writeFile(t, filepath.Join(client.CacheDir, "a", "file.ckpt"), "by hand")
	writeFile(t, filepath.Join(client.CacheDir, "a", "folder", "x.h5"), "unzipped")
	writeFile(t, filepath.Join(client.CacheDir, "a", "single.pickle"), "unzipped")
	if err := os.Symlink(elsewhere, filepath.Join(client.CacheDir, "a", "link.h5")); err != nil {
		t.Fatal(err)
	}
	for remote, want := range map[string]string{
		"a/file.ckpt": "a/file.ckpt", "a/folder.zip": "a/folder", "a/single.zip": "a/single.pickle", "a/link.h5": "a/link.h5",
	} {
		got, err := client.Fetch(t.Context(), Remote{Path: remote})
		if err != nil || got != filepath.Join(client.CacheDir, filepath.FromSlash(want)) {
			t.Errorf("%s: %q, %v", remote, got, err)
		}
		if ok, err := client.Verify(t.Context(), Remote{Path: remote}); ok || err != nil {
			t.Errorf("verify %s: %v, %v", remote, ok, err)
		}
	}
	if h.hubRequests() != 0 {
		t.Errorf("%d requests", h.hubRequests())
	}
	if _, ok := client.Cached(Remote{Path: "a/fold.zip"}); ok {
		t.Error("a folder of another stem counts as the unzipped archive")
	}
}

func TestDamagedFile(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	remote := Remote{Path: largePath}
	local, err := client.Fetch(t.Context(), remote)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(local, 1000); err != nil {
		t.Fatal(err)
	}
	if _, ok := client.Cached(remote); ok {
		t.Error("a truncated file counts as cached")
	}
	client.Offline = true
	_, err = client.Fetch(t.Context(), remote)
	wantError(t, err, "offline", "damaged", "1000 bytes instead of 300000", "unset HF_HUB_OFFLINE")
	client.Offline = false
	if _, err := client.Fetch(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	h.wantOnly(client.CacheDir, largePath)
	content, err := os.ReadFile(local)
	if err != nil {
		t.Fatal(err)
	}
	content[77] ^= 1
	writeFile(t, local, string(content))
	if ok, err := client.Verify(t.Context(), remote); ok || !errors.Is(err, errDamaged) {
		t.Errorf("verify of a flipped bit: %v, %v", ok, err)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	for _, secret := range []string{testToken, signature, "\n"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q contains %q", err, secret)
		}
	}
}

func TestOffline(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(filepath.Join(t.TempDir(), "cache"))
	client.Offline = true
	remote := mustResolve(t, "hoefling_2024_base_low_res")
	_, err := client.Fetch(t.Context(), remote)
	wantError(t, err, "download hoefling_2024_base_low_res", "there is no cache", "openretina download hoefling_2024_base_low_res")
	writeFile(t, filepath.Join(client.CacheDir, "other"), "")
	_, err = client.Fetch(t.Context(), remote)
	wantError(t, err, "not in the cache", "openretina download", "put it at "+filepath.Join(client.CacheDir, "model_checkpoints"))
	if !errors.Is(err, ErrOffline) || h.hubRequests() != 0 {
		t.Errorf("%v, %d requests", err, h.hubRequests())
	}
}

func TestUnreachable(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	h.hub.Close()
	_, err := client.Fetch(t.Context(), Remote{Path: largePath})
	wantError(t, err, "cannot be reached", "refused", "check the network and HF_ENDPOINT", "or put the file at")
	client.Endpoint = "http://no-such-host.invalid"
	dials := 0
	client.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, &net.DNSError{Err: "no such host", Name: "no-such-host.invalid", IsNotFound: true}
	}}}
	_, err = client.Fetch(t.Context(), Remote{Path: largePath})
	wantError(t, err, "cannot be reached: no address for the host no-such-host.invalid")
	if dials != 1 {
		t.Errorf("%d attempts without a network: the user waits", dials)
	}
}

func TestNotFound(t *testing.T) {
	h := newFakeHub(t)
	_, err := h.client(t.TempDir()).Fetch(t.Context(), Remote{Path: "euler_lab/hoefling"})
	wantError(t, err, "not on the hub", "/resolve/main/euler_lab/hoefling")
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("%v is not ErrNotFound", err)
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	h := newFakeHub(t)
	inTheWay := filepath.Join(t.TempDir(), "file")
	writeFile(t, inTheWay, "")
	_, err := h.client(inTheWay).Fetch(t.Context(), Remote{Path: largePath})
	wantError(t, err, inTheWay, "in the way")
	client := h.client(t.TempDir())
	writeFile(t, filepath.Join(client.CacheDir, "model_checkpoints"), "")
	_, err = client.Fetch(t.Context(), Remote{Path: largePath})
	wantError(t, err, "model_checkpoints", "not a directory")
	client.CacheDir = ""
	_, err = client.Fetch(t.Context(), Remote{Path: largePath})
	wantError(t, err, "no cache folder: set OPENRETINA_CACHE_DIRECTORY")
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(inTheWay, notesDir), 0o777); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(inTheWay, notesDir, "y.json"), "{")
	writeFile(t, filepath.Join(inTheWay, "y"), "")
	client.CacheDir, client.Offline = inTheWay, true
	_, err = client.Fetch(t.Context(), Remote{Path: "y"})
	wantError(t, err, "damaged", "remove it")
}

func TestHostileNames(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(filepath.Join(t.TempDir(), "cache"))
	for _, p := range []string{
		"", ".", "..", "../x.ckpt", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a\x00b.ckpt", "a\\..\\b.ckpt", "a\nb/c",
		".openretina/x.json", "a/.OpenRetina/x", "\xff.ckpt", strings.Repeat("n", 256) + ".ckpt", strings.Repeat("a/", 600) + "b",
	} {
		if _, err := client.Fetch(t.Context(), Remote{Path: p}); err == nil {
			t.Errorf("path %q was accepted", p)
		}
		if _, ok := client.Cached(Remote{Path: p}); ok {
			t.Errorf("path %q is cached", p)
		}
	}
	if h.hubRequests() != 0 {
		t.Errorf("%d requests", h.hubRequests())
	}
}

func TestLinksOutOfTheCacheAreNotWrittenThrough(t *testing.T) {
	for name, link := range map[string]string{
		"folder": "model_checkpoints", "notes": notesDir, "below": "model_checkpoints/27-11-2025",
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t)
			client := h.client(t.TempDir())
			outside := t.TempDir()
			at := filepath.Join(client.CacheDir, filepath.FromSlash(link))
			if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, at); err != nil {
				t.Fatal(err)
			}
			_, err := client.Fetch(t.Context(), Remote{Path: largePath})
			wantError(t, err, "escapes")
			if found := filesIn(t, outside); len(found) != 0 {
				t.Errorf("written outside of the cache: %v", found)
			}
		})
	}
}

func TestHostileListing(t *testing.T) {
	good := `"oid":"` + strings.Repeat("a", 40) + `","size":1`
	for name, body := range map[string]string{
		"traversal":  `[{"type":"file","path":"euler_lab/../../x",` + good + `}]`,
		"absolute":   `[{"type":"file","path":"/etc/x",` + good + `}]`,
		"sibling":    `[{"type":"file","path":"euler_lab2/x",` + good + `}]`,
		"no digest":  `[{"type":"file","path":"euler_lab/x","size":1}]`,
		"bad digest": `[{"type":"file","path":"euler_lab/x","oid":"zz","size":1}]`,
		"size":       `[{"type":"file","path":"euler_lab/x","oid":"` + strings.Repeat("a", 40) + `","size":-1}]`,
		"notes":      `[{"type":"file","path":"euler_lab/.openretina/x",` + good + `}]`,
		"no JSON":    `<p>`, "object": `{}`, "empty": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t)
			h.onHub = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				_, err := w.Write([]byte(body))
				return err == nil
			}
			client := h.client(t.TempDir())
			_, err := client.Fetch(t.Context(), Remote{Path: "euler_lab", Folder: true})
			wantError(t, err, "download euler_lab: ")
			if found := filesIn(t, client.CacheDir); len(found) != 0 {
				t.Errorf("cache has %v", found)
			}
		})
	}
}

func TestListingLinkToAnotherHost(t *testing.T) {
	h := newFakeHub(t)
	h.onHub = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Link", `<`+h.store.URL+`/next>; rel="next"`)
		_, err := w.Write([]byte("[]"))
		return err == nil
	}
	_, err := h.client(t.TempDir()).Fetch(t.Context(), Remote{Path: "euler_lab", Folder: true})
	wantError(t, err, "leads elsewhere")
	if h.storeRequests() != 0 {
		t.Error("the other host was asked")
	}
}

func TestManyFetchesOfOneFile(t *testing.T) {
	h := newFakeHub(t)
	client := h.client(t.TempDir())
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := client.Fetch(context.Background(), Remote{Path: largePath}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	h.wantOnly(client.CacheDir, largePath)
	if h.storeRequests() != 1 {
		t.Errorf("the file was sent %d times", h.storeRequests())
	}
}

const (
	childEnv      = "HUB_TEST_CHILD_ENDPOINT"
	childCacheEnv = "HUB_TEST_CHILD_CACHE"
)

// fetchAsChild is what the test binary does as another process.
func fetchAsChild() int {
	client := &Client{Endpoint: os.Getenv(childEnv), Token: testToken, CacheDir: os.Getenv(childCacheEnv)}
	if _, err := client.Fetch(context.Background(), Remote{Path: largePath}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (h *fakeHub) child(dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+h.hub.URL, childCacheEnv+"="+dir)
	return cmd
}

func TestManyProcesses(t *testing.T) {
	h := newFakeHub(t)
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if out, err := h.child(dir).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	group.Wait()
	h.wantOnly(dir, largePath)
	if h.storeRequests() != 1 {
		t.Errorf("the file was sent %d times", h.storeRequests())
	}
}

func TestKilledDownloadGoesOn(t *testing.T) {
	h := newFakeHub(t)
	dir := t.TempDir()
	content := h.files[largePath]
	const first = 200_000
	arrived := make(chan struct{})
	release := make(chan struct{})
	h.mu.Lock() // the race detector sees no order of events through another process
	h.onStore = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if _, err := w.Write(content[:first]); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		close(arrived)
		<-release
		return true
	}
	h.mu.Unlock()
	cmd := h.child(dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-arrived
	waitForPartial(t, dir, first)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := cmd.Wait(); err == nil {
		t.Error("the killed process succeeded")
	}
	if _, err := h.client(dir).Fetch(t.Context(), Remote{Path: largePath}); err != nil {
		t.Fatal(err)
	}
	h.wantOnly(dir, largePath)
	if h.sentBytes() != int64(len(content)) {
		t.Errorf("%d bytes were sent for a file of %d", h.sentBytes(), len(content))
	}
}
