package optim

import (
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
	o SGDOptions
	*slots
}

const momentumBuffer = "momentum_buffer"

// NewSGD is torch.optim.SGD over params; its momentum lives in root.
func NewSGD(root *torch.Scope, params []*torch.Tensor, o SGDOptions) Optimizer {
	var names []string
	if o.Momentum != 0 {
		names = []string{momentumBuffer}
	}
	return &sgd{o: o, slots: newSlots(root, params, names...)}
}

func (g *sgd) LR() float64          { return g.o.LR }
func (g *sgd) SetLR(lr float64)     { g.o.LR = lr }
func (g *sgd) Momentum() float64    { return g.o.Momentum }
func (g *sgd) WeightDecay() float64 { return g.o.WeightDecay }

func (g *sgd) Step(s *torch.Scope, guards ...*torch.Tensor) {
	which := s.HaveGrad(g.params)
	if s.Err() != nil || len(which) == 0 {
		return
	}
	if err := g.prepare(which); err != nil {
		s.Fail(err)
		return
	}
	first := make([]bool, len(which))
	for j, i := range which {
		first[j] = g.steps[i] == 0
	}
	update := torch.SGDUpdate{
		Params: pick(g.params, which), First: first, Guards: guards, LR: g.o.LR, Momentum: g.o.Momentum,
		Dampening: g.o.Dampening, WeightDecay: g.o.WeightDecay, Nesterov: g.o.Nesterov, Maximize: g.o.Maximize,
	}
	if g.o.Momentum != 0 {
		update.MomentumBuffer = pick(g.values[momentumBuffer], which)
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
	return &State{Params: params, Group: []Setting{
		{"lr", g.o.LR},
		{"momentum", g.o.Momentum},
		{"dampening", g.o.Dampening},
		{"weight_decay", g.o.WeightDecay},
		{"nesterov", g.o.Nesterov},
		{"maximize", g.o.Maximize},
		{"foreach", nil},
		{"differentiable", false},
		{"fused", nil},
	}}, err
}

func (g *sgd) SetState(state *State) error {
	if lr, ok := settingFloat(state.Group, "lr"); ok {
		g.o.LR = lr
	}
	return g.restore(state.Params)
}
