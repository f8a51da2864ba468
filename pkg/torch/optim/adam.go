package optim

import (
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// AdamOptions are those of torch.optim.Adam and AdamW.
type AdamOptions struct {
	LR          float64    `yaml:"lr"`
	Betas       [2]float64 `yaml:"betas"`
	Eps         float64    `yaml:"eps"`
	WeightDecay float64    `yaml:"weight_decay"`
	AMSGrad     bool       `yaml:"amsgrad"`
	Maximize    bool       `yaml:"maximize"`
}

// DefaultAdam are PyTorch's defaults for Adam; AdamW decays weights by 0.01.
func DefaultAdam(decoupled bool) AdamOptions {
	o := AdamOptions{LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8}
	if decoupled {
		o.WeightDecay = 0.01
	}
	return o
}

// Validate refuses what PyTorch refuses.
func (o AdamOptions) Validate() error {
	var refused config.Refusals
	for _, c := range []struct {
		key    string
		what   string
		value  float64
		useful bool
	}{
		{"lr", "learning rate", o.LR, o.LR >= 0},
		{"eps", "epsilon value", o.Eps, o.Eps >= 0},
		{"betas", "beta parameter at index 0", o.Betas[0], o.Betas[0] >= 0 && o.Betas[0] < 1},
		{"betas", "beta parameter at index 1", o.Betas[1], o.Betas[1] >= 0 && o.Betas[1] < 1},
		{"weight_decay", "weight_decay value", o.WeightDecay, o.WeightDecay >= 0},
	} {
		refused.Unless(c.useful, c.key, "invalid %s: %v", c.what, c.value)
	}
	return refused.Err()
}

type adam struct {
	settings
	*slots
}

// NewAdam is torch.optim.Adam over params; its state lives in root.
func NewAdam(root *torch.Scope, params []*torch.Tensor, o AdamOptions) Optimizer {
	return newAdam(root, params, o, false)
}

// NewAdamW is torch.optim.AdamW (Loshchilov & Hutter 2019: weights decay apart
// from the gradient) over params; its state lives in root.
func NewAdamW(root *torch.Scope, params []*torch.Tensor, o AdamOptions) Optimizer {
	return newAdam(root, params, o, true)
}

const (
	expAvg      = "exp_avg"
	expAvgSq    = "exp_avg_sq"
	maxExpAvgSq = "max_exp_avg_sq"
)

func newAdam(root *torch.Scope, params []*torch.Tensor, o AdamOptions, decoupled bool) Optimizer {
	names := []string{expAvg, expAvgSq}
	if o.AMSGrad {
		names = append(names, maxExpAvgSq)
	}
	group := Group{
		{"lr", o.LR},
		{"betas", o.Betas},
		{"eps", o.Eps},
		{"weight_decay", o.WeightDecay},
		{"amsgrad", o.AMSGrad},
		{"maximize", o.Maximize},
		{"foreach", nil},
		{"capturable", false},
		{"differentiable", false},
		{"fused", nil},
		{"decoupled_weight_decay", decoupled},
	}
	return &adam{settings: settings{group}, slots: newSlots(root, params, names...)}
}

// StatePerParameter is the number of moments.
func (a *adam) StatePerParameter() int { return len(a.names) }

func (a *adam) Momentum() float64 { return a.group.betas()[0] }

func (a *adam) SetMomentum(momentum float64) {
	betas := a.group.betas()
	betas[0] = momentum
	a.group.Set("betas", betas)
}

func (a *adam) Step(s *torch.Scope, guards ...*torch.Tensor) {
	which := s.HaveGrad(a.params)
	if s.Err() != nil || len(which) == 0 {
		return
	}
	if err := a.prepare(which); err != nil {
		s.Fail(err)
		return
	}
	steps := make([]float64, len(which))
	for j, i := range which {
		steps[j] = a.steps[i] + 1
	}
	g, betas := a.group, a.group.betas()
	update := torch.AdamUpdate{
		Params: pick(a.params, which), ExpAvg: pick(a.values[expAvg], which), ExpAvgSq: pick(a.values[expAvgSq], which),
		Steps: steps, Guards: guards,
		LR: g.Float("lr"), Beta1: betas[0], Beta2: betas[1], Eps: g.Float("eps"), WeightDecay: g.Float("weight_decay"),
		Decoupled: g.flag("decoupled_weight_decay"), Maximize: g.flag("maximize"),
	}
	if largest, ok := a.values[maxExpAvgSq]; ok {
		update.MaxExpAvgSq = pick(largest, which)
	}
	s.AdamStep(update)
	if s.Err() == nil {
		for j, i := range which {
			a.steps[i] = steps[j]
		}
	}
}

func (a *adam) State() (*State, error) {
	params, err := a.state(true)
	return &State{Params: params, Group: slices.Clone(a.group)}, err
}

func (a *adam) SetState(state *State) error {
	before := a.group.flag("amsgrad")
	if err := a.group.load(state.Group); err != nil {
		return err
	}
	if a.group.flag("amsgrad") != before {
		return fmt.Errorf("optimizer state was made with amsgrad=%v, the config says %v", !before, before)
	}
	return a.restore(state.Params)
}
