package optim

import (
	"errors"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Builder makes an optimizer of settings that have been checked already, over
// parameters whose state lives in root.
type Builder func(root *torch.Scope, params []*torch.Tensor) Optimizer

// optimizers are the _target_ names of torch.optim that configs use.
var optimizers = func() *config.Registry[struct{}, Builder] {
	r := &config.Registry[struct{}, Builder]{What: "optimizer"}
	r.Register("torch.optim.AdamW", adamBuilder(true))
	r.Register("torch.optim.Adam", adamBuilder(false))
	r.Register("torch.optim.SGD", sgdBuilder)
	return r
}()

// FromConfig reads an optimizer's node, such as {_target_: torch.optim.AdamW,
// lr: 0.01}. Unknown names and keys are errors with file and line.
func FromConfig(n *config.Node) (Builder, error) { return optimizers.Build(n, struct{}{}) }

func adamBuilder(decoupled bool) config.Factory[struct{}, Builder] {
	return func(n *config.Node, _ struct{}) (Builder, error) {
		c := struct {
			AdamOptions `yaml:",inline"`
			Ignored     implementation `yaml:",inline"`
		}{AdamOptions: DefaultAdam(decoupled)}
		if err := decode(n, &c); err != nil {
			return nil, err
		}
		return func(root *torch.Scope, params []*torch.Tensor) Optimizer {
			return newAdam(root, params, c.AdamOptions, decoupled)
		}, nil
	}
}

func sgdBuilder(n *config.Node, _ struct{}) (Builder, error) {
	c := struct {
		SGDOptions `yaml:",inline"`
		Ignored    implementation `yaml:",inline"`
	}{SGDOptions: DefaultSGD()}
	if err := decode(n, &c); err != nil {
		return nil, err
	}
	return func(root *torch.Scope, params []*torch.Tensor) Optimizer { return NewSGD(root, params, c.SGDOptions) }, nil
}

// implementation are options that choose how PyTorch computes, not what. Configs
// may have them.
type implementation struct {
	Foreach        any `yaml:"foreach"`
	Capturable     any `yaml:"capturable"`
	Differentiable any `yaml:"differentiable"`
	Fused          any `yaml:"fused"`
}

// badOption is an option whose value makes no sense.
type badOption struct{ key, msg string }

func (e *badOption) Error() string { return e.msg }

// decode reads a node into options and validates them; errors name file and line.
func decode(n *config.Node, options interface{ Validate() error }) error {
	if err := n.Decode(options); err != nil {
		return err
	}
	err := options.Validate()
	var bad *badOption
	if !errors.As(err, &bad) {
		return err
	}
	if value, ok := n.Get(bad.key); ok {
		n = value
	}
	return config.Errorf(n, "%s", bad.msg)
}
