package optim

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// slots keeps one tensor for each parameter under a name of PyTorch's state.
// The tensors are made when a parameter is first updated.
type slots struct {
	root   *torch.Scope
	params []*torch.Tensor
	steps  []float64 // updates of each parameter
	names  []string
	values map[string][]*torch.Tensor
}

func newSlots(root *torch.Scope, params []*torch.Tensor, names ...string) *slots {
	v := &slots{root: root, params: params, names: names, values: map[string][]*torch.Tensor{}}
	v.steps = make([]float64, len(params))
	for _, n := range names {
		v.values[n] = make([]*torch.Tensor, len(params))
	}
	return v
}

// Reset forgets everything.
func (v *slots) Reset() {
	for _, n := range v.names {
		for i, t := range v.values[n] {
			if t != nil {
				v.root.Free(t)
				v.values[n][i] = nil
			}
		}
	}
	clear(v.steps)
}

// prepare makes the tensors of the parameters that lack them, as zeros.
func (v *slots) prepare(which []int) error {
	for _, i := range which {
		for _, n := range v.names {
			if v.values[n][i] != nil {
				continue
			}
			shape, err := v.root.Shape(v.params[i])
			if err != nil {
				return err
			}
			v.values[n][i] = v.root.Zeros(shape...)
		}
	}
	return v.root.Err()
}

func pick(tensors []*torch.Tensor, which []int) []*torch.Tensor {
	list := make([]*torch.Tensor, len(which))
	for j, i := range which {
		list[j] = tensors[i]
	}
	return list
}

// state copies the slots out; withStep adds the counter that Adam keeps.
func (v *slots) state(withStep bool) ([]*ParamState, error) {
	list := make([]*ParamState, len(v.params))
	for i := range v.params {
		if v.steps[i] == 0 {
			continue
		}
		p := &ParamState{}
		if withStep {
			step, err := ndarray.FromFloat32([]float32{float32(v.steps[i])})
			if err != nil {
				return nil, err
			}
			p.Arrays = append(p.Arrays, ndarray.Named{Name: "step", Array: step})
		}
		for _, n := range v.names {
			if v.values[n][i] == nil {
				continue
			}
			a, err := v.root.Array(v.values[n][i])
			if err != nil {
				return nil, err
			}
			p.Arrays = append(p.Arrays, ndarray.Named{Name: n, Array: a})
		}
		if len(p.Arrays) > 0 {
			list[i] = p
		}
	}
	return list, nil
}

// restore is the inverse of state. Without a counter in the file, a parameter
// with state counts as updated once.
func (v *slots) restore(list []*ParamState) error {
	if len(list) != len(v.params) {
		return fmt.Errorf("optimizer state is for %d parameters, the model has %d", len(list), len(v.params))
	}
	for i, p := range list {
		v.steps[i] = 0
		if p == nil || len(p.Arrays) == 0 { // PyTorch 1 kept nothing as None
			continue
		}
		v.steps[i] = 1
		if step, ok := p.Get("step"); ok && step.Len() == 1 {
			v.steps[i] = step.At(0)
		}
		if err := v.prepare([]int{i}); err != nil {
			return err
		}
		for _, n := range v.names {
			a, ok := p.Get(n)
			if !ok {
				return fmt.Errorf("optimizer state of parameter %d lacks %s", i, n)
			}
			err := v.root.Inner(func(in *torch.Scope) error {
				in.CopyInto(v.values[n][i], in.FromArray(a))
				return nil
			})
			if err != nil {
				return fmt.Errorf("optimizer state of parameter %d: %w", i, err)
			}
		}
	}
	return nil
}
