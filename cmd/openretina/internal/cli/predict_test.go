package cli

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

const lowRes = "../../../../pkg/models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt"

// predictFile predicts clips, whose first one is numbered first, from a file.
func predictFile(t *testing.T, first, clips int) *ndarray.Array {
	t.Helper()
	const clip = 2 * 31 * 18 * 16
	values := make([]float32, clips*clip)
	for i := range values {
		values[i] = float32((first+i/clip)%97) / 97 * float32(i%clip%5)
	}
	stimulus, err := ndarray.FromFloat32(values, clips, 2, 31, 18, 16)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.npy"), filepath.Join(dir, "out.npy")
	if err := npy.WriteFile(in, stimulus); err != nil {
		t.Fatal(err)
	}
	f := newTestFactory(t)
	f.Settings.Device = "cpu"
	opts := &predictOptions{IO: f.IO, LoadModel: f.LoadModel, Progress: f.NewProgress, Log: f.Log, Model: lowRes, Stimulus: in, Output: out}
	if err := runPredict(f.Interrupts, opts); err != nil {
		t.Fatal(err)
	}
	responses, err := npy.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return responses
}

// A stimulus that is too large for one pass gives what its clips give alone.
func TestPredictInPieces(t *testing.T) {
	const clips = 245 // 17 MB
	all := predictFile(t, 0, clips)
	if diff := cmp.Diff([]int{clips, 1, 12}, all.Shape); diff != "" {
		t.Fatal(diff)
	}
	for _, clip := range []int{0, 1, 230, 244} {
		alone := predictFile(t, clip, 1)
		for i := range 12 {
			if got, want := all.At(clip*12+i), alone.At(i); got-want > 1e-5 || want-got > 1e-5 {
				t.Errorf("clip %d, neuron %d: %v, alone %v", clip, i, got, want)
			}
		}
	}
	if left := torch.LiveTensors(); left != 0 {
		t.Errorf("%d tensors are left", left)
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
