package train

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// lockFile marks a run directory in which a training writes.
const lockFile = ".lock"

// claimDirectory makes the run directory and keeps other trainings out of it; it
// removes what killed ones have left half written.
func (p *Plan) claimDirectory(log *slog.Logger) (release func(), err error) {
	if err := fileio.MkdirAll(p.OutputDir); err != nil {
		return nil, err
	}
	lock, err := fileio.Lock(filepath.Join(p.OutputDir, lockFile))
	var held *fileio.HeldError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("another training writes to %s (process %s): wait for its end, or choose another paths.output_dir", p.OutputDir, held.By)
	case err != nil:
		return nil, err
	}
	release = func() {
		if err := lock.Release(); err != nil {
			log.Warn(err.Error())
		}
	}
	dirs := map[string]bool{p.OutputDir: true, filepath.Join(p.OutputDir, ".hydra"): true, p.checkpointDir(): true}
	for _, c := range p.callbacks.checkpoints {
		if c.Dirpath != nil {
			dirs[filepath.Clean(*c.Dirpath)] = true
		}
	}
	for dir := range dirs {
		n, err := fileio.RemoveLitter(dir)
		if err != nil {
			release()
			return nil, err
		}
		if n > 0 {
			log.Info("removed files that a killed process left half written", "files", n, "directory", dir)
		}
	}
	return release, nil
}
