package insilico

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

func TestReadRecord(t *testing.T) {
	r := mustOptimize(t, tinyModel(t), []Neurons{{{"b", 0}}, {{"a", 1}, {"b", 0}}}, settings(t, "{max_steps: 1, frames: 12, seed: 7}"), Options{})
	dir := t.TempDir()
	if err := r.Write(dir, Meta{Model: "tiny", ModelDigest: "sha256:00"}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Model != "tiny" || got.ModelDigest != "sha256:00" || got.Seed != 7 || got.Window != r.Window || !reflect.DeepEqual(got.Targets, r.Targets) {
		t.Errorf("record is %+v", got)
	}
	if !slices.Equal(got.Stimulus.Shape, r.Stimulus.Shape) || !slices.Equal(got.Stimulus.Data, r.Stimulus.Data) {
		t.Errorf("stimulus of shape %v", got.Stimulus.Shape)
	}
	if !slices.Equal(got.Clip(1), clip(r, 1)) {
		t.Error("another stimulus")
	}
	if !reflect.DeepEqual(got.Settings.Postprocessors, r.settings.Postprocessors) || got.Settings.Frames != 12 {
		t.Errorf("settings are %+v", got.Settings)
	}
	if _, err := ReadRecord(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestReadRecordRefuses(t *testing.T) {
	stimulus, err := ndarray.New(ndarray.Float32, 2, 1, 3, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := ndarray.New(ndarray.Float32, 24)
	if err != nil {
		t.Fatal(err)
	}
	const good = `{"sessions": ["a", "b"], "neurons": [0, 1], "stimulus": [0, 1]`
	for name, test := range map[string]struct {
		record string
		array  *ndarray.Array
		want   string
	}{
		"no settings":   {good + "}", stimulus, ""},
		"no JSON":       {"{", stimulus, "mei.json: unexpected end"},
		"lists":         {`{"sessions": ["a"], "neurons": [0, 1], "stimulus": [0, 1]}`, stimulus, "mei.json: 1 sessions, 2 neurons and 2 stimuli"},
		"no stimulus":   {`{"sessions": ["a"], "neurons": [0], "stimulus": [2]}`, stimulus, "neuron 0 of stimulus 2, of which there are 2"},
		"no neuron":     {`{"sessions": ["a"], "neurons": [0], "stimulus": [1]}`, stimulus, "stimulus 0 belongs to no neuron"},
		"negative":      {`{"sessions": ["a"], "neurons": [-1], "stimulus": [1]}`, stimulus, "neuron -1"},
		"shape":         {good + "}", flat, "mei.npz: stimulus is float32 of shape [24]"},
		"typo":          {good + `, "settings": {"max_stesp": 1}}`, stimulus, "mei.json: "},
		"settings list": {good + `, "settings": [1]}`, stimulus, "mei.json: "},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, RecordFile), []byte(test.record), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := npy.WriteZipFile(filepath.Join(dir, ArraysFile), []npy.Named{{Name: "stimulus", Array: test.array}}); err != nil {
			t.Fatal(err)
		}
		_, err := ReadRecord(dir)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, RecordFile), []byte(good+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRecord(dir); err == nil || !strings.Contains(err.Error(), ArraysFile) {
		t.Errorf("no arrays: %v", err)
	}
}
