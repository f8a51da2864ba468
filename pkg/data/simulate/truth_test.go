package simulate

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

func loadSmall(t *testing.T) *Truth {
	t.Helper()
	truth, err := LoadTruth(writeSmall(t, small))
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

func TestLoadTruth(t *testing.T) {
	truth := loadSmall(t)
	if truth.Channels != 2 || truth.Height != 18 || truth.Width != 16 || len(truth.Cells) != 18 ||
		!slices.Equal(truth.ChannelNames, []string{"green", "UV"}) || truth.FrameRate != 30 {
		t.Errorf("truth %+v", *truth)
	}
	types := map[string]bool{}
	for i := range truth.Cells {
		c := &truth.Cells[i]
		types[c.Type] = true
		if len(c.TestRate) != small.TestFrames || len(c.Filter) != 2*truth.Taps*18*16 {
			t.Errorf("cell %d: %d rates, filter of %d", i, len(c.TestRate), len(c.Filter))
		}
		if truth.Find(c.Session, c.Neuron) != i {
			t.Errorf("cell %d is not found by its name", i)
		}
	}
	if len(types) != 18 || truth.Cells[9].Session != "session_1" || truth.Cells[9].Neuron != 0 {
		t.Errorf("%d types, cell 9 is %s %d", len(types), truth.Cells[9].Session, truth.Cells[9].Neuron)
	}
	if truth.Find("session_9", 0) != -1 {
		t.Error("a neuron of no session was found")
	}
}

func TestBadTruth(t *testing.T) {
	if _, err := LoadTruth(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no truth: %v", err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, truthFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no HDF5"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTruth(dir); err == nil || !strings.Contains(err.Error(), "ground_truth.h5") {
		t.Errorf("a text as truth: %v", err)
	}
	err := writeHDF5(path, func(f *hdf5.Writer) error {
		return errors.Join(
			hdf5.Put(f, "filters", []int{1, 1, 1, 1, 1}, []float32{1}, hdf5.Layout{}),
			hdf5.Put(f, "rate_test", []int{2, 1}, []float64{1, 2}, hdf5.Layout{}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTruth(dir); err == nil || !strings.Contains(err.Error(), "rate_test has shape [2 1]") {
		t.Errorf("shapes that disagree: %v", err)
	}
}

// tiny is a truth of one cell: 2 channels, 2 taps, 1x2 pixels.
func tiny(filter ...float32) *Truth {
	return &Truth{Channels: 2, Taps: 2, Height: 1, Width: 2, Cells: []Cell{{Session: "s", Linear: true, Filter: filter, Ceiling: 0.8}}}
}

func TestOptimum(t *testing.T) {
	truth := tiny(0.5, 0, -0.5, 0, 0.5, 0, 0, 0.5)
	free, err := truth.Optimum(0, Limits{Norm: 4}, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{0, 0, 2, 0, -2, 0, 0, 0, 2, 0, 0, 2}; !slices.Equal(free, want) {
		t.Errorf("without ranges %v, want %v", free, want)
	}
	// The first channel is clipped to ±1; the second takes up the norm: 2·1 + 2·7 = 4².
	clipped, err := truth.Optimum(0, Limits{Norm: 4, Ranges: [][2]float64{{-1, 1}, {-9, 9}}}, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	root := float32(math.Sqrt(7))
	for i, want := range []float32{1, 0, -1, 0, root, 0, 0, root} {
		if math.Abs(float64(clipped[i]-want)) > 1e-4 {
			t.Errorf("value %d is %v, want %v", i, clipped[i], want)
		}
	}
	for _, c := range []struct{ cell, frames, newest int }{{1, 3, 2}, {-1, 3, 2}, {0, 3, 0}, {0, 3, 3}} {
		if _, err := truth.Optimum(c.cell, Limits{Norm: 1}, c.frames, c.newest); err == nil {
			t.Errorf("%+v gave no error", c)
		}
	}
	if _, err := truth.Optimum(0, Limits{Norm: 1, Ranges: [][2]float64{{0, 1}}}, 3, 2); err == nil {
		t.Error("one range for two channels gave no error")
	}
}

func TestCompareMEI(t *testing.T) {
	truth := loadSmall(t)
	limits := Limits{Norm: 10, Ranges: [][2]float64{{-1.5, 6}, {-1.5, 6}}}
	for _, newest := range []int{20, 23, 29} {
		stimulus, err := truth.Optimum(3, limits, 30, newest)
		if err != nil {
			t.Fatal(err)
		}
		match, err := truth.CompareMEI(3, stimulus, limits)
		if err != nil || match.Newest != newest || match.Correlation < 0.99999 {
			t.Errorf("the optimum at frame %d gives %+v, %v", newest, match, err)
		}
		for i := range stimulus {
			stimulus[i] = -stimulus[i]
		}
		if match, err := truth.CompareMEI(3, stimulus, limits); err != nil || match.Correlation > 0.9 {
			t.Errorf("the opposite stimulus gives %+v, %v", match, err)
		}
	}
	if _, err := truth.CompareMEI(0, make([]float32, 7), limits); err == nil {
		t.Error("a stimulus of wrong size gave no error")
	}
	if match, err := truth.CompareMEI(0, make([]float32, 2*30*18*16), limits); err != nil || match.Correlation != 0 {
		t.Errorf("a grey stimulus gives %+v, %v", match, err)
	}
}

func TestMedianRatio(t *testing.T) {
	truth := tiny()
	truth.Cells = append(truth.Cells,
		Cell{Session: "s", Neuron: 1, Linear: true, Ceiling: 0.5},
		Cell{Session: "s", Neuron: 2, Linear: true, Ceiling: 0.49},
		Cell{Session: "s", Neuron: 3, Ceiling: 0.9})
	median, cells, err := truth.MedianRatio(map[string][]float64{"s": {0.4, 0.45, 0, 0}})
	if err != nil || cells != 2 || math.Abs(median-0.7) > 1e-12 {
		t.Errorf("median %v of %d, %v", median, cells, err)
	}
	if _, _, err := truth.MedianRatio(map[string][]float64{"s": {0.4}}); err == nil {
		t.Error("missing neurons gave no error")
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Median([]float64{1, math.NaN()})) {
		t.Error("the median of nothing, or with NaN, is a number")
	}
}
