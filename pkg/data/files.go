package data

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
)

// File is what a part of a Source is read from: a file, or a directory of files.
type File struct {
	// Part of the config that names it.
	Part string `json:"part"`
	// Path is where it lies, or where the config says it should.
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	// Packed files have to be unpacked first, which takes time and disk.
	Packed bool `json:"packed"`
	// Missing says why it cannot be read; empty where it is there.
	Missing string `json:"missing,omitempty"`
}

// Files looks for what Load will read, without reading it.
func (s *Source) Files(ctx context.Context, options Options) []File {
	env := newEnvironment(options)
	stimuli := findFile(ctx, env, "data_io.stimuli", s.stimuli.location())
	responses := findFile(ctx, env, "data_io.responses", s.responses.location())
	if responses.Path == stimuli.Path {
		stimuli.Part = "data_io"
		return []File{stimuli}
	}
	return []File{stimuli, responses}
}

func findFile(ctx context.Context, env *environment, part string, l location) File {
	f := File{Part: part, Path: l.path}
	path, err := l.find(ctx, env)
	if err == nil {
		f.Path, f.Packed = path, isZip(path)
		f.Bytes, err = size(path)
	}
	if err != nil {
		f.Missing = err.Error()
	}
	return f
}

// size is that of a file, or of all in a directory.
func size(path string) (bytes int64, err error) {
	err = filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// ClipSizes are how the config cuts movies into clips.
type ClipSizes struct {
	Train      int `json:"train_frames"`
	Validation int `json:"validation_frames"`
	// Batch is how many clips a batch for training has.
	Batch int `json:"batch"`
}

// Clips are the sizes of the config's dataloader.
func (s *Source) Clips() ClipSizes {
	c := s.arrange.sizes()
	return ClipSizes{Train: c.TrainClip, Validation: c.Clip, Batch: c.Batch}
}

func (m *moviesFromPickle) location() location   { return m.File }
func (h *hoeflingResponses) location() location  { return h.Dict.file }
func (d *directoryStimuli) location() location   { return location{path: d.Directory.Path} }
func (d *directoryResponses) location() location { return location{path: d.Directory.Path} }
func (b *baccusStimuli) location() location      { return location{path: b.Data.Path} }
func (b *baccusResponses) location() location    { return location{path: b.Data.Path} }

func (a *sharedMovie) sizes() clipSettings { return a.Clips }
func (a *movieEach) sizes() clipSettings   { return a.Clips }

// Clips is how many clips an epoch draws from the split.
func (s *Split) Clips() int { return len(s.sampler.Starts) }
