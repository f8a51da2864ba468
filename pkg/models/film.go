package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// film is FiLM, feature-wise linear modulation (Perez et al. 2018): features of a layer
// are scaled and shifted by linear functions of a condition (batch, conditions). No model
// of the Python package hands one to its core: then it is nil, which stands for zero, what
// remains are the learned biases, and the weights have a gradient of zero.
type film struct {
	path                               string
	features, conditions               int64
	scale, scaleBias, shift, shiftBias *torch.Tensor
	condition                          *torch.Tensor
}

func newFiLM(p nn.Path, features, conditions int64) *film {
	linear := func(p nn.Path) (weight, bias *torch.Tensor) {
		initial := nn.ConvUniform(conditions) // nn.Linear's, which is drawn and replaced
		return p.Param("weight", initial, features, conditions), p.Param("bias", initial, features)
	}
	f := &film{path: p.String(), features: features, conditions: conditions}
	f.scale, f.scaleBias = linear(p.Sub("fc_gamma"))
	f.shift, f.shiftBias = linear(p.Sub("fc_beta"))
	p.Redraw(f.scale, nn.Normal(0, 0.01))
	p.Redraw(f.scaleBias, nn.Ones)
	p.Redraw(f.shift, nn.Normal(0, 0.01))
	p.Redraw(f.shiftBias, nn.Zeros)
	return f
}

// forward modulates x (batch, features, time, height, width).
func (f *film) forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.Enter(f.path)()
	condition := f.condition
	if condition == nil {
		condition = s.Zeros(1, f.conditions)
	}
	of := func(weight, bias *torch.Tensor) *torch.Tensor {
		return s.Reshape(s.Add(s.MatMul(condition, s.Permute(weight, 1, 0)), bias), -1, f.features, 1, 1, 1)
	}
	return s.Add(s.Mul(of(f.scale, f.scaleBias), x), of(f.shift, f.shiftBias))
}

// ConditionedGRUCoreConfig are the arguments of ConditionedGRUCore.
type ConditionedGRUCoreConfig struct {
	ConvGRUCoreConfig `yaml:",inline"`

	CondDim int64 `yaml:"cond_dim,required"`
}

// Validate looks at cond_dim too.
func (c *ConditionedGRUCoreConfig) Validate() error {
	refused := config.Refusals{c.ConvGRUCoreConfig.Validate()}
	refused.Unless(c.CondDim >= 1, "cond_dim", "cond_dim must be at least 1, got %d", c.CondDim)
	return refused.Err()
}

// build makes a ConvGRUCore that modulates the output of each layer with a BatchNorm.
func (c ConditionedGRUCoreConfig) build(d CoreDeps) (Core, error) {
	convs, err := newConvGRUCore(d, c.ConvGRUCoreConfig)
	if err != nil {
		return nil, err
	}
	core, err := convs.withGRU(d.Path)
	if err != nil {
		return nil, err
	}
	for i, l := range convs.layers {
		if l.norm != nil {
			l.film = newFiLM(d.Path.Subf("film_%d", i), l.conv.channels(), c.CondDim)
		}
	}
	return core, d.Path.Err()
}
