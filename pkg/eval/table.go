package eval

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"

	"github.com/open-retina/openretina-go/pkg/fileio"
)

// Table is rows of cells under column names.
type Table struct {
	Columns []string
	// Rows have a cell for each column: a string, bool, int64, float64, or nil
	// for none.
	Rows [][]any
}

// row is one neuron's cells, each with its column.
type row []cell

type cell struct {
	column string
	value  any
}

// Table is the Python package's table: a row for each neuron, a column for each
// metric, two for each trial, and those of the sessions' fields. A column that a
// session lacks has no value in its rows.
func (r *Report) Table() Table {
	return newTable(r, func(s SessionMetrics, n int) row {
		cells := row{
			{"session", s.Name},
			{"neuron_relative_idx", int64(n)},
			{"data_split", r.Split},
			{"poisson_loss_to_average", s.PoissonLoss[n]},
			{"corr_to_average", s.Corr[n]},
			{"mse_to_average", s.MSE[n]},
			{"feve", s.FEVE[n]},
			{"jackknife", s.Jackknife[n]},
			{"var_ratio", s.VarRatio[n]},
		}
		for k := range s.Repeats {
			number := strconv.Itoa(k)
			cells = append(cells, cell{"corr_" + number, s.CorrByTrial[k][n]}, cell{"mse_" + number, s.MSEByTrial[k][n]})
		}
		perNeuron, shared := splitFields(s.fields, s.Neurons)
		for _, f := range perNeuron {
			cells = append(cells, cell{f.Name, plain(reflect.ValueOf(f.Value).Index(n).Interface())})
		}
		for _, f := range shared {
			cells = append(cells, cell{f.Name, plain(f.Value)})
		}
		if s.responses != nil {
			cells = append(cells, cell{"model_response", s.responses.list(n)})
		}
		return cells
	})
}

// AlignedTable is the table of the AlignedMetrics.
func (r *Report) AlignedTable() Table {
	return newTable(r, func(s SessionMetrics, n int) row {
		a := s.Aligned
		return row{
			{"session", s.Name},
			{"neuron_relative_idx", int64(n)},
			{"data_split", r.Split},
			{"corr_aligned", a.Corr[n]},
			{"mse_aligned", a.MSE[n]},
			{"poisson_loss_aligned", a.PoissonLoss[n]},
			{"feve_unclipped", a.FEVE[n]},
			{"fev_unclipped", a.FEV[n]},
			{"global_mean_oracle", a.GlobalMean[n]},
			{"reliability", a.Reliability[n]},
		}
	})
}

// newTable puts rows together; columns are in the order in which they first
// appear, as in a pandas.DataFrame of dictionaries.
func newTable(r *Report, makeRow func(s SessionMetrics, neuron int) row) Table {
	var t Table
	index := map[string]int{}
	for _, s := range r.Sessions {
		for n := range s.Neurons {
			cells := makeRow(s, n)
			values := make([]any, len(t.Columns), len(t.Columns)+len(cells))
			for _, c := range cells {
				i, ok := index[c.column]
				if !ok {
					i = len(t.Columns)
					index[c.column] = i
					t.Columns = append(t.Columns, c.column)
					values = append(values, nil)
				}
				values[i] = c.value
			}
			t.Rows = append(t.Rows, values)
		}
	}
	for i, values := range t.Rows {
		t.Rows[i] = append(values, make([]any, len(t.Columns)-len(values))...)
	}
	return t
}

// list is the trace of a neuron as Python prints a list.
func (m Matrix) list(neuron int) string {
	trace := make([]float64, m.Frames)
	m.column(neuron, trace)
	text := make([]string, len(trace))
	for t, v := range trace {
		text[t] = pytext.Float(v)
	}
	return "[" + strings.Join(text, ", ") + "]"
}

// splitFields separates the fields with a value for each neuron.
func splitFields(fields []Field, neurons int) (perNeuron, shared []Field) {
	for _, f := range fields {
		if v := reflect.ValueOf(f.Value); v.Kind() == reflect.Slice && v.Len() == neurons {
			perNeuron = append(perNeuron, f)
		} else {
			shared = append(shared, f)
		}
	}
	return perNeuron, shared
}

// plain turns a field's value into what a cell holds.
func plain(value any) any {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint())
	case reflect.Float32, reflect.Float64:
		return v.Float()
	}
	return fmt.Sprint(value)
}

// WriteCSV writes the table as pandas' to_csv does: first a column of row numbers
// without a name, NaN and missing values as nothing, and whole numbers with ".0"
// in a column that has fractions or lacks values.
func (t Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	record := append([]string{""}, t.Columns...)
	if err := out.Write(record); err != nil {
		return err
	}
	floats := make([]bool, len(t.Columns))
	for i := range t.Columns {
		floats[i] = t.isFloat(i)
	}
	for n, values := range t.Rows {
		record[0] = strconv.Itoa(n)
		for i, v := range values {
			record[i+1] = cellText(v, floats[i])
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// isFloat is true for a column of numbers that pandas holds as floats.
func (t Table) isFloat(column int) bool {
	float := false
	for _, values := range t.Rows {
		switch values[column].(type) {
		case int64:
		case float64, nil:
			float = true
		default:
			return false
		}
	}
	return float
}

func cellText(value any, float bool) string {
	switch v := value.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		if float {
			return pytext.Float(float64(v))
		}
		return strconv.FormatInt(v, 10)
	case float64:
		if math.IsNaN(v) {
			return ""
		}
		return pytext.Float(v)
	}
	return fmt.Sprint(value)
}

// WriteCSV writes results_SPLIT.csv, the Python package's table, into dir, and
// beside it aligned_SPLIT.csv with the AlignedMetrics.
func (r *Report) WriteCSV(dir string) error {
	results, err := r.fileName(dir, "results_", ".csv")
	if err != nil {
		return err
	}
	aligned, err := r.fileName(dir, "aligned_", ".csv")
	if err != nil {
		return err
	}
	if err := r.WriteResultsFile(results); err != nil {
		return err
	}
	return fileio.WriteFile(aligned, r.AlignedTable().WriteCSV)
}

// WriteResultsFile writes the Python package's table to path, as its option
// evaluation.model_results_path does.
func (r *Report) WriteResultsFile(path string) error {
	return fileio.WriteFile(path, r.Table().WriteCSV)
}

// WriteSummary writes summary_SPLIT.json, the Python package's summary, into dir,
// and beside it aligned_summary_SPLIT.json with the AlignedSummary. A number that
// is NaN is null there, where the Python package writes NaN, which is no JSON;
// Python's json reads null as None and pandas as NaN.
func (r *Report) WriteSummary(dir string) error {
	summary, err := r.fileName(dir, "summary_", ".json")
	if err != nil {
		return err
	}
	aligned, err := r.fileName(dir, "aligned_summary_", ".json")
	if err != nil {
		return err
	}
	if err := r.WriteSummaryFile(summary); err != nil {
		return err
	}
	return writeJSON(aligned, r.Aligned)
}

// WriteSummaryFile writes the Python package's summary to path, as its option
// evaluation.summary_results_path does.
func (r *Report) WriteSummaryFile(path string) error { return writeJSON(path, r.Summary) }

func writeJSON(path string, value any) error {
	return fileio.WriteFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(value)
	})
}

func (r *Report) fileName(dir, prefix, extension string) (string, error) {
	if r.Split == "" || strings.ContainsAny(r.Split, `/\`+"\x00") {
		return "", errors.New("write the evaluation: split " + strconv.Quote(r.Split) + " is no part of a file name")
	}
	return filepath.Join(dir, prefix+r.Split+extension), nil
}
