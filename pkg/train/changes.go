package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// changes are what the callbacks have decided about checkpoints at a moment. They are
// part of the state that last.ckpt holds, which is written before they are done: a
// training killed in between does the rest of them when it continues.
type changes struct {
	Write  []checkpointWrite `json:"write,omitempty"`
	Links  []checkpointLink  `json:"links,omitempty"`
	Remove []string          `json:"remove,omitempty"`

	notes []string
}

type checkpointWrite struct {
	Path        string `json:"path"`
	WeightsOnly bool   `json:"weights_only,omitempty"`
}

// checkpointLink is a checkpoint that is another name for the file To.
type checkpointLink struct {
	Path string `json:"path"`
	To   string `json:"to"`
}

// write asks for a checkpoint, instead of what stood there.
func (c *changes) write(path string, weightsOnly bool) {
	c.Remove = slices.DeleteFunc(c.Remove, func(p string) bool { return p == path })
	if i := slices.IndexFunc(c.Write, func(w checkpointWrite) bool { return w.Path == path }); i >= 0 {
		c.Write[i].WeightsOnly = c.Write[i].WeightsOnly && weightsOnly
		return
	}
	c.Write = append(c.Write, checkpointWrite{path, weightsOnly})
}

// remove asks for the removal of a checkpoint.
func (c *changes) remove(path string) {
	c.Write = slices.DeleteFunc(c.Write, func(w checkpointWrite) bool { return w.Path == path })
	c.Remove = append(c.Remove, path)
}

// exists tells whether there will be a file once the changes are done.
func (c *changes) exists(path string) bool {
	if slices.Contains(c.Remove, path) {
		return false
	}
	if slices.ContainsFunc(c.Write, func(w checkpointWrite) bool { return w.Path == path }) ||
		slices.ContainsFunc(c.Links, func(l checkpointLink) bool { return l.Path == path }) {
		return true
	}
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// say notes what a verbose callback has decided.
func (c *changes) say(verbose bool, format string, args ...any) {
	if verbose {
		c.notes = append(c.notes, fmt.Sprintf(format, args...))
	}
}

// renamed gives the changes with other paths.
func (c *changes) renamed(rename func(path string) string) *changes {
	r := &changes{}
	for _, w := range c.Write {
		r.Write = append(r.Write, checkpointWrite{rename(w.Path), w.WeightsOnly})
	}
	for _, l := range c.Links {
		r.Links = append(r.Links, checkpointLink{rename(l.Path), rename(l.To)})
	}
	for _, path := range c.Remove {
		r.Remove = append(r.Remove, rename(path))
	}
	return r
}

// commit saves the training as it is now: the logs, last.ckpt, then the changes.
func (f *fitter) commit(ch *changes) error {
	if f.trainer.FastDevRun > 0 {
		return nil // which leaves nothing
	}
	f.pending = ch
	c, err := f.content()
	if err != nil {
		return err
	}
	if err := writeLastCheckpoint(f.lastPath(), c); err != nil {
		return err
	}
	f.saved = true
	for _, note := range ch.notes {
		f.log.Info(note)
	}
	if err := f.settle(ch, c); err != nil {
		return err
	}
	return f.logBest()
}

// settle does the changes whose content last.ckpt holds. Doing them again changes
// nothing.
func (f *fitter) settle(ch *changes, c *checkpoint.Checkpoint) error {
	last := f.lastPath()
	linked := func(path string) bool {
		return slices.Contains(ch.Links, checkpointLink{Path: last, To: path})
	}
	for _, w := range ch.Write {
		var err error
		switch {
		case w.Path == last:
		case w.WeightsOnly:
			err = writeIn(w.Path, weightsOnly(c))
		case linked(w.Path):
			err = shareFile(last, w.Path)
		default:
			err = writeIn(w.Path, c)
		}
		if err != nil {
			return err
		}
	}
	for _, l := range ch.Links {
		if l.Path != last {
			if err := symlink(l.To, l.Path); err != nil {
				return err
			}
		}
	}
	for _, path := range ch.Remove {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("a checkpoint that is no longer among the best: %w", err)
		}
	}
	return nil
}

// writeLastCheckpoint writes last.ckpt. Where Lightning has left a link of that name, the file
// that it leads to stays.
func writeLastCheckpoint(path string, c *checkpoint.Checkpoint) error {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSymlink {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return writeIn(path, c)
}

// writeIn writes a checkpoint, whose name may have directories in it.
func writeIn(path string, c *checkpoint.Checkpoint) error {
	if err := fileio.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return checkpoint.Write(path, c)
}

// shareFile makes path another name of a file that is only ever replaced, not written
// to. Where the file system cannot do that it copies.
func shareFile(file, path string) error {
	if err := fileio.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return replaceBy(path, func(temporary string) error { return os.Link(file, temporary) })
}

// symlink makes path lead to a file, by a relative name.
func symlink(to, path string) error {
	relative, err := filepath.Rel(filepath.Dir(path), to)
	if err != nil {
		return err
	}
	return replaceBy(path, func(temporary string) error { return os.Symlink(relative, temporary) })
}

// replaceBy makes a file under a temporary name and puts it in the place of another.
func replaceBy(path string, create func(temporary string) error) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".link")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return fileio.OS.SyncDir(filepath.Dir(path))
}

// weightsOnly is a checkpoint as save_weights_only wants it.
func weightsOnly(c *checkpoint.Checkpoint) *checkpoint.Checkpoint {
	light := *c
	light.OptimizerStates, light.LRSchedulers, light.Extra = nil, nil, nil
	light.Callbacks = pickle.NewDict()
	return &light
}
