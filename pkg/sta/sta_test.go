package sta

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// golden reads arrays that the Python package made.
type golden struct {
	t      *testing.T
	arrays []npy.Named
}

func read(t *testing.T, file string) golden {
	t.Helper()
	arrays, err := npy.ReadZipFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return golden{t, arrays}
}

func (g golden) array(name string) *ndarray.Array {
	g.t.Helper()
	a, err := npy.Find(g.arrays, name)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

// compare asks for the Python package's filters and, up to the names of the ellipse's
// axes, its Gaussian.
func (g golden) compare(f *Filters, name string) {
	g.t.Helper()
	compareGaussian(g.t, f.Gaussian, g.array(name+"/gaussian").Float64s())
	for _, filter := range []struct {
		name      string
		got, want []float32
	}{
		{"spatial", f.Spatial, g.array(name + "/spatial").Float32s()},
		{"temporal", f.Temporal, g.array(name + "/temporal").Float32s()},
	} {
		if len(filter.got) != len(filter.want) {
			g.t.Errorf("%s filter has %d values, not %d", filter.name, len(filter.got), len(filter.want))
			continue
		}
		for i, want := range filter.want {
			if math.Abs(float64(filter.got[i]-want)) > 1e-4 {
				g.t.Errorf("%s filter: value %d is %v, not %v", filter.name, i, filter.got[i], want)
				break
			}
		}
	}
}

// compareGaussian compares what a Gaussian is, not how: theta and theta + π are the
// same ellipse, and so are exchanged axes a quarter turn away. Which of them a fit
// ends at is chance in Python too.
func compareGaussian(t *testing.T, got Gaussian, want []float64) {
	t.Helper()
	w := Gaussian{CenterX: want[0], CenterY: want[1], SigmaX: want[2], SigmaY: want[3], Theta: want[4], Amplitude: want[5], Fitted: want[6] == 1}
	if got.Fitted != w.Fitted {
		t.Errorf("fitted is %v, not %v", got.Fitted, w.Fitted)
	}
	a, b := got.canonical(), w.canonical()
	for i, name := range []string{"center_x", "center_y", "xx", "xy", "yy", "amplitude"} {
		if math.Abs(a[i]-b[i]) > 1e-3*max(1, math.Abs(b[i])) {
			t.Errorf("%s is %v, not %v (%+v, not %+v)", name, a[i], b[i], got, w)
		}
	}
}

// canonical is the centre, the root of the covariance matrix, and the amplitude.
func (g Gaussian) canonical() [6]float64 {
	sin, cos := math.Sincos(g.Theta)
	return [6]float64{
		g.CenterX, g.CenterY,
		cos*cos*g.SigmaX + sin*sin*g.SigmaY, cos * sin * (g.SigmaX - g.SigmaY), sin*sin*g.SigmaX + cos*cos*g.SigmaY,
		g.Amplitude,
	}
}

func TestFiltersAreThePythonPackages(t *testing.T) {
	expected := read(t, "expected.npz")
	stas, err := filepath.Glob("testdata/cell_data_*.npy")
	if err != nil || len(stas) != 5 {
		t.Fatal(stas, err)
	}
	o := Options{Flip: true, Height: 24, Width: 26, Frames: 20, SigmaContour: 3}
	for _, path := range stas {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := ReadFilters(path, o)
			if err != nil {
				t.Fatal(err)
			}
			golden{t, expected.arrays}.compare(f, filepath.Base(path))
		})
	}
	o.Flip = false
	f, err := ReadFilters(filepath.Join("testdata", "cell_data_01_WN_stas_cell_2.npy"), o)
	if err != nil {
		t.Fatal(err)
	}
	compareGaussian(t, f.Gaussian, expected.array("unflipped/gaussian").Float64s())
}

func TestEdgesOfWhatOccurs(t *testing.T) {
	expected := read(t, "edge.npz")
	for _, a := range expected.arrays {
		name, ok := strings.CutSuffix(a.Name, "/sta")
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g := golden{t, expected.arrays}
			options := g.array(name + "/options").Float64s()
			f, err := Extract(a.Array, Options{Frames: int(options[0]), SigmaContour: options[1]})
			if err != nil {
				t.Fatal(err)
			}
			g.compare(f, name)
		})
	}
}

func TestBadFilesAreToldWithFileAndShape(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, shape ...int) string {
		a, err := ndarray.New(ndarray.Float32, shape...)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := npy.WriteFile(path, a); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lying := write("lying.npy", 3, 4, 5)
	whole, err := os.ReadFile(lying)
	if err != nil {
		t.Fatal(err)
	}
	huge := []byte(strings.Replace(string(whole), "(3, 4, 5), }        ", "(3, 40000, 50000), }", 1))
	if err := os.WriteFile(lying, huge, 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.npy")
	if err := os.WriteFile(text, []byte("no array"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "absent.npy"), "no such file"},
		{dir, "not a regular file"},
		{text, "not an .npy file"},
		{lying, "truncated"},
		{write("flat.npy", 3, 4), "(frames, height, width), not [3 4]"},
		{write("empty.npy", 0, 4, 5), "(frames, height, width), not [0 4 5]"},
		{write("small.npy", 3, 4, 9), "4 × 9 pixels cannot be cut to the stimulus' 5 × 6"},
	} {
		_, err := ReadFilters(c.path, Options{Height: 5, Width: 6, SigmaContour: 3})
		if err == nil {
			t.Errorf("%s: no error", c.path)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, c.want) || !strings.Contains(text, c.path) || strings.Contains(text, "\n") {
			t.Errorf("%s: %s, which does not say %q", c.path, text, c.want)
		}
	}
}

func BenchmarkFilters(b *testing.B) {
	for b.Loop() {
		if _, err := ReadFilters("testdata/cell_data_01_WN_stas_cell_2.npy", Options{SigmaContour: 3}); err != nil {
			b.Fatal(err)
		}
	}
}
