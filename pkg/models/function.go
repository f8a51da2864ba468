package models

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// functional is where PyTorch keeps its nonlinearities.
const functional = "torch.nn.functional."

type softplusArguments struct {
	Beta      float64 `yaml:"beta"`
	Threshold float64 `yaml:"threshold"`
}

func (a softplusArguments) build(struct{}) (Nonlinearity, error) {
	return func(s *torch.Scope, x *torch.Tensor) *torch.Tensor { return s.SoftplusOf(x, a.Beta, a.Threshold) }, nil
}

type eluArguments struct {
	Alpha float64 `yaml:"alpha"`
}

func (a eluArguments) build(struct{}) (Nonlinearity, error) {
	return func(s *torch.Scope, x *torch.Tensor) *torch.Tensor { return s.ELUOf(x, a.Alpha) }, nil
}

type leakyReLUArguments struct {
	NegativeSlope float64 `yaml:"negative_slope"`
}

func (a leakyReLUArguments) build(struct{}) (Nonlinearity, error) {
	return func(s *torch.Scope, x *torch.Tensor) *torch.Tensor { return s.LeakyReLUOf(x, a.NegativeSlope) }, nil
}

// hydraUtils is where Hydra keeps the functions that find a thing by its path.
const hydraUtils = "hydra.utils."

// methodArguments are those of Hydra's functions that find a function.
type methodArguments struct {
	Path string `yaml:"path,required"`
}

func (a methodArguments) build(struct{}) (Nonlinearity, error) {
	if !isFunction(a.Path) {
		return nil, config.Refuse("path", "%s is not a function: name it under %s", a.Path, config.TargetKey)
	}
	f, err := nonlinearityOf(a.Path)
	if err != nil {
		return nil, config.Refuse("path", "%v", err)
	}
	return f, nil
}

// nonlinearityOf is a function or class with its default arguments.
func nonlinearityOf(target string) (Nonlinearity, error) {
	n, err := config.FromValue(config.Object{{Key: config.TargetKey, Value: target}})
	if err != nil {
		return nil, err
	}
	return Nonlinearities.Build(n, struct{}{})
}

// isFunction tells a function of PyTorch from its classes and from Hydra's ways to a
// function.
func isFunction(target string) bool {
	name := target[strings.LastIndexByte(target, '.')+1:]
	return !strings.HasPrefix(target, hydraUtils) && name != "" && unicode.IsLower(rune(name[0]))
}

// function is an argument that is a Nonlinearity. Hydra makes one of
//
//	{_target_: torch.nn.functional.softplus, _partial_: true}
//
// with arguments beside it, of {_target_: hydra.utils.get_method, path:
// torch.nn.functional.softplus}, and of a class: {_target_: torch.nn.Softplus}.
type function struct{ apply Nonlinearity }

var softplus = function{(*torch.Scope).Softplus}

// Forms are the calls.
func (function) Forms() []any { return []any{config.BuiltBy(Nonlinearities.What)} }

// UnmarshalNode builds what stands there. Where _partial_ is missing or too much Hydra
// would call the function at once, or never.
func (f *function) UnmarshalNode(n *config.Node) (err error) {
	if n.Kind() != config.Map {
		return fmt.Errorf("%s is a function: write {%s: %ssoftplus, _partial_: true}, not %v",
			n.Key(), config.TargetKey, functional, n.Kind())
	}
	if f.apply, err = Nonlinearities.Build(n, struct{}{}); err != nil {
		return err
	}
	target, err := config.Target(n)
	if err != nil {
		return err
	}
	partial := false
	if p, ok := n.Get("_partial_"); ok {
		if err := p.Decode(&partial); err != nil {
			return err
		}
	}
	if want := isFunction(target); partial != want {
		return fmt.Errorf("%s needs _partial_: %v here", target, want)
	}
	return nil
}
