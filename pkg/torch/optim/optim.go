// Package optim updates parameters from their gradients with the algorithms,
// defaults and state of torch.optim, and changes learning rates with the schedules
// of torch.optim.lr_scheduler.
package optim

import (
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
	// Group are the settings. What is set holds from the next step on.
	Group() *Group
	// LR is the learning rate.
	LR() float64
	// SetLR changes the learning rate from the next step on.
	SetLR(lr float64)
	// Momentum is what Lightning logs as momentum: beta1 of Adam.
	Momentum() float64
	// SetMomentum changes the momentum, or beta1, from the next step on.
	SetMomentum(momentum float64)
	// WeightDecay is the weight decay.
	WeightDecay() float64
	// StatePerParameter is how many values the state keeps for each value of a
	// parameter.
	StatePerParameter() int
	// State copies what the next steps depend on, as state_dict() does.
	State() (*State, error)
	// SetState restores a State, settings included, as load_state_dict does; the
	// parameters must be the same, in order.
	SetState(state *State) error
	// Reset forgets moments and counts, and keeps the settings.
	Reset()
}

// State is an optimizer's state_dict: per parameter (by its place in the list
// of parameters, -1 entries absent) the named arrays, and the settings of the
// one group of parameters.
type State struct {
	// Params has one entry for each parameter; nil where it was never updated.
	Params []*ParamState
	// Group holds the settings.
	Group Group
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

// settings are what every optimizer does with its group.
type settings struct{ group Group }

func (s *settings) Group() *Group        { return &s.group }
func (s *settings) LR() float64          { return s.group.Float("lr") }
func (s *settings) SetLR(lr float64)     { s.group.Set("lr", lr) }
func (s *settings) WeightDecay() float64 { return s.group.Float("weight_decay") }
