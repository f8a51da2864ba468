package data

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

func TestBehaviorFollowsTheMovie(t *testing.T) {
	b := &Behavior{Signals: 2, Frames: 4, Data: []float32{1, 2, 3, 4, -1, -2, -3, -4}}
	view, err := numbered(1, 4, 1, 2).ViewWith(b)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := Concat(view.Slice(2, 4), view.Slice(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 3*3*2)
	cut.Copy(got, 0, 3)
	want := []float32{2, 2.01, 3, 3.01, 0, 0.01, 3, 3, 4, 4, 1, 1, -3, -3, -4, -4, -1, -1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if channels, _, _, _ := cut.Shape(); channels != 3 || cut.Behavior() != 2 {
		t.Errorf("%d channels, %d of behaviour", channels, cut.Behavior())
	}
	if _, err := numbered(1, 5, 1, 2).ViewWith(b); err == nil {
		t.Error("a movie takes behaviour of another length")
	}
	if _, err := Concat(view, numbered(1, 4, 1, 2).View()); err == nil {
		t.Error("movies with and without behaviour are joined")
	}
}

func TestStandardise(t *testing.T) {
	nan := float32(math.NaN())
	train := &Behavior{Signals: 2, Frames: 3, Data: []float32{1, nan, 3, 7, 7, 7}}
	test := &Behavior{Signals: 2, Frames: 1, Data: []float32{5, 7}}
	if err := standardise([]*Behavior{train}, []*Behavior{test}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{-1, 0, 1, 0, 0, 0}, train.Data); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float32{3, 0}, test.Data); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []float32{nan, float32(math.Inf(1))} {
		if err := standardise([]*Behavior{{Signals: 1, Frames: 1, Data: []float32{bad}}}, nil); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// behaviorDirectory is a data directory of one session. behavior has the datasets
// behavior_train and behavior_test, by their shapes.
func behaviorDirectory(t *testing.T, behavior map[string][]int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, stimulusFolder), 0o777); err != nil {
		t.Fatal(err)
	}
	write := func(f *hdf5.Writer) error {
		for name, shape := range behavior {
			n, err := ndarray.NumElements(shape)
			if err != nil {
				return err
			}
			values := make([]float32, n)
			for i := range values {
				values[i] = float32(i % shape[1])
			}
			if err := hdf5.Put(f, name, shape, values, hdf5.Layout{}); err != nil {
				return err
			}
		}
		for name, frames := range map[string]int{"train": 80, "test": 20} {
			movie, err := ndarray.FromFloat32(numbered(1, frames, 2, 3).Data, 1, frames, 2, 3)
			if err != nil {
				return err
			}
			if err := npy.WriteFile(filepath.Join(dir, stimulusFolder, name+".npy"), movie); err != nil {
				return err
			}
			if err := hdf5.Put(f, responsesPrefix+name, []int{2, frames}, make([]float32, 2*frames), hdf5.Layout{}); err != nil {
				return err
			}
		}
		return nil
	}
	err := fileio.WriteFile(filepath.Join(dir, "a.h5"), func(w io.Writer) error { return hdf5.Write(w, write) })
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func loadBehavior(t *testing.T, dir string) (*Dataset, error) {
	t.Helper()
	n, err := config.FromYAML("behavior.yaml", []byte(strings.NewReplacer(
		"testdata/create_data/directory", dir, "random_noise_1", "test", "[2, 16, 8]", "[1, 2, 3]",
		"    norm_mean", "    behavior: true\n    norm_mean",
	).Replace(createDataConfig)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseConfig(n)
	if err != nil {
		t.Fatal(err)
	}
	return s.Load(context.Background(), Options{})
}

func TestDirectoryWithBehavior(t *testing.T) {
	d, err := loadBehavior(t, behaviorDirectory(t, map[string][]int{"behavior_train": {2, 80}, "behavior_test": {2, 20}}))
	if err != nil {
		t.Fatal(err)
	}
	if d.Info.Behavior != 2 || d.Info.InputShape != [3]int{1, 2, 3} {
		t.Errorf("%d signals, movies of %v", d.Info.Behavior, d.Info.InputShape)
	}
	l, err := d.TrainLoader(1)
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range l.Epoch(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if b.Channels != 3 {
			t.Errorf("%d channels", b.Channels)
		}
		break
	}
	for name, bad := range map[string]map[string][]int{
		"behavior_test":        {"behavior_train": {2, 80}},
		"the behaviour 79":     {"behavior_train": {2, 79}, "behavior_test": {2, 20}},
		"behavior_train has 2": {"behavior_train": {2, 80}, "behavior_test": {1, 20}},
		"(signals, frames)":    {"behavior_train": {2, 80, 1}, "behavior_test": {2, 20}},
	} {
		if _, err := loadBehavior(t, behaviorDirectory(t, bad)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: error is %v, want %q in it", bad, err, name)
		}
	}
}
