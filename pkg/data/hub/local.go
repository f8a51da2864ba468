package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Local finds what a path or an address of the hub stands for on this machine: a path
// as it is (~ is the home directory), an address in the cache, where it may also lie
// unpacked. An empty cacheDir is the usual one. It never uses the network; its error
// for what is missing names the command that downloads it.
func Local(pathOrURL, cacheDir string) (string, error) {
	if !strings.Contains(pathOrURL, "://") {
		path := ExpandHome(pathOrURL)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("data file %s: %w", path, errors.Unwrap(err))
		}
		return path, nil
	}
	remote, err := Resolve(pathOrURL)
	if err != nil {
		return "", err
	}
	if cacheDir == "" {
		if cacheDir, err = CacheDir(os.Getenv); err != nil {
			return "", err
		}
	}
	cacheDir = ExpandHome(cacheDir)
	client := &Client{CacheDir: cacheDir, Offline: true}
	if path, ok := client.Cached(remote); ok {
		return path, nil
	}
	if path, ok := unpackedIn(filepath.Join(cacheDir, filepath.FromSlash(remote.Path))); ok {
		return path, nil
	}
	return "", fmt.Errorf("%s is not in the cache %s; run: openretina download %s", remote.Path, cacheDir, remote.Path)
}

// ExpandHome replaces ~/ by the home directory, as Python's expanduser.
func ExpandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

// unpackedIn looks beside a zip file for what it unpacks to: the Python package
// removes an archive once it is unpacked.
func unpackedIn(archive string) (string, bool) {
	stem, ok := strings.CutSuffix(archive, ".zip")
	if !ok {
		return "", false
	}
	for _, extension := range []string{"", ".pickle", ".pkl", ".h5", ".hdf5"} {
		if _, err := os.Stat(stem + extension); err == nil {
			return stem + extension, true
		}
	}
	return "", false
}
