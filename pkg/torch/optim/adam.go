package optim

import (
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
	o         AdamOptions
	decoupled bool
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

func newAdam(root *torch.Scope, params []*torch.Tensor, o AdamOptions, decoupled bool) Optimizer {
	names := []string{"exp_avg", "exp_avg_sq"}
	if o.AMSGrad {
		names = append(names, "max_exp_avg_sq")
	}
	return &adam{o: o, decoupled: decoupled, slots: newSlots(root, params, names...)}
}

func (a *adam) LR() float64          { return a.o.LR }
func (a *adam) SetLR(lr float64)     { a.o.LR = lr }
func (a *adam) Momentum() float64    { return a.o.Betas[0] }
func (a *adam) WeightDecay() float64 { return a.o.WeightDecay }

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
	update := torch.AdamUpdate{
		Params: pick(a.params, which), ExpAvg: pick(a.values["exp_avg"], which),
		ExpAvgSq: pick(a.values["exp_avg_sq"], which), Steps: steps, Guards: guards,
		LR: a.o.LR, Beta1: a.o.Betas[0], Beta2: a.o.Betas[1], Eps: a.o.Eps, WeightDecay: a.o.WeightDecay,
		Decoupled: a.decoupled, Maximize: a.o.Maximize,
	}
	if a.o.AMSGrad {
		update.MaxExpAvgSq = pick(a.values["max_exp_avg_sq"], which)
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
	return &State{Params: params, Group: []Setting{
		{"lr", a.o.LR},
		{"betas", a.o.Betas},
		{"eps", a.o.Eps},
		{"weight_decay", a.o.WeightDecay},
		{"amsgrad", a.o.AMSGrad},
		{"maximize", a.o.Maximize},
		{"foreach", nil},
		{"capturable", false},
		{"differentiable", false},
		{"fused", nil},
		{"decoupled_weight_decay", a.decoupled},
	}}, err
}

func (a *adam) SetState(state *State) error {
	if lr, ok := settingFloat(state.Group, "lr"); ok {
		a.o.LR = lr
	}
	return a.restore(state.Params)
}
