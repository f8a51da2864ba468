package tracking

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/pytext"
)

// csvConfig are the arguments of lightning.pytorch.loggers.CSVLogger.
type csvConfig struct {
	Directory  `yaml:",inline"`
	Prefix     string `yaml:"prefix"`
	FlushEvery int    `yaml:"flush_logs_every_n_steps"`
}

func (c csvConfig) build(struct{}) (Logger, error) { return &csvLogger{csvConfig: c}, nil }

// csvLogger is Lightning's CSVLogger: metrics.csv has a row for each time that metrics
// are logged, its columns are sorted by name; hparams.yaml has the hyperparameters.
type csvLogger struct {
	csvConfig
	dir     string
	version version
	rows    []map[string]string
	changed bool
}

// csvState is the state of a csvLogger.
type csvState struct {
	Version version `json:"version"`
	Rows    int     `json:"rows"`
}

const (
	metricsFile = "metrics.csv"
	stepColumn  = "step"
)

// Start makes the directory, and takes over the rows that a training which is continued
// had written.
func (l *csvLogger) Start(s Session) (err error) {
	var state csvState
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
	if err := prepare(l.dir, s.Log); err != nil {
		return err
	}
	return l.restore(state.Rows)
}

func (l *csvLogger) path() string { return filepath.Join(l.dir, metricsFile) }

// restore takes over the first n rows of the file.
func (l *csvLogger) restore(n int) error {
	if n == 0 {
		return nil
	}
	f, err := os.Open(l.path())
	if os.IsNotExist(err) {
		return nil // continued in another directory
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("metrics %s: %w", l.path(), err)
	}
	if len(records) == 0 {
		return nil
	}
	columns := records[0]
	for _, record := range records[1:min(n+1, len(records))] {
		row := map[string]string{}
		for i, value := range record {
			if value != "" {
				row[columns[i]] = value
			}
		}
		l.rows = append(l.rows, row)
	}
	l.changed = true
	return nil
}

// Hyperparameters writes hparams.yaml.
func (l *csvLogger) Hyperparameters(h Hyperparameters) error { return h.write(l.dir) }

// Row adds a row.
func (l *csvLogger) Row(r Row) error {
	row := map[string]string{stepColumn: strconv.Itoa(r.Step)}
	for _, m := range r.metrics(l.Prefix) {
		row[m.Name] = pytext.Float(m.Value)
	}
	if r.Epoch != NoEpoch {
		row[prefixed(l.Prefix, epochMetric)] = strconv.Itoa(r.Epoch)
	}
	l.rows, l.changed = append(l.rows, row), true
	return nil
}

// Picture is not for a table.
func (*csvLogger) Picture(Picture) error { return nil }

// File is not for a table.
func (*csvLogger) File(File) error { return nil }

// Save writes the file whole.
func (l *csvLogger) Save() error {
	if !l.changed {
		return nil
	}
	var columns []string
	for _, row := range l.rows {
		for name := range row {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	slices.Sort(columns)
	err := fileio.WriteFile(l.path(), func(w io.Writer) error { return writeTable(w, columns, l.rows) })
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	l.changed = false
	return nil
}

func writeTable(w io.Writer, columns []string, rows []map[string]string) error {
	out := csv.NewWriter(w)
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, row := range rows {
		record := make([]string, len(columns))
		for i, c := range columns {
			record[i] = row[c]
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// State is the number of rows.
func (l *csvLogger) State() (json.RawMessage, error) {
	return json.Marshal(csvState{Version: l.version, Rows: len(l.rows)})
}

// Close saves.
func (l *csvLogger) Close(context.Context, Status) error { return l.Save() }
