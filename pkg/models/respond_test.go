package models

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

func zeros(t testing.TB, shape []int) *ndarray.Array {
	t.Helper()
	a, err := ndarray.New(ndarray.Float32, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRespondTakesClipsOrOneAndAnyNumbers(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
	input := readArray(t, "hoefling_low_res", "input.npy")
	want := readArray(t, "hoefling_low_res", "output_all_sessions.npy")
	got, err := m.Respond(t.Context(), input, "")
	if err != nil || !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("shape is %v, want %v, %v", got, want.Shape, err)
	}
	agree(t, "responses", got.Float32s(), want)

	doubles, err := ndarray.FromFloat64(input.Float64s(), input.Shape...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = m.Respond(t.Context(), doubles, ""); err != nil {
		t.Fatal(err)
	}
	agree(t, "responses to float64", got.Float32s(), want)

	clip, err := ndarray.FromFloat32(input.Float32s()[:input.Len()/input.Shape[0]], input.Shape[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = m.Respond(t.Context(), clip, ""); err != nil || !slices.Equal(got.Shape, want.Shape[1:]) {
		t.Fatalf("shape of one clip's responses is %v, want %v, %v", got, want.Shape[1:], err)
	}
	if input.Shape[0] == 1 {
		agree(t, "responses to one clip", got.Float32s(), want)
	}
}

func TestRespondRefusesWhatDoesNotFit(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
	need := m.MinFrames()
	for name, c := range map[string]struct {
		shape   []int
		session string
		want    string
	}{
		"rank":     {[]int{50, 18, 16}, "", "(batch, channels, time, height, width), not [50×18×16]"},
		"channels": {[]int{1, 3, 50, 18, 16}, "", "of shape [1×3×50×18×16] does not fit: the model expects 2 channels of 18 × 16 pixels"},
		"size":     {[]int{2, 50, 16, 18}, "", "does not fit"},
		"frames":   {[]int{1, 2, need - 1, 18, 16}, "", "the model needs at least 31 frames for one response"},
		"session":  {[]int{1, 2, 50, 18, 16}, "session_9", "the model has session_1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := m.Respond(t.Context(), zeros(t, c.shape), c.session); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
	}
}

// families are the recorded models that respond to a stimulus.
func families(t *testing.T) (names []string) {
	t.Helper()
	folders, err := os.ReadDir(checkpoints)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if folder.Name() != filepath.Base(autoencoderFolder) {
			names = append(names, folder.Name())
		}
	}
	return names
}

// TestMinFramesIsTheFirstLengthWithAResponse holds for all recorded models.
func TestMinFramesIsTheFirstLengthWithAResponse(t *testing.T) {
	for _, family := range families(t) {
		t.Run(family, func(t *testing.T) {
			m := load(t, family, "checkpoint.ckpt")
			got, err := m.Respond(t.Context(), zeros(t, m.StimulusShape(m.MinFrames())), "")
			if err != nil || got.Shape[1] != 1 {
				t.Errorf("%d frames give %v, %v", m.MinFrames(), got, err)
			}
		})
	}
}

// TestPretrainedModelsComeFromTheHubOnce plays the hub.
func TestPretrainedModelsComeFromTheHubOnce(t *testing.T) {
	file := filepath.Join(checkpoints, "legacy_core_readout", "checkpoint.ckpt")
	digest, err := checkpoint.Digest(file)
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if !strings.HasSuffix(r.URL.Path, "/hoefling_2024_base_low_res.ckpt") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Repo-Commit", strings.Repeat("0", 40))
		w.Header().Set("X-Linked-Etag", digest)
		http.ServeFile(w, r, file)
	}))
	defer server.Close()
	t.Setenv(hub.EnvEndpoint, server.URL)
	t.Setenv(hub.EnvCacheDir, t.TempDir())
	var asked int64
	for range 2 {
		m, err := LoadPretrained(t.Context(), "hoefling_2024_base_low_res", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if shape := m.StimulusShape(50); len(shape) != 5 || shape[2] != 50 {
			t.Errorf("stimulus shape is %v", shape)
		}
		m.Close()
		if asked > 0 && requests.Load() != asked {
			t.Error("a cached model asks the hub")
		}
		asked = requests.Load()
	}
	t.Setenv(hub.EnvOffline, "1")
	t.Setenv(hub.EnvCacheDir, t.TempDir())
	for name, want := range map[string]string{
		"hoefling_2024_base_low_rez": "nearest are hoefling_2024_base_low_res",
		"hoefling_2024_low_res":      hub.EnvOffline,
	} {
		if _, err := LoadPretrained(t.Context(), name, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q in it", err, want)
		}
	}
}
