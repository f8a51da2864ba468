package tracking

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // the formats of pictures
	_ "image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/tracking/tfevents"
)

// tensorBoardConfig are the arguments of lightning.pytorch.loggers.TensorBoardLogger,
// and those of torch.utils.tensorboard.SummaryWriter that it passes on. Every row is
// written at once, whatever the queue; there is no graph to log.
type tensorBoardConfig struct {
	Directory       `yaml:",inline"`
	LogGraph        bool    `yaml:"log_graph"`
	DefaultHPMetric bool    `yaml:"default_hp_metric"`
	Prefix          string  `yaml:"prefix"`
	SubDir          *string `yaml:"sub_dir"`
	MaxQueue        int     `yaml:"max_queue"`
	FlushSecs       float64 `yaml:"flush_secs"`
	FilenameSuffix  string  `yaml:"filename_suffix"`
}

func defaultTensorBoard() tensorBoardConfig {
	return tensorBoardConfig{Directory: defaultDirectory(), DefaultHPMetric: true, MaxQueue: 10, FlushSecs: 120}
}

// Validate refuses a suffix that leaves the directory.
func (c tensorBoardConfig) Validate() error {
	if strings.ContainsAny(c.FilenameSuffix, `/\`) {
		return config.Refuse("filename_suffix", "filename_suffix must be part of a name, got %q", c.FilenameSuffix)
	}
	return nil
}

func (c tensorBoardConfig) build(struct{}) (Logger, error) {
	return &tensorBoardLogger{tensorBoardConfig: c}, nil
}

// tensorBoardLogger is Lightning's TensorBoardLogger: an event file with scalars,
// pictures and hyperparameters, and hparams.yaml.
//
// A training that is continued cuts the files that it had written to what the
// checkpoint knows, and goes on in another file beside them. Its first event tells a
// TensorBoard that is running, and has read more than what is left, to forget it.
type tensorBoardLogger struct {
	tensorBoardConfig
	dir     string
	version version
	// earlier are the files that are not written any more; all of a training's files
	// have the first one's name, and a number behind it.
	earlier []eventFile
	name    string // of the file that is written
	out     *tfevents.Writer
	started bool // the hyperparameters are in the files
	step    int  // the last one that was logged
	// restart is set until the first event of a file that goes on with another one.
	restart bool
}

// eventFile is a file as the checkpoint knows it.
type eventFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// tensorBoardState is the state of a tensorBoardLogger.
type tensorBoardState struct {
	Version version     `json:"version"`
	Step    int         `json:"step"`
	Files   []eventFile `json:"files"`
}

// Start makes the event file.
func (l *tensorBoardLogger) Start(s Session) (err error) {
	var state tensorBoardState
	var continued *version
	if len(s.State) > 0 {
		if err := json.Unmarshal(s.State, &state); err != nil {
			return err
		}
		continued = &state.Version
	}
	if l.dir, l.version, err = l.versioned(continued); err != nil {
		return err
	}
	l.dir = expand(filepath.Join(l.dir, deref(l.SubDir)))
	if err := prepare(l.dir, s.Log); err != nil {
		return err
	}
	if l.name, err = l.goOn(state); err != nil {
		return err
	}
	l.out, err = tfevents.Create(filepath.Join(l.dir, l.name), "openretina")
	return err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// goOn cuts the files of the training that is continued, and gives the name of the file
// to go on in: a new one where they are not here.
func (l *tensorBoardLogger) goOn(state tensorBoardState) (name string, err error) {
	files := state.Files
	if len(files) == 0 {
		return l.newName()
	}
	first := files[0].Name
	if filepath.Base(first) != first {
		return "", fmt.Errorf("the checkpoint names an event file %q outside its directory", first)
	}
	found, err := l.filesOf(first)
	if err != nil {
		return "", err
	}
	if !slices.Contains(found, first) {
		return l.newName() // continued in another directory
	}
	for _, name := range found {
		path := filepath.Join(l.dir, name)
		i := slices.IndexFunc(files, func(f eventFile) bool { return f.Name == name })
		if i < 0 {
			err = os.Remove(path) // written after the checkpoint
		} else if err = tfevents.Cut(path, files[i].Size); err == nil {
			l.earlier = append(l.earlier, files[i])
		}
		if err != nil {
			return "", err
		}
	}
	l.started, l.restart, l.step = true, true, state.Step
	last := found[len(found)-1]
	number, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(last, first), ".")) // 0 for the first
	return fmt.Sprintf("%s.%04d", first, number+1), nil
}

// filesOf are the files of the training whose first one is given, in order.
func (l *tensorBoardLogger) filesOf(first string) (names []string, err error) {
	entries, err := os.ReadDir(l.dir)
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), first)
		if !ok {
			continue
		}
		if _, err := strconv.Atoi(strings.TrimPrefix(number, ".")); number == "" || (number[0] == '.' && err == nil) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	return names, err
}

// newName is a name as SummaryWriter gives it: time, host, process, number of the
// writer.
func (l *tensorBoardLogger) newName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	for number := 0; ; number++ {
		name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d.%d%s", time.Now().Unix(), host, os.Getpid(), number, l.FilenameSuffix)
		if _, err := os.Stat(filepath.Join(l.dir, name)); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
}

// Hyperparameters writes them for the hparams plugin, with the number that stands for
// what a run is judged by, and hparams.yaml.
func (l *tensorBoardLogger) Hyperparameters(h Hyperparameters) error {
	if _, err := os.Stat(filepath.Join(l.dir, hparamsFile)); errors.Is(err, fs.ErrNotExist) {
		if err := h.write(l.dir); err != nil {
			return err
		}
	}
	if l.started || !l.DefaultHPMetric {
		return nil
	}
	l.started = true
	params, err := h.flatten()
	if err != nil {
		return err
	}
	hparams := make([]tfevents.HParam, len(params))
	for i, p := range params {
		hparams[i] = p.hparam()
	}
	const metric = "hp_metric"
	values := []tfevents.Value{tfevents.Scalar(prefixed(l.Prefix, metric), -1)}
	return l.write(0, append(values, tfevents.HParams(hparams, metric)...)...)
}

// write writes an event for each value, as SummaryWriter does.
func (l *tensorBoardLogger) write(step int, values ...tfevents.Value) error {
	now := time.Now()
	var events []tfevents.Event
	if l.restart {
		// Not what the checkpoint knows of the same step.
		events = append(events, tfevents.Event{Time: now, Step: int64(max(step, l.step+1)), Restart: true})
		l.restart = false
	}
	l.step = step
	for _, v := range values {
		events = append(events, tfevents.Event{Time: now, Step: int64(step), Values: []tfevents.Value{v}})
	}
	return l.out.Write(events...)
}

// Row writes an event for each metric.
func (l *tensorBoardLogger) Row(r Row) error {
	var values []tfevents.Value
	for _, m := range r.metrics(l.Prefix) {
		values = append(values, tfevents.Scalar(m.Name, m.Value))
	}
	return l.write(r.Step, values...)
}

// Picture writes a picture.
func (l *tensorBoardLogger) Picture(p Picture) error {
	encoded, err := os.ReadFile(p.Path)
	if err != nil {
		return err
	}
	header, _, err := image.DecodeConfig(bytes.NewReader(encoded))
	if err != nil {
		return fmt.Errorf("picture %s: %w", p.Path, err)
	}
	return l.write(p.Step, tfevents.Picture(p.Tag, encoded, header.Height, header.Width, channels(header.ColorModel)))
}

// channels is how many numbers a pixel has.
func channels(m color.Model) int {
	switch m {
	case color.GrayModel, color.Gray16Model:
		return 1
	case color.YCbCrModel:
		return 3
	}
	return 4
}

// File is not for TensorBoard.
func (*tensorBoardLogger) File(File) error { return nil }

// Save makes the events durable.
func (l *tensorBoardLogger) Save() error { return l.out.Sync() }

// State are the files and how long they are.
func (l *tensorBoardLogger) State() (json.RawMessage, error) {
	files := append(slices.Clone(l.earlier), eventFile{l.name, l.out.Size()})
	return json.Marshal(tensorBoardState{Version: l.version, Step: l.step, Files: files})
}

// Close closes the file.
func (l *tensorBoardLogger) Close(context.Context, Status) error {
	if l.out == nil {
		return nil
	}
	return errors.Join(l.out.Sync(), l.out.Close())
}
