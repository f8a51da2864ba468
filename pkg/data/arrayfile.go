package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// ArrayFile is a data set of numbers in an HDF5 file, of which boxes are read.
type ArrayFile struct {
	// Name is the path of the data set within the file.
	Name  string
	Shape []int

	file *hdf5.File
	data *hdf5.Dataset
}

// OpenArray opens a data set of an HDF5 file by its path, such as
// /test/movie/stimulus. An empty name stands for the only data set of numbers with
// as many dimensions as one of ranks; where there are several, or none, the error
// lists what there is.
func OpenArray(path, name string, ranks ...int) (*ArrayFile, error) {
	file, err := hdf5.Open(path)
	if err != nil {
		return nil, err
	}
	a, err := openArray(file, name, ranks)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return a, nil
}

func openArray(file *hdf5.File, name string, ranks []int) (*ArrayFile, error) {
	var data *hdf5.Dataset
	var err error
	if name == "" {
		data, err = onlyArray(file, ranks)
	} else if data, err = file.Dataset(name); errors.Is(err, hdf5.ErrNotFound) {
		err = unknownArray(file, name, err)
	}
	if err != nil {
		return nil, err
	}
	if data.Type.DType() == ndarray.Invalid {
		return nil, fmt.Errorf("hdf5 file %s: %s holds %v, not numbers", file.Path(), data.Path, data.Type.Class)
	}
	return &ArrayFile{Name: data.Path, Shape: data.Shape, file: file, data: data}, nil
}

// Close closes the file.
func (a *ArrayFile) Close() error { return a.file.Close() }

// ReadSlab reads the box of the given shape whose first corner is at start, both
// with one entry for each axis, in C order and in the element type that holds the
// stored values without loss.
func (a *ArrayFile) ReadSlab(start, shape []int) (*ndarray.Array, error) {
	return a.data.Slab(start, shape)
}

// KeepChunks prepares for reading box after box of a shape: of a data set stored in
// chunks, as many are kept unpacked as a box reaches into, so that the next box finds
// those that both share, unless that takes more than limit bytes. It returns about
// how often each chunk will be unpacked.
func (a *ArrayFile) KeepChunks(box []int, limit int) (times int, err error) {
	chunk := a.data.Chunk
	if chunk == nil || slices.Contains(box, 0) {
		return 1, nil
	}
	times = 1
	bytes := float64(a.data.Type.Size)
	for i, size := range a.Shape {
		reached := min(ceilDiv(box[i]-1, chunk[i])+1, ceilDiv(size, chunk[i]))
		bytes *= float64(reached) * float64(chunk[i])
		times *= ceilDiv(min(chunk[i], size), box[i])
	}
	if bytes > float64(limit) {
		return times, nil
	}
	return 1, a.data.KeepChunks(int(bytes))
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// onlyArray finds the one data set of numbers with one of the ranks.
func onlyArray(file *hdf5.File, ranks []int) (*hdf5.Dataset, error) {
	all, err := arraysIn(file)
	fit := slices.DeleteFunc(slices.Clone(all), func(d *hdf5.Dataset) bool {
		return !slices.Contains(ranks, len(d.Shape)) || d.Type.DType() == ndarray.Invalid
	})
	words := make([]string, len(ranks))
	for i, rank := range ranks {
		words[i] = fmt.Sprint(rank)
	}
	dimensions := strings.Join(words, " or ") + " dimensions"
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return nil, fmt.Errorf("hdf5 file %s has %d data sets of %s; name one, as in %s:%s; there are %s",
			file.Path(), len(fit), dimensions, file.Path(), fit[0].Path, listed(fit))
	case err != nil: // it may be the one
		return nil, err
	case len(all) == 0:
		return nil, fmt.Errorf("hdf5 file %s has no data sets", file.Path())
	}
	return nil, fmt.Errorf("hdf5 file %s has no data set of %s, only %s", file.Path(), dimensions, listed(all))
}

// unknownArray adds what there is to the error that a data set is not there.
func unknownArray(file *hdf5.File, name string, err error) error {
	all, _ := arraysIn(file) // what cannot be read is no help
	if len(all) == 0 {
		return err
	}
	return fmt.Errorf("hdf5 file %s has no data set %s, only %s", file.Path(), name, listed(all))
}

// listed names data sets with their shapes.
func listed(all []*hdf5.Dataset) string {
	const most = 10
	var words []string
	for _, d := range all[:min(most, len(all))] {
		words = append(words, fmt.Sprintf("%s %v", d.Path, d.Shape))
	}
	if len(all) > most {
		words = append(words, fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(words, ", ")
}

// arraysIn lists all data sets of a file, groups before those inside them. The
// error is that of the first one which cannot be read; it is left out.
func arraysIn(file *hdf5.File) (all []*hdf5.Dataset, first error) {
	// Hard links may lead in circles.
	const deepest, mostObjects = 8, 10_000
	groups := []string{""}
	for seen := 0; len(groups) > 0 && seen < mostObjects; groups = groups[1:] {
		entries, err := file.List(groups[0] + "/")
		first = firstError(first, err)
		for _, entry := range entries {
			seen++
			name := groups[0] + "/" + entry.Name
			switch entry.Kind {
			case hdf5.Group:
				if strings.Count(name, "/") < deepest {
					groups = append(groups, name)
				}
			case hdf5.Data:
				d, err := file.Dataset(name)
				if first = firstError(first, err); err == nil {
					all = append(all, d)
				}
			}
		}
	}
	return all, first
}

func firstError(first, next error) error {
	if first != nil {
		return first
	}
	return next
}
