package fileio_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/faultfs"
)

const (
	path = "/run/best.ckpt"
	old  = "old content"
)

// fresh is longer than the buffer, so that it takes more than one write.
var fresh = strings.Repeat("new content ", 50_000)

func fill(w io.Writer) error {
	_, err := io.WriteString(w, fresh)
	return err
}

func files(existing bool) map[string]string {
	if existing {
		return map[string]string{"best.ckpt": old}
	}
	return nil
}

// TestEveryFault lets each operation of a write fail, once and for ever.
func TestEveryFault(t *testing.T) {
	for _, existing := range []bool{true, false} {
		for _, errno := range []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EACCES, syscall.EINTR} {
			for _, forever := range []bool{false, true} {
				for _, short := range []bool{false, true} {
					for n := 1; ; n++ {
						fsys := faultfs.New("/run", files(existing))
						fsys.Fault = faultfs.Fault{N: n, Err: errno, Forever: forever, Short: short}
						err := fileio.WriteFileFS(fsys, path, fill)
						if len(fsys.Ops) < n {
							break
						}
						checkFault(t, fsys, existing, err, errno)
					}
				}
			}
		}
	}
}

func checkFault(t *testing.T, fsys *faultfs.FS, existing bool, err, errno error) {
	t.Helper()
	failed := fsys.Ops[fsys.Fault.N-1]
	where := fmt.Sprintf("%v failing at %d (%s), existing %v", errno, fsys.Fault.N, failed, existing)
	if !errors.Is(err, errno) {
		t.Fatalf("%s: error %v", where, err)
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: message %q", where, err)
	}
	content, readErr := fsys.ReadFile(path)
	switch {
	case failed == faultfs.SyncDir && content == fresh:
	case existing && content == old:
	case !existing && errors.Is(readErr, fs.ErrNotExist):
	default:
		t.Errorf("%s: %d bytes of content", where, len(content))
	}
	if i := slices.Index(fsys.Ops, faultfs.Sync); failed == faultfs.Sync && slices.Contains(fsys.Ops[i+1:], faultfs.Sync) {
		t.Errorf("%s: sync was tried again", where)
	}
	for _, name := range fsys.Files() {
		if name != path {
			t.Errorf("%s: %s is left over", where, name)
		}
	}
}

// TestPowerLoss looks at all that a disk may hold after a power loss at each
// operation of a write, and after its end.
func TestPowerLoss(t *testing.T) {
	done := faultfs.New("/run", files(true))
	if err := fileio.WriteFileFS(done, path, fill); err != nil {
		t.Fatal(err)
	}
	states := 0
	for n := 1; n <= len(done.Ops); n++ {
		fsys := faultfs.New("/run", files(true))
		fsys.Fault = faultfs.Fault{N: n, Err: syscall.EIO, Forever: true}
		if err := fileio.WriteFileFS(fsys, path, fill); err == nil {
			t.Fatalf("operation %d failed and nobody noticed", n)
		}
		for _, state := range fsys.CrashStates() {
			states++
			if got, ok := state[path]; !ok || got != old && got != fresh {
				t.Fatalf("power loss at operation %d leaves %d bytes (file there: %v)", n, len(got), ok)
			}
		}
	}
	for _, state := range done.CrashStates() {
		states++
		if state[path] != fresh {
			t.Fatal("what was reported written is lost after a power loss")
		}
	}
	t.Logf("%d states", states)
}

// TestPowerLossNoticesMutants proves that the test above can fail: without the
// sync of the file, and with a write in place, states without either content appear.
func TestPowerLossNoticesMutants(t *testing.T) {
	fsys := faultfs.New("/run", files(true))
	f, err := fsys.CreateTemp("/run", "best.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(f), fsys.Rename(f.Name(), path)); err != nil {
		t.Fatal(err)
	}
	torn := 0
	for _, state := range fsys.CrashStates() {
		if got := state[path]; got != old && got != fresh {
			torn++
		}
	}
	if torn == 0 {
		t.Error("a rename before the data was synced was not noticed")
	}
}

