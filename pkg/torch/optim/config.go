package optim

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Builder makes an optimizer of settings that have been checked already, over
// parameters whose state lives in root.
type Builder func(root *torch.Scope, params []*torch.Tensor) Optimizer

// Optimizers are the _target_ names of torch.optim that configs use.
var Optimizers = &config.Registry[struct{}, Builder]{What: "optimizer"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	config.Register(Optimizers, "torch.optim.AdamW", adamArguments{AdamOptions: DefaultAdam(true)}, adamArguments.decoupled)
	config.Register(Optimizers, "torch.optim.Adam", adamArguments{AdamOptions: DefaultAdam(false)}, adamArguments.coupled)
	config.Register(Optimizers, "torch.optim.SGD", sgdArguments{SGDOptions: DefaultSGD()}, sgdArguments.builder)
}

// FromConfig reads an optimizer's node, such as {_target_: torch.optim.AdamW,
// lr: 0.01}. Unknown names and keys are errors with file and line.
func FromConfig(n *config.Node) (Builder, error) { return Optimizers.Build(n, struct{}{}) }

// implementation are options that choose how PyTorch computes, not what. Configs
// may have them.
type implementation struct {
	Foreach        any `yaml:"foreach"`
	Capturable     any `yaml:"capturable"`
	Differentiable any `yaml:"differentiable"`
	Fused          any `yaml:"fused"`
}

type adamArguments struct {
	AdamOptions `yaml:",inline"`
	Ignored     implementation `yaml:",inline"`
}

func (a adamArguments) decoupled(struct{}) (Builder, error) { return a.builder(true), nil }

func (a adamArguments) coupled(struct{}) (Builder, error) { return a.builder(false), nil }

func (a adamArguments) builder(decoupled bool) Builder {
	return func(root *torch.Scope, params []*torch.Tensor) Optimizer {
		return newAdam(root, params, a.AdamOptions, decoupled)
	}
}

type sgdArguments struct {
	SGDOptions `yaml:",inline"`
	Ignored    implementation `yaml:",inline"`
}

func (a sgdArguments) builder(struct{}) (Builder, error) {
	return func(root *torch.Scope, params []*torch.Tensor) Optimizer { return NewSGD(root, params, a.SGDOptions) }, nil
}
