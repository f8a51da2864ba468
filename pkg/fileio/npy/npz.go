package npy

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/zipfile"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Named is one array of an .npz file, its name without .npy.
type Named = ndarray.Named

// ReadZipFile reads all arrays of an .npz file, in the order of the file.
func ReadZipFile(path string) ([]Named, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	arrays, err := ReadZip(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return arrays, nil
}

// ReadZip reads all arrays of an .npz file of size bytes.
func ReadZip(r io.ReaderAt, size int64) ([]Named, error) {
	archive, err := zipfile.Open(r, size)
	if err != nil {
		return nil, err
	}
	arrays := make([]Named, 0, len(archive.Entries))
	for _, entry := range archive.Entries {
		name, ok := strings.CutSuffix(entry.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("not an .npz file: it has an entry %q", entry.Name)
		}
		a, err := readEntry(entry)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		arrays = append(arrays, Named{Name: name, Array: a})
	}
	return arrays, nil
}

// Find is the array of that name.
func Find(arrays []Named, name string) (*ndarray.Array, error) {
	names := make([]string, len(arrays))
	for i, a := range arrays {
		if a.Name == name {
			return a.Array, nil
		}
		names[i] = a.Name
	}
	return nil, fmt.Errorf("no array %q; there are %s", name, strings.Join(names, ", "))
}

// readEntry reads to the end of the entry, where its CRC is compared.
func readEntry(entry *zipfile.Entry) (*ndarray.Array, error) {
	r := bufio.NewReaderSize(entry.Open(), 1<<16)
	h, at, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	n, err := h.checkSize(entry.Size - at)
	if err != nil {
		return nil, err
	}
	data, err := readGrowing(r, n)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	return h.array(data)
}

// WriteZipFile writes arrays as an .npz file, durably and uncompressed.
func WriteZipFile(path string, arrays []Named) error {
	return fileio.WriteFile(path, func(w io.Writer) error { return WriteZip(w, arrays) })
}

// WriteZip writes arrays as an .npz file, uncompressed. Its bytes depend on the
// arrays, their names and their order only.
func WriteZip(w io.Writer, arrays []Named) error {
	archive := zipfile.NewWriter(w)
	seen := map[string]bool{}
	for _, a := range arrays {
		if seen[a.Name] || a.Name == "" {
			return fmt.Errorf("array name %q is empty or used twice", a.Name)
		}
		seen[a.Name] = true
		header, err := encodeHeader(a.Array)
		if err != nil {
			return fmt.Errorf("array %q: %w", a.Name, err)
		}
		if err := archive.Add(a.Name+".npy", header, a.Array.Data); err != nil {
			return err
		}
	}
	return archive.Close()
}
