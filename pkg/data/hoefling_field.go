package data

import (
	"errors"
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// traceNames are the data sets of each trace_type, the first one that is there
// counts; a second one in a pair is subtracted.
var traceNames = map[string][][]string{
	"spikes":       {{"natural_inferred_spikes"}, {"natural_spikes"}},
	"raw":          {{"natural_raw_traces"}},
	"preprocessed": {{"natural_preprocessed_traces"}},
	"detrended":    {{"natural_raw_traces", "natural_smoothed_traces"}},
}

// hoeflingField is one group of the file: a recording field with its cells.
type hoeflingField struct {
	file  *hdf5.File
	name  string
	cells int
}

// dataset looks up a data set of the group.
func (f *hoeflingField) dataset(name string) (*hdf5.Dataset, error) {
	return f.file.Dataset(f.name + "/" + name)
}

// column reads a data set with one number a cell.
func (f *hoeflingField) column(name string) ([]float64, error) {
	d, err := f.dataset(name)
	if err != nil {
		return nil, err
	}
	values, err := hdf5.Read[float64](d)
	if err == nil && len(values) != f.cells {
		err = fmt.Errorf("%s has %d values for %d cells", name, len(values), f.cells)
	}
	return values, err
}

// integers reads a data set with one integer a cell, which may be stored as
// floats.
func (f *hoeflingField) integers(name string) ([]int64, error) {
	d, err := f.dataset(name)
	if err != nil {
		return nil, err
	}
	if d.Type.Class != hdf5.Float {
		return hdf5.Read[int64](d)
	}
	floats, err := hdf5.Read[float64](d)
	values := make([]int64, len(floats))
	for i, v := range floats {
		if values[i] = int64(v); float64(values[i]) != v {
			return nil, fmt.Errorf("%s of cell %d is %v, but an integer is needed", name, i, v)
		}
	}
	return values, err
}

// kept is what filters leave of a field: the cells, and the row of the trigger
// times that counts.
type kept struct {
	cells   []int
	trigger int
}

// filter applies filters one after the other. The trigger times are those of the
// first cell that the first filter keeps, as in the Python package, which takes
// row 0 of what is left after it.
func (f *hoeflingField) filter(filters []cellFilter) (kept, error) {
	q, err := f.quality(len(filters) > 0)
	if err != nil {
		return kept{}, err
	}
	all := kept{cells: upTo(f.cells)}
	for i := range filters {
		selected, err := filters[i].selected(q)
		if err != nil {
			return kept{}, err
		}
		all.cells = intersect(all.cells, selected)
		if i == 0 && len(all.cells) > 0 {
			all.trigger = all.cells[0]
		}
	}
	return all, nil
}

// intersect keeps what is in both sorted lists.
func intersect(a, b []int) []int {
	var both []int
	for _, x := range a {
		for len(b) > 0 && b[0] < x {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == x {
			both = append(both, x)
		}
	}
	return both
}

// quality reads what the filters look at.
func (f *hoeflingField) quality(filtered bool) (*quality, error) {
	types, err := f.integers("group_assignment")
	if err != nil {
		return nil, err
	}
	q := &quality{types: types}
	f.cells = len(q.types)
	if !filtered || f.cells == 0 {
		return q, nil
	}
	if q.bar, err = f.column("d_qi"); err != nil {
		return nil, err
	}
	if q.chirp, err = f.column("chirp_qi"); err != nil {
		return nil, err
	}
	d, err := f.dataset("group_confidences")
	if errors.Is(err, hdf5.ErrNotFound) {
		return q, nil
	}
	if err != nil {
		return nil, err
	}
	values, err := hdf5.Read[float64](d)
	if err != nil {
		return nil, err
	}
	q.confidenceMeasured = true
	if q.confidence, err = maxima(values, f.cells); err != nil {
		return nil, fmt.Errorf("group_confidences: %w", err)
	}
	return q, nil
}

// describe reads what is known about the kept cells.
func (f *hoeflingField) describe(cells []int) (*recording, error) {
	r := &recording{session: f.name, hoefling: hoefling{natural: true}}
	eye, err := f.eye()
	if err != nil {
		return nil, err
	}
	r.mirrored = eye == "left" && f.name != hoeflingMislabelled
	sequence, err := f.number("scan_sequence_idx")
	if err != nil {
		return nil, err
	}
	r.sequence = int(sequence)
	types, err := f.subset("group_assignment", cells)
	if err != nil {
		return nil, err
	}
	ids, err := f.subset("roi_ids", cells)
	if err != nil {
		return nil, err
	}
	mask, err := f.mask()
	if err != nil {
		return nil, err
	}
	if mask != nil {
		r.roiCoords = roiCoords(mask, ids.Int64s())
	}
	r.fields = []Field{
		{"eye", eye},
		{"scan_sequence_idx", sequence},
		{"group_assignment", types},
		{"roi_ids", ids},
	}
	if mask != nil {
		r.fields = append(r.fields, Field{"roi_mask", mask})
	}
	return r, nil
}

// subset reads a column of integers for some cells.
func (f *hoeflingField) subset(name string, cells []int) (*ndarray.Array, error) {
	values, err := f.integers(name)
	if err == nil && len(values) != f.cells {
		err = fmt.Errorf("%s has %d values for %d cells", name, len(values), f.cells)
	}
	if err != nil {
		return nil, err
	}
	picked := make([]int64, len(cells))
	for i, cell := range cells {
		picked[i] = values[cell]
	}
	return ndarray.FromInt64(picked, len(cells))
}

// eye is "left" or "right": an attribute of the group, or a data set in it.
func (f *hoeflingField) eye() (string, error) {
	a, err := f.fact("eye")
	if errors.Is(err, hdf5.ErrNotFound) {
		return "right", nil
	}
	if err != nil {
		return "", err
	}
	if len(a.Strings) != 1 || a.Strings[0] != "left" && a.Strings[0] != "right" {
		return "", fmt.Errorf(`eye is %q, but "left" or "right" is needed`, a.Strings)
	}
	return a.Strings[0], nil
}

// number is a fact that is one integer.
func (f *hoeflingField) number(name string) (int64, error) {
	a, err := f.fact(name)
	if err != nil {
		return 0, err
	}
	if a.Array == nil || a.Array.Len() != 1 {
		return 0, fmt.Errorf("%s is no single number", name)
	}
	value := a.Array.At(0)
	if value != math.Trunc(value) || math.Abs(value) > 1<<31 {
		return 0, fmt.Errorf("%s is %v, but an integer is needed", name, value)
	}
	return int64(value), nil
}

// fact is an attribute of the group or a data set of the same name in it.
func (f *hoeflingField) fact(name string) (*hdf5.Attribute, error) {
	a, err := f.file.Attribute(f.name, name)
	if !errors.Is(err, hdf5.ErrNotFound) {
		return a, err
	}
	d, err := f.dataset(name)
	if err != nil {
		return nil, err
	}
	a = &hdf5.Attribute{Shape: d.Shape}
	if d.Type.Class == hdf5.String {
		a.Strings, err = d.Strings()
	} else {
		a.Array, err = d.Array()
	}
	return a, err
}

// mask reads the picture of the cells (pixels of cell id hold -id), nil where the
// file has none.
func (f *hoeflingField) mask() (*ndarray.Array, error) {
	d, err := f.dataset("roi_mask")
	if errors.Is(err, hdf5.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(d.Shape) != 2 {
		return nil, fmt.Errorf("roi_mask has shape %v, but (height, width) is needed", d.Shape)
	}
	return d.Array()
}

// roiCoords are the mean positions (y, x) of the cells' pixels. The mask has
// pixels of 2 µm and starts 2.75 pixels of 50 µm inside the readout's field, whose
// 8 pixels are mapped to -1 … 1.
func roiCoords(mask *ndarray.Array, ids []int64) [][2]float32 {
	type sum struct{ y, x, n float64 }
	sums := map[int64]*sum{}
	for _, id := range ids {
		sums[-id] = &sum{}
	}
	width := mask.Shape[1]
	for i := range mask.Len() {
		if s := sums[mask.Int64At(i)]; s != nil {
			s.y, s.x, s.n = s.y+float64(i/width)/25+2.75, s.x+float64(i%width)/25+2.75, s.n+1
		}
	}
	coords := make([][2]float32, len(ids))
	for i, id := range ids {
		s := sums[-id]
		coords[i] = [2]float32{float32((s.y/s.n/8 - 0.5) * 2), float32((s.x/s.n/8 - 0.5) * 2)}
	}
	return coords
}
