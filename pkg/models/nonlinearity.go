package models

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// activations are the classes of torch.nn that configs may name as a core's
// nonlinearity, with their default arguments.
var activations = map[string]func(s *torch.Scope, x *torch.Tensor) *torch.Tensor{
	"ELU":       (*torch.Scope).ELU,
	"GELU":      (*torch.Scope).GELU,
	"Identity":  func(_ *torch.Scope, x *torch.Tensor) *torch.Tensor { return x },
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
