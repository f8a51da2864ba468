package config

import (
	"fmt"
	"math"
	"math/big"
	"strings"
)

// Parameter is a key that a search draws values for. Values are drawn as numbers:
// those of the space itself, or the place among the choices.
type Parameter struct {
	// Key is the left side of the override: "model.learning_rate", "+a@b".
	Key string
	// Choices are the values of a categorical space; nil for a numeric one.
	Choices []any
	// Low and High are the bounds, both within the space.
	Low, High float64
	// Step is the distance of neighbours; 0 where all between the bounds count.
	Step float64
	// Log says that ratios matter, not differences.
	Log bool
	// Integer says that the values are integers.
	Integer bool
}

// String describes the space: "lr: 0.0001 to 0.1, logarithmic".
func (p Parameter) String() string {
	if p.Choices != nil {
		texts := make([]string, len(p.Choices))
		for i, c := range p.Choices {
			texts[i] = elementText(c)
		}
		return p.Key + ": " + strings.Join(texts, " | ")
	}
	text := fmt.Sprintf("%s: %s to %s", p.Key, pyText(p.element(p.Low)), pyText(p.element(p.High)))
	if p.Step > 0 {
		text += " by " + pyText(p.element(p.Step))
	}
	if p.Log {
		text += ", logarithmic"
	}
	return text
}

// Override is the override that sets the parameter to a value.
func (p *Parameter) Override(value float64) string {
	return p.Key + "=" + elementText(p.element(value))
}

// Value is the value as the config will hold it: an integer, a float, or a choice.
func (p *Parameter) Value(value float64) any { return plainValue(p.element(value)) }

func (p *Parameter) element(value float64) any {
	switch {
	case p.Choices != nil:
		return p.Choices[int(value)]
	case p.Integer:
		return int64(value)
	}
	return value
}

// Single says whether the space has one value only.
func (p *Parameter) Single() bool {
	if p.Choices != nil {
		return len(p.Choices) == 1
	}
	return p.Low == p.High
}

// Contains says whether a drawn value lies in the space.
func (p *Parameter) Contains(value float64) bool {
	if p.Choices != nil {
		return value >= 0 && value < float64(len(p.Choices)) && value == math.Trunc(value)
	}
	return value >= p.Low && value <= p.High && (!p.Integer || value == math.Trunc(value))
}

// numeric sets the bounds. As in Optuna, the upper one belongs to the space, and
// falls to the last value that steps from the lower one reach.
func (p Parameter) numeric(low, high, step any, log bool) (Parameter, error) {
	p.Integer = isInteger(low) && isInteger(high) && (step == nil || isInteger(step))
	p.Log = log
	if p.Integer && step == nil {
		step = int64(1)
	}
	l, h, s := toRat(low), toRat(high), new(big.Rat)
	if step != nil {
		s = toRat(step)
	}
	switch {
	case l == nil || h == nil || s == nil:
		return p, valueError("the bounds %s and %s of %s must be finite numbers", pyText(low), pyText(high), p.Key)
	case step != nil && s.Sign() <= 0:
		return p, valueError("the step %s of %s must be positive in a search", pyText(step), p.Key)
	case l.Cmp(h) > 0:
		return p, valueError("the lower bound %s of %s is above the upper one, %s", pyText(low), p.Key, pyText(high))
	case p.Log && p.Integer && l.Cmp(big.NewRat(1, 1)) < 0:
		return p, valueError("the lower bound %s of %s must be 1 or more, since integers on a logarithmic scale are searched", pyText(low), p.Key)
	case p.Log && l.Sign() <= 0:
		return p, valueError("the lower bound %s of %s must be positive on a logarithmic scale", pyText(low), p.Key)
	}
	if step != nil {
		h = lastStep(decimal(low), decimal(high), decimal(step))
	}
	p.Low, _ = l.Float64()
	p.High, _ = h.Float64()
	p.Step, _ = s.Float64()
	return p.checked()
}

// lastStep is the largest low + k·step that is not above high.
func lastStep(low, high, step *big.Rat) *big.Rat {
	k := new(big.Rat).Quo(new(big.Rat).Sub(high, low), step)
	whole := new(big.Rat).SetInt(new(big.Int).Quo(k.Num(), k.Denom()))
	return whole.Add(low, whole.Mul(whole, step))
}

// decimal is a number as it is written: 0.1 is a tenth, so that steps of 0.1 reach
// 0.3.
func decimal(v any) *big.Rat {
	if r, ok := new(big.Rat).SetString(pyText(v)); ok {
		return r
	}
	return toRat(v)
}

// checked refuses bounds that floats cannot tell apart.
func (p Parameter) checked() (Parameter, error) {
	const exact = 1 << 53 // beyond, floats leave integers out
	if p.Integer && (p.Low < -exact || p.High > exact) || math.IsInf(p.High-p.Low, 0) {
		return p, valueError("the bounds of %s are too far out", p.Key)
	}
	return p, nil
}

// describedParameter reads the older form, a mapping with the type of the space.
func describedParameter(key string, n *Node) (Parameter, error) {
	var d struct {
		Type    string `yaml:"type,required"`
		Choices []any  `yaml:"choices"`
		Low     any    `yaml:"low"`
		High    any    `yaml:"high"`
		Step    any    `yaml:"step"`
		Log     bool   `yaml:"log"`
	}
	if err := n.Decode(&d); err != nil {
		return Parameter{}, err
	}
	p := Parameter{Key: key}
	switch {
	case d.Type == "categorical" && len(d.Choices) > 0:
		p.Choices = d.Choices
		return p, nil
	case d.Type == "categorical":
		return p, valueError("%s has no choices", key)
	case d.Type != "int" && d.Type != "float":
		return p, valueError("the type of %s must be int, float or categorical, not %s", key, d.Type)
	case d.Low == nil || d.High == nil:
		return p, valueError("%s needs low and high", key)
	case d.Log: // the plugin has no steps on a logarithmic scale
		d.Step = nil
	}
	for _, bound := range []*any{&d.Low, &d.High, &d.Step} {
		var err error
		if *bound, err = boundOf(*bound, d.Type); err != nil {
			return p, err
		}
	}
	return p.numeric(d.Low, d.High, d.Step, d.Log)
}

// boundOf makes a bound an integer or a float, as the type of its space says.
func boundOf(v any, kind string) (any, error) {
	r := toRat(v)
	switch {
	case v == nil:
		return nil, nil
	case r == nil:
		return nil, valueError("%s is no finite number", pyText(v))
	case kind == "float":
		return castFloat(v)
	case !r.IsInt():
		return nil, valueError("%s is no integer", pyText(v))
	}
	return smallInt(r.Num()), nil
}