func TestFillFails(t *testing.T) {
	fsys := faultfs.New("/run", files(true))
	boom := errors.New("no such layer")
	err := fileio.WriteFileFS(fsys, path, func(w io.Writer) error {
		_, _ = io.WriteString(w, fresh)
		return boom
	})
	if !errors.Is(err, boom) || err.Error() != "write /run/best.ckpt: no such layer" {
		t.Errorf("error %v", err)
	}
	if got, _ := fsys.ReadFile(path); got != old || len(fsys.Files()) != 1 {
		t.Errorf("content %q, files %v", got, fsys.Files())
	}
}

func TestDiskFullNamesBytes(t *testing.T) {
	fsys := faultfs.New("/run", nil)
	fsys.Fault = faultfs.Fault{N: 3, Err: syscall.ENOSPC, Forever: true}
	err := fileio.WriteFileFS(fsys, path, func(w io.Writer) error {
		for range 3 {
			if _, err := w.Write(make([]byte, 1<<19)); err != nil {
				return err
			}
		}
		return nil
	})
	if want := "write /run/best.ckpt: after 524288 bytes: no space left on device"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestRealFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := fileio.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := fileio.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	file, link := filepath.Join(dir, "best.ckpt"), filepath.Join(dir, "link.ckpt")
	if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("best.ckpt", link); err != nil {
		t.Fatal(err)
	}
	if err := fileio.WriteFile(link, fill); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != fresh {
		t.Errorf("content %d bytes, %v", len(got), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("entries %v, %v", entries, err)
	}
	if err := fileio.WriteFile(os.DevNull, fill); err != nil {
		t.Errorf("a device: %v", err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s was replaced: %v, %v", os.DevNull, info, err)
	}
}

func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	blocker := filepath.Join(dir, "file")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a directory", fileio.WriteFile(dir, fill), "it is a directory"},
		{"missing directory", fileio.WriteFile(filepath.Join(dir, "none", "x"), fill), "no such file or directory"},
		{"file as directory", fileio.WriteFile(filepath.Join(blocker, "x"), fill), "not a directory"},
		{"mkdir over a file", fileio.MkdirAll(blocker), "in the way"},
		{"mkdir below a file", fileio.MkdirAll(filepath.Join(blocker, "x", "y")), "not a directory"},
		{"full device", fileio.WriteFile("/dev/full", fill), "no space left on device"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || strings.Contains(c.err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", c.name, c.err, c.want)
		}
	}
}

func TestMkdirAllFaults(t *testing.T) {
	for n := 1; ; n++ {
		fsys := faultfs.New("/run", nil)
		fsys.Fault = faultfs.Fault{N: n, Err: syscall.ENOSPC}
		err := fileio.MkdirAllFS(fsys, "/run/a/b")
		if len(fsys.Ops) < n {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("fault at %d: %v", n, err)
		}
	}
}

// TestRemoveLitter keeps what is being written and collects what was abandoned.
func TestRemoveLitter(t *testing.T) {
	dir := t.TempDir()
	running, err := fileio.OS.CreateTemp(dir, "best.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	abandoned, err := fileio.OS.CreateTemp(dir, strings.Repeat("long", 60))
	if err != nil {
		t.Fatal(err)
	}
	if err := abandoned.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"best.ckpt", ".hidden", "x.partial", ".partial"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := fileio.RemoveLitter(dir); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if _, err := os.Stat(abandoned.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("abandoned file is still there")
	}
	if _, err := os.Stat(running.Name()); err != nil {
		t.Error("file of a running writer is gone")
	}
	if err := running.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := fileio.RemoveLitter(dir); n != 1 || err != nil {
		t.Errorf("then removed %d, %v", n, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("left: %v", entries)
	}
	if n, err := fileio.RemoveLitter(filepath.Join(dir, "none")); n != 0 || err != nil {
		t.Errorf("missing directory: %d, %v", n, err)
	}
}

func TestWriteBytesAndJSON(t *testing.T) {
	dir := t.TempDir()
	for name, write := range map[string]func(path string) error{
		"bytes": func(path string) error { return fileio.WriteBytes(path, []byte(old)) },
		"json":  func(path string) error { return fileio.WriteJSON(path, map[string]any{"b": []int{1}, "a": "<>"}) },
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"bytes": old, "json": "{\n  \"a\": \"\\u003c\\u003e\",\n  \"b\": [\n    1\n  ]\n}\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := fileio.WriteJSON(filepath.Join(dir, "json"), func() {}); err == nil {
		t.Error("a function was written")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}
