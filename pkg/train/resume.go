package train

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// lastCheckpoint is the word of trainer.ckpt_path for the run's own last checkpoint.
const lastCheckpoint = lastName

func newMachine(device torch.Device) machine {
	return machine{Device: device.String(), Threads: torch.Threads(), Kernels: torch.SeparableKernels(), Libtorch: torch.Version()}
}

// resume continues from trainer.ckpt_path: a file, or "last" for the run directory's
// own.
func (f *fitter) resume() error {
	path := orElse(f.trainer.CkptPath, "")
	var c *checkpoint.Checkpoint
	var err error
	switch path {
	case "":
		return nil
	case lastCheckpoint:
		path, c, err = f.openLast()
	default:
		c, err = checkpoint.Open(path)
	}
	if err != nil {
		return err
	}
	if c == nil {
		f.log.Info("trainer.ckpt_path=last: there is no checkpoint yet, starting anew", "directory", f.checkpointDir())
		return nil
	}
	if err := f.continueFrom(path, c); err != nil {
		return fmt.Errorf("cannot continue from %s: %w", path, err)
	}
	f.log.Info("continuing", "from", path, "epoch", f.epoch, "step", f.globalStep)
	return nil
}

// continueFrom restores the training, and finishes what it was about to do to its
// checkpoints.
func (f *fitter) continueFrom(path string, c *checkpoint.Checkpoint) error {
	last := orElse(f.trainer.CkptPath, "") == lastCheckpoint
	if !last {
		for _, m := range f.callbacks.checkpoints {
			m.startedFrom = path
		}
	}
	if err := f.restore(c); err != nil {
		return err
	}
	own, err := ownState(c)
	if err != nil || own == nil {
		return err
	}
	if text := own.Environment.differences(f.machine); text != "" {
		f.log.Warn("continuing, but not exact: " + text)
	}
	if !last {
		f.pending = &changes{} // another run's, or this one's at an earlier time
		return nil
	}
	f.saved = true
	// What is written is what was read: the state as it is now stands behind the epoch
	// that the checkpoint ended.
	if path != f.lastPath() {
		if err := writeLastCheckpoint(f.lastPath(), c); err != nil {
			return err
		}
	}
	return f.settle(f.pending, c)
}

// openLast opens last.ckpt, or the newest valid checkpoint of the run where that is
// damaged or gone; nil where the run has none.
func (f *fitter) openLast() (path string, c *checkpoint.Checkpoint, err error) {
	path = f.lastPath()
	c, err = checkpoint.Open(path)
	if err == nil {
		return path, c, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", nil, err
	}
	absent := errors.Is(err, fs.ErrNotExist)
	newest, c := f.newestCheckpoint()
	switch {
	case c != nil && absent:
		f.log.Warn("there is no "+filepath.Base(path)+": continuing from the newest checkpoint of the run", "checkpoint", newest)
	case c != nil:
		f.log.Warn("last.ckpt is damaged: continuing from the newest valid checkpoint of the run", "checkpoint", newest, "damage", err)
	case !absent:
		return "", nil, fmt.Errorf("trainer.ckpt_path=last: %w; the run has no other checkpoint to continue from: remove it to start anew", err)
	}
	return newest, c, nil
}

// newestCheckpoint is the checkpoint with the most steps among those of the run that
// can be continued; nil where there is none.
func (f *fitter) newestCheckpoint() (path string, newest *checkpoint.Checkpoint) {
	dirs := map[string]bool{f.checkpointDir(): true}
	for _, m := range f.callbacks.checkpoints {
		dirs[m.dir] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		for _, candidate := range checkpointsBelow(dir) {
			c, err := checkpoint.Open(candidate)
			if err != nil || len(c.OptimizerStates) == 0 {
				continue
			}
			if newest == nil || later(c, newest) {
				path, newest = candidate, c
			}
		}
	}
	return path, newest
}

// later compares by steps, then by finished epochs.
func later(a, b *checkpoint.Checkpoint) bool {
	finished := func(c *checkpoint.Checkpoint) int {
		if r, err := ownState(c); err == nil && r != nil {
			return r.Loader.Epoch
		}
		return int(c.Epoch)
	}
	return a.GlobalStep > b.GlobalStep || a.GlobalStep == b.GlobalStep && finished(a) > finished(b)
}

// checkpointsBelow are the files of a directory that could be continued, by name.
func checkpointsBelow(dir string) []string {
	var found []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // what cannot be read is not there
		name := filepath.Base(path)
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(name, checkpointSuffix) && !strings.HasSuffix(name, finalSuffix) {
			found = append(found, path)
		}
		return nil
	})
	return found
}
