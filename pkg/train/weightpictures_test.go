package train

import (
	"image/jpeg"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/tracking/tfevents/tfeventstest"
)

// TestWeightPictures wants the Python package's file names: two input channels and 3, then
// 4, of the layers, and neurons of two sessions; and each in TensorBoard.
func TestWeightPictures(t *testing.T) {
	dir := t.TempDir()
	folder, board := filepath.Join(dir, "weight_plots"), filepath.Join(dir, "board")
	c := tinyRun(t, dir, "trainer.max_epochs=2", "+logger.board={_target_: lightning.pytorch.loggers.TensorBoardLogger, save_dir: '"+board+
		"', name: '', version: ''}", "+training_callbacks.pictures={_target_: "+
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
		for _, file := range found[:min(len(found), 2)] {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jpeg.Decode(f); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	logged := map[string]int{}
	moments := map[string]string{} // by tag: each is drawn twice
	for _, e := range tfeventstest.ReadDir(t, board) {
		if !strings.HasPrefix(e.Tag, "weights_") {
			continue
		}
		moment := beforeTraining
		if moments[e.Tag] == beforeTraining {
			moment = afterTraining
		}
		moments[e.Tag] = moment
		logged[path.Dir(e.Tag)]++
		if drawn := readText(t, filepath.Join(folder, filepath.FromSlash(e.Tag)+"_"+moment+"_epoch_0.jpg")); !strings.Contains(e.Content, drawn) {
			t.Errorf("%s at step %d is not the picture that was drawn", e.Tag, e.Step)
		}
	}
	for layer, want := range map[string]int{
		"weights_core/weights_layer_0": 2 * 6, "weights_core/weights_layer_1": 2 * 12, "weights_readout/session_1": 2 * loggedPictures,
	} {
		if logged[layer] != want {
			t.Errorf("TensorBoard has %d pictures of %s, want %d", logged[layer], layer, want)
		}
	}
}
