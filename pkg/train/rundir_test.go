package train

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A reader may ask for a directory of recordings: all of its files are on record.
func TestRecordOfADirectoryOfData(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "session", "naturalscene.h5")
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("data"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := &runRecord{Data: map[string]string{}}
	find := r.resolver(nil)
	for _, path := range []string{dir, file} {
		if _, err := find(t.Context(), path, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.files, []string{file}) || len(r.Data[file]) != 64 {
		t.Errorf("files %v, digests %v", r.files, r.Data)
	}
}
