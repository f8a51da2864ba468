package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/data/simulate/internal/retina"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
)

// small is a retina that is made in a second.
var small = Options{CellsPerType: 1, Frames: 400, TestFrames: 160, Repeats: 3}

func writeSmall(t *testing.T, options Options) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := Write(context.Background(), dir, options); err != nil {
		t.Fatal(err)
	}
	return dir
}

// digests are the SHA-256 of all files under dir.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		sum := sha256.Sum256(content)
		found[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestSameBytes pins all files of a seed. When it has to change, so does
// manifestVersion.
func TestSameBytes(t *testing.T) {
	want := map[string]string{
		"create-data.json":          "1dddf2a4cfc6be1b1a4ba027fa730758f3b7888975f5a6808d789eea2926e61a",
		"session_0.hdf5":            "6e7703ca103013a6d70968b13ac598a5b7dcbb20df8cd0ebed2e62fa012768a8",
		"session_1.hdf5":            "735da27b479642033eb24ceefba4e2a26a789dd3ee13e37a0716eb648c8cff8d",
		"stimuli/natural_test.npy":  "0fadce9b20e7c2049d3b3ff6f577719ac967f5cd746c20f0d11e05c926ecff32",
		"stimuli/natural_train.npy": "382c936e71a9c613f864772400e4f444c57d39caeeb3e5689640822fac666102",
		"truth/ground_truth.h5":     "6868586370b0077fc6291a32288330d6dea915c6fe971a1546f910431bea8870",
	}
	got := digests(t, writeSmall(t, small))
	for name, digest := range got {
		if want[name] != digest {
			t.Errorf("%s: digest %s, want %s", name, digest, want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	other := small
	other.Seed = 1
	for name, digest := range digests(t, writeSmall(t, other)) {
		if got[name] == digest {
			t.Errorf("%s is the same with another seed", name)
		}
	}
}

func readDataset(t *testing.T, path, name string) ([]float64, []int) {
	t.Helper()
	f, err := hdf5.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.Dataset(name)
	if err != nil {
		t.Fatal(err)
	}
	values, err := hdf5.Read[float64](d)
	if err != nil {
		t.Fatal(err)
	}
	return values, d.Shape
}

func TestSessionFiles(t *testing.T) {
	dir := writeSmall(t, small)
	movie, err := npy.ReadFile(filepath.Join(dir, "stimuli", "natural_test.npy"))
	if err != nil || !slices.Equal(movie.Shape, []int{2, 160, 18, 16}) {
		t.Fatalf("test movie %v, %v", movie, err)
	}
	for _, session := range []string{"session_0", "session_1"} {
		path := filepath.Join(dir, session+".hdf5")
		mean, shape := readDataset(t, path, "responses_natural_test")
		if !slices.Equal(shape, []int{9, 160}) {
			t.Errorf("%s: test responses of shape %v", session, shape)
		}
		trials, shape := readDataset(t, path, "trials/natural_test")
		if !slices.Equal(shape, []int{3, 9, 160}) {
			t.Errorf("%s: trials of shape %v", session, shape)
		}
		for i, m := range mean {
			n := len(mean)
			if want := (trials[i] + trials[n+i] + trials[2*n+i]) / 3; math.Abs(m-want) > 1e-6 {
				t.Fatalf("%s: mean response %v, trials say %v", session, m, want)
			}
		}
		if _, shape := readDataset(t, path, "responses_natural_train"); !slices.Equal(shape, []int{9, 400}) {
			t.Errorf("%s: train responses of shape %v", session, shape)
		}
		codes, _ := readDataset(t, path, "session_info/celltypes")
		if len(codes) != 9 || codes[0] == codes[1] {
			t.Errorf("%s: cell types %v", session, codes)
		}
	}
}

// TestDealing checks that each session gets cells of all types.
func TestDealing(t *testing.T) {
	for _, sessions := range []int{2, 3} {
		r := &recorded{Options: Options{Sessions: sessions, CellsPerType: 6}, cells: retina.NewCells(0, 6)}
		for session := range sessions {
			types := map[string]int{}
			for _, i := range r.members(session) {
				types[r.cells[i].Type]++
			}
			for name, n := range types {
				if len(types) != 18 || n != 6/sessions {
					t.Errorf("session %d of %d has %d cells of %s, %d types", session, sessions, n, name, len(types))
				}
			}
		}
	}
}

func TestDefaultSizes(t *testing.T) {
	o, err := Options{}.withDefaults()
	if err != nil || o.Sessions != 2 || o.CellsPerType*18 < 60 || o.Frames != 12000 || o.Repeats < 2 {
		t.Errorf("defaults %+v, %v", o, err)
	}
}

func TestProgress(t *testing.T) {
	options := small
	var seen []int
	last := 0
	options.Progress = func(done, total int) {
		seen = append(seen, done)
		last = total
	}
	writeSmall(t, options)
	if len(seen) != last || !slices.IsSorted(seen) {
		t.Errorf("progress %v of %d", seen, last)
	}
}

func TestDirectory(t *testing.T) {
	ctx := context.Background()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(ctx, foreign, small); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("foreign directory: %v", err)
	}
	if entries, _ := os.ReadDir(foreign); len(entries) != 1 {
		t.Errorf("a refused directory was changed: %v", entries)
	}
	hostile := t.TempDir()
	text := `{"program":"openretina create-data","files":["../victim"]}`
	if err := os.WriteFile(filepath.Join(hostile, manifestFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(ctx, hostile, small); err == nil || !strings.Contains(err.Error(), "../victim") {
		t.Errorf("manifest that points outside: %v", err)
	}
	// Over an own data set of another size, nothing of the old one stays.
	options := small
	options.Sessions = 3
	dir := writeSmall(t, options)
	if err := Write(ctx, dir, small); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "session_2.hdf5")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an old session is still there: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Sessions: -1}, "sessions is -1"},
		{Options{Frames: 5}, "shorter than a cell's filter"},
		{Options{Repeats: 5000}, "repeats is 5000"},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if err := Write(context.Background(), dir, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.options, err, c.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%+v: the directory was made", c.options)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	options := small
	options.Progress = func(done, _ int) {
		if done == 2 {
			cancel(stop)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := Write(ctx, dir, options); !errors.Is(err, stop) {
		t.Fatalf("error %v, want the cause", err)
	}
	if err := Write(context.Background(), dir, small); err != nil {
		t.Errorf("a second try in the same directory: %v", err)
	}
}
