package sweep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// RecordFile is the record of a sweep in its directory.
const RecordFile = "sweep.json"

// Status says how a job stands.
type Status string

// What a job's status can be.
const (
	Waiting     Status = "waiting"
	Running     Status = "running" // in a record that is read: the program was killed meanwhile
	Done        Status = "done"
	Failed      Status = "failed"
	Interrupted Status = "interrupted"
)

// JobState is a job with what became of it.
type JobState struct {
	Number    int      `json:"number"`
	Overrides []string `json:"overrides"`
	// Dir is the directory of its run, relative to the sweep's if it lies in it.
	Dir    string `json:"directory"`
	Status Status `json:"status"`
	// Outcome is there once the job is done.
	Outcome *Outcome `json:"outcome,omitempty"`
	Seconds float64  `json:"seconds,omitempty"`
	Error   string   `json:"error,omitempty"`
	// Values are the place of a trial in the space of a search.
	Values []float64 `json:"values,omitempty"`
}

// Outcome is what a job achieved.
type Outcome struct {
	// Metric names the value; empty where the job has none.
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	// Maximize says that more is better.
	Maximize bool `json:"maximize,omitempty"`
}

// Record is what a sweep is and what became of its jobs.
type Record struct {
	Version string `json:"version"` // of the program
	Command string `json:"command"`
	Config  string `json:"config"`
	// Overrides are those of the sweep's command line that are not Hydra's own.
	Overrides []string `json:"overrides"`
	// Search describes sampler and space, a line each; empty where all jobs were
	// known beforehand.
	Search []string `json:"search,omitempty"`
	// Seed is the sampler's where the config gives none.
	Seed uint64 `json:"seed"`
	// Clock is the time that ${now:…} stands for in all jobs.
	Clock time.Time   `json:"clock"`
	Jobs  []*JobState `json:"jobs"`
}

const recordLimit = 256 << 20

// readRecord reads the record in a directory; nil where there is none.
func readRecord(dir string) (*Record, error) {
	path := filepath.Join(dir, RecordFile)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := &Record{}
	if err := json.NewDecoder(io.LimitReader(file, recordLimit)).Decode(r); err != nil {
		return nil, fmt.Errorf("%s is no record of a sweep: %w", path, err)
	}
	for i, job := range r.Jobs {
		if job == nil || job.Number != i {
			return nil, fmt.Errorf("%s is no record of a sweep: its jobs are not numbered from 0", path)
		}
	}
	return r, nil
}

func (r *Record) write(dir string) error {
	return fileio.WriteJSON(filepath.Join(dir, RecordFile), r)
}

// Count gives how many jobs have a status.
func (r *Record) Count(s Status) int {
	n := 0
	for _, job := range r.Jobs {
		if job.Status == s {
			n++
		}
	}
	return n
}

// lock keeps a second process from running a sweep in the same directory. The
// system frees it when this process ends, however it ends.
func lock(dir string) (release func(), err error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("another process runs a sweep in %s", dir), file.Close())
		}
		// Some network file systems have no locks: there the user takes care.
	}
	return func() { _ = file.Close() }, nil
}
