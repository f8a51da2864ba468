package hub

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// rootFS is a fileio.FS whose paths are relative to the cache and cannot leave
// it, whatever links lie there.
type rootFS struct{ root *os.Root }

var _ fileio.FS = rootFS{}

func (r rootFS) CreateTemp(dir, _ string) (fileio.File, error) {
	name := path.Join(dir, "."+rand.Text()+partSuffix)
	f, err := r.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return rootFile{f, name}, nil
}

// rootFile is a file that knows its path as the rootFS takes it.
type rootFile struct {
	*os.File
	name string
}

func (f rootFile) Name() string { return f.name }

func (r rootFS) Rename(oldPath, newPath string) error  { return r.root.Rename(oldPath, newPath) }
func (r rootFS) Remove(name string) error              { return r.root.Remove(name) }
func (r rootFS) Mkdir(name string) error               { return r.root.Mkdir(name, 0o777) }
func (r rootFS) Stat(name string) (fs.FileInfo, error) { return r.root.Stat(name) }

func (r rootFS) SyncDir(dir string) error {
	d, err := r.root.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	// Some file systems cannot sync a directory and say so; they have no better way.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// shortHash names something by a few digits of its digest.
func shortHash(sum []byte) string { return hex.EncodeToString(sum[:8]) }
