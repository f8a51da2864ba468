package train

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// csvLog is Lightning's CSVLogger: one row for each time that metrics are
// logged, the columns sorted by name.
type csvLog struct {
	path string
	rows []map[string]string
}

// log adds a row; epoch < 0 leaves that column empty.
func (l *csvLog) log(metrics []metric, epoch, step int) {
	row := map[string]string{"step": strconv.Itoa(step)}
	if epoch >= 0 {
		row["epoch"] = strconv.Itoa(epoch)
	}
	for _, m := range metrics {
		row[m.name] = pytext.Float(m.value)
	}
	l.rows = append(l.rows, row)
}

// save writes the file whole.
func (l *csvLog) save() error {
	if l == nil || len(l.rows) == 0 {
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
	err := fileio.WriteFile(l.path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write(columns); err != nil {
			return err
		}
		for _, row := range l.rows {
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
	})
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// restore takes over the first n rows of the file, which a run that goes on had
// written.
func (l *csvLog) restore(n int) error {
	if n == 0 {
		return nil
	}
	f, err := os.Open(l.path)
	if os.IsNotExist(err) {
		return nil // continued in another directory
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("metrics %s: %w", l.path, err)
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
	return nil
}
