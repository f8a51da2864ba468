package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/layout"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

const lowRes = "../../../../pkg/models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt"

// newPredict are the options to predict the responses to a stimulus in a directory.
func newPredict(t *testing.T, stimulus, dir string) (*Factory, *predictOptions) {
	t.Helper()
	f := newTestFactory(t)
	f.Settings.Device = "cpu"
	return f, &predictOptions{
		IO: f.IO, LoadModel: f.LoadModel, LoadAutoencoder: f.loadAutoencoder, Progress: f.NewProgress, Log: f.Log,
		Model: lowRes, Stimulus: stimulus, Output: filepath.Join(dir, "out.npy"),
	}
}

// predictFile gives the responses to the stimulus in a file.
func predictFile(t *testing.T, stimulus string) *ndarray.Array {
	t.Helper()
	f, opts := newPredict(t, stimulus, t.TempDir())
	if err := runPredict(f.Interrupts, opts); err != nil {
		t.Fatal(err)
	}
	responses, err := npy.ReadFile(opts.Output)
	if err != nil {
		t.Fatal(err)
	}
	if left := torch.LiveTensors(); left != 0 {
		t.Errorf("%d tensors are left", left)
	}
	return responses
}

// writeStimulus writes a stimulus whose element i is value(i).
func writeStimulus(t *testing.T, value func(i int) float32, shape ...int) string {
	t.Helper()
	n, err := ndarray.NumElements(shape)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = value(i)
	}
	stimulus, err := ndarray.FromFloat32(values, shape...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "in.npy")
	if err := npy.WriteFile(path, stimulus); err != nil {
		t.Fatal(err)
	}
	return path
}

// sameValues compares responses, whose shapes may differ, to 1e-5.
func sameValues(t *testing.T, where string, got, want *ndarray.Array) {
	t.Helper()
	if got.Len() != want.Len() {
		t.Errorf("%s: shape %v, want %v", where, got.Shape, want.Shape)
		return
	}
	for i := range want.Len() {
		if g, w := got.At(i), want.At(i); !(math.Abs(g-w) <= 1e-5) {
			t.Errorf("%s: value %d is %v, want %v", where, i, g, w)
			return
		}
	}
}

// Clips that are too many for one pass give what they give alone.
func TestPredictManyClips(t *testing.T) {
	const clips, clip = 245, 2 * 31 * 18 * 16
	value := func(i int) float32 { return float32(i/clip%97) / 97 * float32(i%clip%5) }
	all := predictFile(t, writeStimulus(t, value, clips, 2, 31, 18, 16))
	if diff := cmp.Diff([]int{clips, 1, 12}, all.Shape); diff != "" {
		t.Fatal(diff)
	}
	for _, first := range []int{0, 1, 230, 244} {
		alone := predictFile(t, writeStimulus(t, func(i int) float32 { return value(i + first*clip) }, 2, 31, 18, 16))
		part := &ndarray.Array{DType: all.DType, Shape: []int{12}, Data: all.Data[first*12*4 : (first+1)*12*4]}
		sameValues(t, "a clip alone", alone, part)
	}
}

// longMovie is the movie of testdata/make_stimuli.py.
func longMovie(i int) float32 { return float32(i % 251) }

