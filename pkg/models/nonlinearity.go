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

// nonlinearities are those of PyTorch, with the default arguments: a class of torch.nn
// and, but for Identity, a function of torch.nn.functional.
var nonlinearities = []struct {
	class, function string
	apply           Nonlinearity
}{
	{"ELU", "elu", (*torch.Scope).ELU},
	{"GELU", "gelu", (*torch.Scope).GELU},
	{"Identity", "", unchanged},
	{"LeakyReLU", "leaky_relu", (*torch.Scope).LeakyReLU},
	{"Mish", "mish", (*torch.Scope).Mish},
	{"ReLU", "relu", (*torch.Scope).ReLU},
	{"SELU", "selu", (*torch.Scope).SELU},
	{"SiLU", "silu", (*torch.Scope).SiLU},
	{"Sigmoid", "sigmoid", (*torch.Scope).Sigmoid},
	{"Softplus", "softplus", (*torch.Scope).Softplus},
	{"Tanh", "tanh", (*torch.Scope).Tanh},
}

// activations are the classes that configs may name as a core's nonlinearity,
// functionals the functions that they may name by this word as that of an output. exp is
// not in torch.nn.functional: LNPReadout knows it all the same, the model of a single
// cell fails with it in Python.
var activations, functionals = tablesOfNonlinearities()

func tablesOfNonlinearities() (byClass, byFunction map[string]Nonlinearity) {
	byClass, byFunction = map[string]Nonlinearity{}, map[string]Nonlinearity{"exp": (*torch.Scope).Exp}
	for _, n := range nonlinearities {
		byClass[n.class] = n.apply
		if n.function != "" {
			byFunction[n.function] = n.apply
		}
	}
	return byClass, byFunction
}

// functionalNames are for errors.
func functionalNames() string { return strings.Join(slices.Sorted(maps.Keys(functionals)), ", ") }

func checkActivation(name string) error {
	if activations[name] != nil {
		return nil
	}
	return config.Refuse("nonlinearity", "nonlinearity %q is none of %s: choose one of these classes of torch.nn",
		name, strings.Join(slices.Sorted(maps.Keys(activations)), ", "))
}

func unchanged(_ *torch.Scope, x *torch.Tensor) *torch.Tensor { return x }
