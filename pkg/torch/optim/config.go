package optim

import (
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
		o := DefaultAdam(decoupled)
		if err := n.Decode(&o); err != nil {
			return nil, err
		}
		return func(root *torch.Scope, params []*torch.Tensor) Optimizer {
			return newAdam(root, params, o, decoupled)
		}, nil
	}
}

func sgdBuilder(n *config.Node, _ struct{}) (Builder, error) {
	o := DefaultSGD()
	if err := n.Decode(&o); err != nil {
		return nil, err
	}
	return func(root *torch.Scope, params []*torch.Tensor) Optimizer { return NewSGD(root, params, o) }, nil
}
