package data

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
)

var (
	hdf5Extensions   = []string{".h5", ".hdf5"}
	pickleExtensions = []string{".pickle", ".pkl"}
)

// isZip reports whether a path names a zip file.
func isZip(file string) bool { return strings.EqualFold(filepath.Ext(file), ".zip") }

// inZip opens the one file with one of the extensions in a zip file and hands it
// to use.
func inZip(archive string, extensions []string, use func(*zipfile.Entry) error) (err error) {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("zip file %s: %w", archive, errors.Unwrap(err))
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("zip file %s: %w", archive, errors.Unwrap(err))
	}
	z, err := zipfile.Open(file, info.Size())
	if err != nil {
		return fmt.Errorf("zip file %s: %w", archive, err)
	}
	var found *zipfile.Entry
	for _, entry := range z.Entries {
		hidden := strings.HasPrefix(path.Base(entry.Name), ".") // macOS adds ._ files
		if hidden || !slices.Contains(extensions, strings.ToLower(path.Ext(entry.Name))) {
			continue
		}
		if found != nil {
			return fmt.Errorf("zip file %s holds both %s and %s; unpack it and name one", archive, found.Name, entry.Name)
		}
		found = entry
	}
	if found == nil {
		return fmt.Errorf("zip file %s holds no %s file", archive, strings.Join(extensions, " or "))
	}
	if err := use(found); err != nil {
		return fmt.Errorf("zip file %s: %s: %w", archive, found.Name, err)
	}
	return nil
}

// unpackHDF5 gives the path of an HDF5 file that may lie in a zip file, and the
// call that removes what was made for it. It is unpacked beside the archive and
// kept there, since recordings are large; where that cannot be written or
// another file has its name, into a temporary file.
func unpackHDF5(file string) (unpacked string, remove func() error, err error) {
	remove = func() error { return nil }
	if !isZip(file) {
		return file, remove, nil
	}
	err = inZip(file, hdf5Extensions, func(entry *zipfile.Entry) error {
		unpacked = filepath.Join(filepath.Dir(file), path.Base(strings.ReplaceAll(entry.Name, `\`, "/")))
		switch _, err := os.Lstat(unpacked); {
		case err == nil && isUnpacked(unpacked, file, entry.Size):
			return nil
		case errors.Is(err, os.ErrNotExist) && writeEntry(unpacked, entry) == nil:
			return nil
		}
		unpacked, err = writeTemporary(entry)
		remove = func() error { return os.Remove(unpacked) }
		return err
	})
	return unpacked, remove, err
}

// isUnpacked reports whether a file was unpacked from an archive: it has the
// entry's size and is not older.
func isUnpacked(file, archive string, size int64) bool {
	info, err := os.Stat(file)
	from, err2 := os.Stat(archive)
	return err == nil && err2 == nil && info.Mode().IsRegular() && info.Size() == size &&
		!info.ModTime().Before(from.ModTime())
}

func writeEntry(file string, entry *zipfile.Entry) error {
	return fileio.WriteFile(file, func(w io.Writer) error {
		_, err := io.Copy(w, entry.Open())
		return err
	})
}

// writeTemporary unpacks an entry into a temporary file.
func writeTemporary(entry *zipfile.Entry) (name string, err error) {
	file, err := os.CreateTemp("", "openretina-*.h5")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(file, entry.Open())
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}
