package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// BestCheckpoint is the checkpoint of a run directory whose model was best by the
// metric that the run watched; the last one where the run ended before its first
// epoch did. The directory may have been moved since. One of the Python package,
// which keeps no last.ckpt, must hold a single checkpoint.
func BestCheckpoint(runDir string) (string, error) {
	dir := filepath.Join(runDir, checkpointsDir)
	last := filepath.Join(dir, lastName+checkpointSuffix)
	c, err := checkpoint.Open(last)
	if errors.Is(err, fs.ErrNotExist) {
		return onlyCheckpoint(runDir, dir)
	}
	if err != nil {
		return "", err
	}
	best := bestModelPath(c)
	if best == "" {
		return last, nil
	}
	moved := filepath.Join(dir, filepath.Base(best))
	for _, path := range []string{moved, best} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	if promises(c, best) {
		return last, nil
	}
	return "", fmt.Errorf("%s: the best checkpoint %s is missing", runDir, moved)
}

// promises tells whether last.ckpt itself is the best model, of which a killed training
// has not yet written the file.
func promises(c *checkpoint.Checkpoint, best string) bool {
	r, err := ownState(c)
	if err != nil || r == nil || r.Changes == nil {
		return false
	}
	return slices.ContainsFunc(r.Changes.Write, func(w checkpointWrite) bool { return filepath.Base(w.Path) == filepath.Base(best) })
}

// bestModelPath is what the checkpoint's ModelCheckpoint had found best.
func bestModelPath(c *checkpoint.Checkpoint) string {
	if c.Callbacks == nil {
		return ""
	}
	for i := range c.Callbacks.Len() {
		key, value := c.Callbacks.At(i)
		name, _ := key.(string)
		state, ok := value.(*pickle.Dict)
		if !ok || !strings.HasPrefix(name, "ModelCheckpoint") {
			continue
		}
		if path, _ := get[string](state, "best_model_path"); path != "" {
			return path
		}
	}
	return ""
}

// onlyCheckpoint is for directories without a last.ckpt.
func onlyCheckpoint(runDir, dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*"+checkpointSuffix))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", dir, err)
	case len(found) == 0:
		return "", fmt.Errorf("%s is no run directory: it has no checkpoints", runDir)
	case len(found) > 1:
		return "", fmt.Errorf("%s has %d checkpoints and no last.ckpt that tells which is best: name one of them", runDir, len(found))
	}
	return found[0], nil
}
