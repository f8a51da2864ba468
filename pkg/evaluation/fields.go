package evaluation

import (
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/eval"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// fields are a session's facts as columns of the table.
func fields(s *data.Session) []eval.Field {
	columns := make([]eval.Field, len(s.Fields))
	for i, f := range s.Fields {
		columns[i] = eval.Field{Name: f.Name, Value: f.Value}
		if array, ok := f.Value.(*ndarray.Array); ok {
			columns[i].Value = column(array, s.Neurons)
		}
	}
	return columns
}

// column turns an array into a slice with an element for each neuron, or into one
// value for all of them.
func column(a *ndarray.Array, neurons int) any {
	if len(a.Shape) == 0 || a.Shape[0] != neurons || neurons == 0 {
		return element(a, 0, a.Shape)
	}
	values := make([]any, neurons)
	for i := range values {
		values[i] = element(a, i*(a.Len()/neurons), a.Shape[1:])
	}
	return values
}

// element is the part of an array from a place on that has the given shape: a
// number, or text where it is an array itself.
func element(a *ndarray.Array, from int, shape []int) any {
	if len(shape) > 0 {
		return listText(a, from, shape)
	}
	switch a.DType {
	case ndarray.Float16, ndarray.BFloat16, ndarray.Float32, ndarray.Float64:
		return a.At(from)
	case ndarray.Bool:
		return a.Int64At(from) != 0
	}
	return a.Int64At(from)
}

// longestList is how many numbers an array may have to be written out: it stands
// in the row of every neuron.
const longestList = 100

func listText(a *ndarray.Array, from int, shape []int) string {
	size, err := ndarray.NumElements(shape)
	if err != nil || size > longestList {
		return fmt.Sprintf("%s array of shape %v", a.DType, shape)
	}
	items := make([]string, shape[0])
	for i := range items {
		items[i] = fmt.Sprint(element(a, from+i*(size/shape[0]), shape[1:]))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
