// Package optim updates parameters from their gradients with the algorithms,
// defaults and state of torch.optim.
package optim

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Optimizer moves parameters. Those without a gradient are left alone: no step,
// no weight decay.
type Optimizer interface {
	// Step updates the parameters from their gradients; errors stick to s. Where
	// one of guards is NaN or infinite, parameters and moments stay as they are,
	// but the step counts. That is found out where the tensors are: the caller
	// looks at the guards when it suits, and gives up.
	Step(s *torch.Scope, guards ...*torch.Tensor)
	// LR is the learning rate.
	LR() float64
	// SetLR changes the learning rate from the next step on.
	SetLR(lr float64)
	// Momentum is what Lightning logs as momentum: beta1 of Adam.
	Momentum() float64
	// WeightDecay is the weight decay.
	WeightDecay() float64
	// StatePerParameter is how many values the state keeps for each value of a
	// parameter.
	StatePerParameter() int
	// State copies what the next steps depend on, as state_dict() does.
	State() (*State, error)
	// SetState restores a State; the parameters must be the same, in order.
	SetState(state *State) error
}

// State is an optimizer's state_dict: per parameter (by its place in the list
// of parameters, -1 entries absent) the named arrays, and the settings of the
// one group of parameters.
type State struct {
	// Params has one entry for each parameter; nil where it was never updated.
	Params []*ParamState
	// Group holds the settings in PyTorch's order and names, without "params".
	Group []Setting
}

// ParamState is the state of one parameter: "step" as a scalar where the
// algorithm counts, then arrays of the parameter's shape by name.
type ParamState struct {
	Arrays []ndarray.Named
}

// Get finds an array by name.
func (p *ParamState) Get(name string) (*ndarray.Array, bool) {
	for _, a := range p.Arrays {
		if a.Name == name {
			return a.Array, true
		}
	}
	return nil, false
}

// Setting is an entry of a group of parameters: a bool, float64, nil or
// [2]float64 (betas).
type Setting struct {
	Name  string
	Value any
}

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
	v := &slots{
		root: root, params: params, steps: make([]float64, len(params)), names: names,
		values: map[string][]*torch.Tensor{},
	}
	for _, n := range names {
		v.values[n] = make([]*torch.Tensor, len(params))
	}
	return v
}

// StatePerParameter is the number of slots.
func (v *slots) StatePerParameter() int { return len(v.names) }

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
			a, err := v.root.Array(v.values[n][i])
			if err != nil {
				return nil, err
			}
			p.Arrays = append(p.Arrays, ndarray.Named{Name: n, Array: a})
		}
		list[i] = p
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
		if p == nil {
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

func settingFloat(group []Setting, name string) (float64, bool) {
	for _, g := range group {
		if f, ok := g.Value.(float64); ok && g.Name == name {
			return f, true
		}
	}
	return 0, false
}
