package train

import (
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

// TestWeightPictures wants the Python package's file names: two input channels and 3, then
// 4, of the layers, and neurons of two sessions.
func TestWeightPictures(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "weight_plots")
	c := tinyRun(t, dir, "trainer.max_epochs=2", "+training_callbacks.pictures={_target_: "+
		"openretina.callbacks.weight_visualization_callback.WeightVisualizationCallback, every_n_epochs: 2, folder_path: '"+folder+"'}")
	if _, err := train(t, t.Context(), c, &recorder{}); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int{
		"weights_core/weights_layer_0/[01]_[012]_init_epoch_0.jpg":    6,
		"weights_core/weights_layer_0/[01]_[012]_train_epoch_0.jpg":   6,
		"weights_core/weights_layer_1/[012]_[0123]_train_epoch_0.jpg": 12,
		"weights_core/weights_layer_?/*_epoch_1.jpg":                  0,
		"weights_readout/session_?/neuron_[01]_train_epoch_0.jpg":     4,
		"weights_readout/session_?/neuron_[01]_val_epoch_0.jpg":       0,
		"weights_readout/session_?/*.partial":                         0,
	} {
		found, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(pattern)))
		if err != nil || len(found) != want {
			t.Errorf("%s: %d files, want %d, %v", pattern, len(found), want, err)
		}
		for _, path := range found[:min(len(found), 2)] {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jpeg.Decode(f); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
