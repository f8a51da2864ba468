package optim

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// SGDOptions are those of torch.optim.SGD.
type SGDOptions struct {
	LR          float64 `yaml:"lr"`
	Momentum    float64 `yaml:"momentum"`
	Dampening   float64 `yaml:"dampening"`
	WeightDecay float64 `yaml:"weight_decay"`
	Nesterov    bool    `yaml:"nesterov"`
	Maximize    bool    `yaml:"maximize"`
}

// DefaultSGD are PyTorch's defaults.
func DefaultSGD() SGDOptions { return SGDOptions{LR: 1e-3} }

// Validate refuses what PyTorch refuses.
func (o SGDOptions) Validate() error {
	var refused config.Refusals
	refused.Unless(o.LR >= 0, "lr", "invalid learning rate: %v", o.LR)
	refused.Unless(o.Momentum >= 0, "momentum", "invalid momentum value: %v", o.Momentum)
	refused.Unless(o.WeightDecay >= 0, "weight_decay", "invalid weight_decay value: %v", o.WeightDecay)
	refused.Unless(!o.Nesterov || o.Momentum != 0 && o.Dampening == 0, "nesterov", "nesterov momentum requires a momentum and zero dampening")
	return refused.Err()
}

type sgd struct {
	settings
	*slots
}

const momentumBuffer = "momentum_buffer"

// NewSGD is torch.optim.SGD over params; its momentum lives in root.
func NewSGD(root *torch.Scope, params []*torch.Tensor, o SGDOptions) Optimizer {
	group := Group{
		{"lr", o.LR},
		{"momentum", o.Momentum},
		{"dampening", o.Dampening},
		{"weight_decay", o.WeightDecay},
		{"nesterov", o.Nesterov},
		{"maximize", o.Maximize},
		{"foreach", nil},
		{"differentiable", false},
		{"fused", nil},
	}
	return &sgd{settings: settings{group}, slots: newSlots(root, params, momentumBuffer)}
}

// StatePerParameter is one with momentum.
func (g *sgd) StatePerParameter() int {
	if g.Momentum() != 0 {
		return 1
	}
	return 0
}

func (g *sgd) Momentum() float64            { return g.group.Float("momentum") }
func (g *sgd) SetMomentum(momentum float64) { g.group.Set("momentum", momentum) }

func (g *sgd) Step(s *torch.Scope, guards ...*torch.Tensor) {
	which := s.HaveGrad(g.params)
	if s.Err() != nil || len(which) == 0 {
		return
	}
	buffers, first := g.values[momentumBuffer], make([]bool, len(which))
	for j, i := range which {
		first[j] = buffers[i] == nil
	}
	o := g.group
	update := torch.SGDUpdate{
		Params: pick(g.params, which), First: first, Guards: guards, LR: o.Float("lr"), Momentum: o.Float("momentum"),
		Dampening: o.Float("dampening"), WeightDecay: o.Float("weight_decay"), Nesterov: o.flag("nesterov"), Maximize: o.flag("maximize"),
	}
	if update.Momentum != 0 {
		if err := g.prepare(which); err != nil {
			s.Fail(err)
			return
		}
		update.MomentumBuffer = pick(buffers, which)
	}
	s.SGDStep(update)
	if s.Err() == nil {
		for _, i := range which {
			g.steps[i]++
		}
	}
}

func (g *sgd) State() (*State, error) {
	params, err := g.state(false)
	return &State{Params: params, Group: slices.Clone(g.group)}, err
}

func (g *sgd) SetState(state *State) error {
	if err := g.group.load(state.Group); err != nil {
		return err
	}
	return g.restore(state.Params)
}
