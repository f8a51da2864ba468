package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
)

// The recordings of Maheswaranathan et al. 2023 (Neuron, 10.1016/j.neuron.2023.06.007):
// ganglion_cell_data/<session>/<stimulus>.h5 with {train,test}/stimulus (frames, height,
// width), {train,test}/response/<response type> (neurons, frames), and repeats of the
// test in test/repeats: <response type> (repeats, neurons, frames), or cell<i>
// (repeats, frames).
const (
	baccusFolder  = "ganglion_cell_data"
	baccusTest    = "test" // the one test stimulus
	baccusRepeats = "test/repeats"
	baccusCell    = "cell"
)

// baccusData is the part of the config that both readers share.
type baccusData struct {
	Path     string `yaml:"base_data_path,required"`
	Stimulus string `yaml:"stim_type"`
}

func (b *baccusData) validate() error {
	if b.Stimulus != "naturalscene" && b.Stimulus != "whitenoise" {
		return config.Refuse("stim_type", "stim_type must be naturalscene or whitenoise, got %q", b.Stimulus)
	}
	return nil
}

// files are the sessions' files, sorted by session.
func (b *baccusData) files(ctx context.Context, env *environment) (sessions, paths []string, err error) {
	base, err := location{path: b.Path}.find(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(base, baccusFolder)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s has no folder %s (base_data_path must be the folder neural_code_data)", base, baccusFolder)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name(), b.Stimulus+".h5")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			sessions, paths = append(sessions, entry.Name()), append(paths, path)
		}
	}
	if len(sessions) == 0 {
		return nil, nil, fmt.Errorf("%s has no session with a file %s.h5", dir, b.Stimulus)
	}
	return sessions, paths, nil
}