// wholeResponses are the responses to a movie in one pass.
func wholeResponses(t *testing.T, path string) *ndarray.Array {
	t.Helper()
	m, err := models.Load(lowRes, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	stimulus, err := npy.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Respond(t.Context(), stimulus, "")
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// TestPredictLongMovies takes pieces of one movie from files of all kinds.
func TestPredictLongMovies(t *testing.T) {
	path := writeStimulus(t, longMovie, 2, 1500, 18, 16)
	want := wholeResponses(t, path)
	got := predictFile(t, path)
	if diff := cmp.Diff(want.Shape, got.Shape); diff != "" {
		t.Fatal(diff)
	}
	sameValues(t, "in pieces", got, want)
	sameValues(t, "HDF5", predictFile(t, "../../testdata/movie.h5"), want)
	sameValues(t, "HDF5 by name", predictFile(t, "../../testdata/movie.h5:/movie"), want)
	for _, descr := range []string{"<f4", ">f4", "<f8", "<f2", "|u1", "<u2", "<u4", "<u8", ">i2", "<i4", "<i8"} {
		for _, fortran := range []bool{false, true} {
			file := writeLongMovie(t, descr, fortran)
			sameValues(t, filepath.Base(file), predictFile(t, file), want)
		}
	}
}

// writeLongMovie writes the long movie in an element type of NumPy's, in C or in
// Fortran order.
func writeLongMovie(t *testing.T, descr string, fortran bool) string {
	t.Helper()
	shape := []int{2, 1500, 18, 16}
	order, strides := "False", layout.CStrides(shape)
	if fortran {
		order, strides = "True", layout.FortranStrides(shape)
	}
	dtype, bigEndian, err := npy.ParseDescr(descr)
	if err != nil {
		t.Fatal(err)
	}
	size := dtype.Size()
	n, err := ndarray.NumElements(shape)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]byte, n*size)
	index := make([]int, len(shape))
	for i := range n {
		at := 0
		for axis, rest := len(shape)-1, i; axis >= 0; axis-- {
			index[axis], rest = rest%shape[axis], rest/shape[axis]
			at += index[axis] * strides[axis]
		}
		putElement(values[at*size:][:size], dtype, longMovie(i))
	}
	if bigEndian {
		layout.SwapBytes(values, size)
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (2, 1500, 18, 16)}", descr, order)
	content := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(text)))
	path := filepath.Join(t.TempDir(), strings.Trim(descr, "<>|")+order+".npy")
	if err := os.WriteFile(path, append(append(content, text...), values...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// putElement encodes a whole number below 256, little endian.
func putElement(to []byte, dtype ndarray.DType, value float32) {
	var bits uint64
	switch dtype {
	case ndarray.Float32:
		bits = uint64(math.Float32bits(value))
	case ndarray.Float64:
		bits = math.Float64bits(float64(value))
	case ndarray.Float16:
		if value > 0 { // exponent and mantissa of a float32, with another bias and fewer digits
			bits = uint64(math.Float32bits(value)>>13 - (127-15)<<10)
		}
	default:
		bits = uint64(value)
	}
	for i := range to {
		to[i] = byte(bits >> (8 * i))
	}
}

// A movie that is not finite in its last piece leaves no output.
func TestPredictRefusesWhatIsNotFinite(t *testing.T) {
	const at = ((1*1500+1498)*18+7)*16 + 8
	for what, value := range map[string]float32{"NaN": float32(math.NaN()), "+Inf": float32(math.Inf(1))} {
		path := writeStimulus(t, func(i int) float32 {
			if i == at {
				return value
			}
			return 0
		}, 2, 1500, 18, 16)
		dir := t.TempDir()
		f, opts := newPredict(t, path, dir)
		err := runPredict(f.Interrupts, opts)
		want := "stimulus " + path + " holds " + what + " at (1, 1498, 7, 8): every value must be a finite number"
		if err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%v is left, %v", entries, err)
		}
	}
}

// An interrupt ends after the piece under way and leaves what was there before.
func TestPredictInterrupted(t *testing.T) {
	for name, hard := range map[string]bool{"once": false, "twice": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, opts := newPredict(t, writeStimulus(t, longMovie, 2, 1500, 18, 16), dir)
			if err := os.WriteFile(opts.Output, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, interrupt := context.WithCancelCause(t.Context())
			in := Interrupts{Soft: ctx, Hard: t.Context()}
			if hard {
				in.Hard = ctx
			}
			opts.LoadModel = func(ctx context.Context, word string) (*models.CoreReadout, modelFiles, error) {
				defer interrupt(ErrInterrupted)
				return f.LoadModel(ctx, word)
			}
			if err := runPredict(in, opts); !errors.Is(err, ErrInterrupted) {
				t.Errorf("error is %v", err)
			}
			content, err := os.ReadFile(opts.Output)
			entries, _ := os.ReadDir(dir)
			if err != nil || string(content) != "old" || len(entries) != 1 {
				t.Errorf("content is %q, %v; %d files", content, err, len(entries))
			}
		})
	}
}

// A movie in chunks that take more than the memory for them is read, with a warning.
func TestSlowChunksAreToldOf(t *testing.T) {
	for limit, want := range map[int]string{
		mostUnpacked: "",
		1000:         "warning: stimulus ../../testdata/movie.h5:/movie is stored in chunks of many frames, each of which is read 18 times",
	} {
		var text strings.Builder
		f, err := openStimulus("../../testdata/movie.h5", newLogger(&text, slog.LevelInfo))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }() // it was only read
		f.mostUnpacked = limit
		for first := 100; first < 300; first += 40 {
			part, err := f.Read(models.Range{From: 0, To: 1}, models.Range{From: first, To: first + 40})
			if err != nil || part.At(0) != float64(longMovie(first*18*16)) {
				t.Errorf("%v, %v", part.At(0), err)
			}
		}
		if got := text.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") > 1 || (want == "") != (got == "") {
			t.Errorf("with %d bytes it says %q", limit, got)
		}
	}
}

func TestSessionNames(t *testing.T) {
	f := newTestFactory(t)
	want := []string{"session_1_ventral1_20200226", "session_2_dorsal1_20200302"}
	if diff := cmp.Diff(want, f.sessionNames(lowRes)); diff != "" {
		t.Error(diff)
	}
	f.Settings.CacheDir = t.TempDir()
	for _, model := range []string{"", "absent.ckpt", "sridhar_2025", "predict_test.go"} {
		if got := f.sessionNames(model); got != nil {
			t.Errorf("%s: %v", model, got)
		}
	}
}
