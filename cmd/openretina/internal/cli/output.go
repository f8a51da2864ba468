package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkOutput tells before anything is computed whether a file can be written: its
// directory must be there and take a new file.
func checkOutput(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("output %s is a directory: name a file", path)
	case err == nil && !info.Mode().IsRegular():
		return nil // a pipe or a device
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("output: %w", err)
	}
	return checkDirectory(filepath.Dir(path))
}

// checkDirectory makes and removes a file.
func checkDirectory(dir string) error {
	probe, err := os.CreateTemp(dir, ".openretina-*")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("output: there is no directory %s", dir)
	}
	if err != nil {
		return fmt.Errorf("output: cannot write into %s: %w", dir, bareError(err))
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// bareError takes the name of a file that the user did not name from an error.
func bareError(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
