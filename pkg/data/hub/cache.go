package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// notesDir is the folder of the cache that holds what is known of its files: the
// note of the file p is p.json, that of the folder p is p/.json, and the locks
// end in .lock instead.
const notesDir = ".openretina"

// note is what the cache remembers of a file that it has downloaded.
type note struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// ETag is the hub's digest, Commit its revision.
	ETag   string `json:"etag"`
	Commit string `json:"commit,omitempty"`
}

// folderNote says that a folder is complete, and what it consists of.
type folderNote struct {
	Path  string   `json:"path"`
	Files []string `json:"files"`
}

const maxNoteBytes = 64 << 20

// cache is an open cache folder.
type cache struct {
	dir  string
	root *os.Root
	fs   fileio.FS
}

// openCache opens the cache; where create is false, a missing one gives
// fs.ErrNotExist.
func openCache(dir string, create bool) (*cache, error) {
	if dir == "" {
		return nil, fmt.Errorf("no cache folder: set %s", EnvCacheDir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if create {
		if err := fileio.MkdirAll(dir); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the cache: %w", err)
	}
	return &cache{dir: dir, root: root, fs: rootFS{root}}, nil
}

func (k *cache) close() error { return k.root.Close() }

func (k *cache) local(p string) string { return filepath.Join(k.dir, filepath.FromSlash(p)) }

// Cached is where a remote lies in the cache. It is false for what is missing
// and for a file whose size is not the one it was downloaded with. A file that
// was put there by hand or by the Python package has no note to disagree with.
func (c *Client) Cached(remote Remote) (string, bool) {
	if checkPath(remote.Path) != nil {
		return "", false
	}
	k, err := openCache(c.CacheDir, false)
	if err != nil {
		return "", false
	}
	found, err := k.find(remote.Path)
	return found, errors.Join(err, k.close()) == nil && found != ""
}

// errDamaged is in the error about a cached file that is not as it was noted.
var errDamaged = errors.New("the cached copy is damaged")

// find is the local path of a remote path; empty where it is not in the cache.
// Links in the cache are followed when reading: users keep big files elsewhere.
func (k *cache) find(p string) (string, error) {
	info, err := os.Stat(k.local(p))
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir):
		return k.findUnzipped(p), nil
	case err != nil:
		return "", fmt.Errorf("look into the cache: %w", err)
	case info.IsDir():
		return k.findFolder(p)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file: remove it", k.local(p))
	}
	known, err := k.readNote(p)
	if err != nil {
		return "", err
	}
	if known != nil && known.Size != info.Size() {
		return "", fmt.Errorf("%s: %w: it has %d bytes instead of %d", k.local(p), errDamaged, info.Size(), known.Size)
	}
	return k.local(p), nil
}

// findUnzipped looks for what the Python package leaves of an archive: it takes
// the content out, into a folder or a file of the same stem, and removes the rest.
func (k *cache) findUnzipped(p string) string {
	stem, ok := strings.CutSuffix(k.local(p), ".zip")
	if !ok {
		return ""
	}
	if info, err := os.Stat(stem); err == nil && info.IsDir() {
		return stem
	}
	entries, err := os.ReadDir(filepath.Dir(stem))
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		name := entry.Name()
		extension := filepath.Ext(name)
		if extension == ".lock" || extension == ".metadata" || !entry.Type().IsRegular() {
			continue
		}
		if strings.TrimSuffix(name, extension) == filepath.Base(stem) {
			return filepath.Join(filepath.Dir(stem), name)
		}
	}
	return ""
}

// findFolder is the folder's local path where it is complete, or where this
// package has never touched it: then it was put there by hand.
func (k *cache) findFolder(p string) (string, error) {
	byHand, err := k.byHand(p)
	if err != nil || byHand {
		return k.local(p), err
	}
	var known folderNote
	ok, err := k.readJSON(folderNoteName(p), &known)
	if err != nil || !ok {
		return "", err
	}
	for _, f := range known.Files {
		if checkPath(f) != nil || !strings.HasPrefix(f, p+"/") {
			return "", fmt.Errorf("%s: %w: it names %q", k.local(folderNoteName(p)), errDamaged, f)
		}
		if found, err := k.find(f); err != nil || found == "" {
			return "", err
		}
	}
	return k.local(p), nil
}

// byHand is true for a folder with files of which this package has brought none.
func (k *cache) byHand(p string) (bool, error) {
	noted, err := anyFile(k.local(path.Join(notesDir, p)), func(name string) bool { return strings.HasSuffix(name, ".json") })
	if err != nil || noted {
		return false, err
	}
	return anyFile(k.local(p), func(name string) bool { return !strings.HasSuffix(name, partSuffix) })
}

// anyFile is true where a folder, or one below it, has a file whose name fits.
func anyFile(dir string, fits func(name string) bool) (bool, error) {
	found := false
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && fits(entry.Name()) {
			found = true
			return filepath.SkipAll
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look into the cache: %w", err)
	}
	return found, nil
}

func fileNoteName(p string) string   { return path.Join(notesDir, p) + ".json" }
func folderNoteName(p string) string { return path.Join(notesDir, p) + "/.json" }

// readNote is nil for a file without a note.
func (k *cache) readNote(p string) (*note, error) {
	var n note
	ok, err := k.readJSON(fileNoteName(p), &n)
	if err != nil || !ok {
		return nil, err
	}
	if n.Path != p || n.Size < 0 {
		return nil, fmt.Errorf("%s: %w: it is the note of another file; remove it", k.local(fileNoteName(p)), errDamaged)
	}
	return &n, nil
}

func (k *cache) readJSON(name string, into any) (ok bool, err error) {
	f, err := k.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look into the cache: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content, err := io.ReadAll(io.LimitReader(f, maxNoteBytes))
	if err != nil {
		return false, fmt.Errorf("%s: %w", k.local(name), err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return false, fmt.Errorf("%s: %w: %w; remove it", k.local(name), errDamaged, err)
	}
	return true, nil
}

func (k *cache) writeJSON(name string, value any) error {
	if err := fileio.MkdirAllFS(k.fs, path.Dir(name)); err != nil {
		return err
	}
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return fileio.WriteFileFS(k.fs, name, func(w io.Writer) error {
		_, err := w.Write(append(content, '\n'))
		return err
	})
}
