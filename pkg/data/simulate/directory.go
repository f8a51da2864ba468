package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/fileio"
)

// manifestFile lists what was written into a directory. It is written first, so
// that a directory left by an interrupted run is known to be ours.
const manifestFile = "create-data.json"

// manifest says what made a data set.
type manifest struct {
	Program string   `json:"program"`
	Kind    string   `json:"kind"`
	Version int      `json:"version"`
	Seed    uint64   `json:"seed"`
	Files   []string `json:"files"`
}

const (
	manifestProgram = "openretina create-data"
	// manifestVersion changes with the bytes that a seed gives.
	manifestVersion = 1
	// maxManifest bounds how much of a file of that name is read.
	maxManifest = 1 << 20
)

// truthFile is not beside the session files: the Python reader takes every .h5
// file there for a session.
var truthFile = filepath.Join("truth", "ground_truth.h5")

func sessionName(session int) string { return fmt.Sprintf("session_%d", session) }

func sessionFile(session int) string { return sessionName(session) + ".hdf5" }

func stimulusFile(name string) string { return filepath.Join("stimuli", name+".npy") }

// claim makes dir ready: new, empty, or cleared of an earlier data set of ours.
// A directory with anything else in it is refused, untouched.
func claim(dir string, m manifest) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create data: %w", err)
	}
	if len(entries) > 0 {
		old, err := readManifest(dir)
		if err != nil {
			return fmt.Errorf("create data: %s is not empty and not a data set of ours (%w); give a new directory", dir, err)
		}
		if err := remove(dir, old.Files); err != nil {
			return fmt.Errorf("create data: %w", err)
		}
	}
	for _, file := range m.Files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o777); err != nil {
			return fmt.Errorf("create data: %w", err)
		}
	}
	m.Program, m.Version = manifestProgram, manifestVersion
	return fileio.WriteJSON(filepath.Join(dir, manifestFile), m)
}

// remove removes files of a directory, following no link out of it.
func remove(dir string, files []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, file := range files {
		if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readManifest reads the list of a directory's files, all of them inside it.
func readManifest(dir string) (manifest, error) {
	var m manifest
	f, err := os.Open(filepath.Join(dir, manifestFile))
	if err != nil {
		return m, fmt.Errorf("it has no %s", manifestFile)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("its %s: %w", manifestFile, err)
	}
	if m.Program != manifestProgram {
		return m, fmt.Errorf("its %s is of %q", manifestFile, m.Program)
	}
	for _, file := range m.Files {
		if !filepath.IsLocal(file) {
			return m, fmt.Errorf("its %s lists %q", manifestFile, file)
		}
	}
	return m, nil
}

// writeHDF5 writes a file durably.
func writeHDF5(path string, fill func(*hdf5.Writer) error) error {
	return fileio.WriteFile(path, func(w io.Writer) error { return hdf5.Write(w, fill) })
}
