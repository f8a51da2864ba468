package models

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Nonlinearity is a function of each number of a tensor.
type Nonlinearity func(s *torch.Scope, x *torch.Tensor) *torch.Tensor

// functionals are the functions of torch.nn.functional that configs may name by this
// word as an output nonlinearity. exp is not one of them: LNPReadout knows it all the
// same, the model of a single cell fails with it in Python.
var functionals = map[string]Nonlinearity{
	"elu":        (*torch.Scope).ELU,
	"exp":        (*torch.Scope).Exp,
	"leaky_relu": (*torch.Scope).LeakyReLU,
	"relu":       (*torch.Scope).ReLU,
	"sigmoid":    (*torch.Scope).Sigmoid,
	"softplus":   (*torch.Scope).Softplus,
	"tanh":       (*torch.Scope).Tanh,
}

// activations are the classes of torch.nn that configs may name as a core's
// nonlinearity, with their default arguments.
var activations = map[string]Nonlinearity{
	"ELU":       (*torch.Scope).ELU,
	"GELU":      (*torch.Scope).GELU,
	"Identity":  unchanged,
	"LeakyReLU": (*torch.Scope).LeakyReLU,
	"Mish":      (*torch.Scope).Mish,
	"ReLU":      (*torch.Scope).ReLU,
	"SELU":      (*torch.Scope).SELU,
	"SiLU":      (*torch.Scope).SiLU,
	"Sigmoid":   (*torch.Scope).Sigmoid,
	"Softplus":  (*torch.Scope).Softplus,
	"Tanh":      (*torch.Scope).Tanh,
}

func checkActivation(name string) error {
	if activations[name] != nil {
		return nil
	}
	return config.Refuse("nonlinearity", "nonlinearity %q is none of %s: choose one of these classes of torch.nn",
		name, strings.Join(slices.Sorted(maps.Keys(activations)), ", "))
}

func unchanged(_ *torch.Scope, x *torch.Tensor) *torch.Tensor { return x }
