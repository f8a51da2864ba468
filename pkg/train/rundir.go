package train

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// RunFile is the record of a run in its directory.
const RunFile = "run.json"

// runRecord says what a run was made of.
type runRecord struct {
	Started  time.Time         `json:"started"`
	Version  string            `json:"version"`
	Libtorch string            `json:"libtorch"`
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Device   string            `json:"device"`
	Threads  int               `json:"threads"`
	Seed     uint64            `json:"seed"`
	Data     map[string]string `json:"data"` // SHA-256 by path

	files []string
}

// startRecord makes the run directory, with what Hydra leaves in it.
func (p *Plan) startRecord(env *Environment) (*runRecord, error) {
	if err := WriteHydraFiles(p.cfg, p.OutputDir); err != nil {
		return nil, err
	}
	if err := removeFile(filepath.Join(p.OutputDir, ResultFile)); err != nil {
		return nil, err
	}
	r := &runRecord{
		Started: time.Now().UTC().Truncate(time.Second), Version: env.Version, Libtorch: torch.Version(), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Device: env.Device.String(), Threads: torch.Threads(),
		Seed: p.Seed, Data: map[string]string{},
	}
	if dir, ok := p.cfg.Root.At("paths.data_dir"); ok {
		var path string
		if err := dir.Decode(&path); err == nil {
			r.addDirectory(path)
		}
	}
	return r, nil
}

// WriteHydraFiles writes into a directory what Hydra leaves there of a config.
func WriteHydraFiles(c *config.Config, dir string) error {
	files, err := c.HydraFiles()
	if err != nil {
		return err
	}
	if err := fileio.MkdirAll(dir); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := fileio.MkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		if err := fileio.WriteBytes(path, content); err != nil {
			return err
		}
	}
	return nil
}

// addDirectory takes a file, or the files of a data directory, into the record, if there
// is one.
func (r *runRecord) addDirectory(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // absent: nothing to record
		if err == nil && d.Type().IsRegular() {
			r.files = append(r.files, path)
		}
		return nil
	})
}

// resolver notes the data files that are found.
func (r *runRecord) resolver(find data.Resolver) data.Resolver {
	if find == nil {
		find = data.ResolveCached
	}
	return func(ctx context.Context, pathOrURL, cacheDir string) (string, error) {
		path, err := find(ctx, pathOrURL, cacheDir)
		if err == nil {
			r.addDirectory(path)
		}
		return path, err
	}
}

// write finishes run.json.
func (r *runRecord) write(dir string) error {
	slices.Sort(r.files)
	r.files = slices.Compact(r.files)
	for _, path := range r.files {
		digest, err := checkpoint.Digest(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		r.Data[path] = digest
	}
	return fileio.WriteJSON(filepath.Join(dir, RunFile), r)
}
