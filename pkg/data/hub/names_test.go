package hub

import (
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestResolve(t *testing.T) {
	const base = DefaultEndpoint + "/datasets/" + Repository
	for in, want := range map[string]Remote{
		"goldin_2022_mouse":          {Name: "goldin_2022_mouse", Path: "model_checkpoints/2026-03-09/goldin_2022_mouse.ckpt"},
		"hoefling_2024_base_low_res": {Name: "hoefling_2024_base_low_res", Path: largePath},
		"a/b.zip":                    {Path: "a/b.zip"},
		"euler_lab/":                 {Path: "euler_lab", Folder: true},
		"README.md":                  {Path: "README.md"},
		base + "/resolve/main/a/b.h5?download=true":                            {Path: "a/b.h5"},
		base + "/blob/main/a/b.h5":                                             {Path: "a/b.h5"},
		base + "/tree/main/a/b":                                                {Path: "a/b"},
		base + "/tree/main/a/b/":                                               {Path: "a/b", Folder: true},
		base + "/resolve/main/a/main/b.h5":                                     {Path: "b.h5"},
		base + "/resolve/main/a%20b/c.h5":                                      {Path: "a b/c.h5"},
		"http://mirror:8080/sub/datasets/" + Repository + "/resolve/main/a.h5": {Path: "a.h5"},
	} {
		if got, err := Resolve(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"":                            "unknown model",
		"hoefling_2024_base_lowres":   `unknown model "hoefling_2024_base_lowres": nearest are hoefling_2024_base_low_res, `,
		"goldin":                      "nearest are goldin_2022_axolotl, goldin_2022_mouse",
		"../x":                        "one of dots",
		"/abs/x":                      "absolute",
		base + "/tree/main/":          "no path",
		base + "/tree/main":           "names no file",
		base + "/resolve/v1/a.h5":     "names no file",
		base + "/resolve/main/%2e%2e": "one of dots",
		base + "/commits/main/a.h5":   "not in the hub's repository",
		"https://gin.g-node.org/x/y":  "not in the hub's repository",
		"https://u:pw@example.org/x":  "xxxxx",
		DefaultEndpoint + "/datasets/other/repo/resolve/main/a.h5": "not in the hub's repository",
		"http://[::1/x": "no address",
	} {
		_, err := Resolve(in)
		wantError(t, err, want)
	}
	var unknown *UnknownNameError
	if _, err := Resolve("sridhar"); !errors.As(err, &unknown) || unknown.Nearest[0] != "sridhar_2025" || len(unknown.Nearest) != 9 {
		t.Errorf("unknown name: %+v", unknown)
	}
}

func TestModelsResolve(t *testing.T) {
	if len(Models()) != 9 {
		t.Errorf("%d models", len(Models()))
	}
	for _, m := range Models() {
		remote, err := Resolve(m.Name)
		if err != nil || remote.Path != m.Path || checkPath(m.Path) != nil || m.Stimulus == "" {
			t.Errorf("%+v: %+v, %v", m, remote, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == key {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	c, err := FromEnv(env("HOME", "/users/someone"))
	if err != nil || c.CacheDir != "/users/someone/openretina_cache" || c.Offline || c.Token != "" {
		t.Errorf("defaults: %+v, %v", c, err)
	}
	if u, err := c.URL(Remote{Path: "a b/c.ckpt"}); err != nil || u != DefaultEndpoint+"/datasets/"+Repository+"/resolve/main/a%20b/c.ckpt" {
		t.Errorf("address %s, %v", u, err)
	}
	c, err = FromEnv(env("HOME", "/users/someone", EnvEndpoint, "http://localhost:1/hf/", EnvToken, " t \n", EnvOffline, "Yes", EnvCacheDir, "~/c"))
	if err != nil || c.CacheDir != "/users/someone/c" || !c.Offline || c.Token != "t" {
		t.Errorf("all set: %+v, %v", c, err)
	}
	if u, err := c.URL(Remote{Path: "x"}); err != nil || u != "http://localhost:1/hf/datasets/"+Repository+"/resolve/main/x" {
		t.Errorf("address %s, %v", u, err)
	}
	c, err = FromEnv(env(EnvCacheDir, "relative", EnvOffline, "0"))
	if err != nil || !filepath.IsAbs(c.CacheDir) || c.Offline {
		t.Errorf("relative cache: %+v, %v", c, err)
	}
	for _, bad := range []string{"huggingface.co", "ftp://x", "http://", "http://user:SecretTokenOfTheTest@", ":"} {
		_, err := FromEnv(env("HOME", "/h", EnvEndpoint, bad))
		wantError(t, err, EnvEndpoint)
	}
	_, err = FromEnv(env("HOME", "/h", EnvToken, testToken+"\nX-Other: 1"))
	wantError(t, err, "HF_TOKEN contains a character")
}

func TestParseFacts(t *testing.T) {
	sum, blob := strings.Repeat("a", 64), strings.Repeat("B", 40)
	for name, test := range map[string]struct {
		header map[string]string
		whole  bool
		want   facts
		fails  bool
	}{
		"large":          {header: map[string]string{"X-Linked-Etag": `"` + sum + `"`, "X-Linked-Size": "7", "Etag": "x", "Content-Length": "9"}, want: facts{etag: sum, size: 7}},
		"weak":           {header: map[string]string{"Etag": `W/"` + blob + `"`, "Content-Length": "9"}, whole: true, want: facts{etag: strings.ToLower(blob), size: 9}},
		"bare":           {header: map[string]string{"Etag": sum}, want: facts{etag: sum, size: -1}},
		"redirect":       {header: map[string]string{"Etag": sum, "Content-Length": "9"}, want: facts{etag: sum, size: -1}},
		"commit":         {header: map[string]string{"Etag": sum, "X-Repo-Commit": testCommit}, want: facts{etag: sum, size: -1, commit: testCommit}},
		"strange commit": {header: map[string]string{"Etag": sum, "X-Repo-Commit": "main; rm"}, want: facts{etag: sum, size: -1}},
		"none":           {fails: true},
		"md5":            {header: map[string]string{"Etag": strings.Repeat("a", 32)}, fails: true},
		"letters":        {header: map[string]string{"Etag": strings.Repeat("g", 64)}, fails: true},
		"half a quote":   {header: map[string]string{"Etag": `"` + sum}, fails: true},
		"bad linked":     {header: map[string]string{"X-Linked-Etag": "x", "Etag": sum}, fails: true},
		"negative size":  {header: map[string]string{"Etag": sum, "X-Linked-Size": "-1"}, fails: true},
		"overflow":       {header: map[string]string{"Etag": sum, "X-Linked-Size": "9223372036854775808"}, fails: true},
	} {
		h := http.Header{}
		for k, v := range test.header {
			h.Set(k, v)
		}
		got, err := parseFacts(h, test.whole)
		if (err != nil) != test.fails || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for raw, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0, "99999": time.Minute, "99999999999999": 0,
		"Thu, 01 Jan 2026 00:00:05 GMT": 5 * time.Second, "Wed, 31 Dec 2025 00:00:05 GMT": 0,
	} {
		if got := parseRetryAfter(raw, now); got != want {
			t.Errorf("%q: %v, want %v", raw, got, want)
		}
	}
}

func TestPauseGrowsAndEnds(t *testing.T) {
	for n := range 100 {
		if d := defaultPace.pause(n, 0); d < 0 || d > defaultPace.backoffMax {
			t.Errorf("pause %d: %v", n, d)
		}
	}
	if d := defaultPace.pause(1, time.Minute); d != time.Minute {
		t.Errorf("asked for a minute: %v", d)
	}
}

func FuzzHeaders(f *testing.F) {
	for _, s := range []string{
		"", `"` + strings.Repeat("a", 64) + `"`, `W/"` + strings.Repeat("0", 40) + `"`, "bytes 0-1/2", "bytes */7", "bytes 5-6/*",
		`<https://hub/next?cursor=x>; rel="next"`, "120", "Thu, 01 Jan 2026 00:00:05 GMT",
	} {
		f.Add(s, "7")
	}
	base := &url.URL{Scheme: "https", Host: "hub"}
	f.Fuzz(func(t *testing.T, a, b string) {
		h := http.Header{"X-Linked-Etag": {a}, "Content-Length": {b}, "X-Repo-Commit": {a}}
		if got, err := parseFacts(h, true); err == nil {
			if (len(got.etag) != 40 && len(got.etag) != 64) || got.etag != strings.ToLower(got.etag) || got.size < -1 {
				t.Errorf("facts %+v", got)
			}
		}
		if first, last, total, err := parseContentRange(a); err == nil {
			if first > last || first < -1 || total < -1 || (total >= 0 && last >= total) || (first < 0 && total < 0) {
				t.Errorf("range %q: %d-%d/%d", a, first, last, total)
			}
		}
		if next, err := parseNextLink(a, base); err == nil && next != nil && (next.Host != "hub" || next.Scheme != "https") {
			t.Errorf("next page %v", next)
		}
		if d := parseRetryAfter(a, time.Unix(0, 0)); d < 0 || d > time.Minute {
			t.Errorf("pause %v", d)
		}
	})
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{
		"sridhar_2025", "a/b.zip", "../x", "/etc/passwd", "a\x00", DefaultEndpoint + "/datasets/" + Repository + "/resolve/main/a/../b",
		DefaultEndpoint + "/datasets/" + Repository + "/tree/main/%2e%2e/x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		remote, err := Resolve(s)
		if err == nil && !filepath.IsLocal(filepath.FromSlash(remote.Path)) {
			t.Errorf("%q leads to %q", s, remote.Path)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("error %q has a control character", err)
		}
	})
}
