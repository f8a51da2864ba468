package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// readContrast makes the readout of a recording.
func readContrast(p nn.Path, r recorded, atOnce int64) (*spatialContrast, error) {
	spatial, temporal := r["buffers/spatial_filters"], r["buffers/temporal_filters"]
	return newSpatialContrast(p, Session{Neurons: spatial.Shape[0]}, &contrastFilters{
		spatial: spatial.Float32s(), temporal: temporal.Float32s(),
		height: int64(spatial.Shape[1]), width: int64(spatial.Shape[2]), frames: int64(temporal.Shape[1]),
	}, contrastInit{}, atOnce)
}

func TestSpatialContrastReadoutEqualsThePythonPackages(t *testing.T) {
	r := readLayer(t, "spatial_contrast")
	for _, atOnce := range []int64{1, 4, 32} { // neuron_chunk_size changes no number
		for _, d := range torchtest.Devices {
			t.Run(fmt.Sprintf("%s, %d at once", d, atOnce), func(t *testing.T) {
				device := torchtest.Device(t, d)
				readout, store := newLayer(t, device, r, func(p nn.Path) (*spatialContrast, error) { return readContrast(p, r, atOnce) })
				if got, want := entryNames(store), []string{
					"w", "nl_a", "nl_b", "nl_c", "bias", "spatial_filters", "temporal_filters", "sf_sums",
				}; !slices.Equal(got, want) {
					t.Errorf("the state dict is %v, want %v", got, want)
				}
				err := torch.DoOn(t.Context(), device, torch.Train, func(s *torch.Scope) error {
					return r.forward(t, s, store, readout.Forward)
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func entryNames(store *nn.Store) []string {
	var names []string
	for _, e := range store.Entries() {
		names = append(names, e.Name)
	}
	return names
}

// Pairs gives what Forward gives, whatever is asked for in whatever order.
func TestPairsOfSpatialContrastAreForwards(t *testing.T) {
	r := readLayer(t, "spatial_contrast")
	readout, _ := newLayer(t, torch.CPU, r, func(p nn.Path) (*spatialContrast, error) { return readContrast(p, r, 2) })
	all := r["output"]
	neurons := []int64{4, 0, 3}
	for _, c := range []struct{ clips, chosen []int64 }{
		{[]int64{0, 1}, []int64{2, 0}},
		{[]int64{0, 0, 1}, []int64{0, 1, 1}},
		{[]int64{1, 0}, []int64{0, 2}},
	} {
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			got, err := s.Float32s(readout.Fixed(s, neurons).Pairs(s, s.FromArray(r["input"]), c.clips, c.chosen))
			var want []float32
			for k := range c.clips {
				for frame := range all.Shape[1] {
					want = append(want, float32(all.At((int(c.clips[k])*all.Shape[1]+frame)*all.Shape[2]+int(neurons[c.chosen[k]]))))
				}
			}
			array, arrayErr := ndarray.FromFloat32(want, len(want))
			if arrayErr != nil {
				return arrayErr
			}
			agree(t, fmt.Sprint(c), got, array)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Filters of all sizes and long stimuli go through groups, pieces of clips and
// stretches of frames; the formula in float64 does not.
func TestSpatialContrastIsItsFormula(t *testing.T) {
	const height, width, frames, clips, neurons, filter = 40, 50, 150, 3, 7, 9
	f := &contrastFilters{height: height, width: width, frames: filter}
	for n := range neurons {
		radius := float64(1 + n*n)
		for p := range height * width {
			u := float32(0)
			if dy, dx := float64(p/width-5*n), float64(p%width-7*n); n > 0 && math.Hypot(dy, dx) <= radius {
				u = float32(math.Exp(-(dy*dy + dx*dx) / (radius * radius)))
			}
			f.spatial = append(f.spatial, u)
		}
		for k := range filter {
			f.temporal = append(f.temporal, float32(math.Sin(float64(k+n))))
		}
	}
	input := make([]float32, clips*frames*height*width)
	for i := range input {
		input[i] = float32(math.Sin(float64(i*i%9973) * 1.7))
	}
	first := contrastInit{w: 0.7, a: 2, b: 1.5, c: -0.5}
	readout, _ := newLayer(t, torch.CPU, recorded{
		"params/w": full(t, first.w, neurons), "params/nl_a": full(t, first.a, neurons), "params/nl_b": full(t, first.b, neurons),
		"params/nl_c": full(t, first.c, neurons), "params/bias": full(t, 0, neurons),
		"buffers/spatial_filters":  array(t, f.spatial, neurons, height, width),
		"buffers/temporal_filters": array(t, f.temporal, neurons, filter),
		"buffers/sf_sums":          array(t, f.sums(), neurons),
	}, func(p nn.Path) (*spatialContrast, error) {
		return newSpatialContrast(p, Session{Neurons: neurons}, f, first, 3)
	})
	err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		got, err := s.Float32s(readout.Forward(s, s.FromFloat32(input, clips, 1, frames, height, width)))
		var want []float32
		for clip := range clips {
			for at := range frames - filter + 1 {
				for n := range neurons {
					want = append(want, float32(contrastFormula(f, n, input[clip*frames*height*width:], at, first)))
				}
			}
		}
		agree(t, "output", got, array(t, want, len(want)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func contrastFormula(f *contrastFilters, n int, clip []float32, at int, p contrastInit) float64 {
	size := int(f.height * f.width)
	u := f.spatial[n*size : (n+1)*size]
	var total, mean, variance float64
	filtered := make([]float64, size)
	for i := range u {
		for k, v := range f.temporal[n*int(f.frames) : (n+1)*int(f.frames)] {
			filtered[i] += float64(v) * float64(clip[(at+k)*size+i])
		}
		total += float64(u[i])
		mean += float64(u[i]) * filtered[i]
	}
	mean /= total + 1e-8
	for i := range u {
		variance += float64(u[i]) * (filtered[i] - mean) * (filtered[i] - mean)
	}
	contrast := math.Sqrt(max(1e-6, variance/(total+1e-8)))
	return p.a * math.Log1p(math.Exp(p.b*(mean+p.w*contrast)+p.c))
}

func array(t *testing.T, values []float32, shape ...int) *ndarray.Array {
	t.Helper()
	a, err := ndarray.FromFloat32(values, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func full(t *testing.T, value float64, n int) *ndarray.Array {
	t.Helper()
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(value)
	}
	return array(t, values, n)
}

// The arguments of the recorded checkpoint, over the STAs that it was made of.
const contrastModel = `
_target_: openretina.models.spatial_contrast.SpatialContrastCoreReadout
in_shape: [1, 30, 24, 26]
n_neurons_dict: ???
sta_dir: ../sta/testdata
flip_sta: true
temporal_crop_frames: 20
w_init: 0.3
a_init: 2.0
b_init: 1.5
c_init: -0.5
neuron_chunk_size: 2
`

const singleContrastModel = `
_target_: openretina.models.spatial_contrast.SingleCellSpatialContrast
in_shape: [1, 30, 24, 26]
sta_dir: ../sta/testdata
sta_file_name: cell_data_01_WN_stas_cell_2.npy
temporal_crop_frames: 20
spat_crop_size: [11, 11]
w_init: 0.2
a_init: 4.0
c_init: -1.0
`

var contrastSessions = []Session{
	{Name: "01", Neurons: 3, Cells: []int64{2, 5, 8}, MeanActivity: []float32{1, 2, 3}},
	{Name: "04", Neurons: 2, Cells: []int64{0, 3}, MeanActivity: []float32{4, 5}},
}

func newContrast(t *testing.T, text string, sessions []Session, edit func(*config.Node)) (*CoreReadout, error) {
	t.Helper()
	n, err := config.FromYAML("model.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(n)
	}
	if err := Check(n); err != nil {
		return nil, err
	}
	m, err := New(n, sessions, Options{})
	if err == nil {
		t.Cleanup(m.Close)
	}
	return m, err
}

// A model that is built of STAs has the buffers of the file that Python built of them.
func TestFiltersOfModelsAreThoseOfTheirFiles(t *testing.T) {
	population, err := newContrast(t, contrastModel, contrastSessions, nil)
	if err != nil {
		t.Fatal(err)
	}
	single, err := newContrast(t, singleContrastModel, []Session{{Name: "01", Neurons: 1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		built *CoreReadout
		file  string
	}{{population, "spatial_contrast"}, {single, "single_cell_spatial_contrast"}} {
		loaded := load(t, c.file, "checkpoint.ckpt")
		if got, want := entryNames(c.built.Store()), entryNames(loaded.Store()); !slices.Equal(got, want) {
			t.Errorf("%s: the state dict is %v, want %v", c.file, got, want)
		}
		for _, e := range loaded.Store().Entries() {
			if e.Parameter {
				continue
			}
			want, err := loaded.Store().Scope().Array(e.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			own, _ := c.built.Store().Lookup(e.Name)
			got, err := c.built.Store().Scope().Float32s(own.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, c.file+": "+e.Name, got, want)
		}
	}
}

// What is written is read again without an STA: the patch of a single cell and the
// session's name stand in the file.
func TestSpatialContrastModelsAreRestoredWithoutSTAs(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		sessions []Session
	}{"population": {contrastModel, contrastSessions}, "single": {singleContrastModel, []Session{{Name: "01", Neurons: 1}}}} {
		t.Run(name, func(t *testing.T) {
			m, err := newContrast(t, c.text, c.sessions, nil)
			if err != nil {
				t.Fatal(err)
			}
			again := restored(t, m, func(stored *pickle.Dict) { stored.SetString("sta_dir", "/nowhere") })
			if got, want := again.Sessions(), m.Sessions(); !slices.Equal(got, want) {
				t.Errorf("sessions are %v, want %v", got, want)
			}
			stimulus, err := npy.ReadFile(filepath.Join(checkpoints, "spatial_contrast", "input.npy"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := m.Respond(t.Context(), stimulus, "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.Respond(t.Context(), stimulus, "")
			if err != nil || string(got.Data) != string(want.Data) {
				t.Errorf("the restored model answers otherwise: %v", err)
			}
		})
	}
}

// A file by Python does not say where the patch lies.
func TestPatchOfASingleCellIsLookedFor(t *testing.T) {
	input := readArray(t, "single_cell_spatial_contrast", "input.npy")
	want := readArray(t, "single_cell_spatial_contrast", "output_01.npy")
	respond := func(m *CoreReadout, stimulus *ndarray.Array) {
		t.Helper()
		got, err := m.Respond(t.Context(), stimulus, "any session")
		if err != nil {
			t.Fatal(err)
		}
		agree(t, "output", got.Float32s(), want)
	}
	respond(load(t, "single_cell_spatial_contrast", "checkpoint.ckpt"), input) // in gaussian.json

	dir := t.TempDir()
	path := filepath.Join(dir, "model.ckpt")
	copyFile(t, filepath.Join(checkpoints, "single_cell_spatial_contrast", "checkpoint.ckpt"), path)
	m, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !slices.Equal(m.InShape, []int64{1, 30, 11, 11}) {
		t.Errorf("without a place the model sees %v", m.InShape)
	}
	if _, err := m.Respond(t.Context(), input, ""); err == nil || !strings.Contains(err.Error(), "11 × 11") {
		t.Errorf("error is %v", err)
	}
	respond(m, cropped(t, input, 9, 11, 11)) // gaussian.json's crop_bounds

	if err := os.Mkdir(filepath.Join(dir, "stas"), 0o755); err != nil {
		t.Fatal(err)
	}
	const file = "cell_data_01_WN_stas_cell_2.npy"
	copyFile(t, filepath.Join("..", "sta", "testdata", file), filepath.Join(dir, "stas", file))
	found, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	respond(found, input)
	if got := found.Sessions(); !slices.Equal(got, []string{"cell"}) {
		t.Errorf("the cell is called %v", got)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// cropped cuts size × size pixels out of a stimulus.
func cropped(t *testing.T, a *ndarray.Array, top, left, size int) *ndarray.Array {
	t.Helper()
	height, width := a.Shape[3], a.Shape[4]
	var values []float32
	for frame := range a.Len() / (height * width) {
		for y := top; y < top+size; y++ {
			for x := left; x < left+size; x++ {
				values = append(values, float32(a.At((frame*height+y)*width+x)))
			}
		}
	}
	return array(t, values, a.Shape[0], a.Shape[1], a.Shape[2], size, size)
}

func TestBadSpatialContrastModelsAreRefused(t *testing.T) {
	one := []Session{{Name: "01", Neurons: 1, Cells: []int64{2}}}
	set := func(key string, value any) func(*config.Node) {
		return func(n *config.Node) {
			if err := n.Set(key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		text     string
		sessions []Session
		edit     func(*config.Node)
		want     string
	}{
		"two channels":          {contrastModel, one, set("in_shape", []int64{2, 30, 24, 26}), "in_shape must be [1, time, height, width], got [2 30 24 26]"},
		"no frames":             {contrastModel, one, set("temporal_crop_frames", 0), "temporal_crop_frames must be at least 1"},
		"no contour":            {singleContrastModel, one, set("sigma_contour", 0.0), "sigma_contour must be positive"},
		"no chunk":              {contrastModel, one, set("neuron_chunk_size", 0), "neuron_chunk_size must be at least 1"},
		"negative cut":          {contrastModel, one, set("cut_first_n_frames", -1), "cut_first_n_frames must not be negative"},
		"unknown placeholder":   {contrastModel, one, set("sta_file_pattern", "{cell}.npy"), "sta_file_pattern: {cell} is none of"},
		"open brace":            {contrastModel, one, set("sta_file_pattern", "{cell_index.npy"), "opens or closes nothing"},
		"no patch":              {singleContrastModel, one, set("spat_crop_size", []int64{0, 4}), "spat_crop_size must be [height, width]"},
		"unknown key":           {contrastModel, one, set("temporal_crop", 3), `unknown key "temporal_crop"`},
		"absent directory":      {contrastModel, one, set("sta_dir", "nowhere"), "sta_dir: data file nowhere: no such file"},
		"absent file":           {contrastModel, []Session{{Name: "07", Neurons: 1}}, nil, "cell_data_07_WN_stas_cell_0.npy: no such file"},
		"too small":             {contrastModel, one, set("in_shape", []int64{1, 30, 40, 26}), "28 × 30 pixels cannot be cut to the stimulus' 40 × 26"},
		"cells and neurons":     {contrastModel, []Session{{Name: "01", Neurons: 2, Cells: []int64{2}}}, nil, "session 01: 2 neurons, but 1 cell_indices"},
		"one cell of several":   {singleContrastModel, contrastSessions, nil, "there are 2 sessions"},
		"a number for a neuron": {singleContrastModel, one, set("loss", config.Object{{Key: "_target_", Value: "openretina.modules.losses.PoissonLoss3d"}, {Key: "per_neuron", Value: true}}), "set it to false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newContrast(t, c.text, c.sessions, c.edit)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestStimuliThatDoNotFitFiltersAreRefused(t *testing.T) {
	m := load(t, "spatial_contrast", "checkpoint.ckpt")
	if got := m.MinFrames(); got != 20 {
		t.Errorf("the shortest stimulus has %d frames, want 20", got)
	}
	for want, shape := range map[string][]int64{
		"shorter than the temporal filter of 20 frames":                      {1, 1, 19, 24, 26},
		"[1×1×30×10×10] do not fit filters of one channel of 24 × 26 pixels": {1, 1, 30, 10, 10},
		"[1×2×30×24×26] do not fit":                                          {1, 2, 30, 24, 26},
	} {
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			m.Forward(s, s.Zeros(shape...), "01")
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "readout.01") {
			t.Errorf("%v: error is %v", shape, err)
		}
	}
}

// TestParametersStayPositive: the population's gain, and the single cell's contrast.
func TestParametersStayPositive(t *testing.T) {
	for file, kept := range map[string][]string{
		"spatial_contrast": {"readout.01.nl_a", "readout.04.nl_a"}, "single_cell_spatial_contrast": {"w"},
	} {
		m := load(t, file, "checkpoint.ckpt")
		err := m.Store().Scope().Do(t.Context(), torch.Train, func(s *torch.Scope) error {
			for _, e := range m.Store().Entries() {
				s.CopyInto(e.Tensor, s.MulScalar(s.Abs(e.Tensor), -1))
			}
			m.Conventions.AfterStep(s)
			return s.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Store().Entries() {
			values, err := m.Store().Scope().Float32s(e.Tensor)
			if err != nil {
				t.Fatal(err)
			}
			if positive := slices.Min(values) >= 0; positive != slices.Contains(kept, e.Name) && slices.Max(values) < 0 {
				t.Errorf("%s: %s is kept positive: %v", file, e.Name, positive)
			}
		}
	}
}

// BenchmarkSpatialContrast is the population of a recording: 200 receptive fields of
// about 200 pixels on 80 × 90, 4 clips of 100 frames.
func BenchmarkSpatialContrast(b *testing.B) {
	const neurons, clips, frames, height, width, filter = 200, 4, 100, 80, 90, 30
	rng := rand.New(rand.NewPCG(1, 2))
	f := &contrastFilters{height: height, width: width, frames: filter}
	for range neurons {
		cy, cx := 5+70*rng.Float64(), 5+80*rng.Float64()
		sy, sx := 1.5+2.5*rng.Float64(), 1.5+2.5*rng.Float64()
		for p := range height * width {
			dy, dx := (float64(p/width)-cy)/sy, (float64(p%width)-cx)/sx
			u := float32(0)
			if math.Hypot(dy, dx) <= 3 {
				u = float32(math.Exp(-(dy*dy + dx*dx) / 2))
			}
			f.spatial = append(f.spatial, u)
		}
		for range filter {
			f.temporal = append(f.temporal, float32(rng.NormFloat64()))
		}
	}
	generator, err := torch.NewGenerator(0, torch.CPU)
	if err != nil {
		b.Fatal(err)
	}
	defer generator.Close()
	store := nn.NewStore(torch.CPU, generator)
	defer store.Close()
	readout, err := newSpatialContrast(store.Root(), Session{Neurons: neurons}, f, contrastInit{w: 0.3, a: 4, b: 1, c: -5}, 32)
	if err != nil {
		b.Fatal(err)
	}
	movie, responses := make([]float32, clips*frames*height*width), make([]float32, clips*frames*neurons)
	for i := range movie {
		movie[i] = float32(rng.NormFloat64())
	}
	run := func(mode torch.Mode, then func(s *torch.Scope, y *torch.Tensor)) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			for b.Loop() {
				err := torch.Do(b.Context(), mode, func(s *torch.Scope) error {
					then(s, readout.Forward(s, s.Lend(movie, clips, 1, frames, height, width)))
					return s.Err()
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("forward", run(torch.Inference, func(*torch.Scope, *torch.Tensor) {}))
	b.Run("gradients", run(torch.Train, func(s *torch.Scope, y *torch.Tensor) {
		s.Backward(averagePoisson().Forward(s, y, s.Lend(responses, clips, frames, neurons)))
	}))
}
