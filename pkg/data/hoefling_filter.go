package data

import (
	"errors"
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// cellFilter keeps the cells of the wanted types that respond well enough
// (Python: hoefling_2024.responses.filter_responses).
type cellFilter struct {
	Responses    recordings `yaml:"all_responses,required"`
	ByType       bool       `yaml:"filter_cell_types"`
	Types        typeList   `yaml:"cell_types_list"`
	ChirpQuality float64    `yaml:"chirp_qi"`
	BarQuality   float64    `yaml:"d_qi"`
	Logic        logic      `yaml:"qi_logic"`
	// ByCount drops sessions with no more than MinCount cells left.
	ByCount    bool     `yaml:"filter_counts"`
	MinCount   int      `yaml:"count_threshold"`
	Confidence *float64 `yaml:"classifier_confidence"`
	Verbose    bool     `yaml:"verbose"`
}

// paperFilter has the settings of Höfling et al. 2024, the Python package's
// defaults.
func paperFilter() cellFilter {
	confidence := 0.25
	return cellFilter{
		ChirpQuality: 0.35, BarQuality: 0.6, Logic: "or", ByCount: true, MinCount: 10, Confidence: &confidence,
	}
}

// build gives the recordings that the filter is applied to, and it behind theirs.
func (f cellFilter) build(struct{}) (recordings, error) {
	r := f.Responses
	r.filters = append(slices.Clone(r.filters), f)
	return r, nil
}

// typeList is a list of cell types, given as a list, one number or null.
type typeList []int64

// Forms are a list and one number.
func (typeList) Forms() []any { return []any{[]int64{}, int64(0)} }

// UnmarshalNode reads the list from a config.
func (l *typeList) UnmarshalNode(n *config.Node) error {
	if n.Kind() != config.Int {
		return n.Decode((*[]int64)(l))
	}
	var one int64
	if err := n.Decode(&one); err != nil {
		return err
	}
	*l = typeList{one}
	return nil
}

// logic says how two quality criteria are combined.
type logic string

// Forms are the words.
func (logic) Forms() []any { return []any{config.Words{"and", "or"}} }

// UnmarshalNode reads the word from a config.
func (l *logic) UnmarshalNode(n *config.Node) error {
	if err := n.Decode((*string)(l)); err != nil {
		return err
	}
	if *l != "and" && *l != "or" {
		return config.Errorf(n, `%s: %q, but "and" or "or" is needed`, n.Path(), *l)
	}
	return nil
}

// holds combines two criteria.
func (l logic) holds(a, b bool) bool {
	if l == "and" {
		return a && b
	}
	return a || b
}

// quality is what a recording file says about its cells, one value each.
type quality struct {
	types              []int64
	bar, chirp         []float64
	confidence         []float64 // of the most likely type
	confidenceMeasured bool
}

// selected are the indices of the cells that the filter keeps; none where the
// session is dropped.
func (f *cellFilter) selected(q *quality) ([]int, error) {
	confident := f.Confidence != nil && *f.Confidence > 0
	if confident && !q.confidenceMeasured {
		return nil, errors.New("there is no group_confidences, which classifier_confidence needs")
	}
	var kept []int
	for i, kind := range q.types {
		if f.ByType && f.Types != nil && !slices.Contains(f.Types, kind) {
			continue
		}
		if !f.Logic.holds(q.bar[i] >= f.BarQuality, q.chirp[i] >= f.ChirpQuality) {
			continue
		}
		if confident && !(q.confidence[i] >= *f.Confidence) { // NaN is not confident
			continue
		}
		kept = append(kept, i)
	}
	if f.ByCount && len(kept) <= f.MinCount {
		return nil, nil
	}
	return kept, nil
}

// maxima are the largest values of the rows of a matrix; a row with a NaN has
// none.
func maxima(values []float64, rows int) ([]float64, error) {
	if rows == 0 || len(values)%rows != 0 || len(values) == 0 {
		return nil, fmt.Errorf("%d values for %d cells", len(values), rows)
	}
	width := len(values) / rows
	out := make([]float64, rows)
	for i := range out {
		out[i] = values[i*width]
		for _, v := range values[i*width : (i+1)*width] {
			out[i] = max(out[i], v) // NaN wins in Go's max, as in NumPy's
		}
	}
	return out, nil
}
