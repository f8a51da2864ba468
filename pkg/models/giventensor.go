package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// givenTensor is an argument that is a tensor: a call of PyTorch that makes one, such
// as {_target_: torch.tensor, data: [[1.0, 2.0]]}.
type givenTensor struct{ *ndarray.Array }

// Forms are the calls.
func (givenTensor) Forms() []any { return []any{config.BuiltBy(Tensors.What)} }

// UnmarshalNode makes what the call makes.
func (t *givenTensor) UnmarshalNode(n *config.Node) (err error) {
	*t, err = Tensors.Build(n, struct{}{})
	return err
}

// maxGiven is more numbers than any readout has.
const maxGiven = 1 << 28

type filledArguments struct {
	Size []int64 `yaml:"size,required"`
	fill float64
}

func (a filledArguments) build(struct{}) (givenTensor, error) {
	return fullArguments{Size: a.Size, FillValue: a.fill}.build(struct{}{})
}

type fullArguments struct {
	Size      []int64 `yaml:"size,required"`
	FillValue float64 `yaml:"fill_value,required"`
}

func (a fullArguments) build(struct{}) (givenTensor, error) {
	shape, count := make([]int, len(a.Size)), int64(1)
	for i, n := range a.Size {
		if n < 0 || n > 0 && count > maxGiven/n {
			return givenTensor{}, config.Refuse("size", "size must hold at most %d numbers, got %v", maxGiven, a.Size)
		}
		shape[i] = int(n)
		count *= n
	}
	values := make([]float32, count)
	for i := range values {
		values[i] = float32(a.FillValue)
	}
	array, err := ndarray.FromFloat32(values, shape...)
	return givenTensor{array}, err
}

// tensorArguments are those of torch.tensor: numbers, in lists of lists.
type tensorArguments struct {
	Data *config.Node `yaml:"data,required"`
}

func (a tensorArguments) build(struct{}) (givenTensor, error) {
	var values []float32
	var shape []int
	if err := nested(a.Data, 0, &shape, &values); err != nil {
		return givenTensor{}, err
	}
	array, err := ndarray.FromFloat32(values, shape...)
	return givenTensor{array}, err
}

// nested collects the numbers of lists of lists, all of one shape.
func nested(n *config.Node, depth int, shape *[]int, values *[]float32) error {
	if n.Kind() != config.List {
		var v float64
		if err := n.Decode(&v); err != nil {
			return err
		}
		if depth != len(*shape) {
			return config.Refuse("data", "data has numbers at different depths")
		}
		*values = append(*values, float32(v))
		return nil
	}
	if depth == len(*shape) && len(*values) == 0 {
		*shape = append(*shape, n.Len())
	}
	if depth >= len(*shape) || (*shape)[depth] != n.Len() {
		return config.Refuse("data", "data has lists of different lengths: %s has %d", n.Path(), n.Len())
	}
	for _, item := range n.Items() {
		if err := nested(item, depth+1, shape, values); err != nil {
			return err
		}
	}
	return nil
}

type fromNumPyArguments struct {
	Array *config.Node `yaml:"ndarray,required" of:"array"`
}

func (a fromNumPyArguments) build(struct{}) (givenTensor, error) {
	array, err := Arrays.Build(a.Array, struct{}{})
	return givenTensor{array}, err
}

type loadArguments struct {
	File string `yaml:"file,required"`
}

func (a loadArguments) build(struct{}) (*ndarray.Array, error) {
	array, err := npy.ReadFile(a.File)
	if err != nil {
		return nil, config.Refuse("file", "%v", err)
	}
	if array.Len() > maxGiven {
		return nil, config.Refuse("file", "%s holds more than %d numbers", a.File, maxGiven)
	}
	return array, nil
}

// init gives the tensor's values to a parameter of a shape, which must be the tensor's.
// key names the argument.
func (t *givenTensor) init(key string, shape ...int64) (nn.Init, error) {
	if got, want := torch.FormatShape(t.Shape), torch.FormatShape(shape); got != want {
		return nil, config.Refuse(key, "%s has the shape %s, want %s", key, got, want)
	}
	return nn.Values(t.Float32s()), nil
}
