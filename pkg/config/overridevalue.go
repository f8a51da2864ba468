package config

import (
	"fmt"
	"math"
	"math/big"
	"path"
	"slices"
	"strings"
)

// The value of an override is an element or a sweep over elements. An element is
// nil, bool, int64, *big.Int, float64, string, quotedText, []any or Object.
type (
	quotedText struct {
		text  string
		quote byte
	}
	// choiceSweep is a,b,c or choice(a,b,c).
	choiceSweep struct {
		list    []any
		simple  bool
		shuffle bool
		tags    []string
	}
	// rangeSweep is range(start,stop,step).
	rangeSweep struct {
		start, stop, step any
		shuffle           bool
		tags              []string
	}
	// intervalSweep is interval(start,end).
	intervalSweep struct {
		start, end any
		tags       []string
	}
	// globSweep is glob(pattern): options of a config group.
	globSweep struct{ include, exclude []string }
)

// isSweep says whether the override stands for several values.
func (o *override) isSweep() bool {
	switch o.value.(type) {
	case *choiceSweep, *rangeSweep, *intervalSweep, *globSweep:
		return true
	}
	return false
}

// plainValue drops the quotes of texts.
func plainValue(v any) any {
	switch v := v.(type) {
	case quotedText:
		return v.text
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plainValue(e)
		}
		return list
	case Object:
		object := make(Object, len(v))
		for i, p := range v {
			object[i] = Pair{plainValue(p.Key), plainValue(p.Value)}
		}
		return object
	}
	return v
}

// node makes a tree of the value.
func (o *override) node() (*Node, error) { return fromValue(plainValue(o.value), o.origin(), 0) }

// pyTypeOf is the name of the Python type of an override's value.
func pyTypeOf(v any) string {
	switch v.(type) {
	case []any:
		return "list"
	case Object:
		return "dict"
	case quotedText:
		return "str"
	case *choiceSweep:
		return "ChoiceSweep"
	case *rangeSweep:
		return "RangeSweep"
	case *intervalSweep:
		return "IntervalSweep"
	case *globSweep:
		return "Glob"
	}
	return pyType(v)
}

// elementText writes an element so that the grammar reads it back: this is how a
// sweep hands values to its jobs.
func elementText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case quotedText:
		return v.withQuotes()
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = elementText(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case Object:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = elementText(p.Key) + ":" + elementText(p.Value)
		}
		return "{" + strings.Join(parts, ",") + "}"
	case string:
		return escapeSpecial(v)
	}
	return pyText(v)
}

func escapeSpecial(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte("\\()[]{}:=, \t", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// withQuotes puts the quotes back and doubles the backslashes before them.
func (q quotedText) withQuotes() string {
	var b strings.Builder
	b.WriteByte(q.quote)
	slashes := 0
	for i := range len(q.text) {
		c := q.text[i]
		if c == q.quote {
			b.WriteString(strings.Repeat(`\`, slashes+1))
		}
		if c == '\\' {
			slashes++
		} else {
			slashes = 0
		}
		b.WriteByte(c)
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte(q.quote)
	return b.String()
}

// maxSweepValues bounds the values of one sweep.
const maxSweepValues = 10_000

// sweepValues lists the values of a discrete sweep as texts. The options are those
// of the config group, for glob.
func (o *override) sweepValues(options func() []string) ([]string, error) {
	switch s := o.value.(type) {
	case *choiceSweep:
		texts := make([]string, len(s.list))
		for i, e := range s.list {
			if _, err := fromValue(plainValue(e), o.origin(), 0); err != nil {
				return nil, err
			}
			texts[i] = elementText(e)
		}
		return texts, nil
	case *rangeSweep:
		numbers, err := s.values()
		texts := make([]string, len(numbers))
		for i, n := range numbers {
			texts[i] = pyText(n)
		}
		return texts, err
	case *globSweep:
		return s.filter(options()), nil
	}
	return nil, newError(classHydra, "BasicSweeper does not support sweep type : INTERVAL_SWEEP").
		hint("intervals need a sweeper that searches, such as hydra/sweeper=optuna")
}

// values counts in integers if all three are, else in exact decimals of the binary
// values, rounded to a float each, as Hydra does.
func (r *rangeSweep) values() ([]any, error) {
	start, stop, step := toRat(r.start), toRat(r.stop), toRat(r.step)
	integers := isInteger(r.start) && isInteger(r.stop) && isInteger(r.step)
	if integers && step.Sign() == 0 {
		return nil, valueError("range() arg 3 must not be zero")
	}
	if start == nil || stop == nil || step == nil || step.Sign() == 0 {
		return nil, newError(classHydra, "Invalid range values (start:%s, stop:%s, step:%s)",
			pyText(r.start), pyText(r.stop), pyText(r.step))
	}
	var numbers []any
	for v := start; v.Cmp(stop)*step.Sign() < 0; {
		if len(numbers) >= maxSweepValues {
			return nil, newError(classHydra, "a range has more than %d values", maxSweepValues)
		}
		if integers {
			numbers = append(numbers, smallInt(v.Num()))
		} else {
			f, _ := v.Float64()
			numbers = append(numbers, f)
		}
		v = new(big.Rat).Add(v, step)
		if !integers {
			// Hydra adds Python decimals, which keep 28 digits.
			v = roundDecimal(v)
		}
	}
	return numbers, nil
}

// roundDecimal rounds to 28 significant digits, half to even.
func roundDecimal(v *big.Rat) *big.Rat {
	const digits = 28
	f, _ := v.Float64()
	if f == 0 {
		return v
	}
	// The estimate of the exponent may be one too high at powers of ten, which the
	// test for overflow of the digits finds.
	exponent := int(math.Floor(math.Log10(math.Abs(f)))) + 1
	scale := func(e int) *big.Rat {
		p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e, -e))), nil))
		if e < 0 {
			p.Inv(p)
		}
		return p
	}
	scaled := new(big.Rat).Mul(v, scale(digits-exponent))
	if new(big.Rat).Abs(scaled).Cmp(scale(digits)) >= 0 {
		exponent++
		scaled.Mul(v, scale(digits-exponent))
	} else if new(big.Rat).Abs(scaled).Cmp(scale(digits-1)) < 0 {
		exponent--
		scaled.Mul(v, scale(digits-exponent))
	}
	return new(big.Rat).Mul(new(big.Rat).SetInt(roundHalfEven(scaled)), scale(exponent-digits))
}

func roundHalfEven(v *big.Rat) *big.Int {
	quotient, remainder := new(big.Int).QuoRem(v.Num(), v.Denom(), new(big.Int))
	twice := new(big.Int).Abs(remainder)
	twice.Lsh(twice, 1)
	if c := twice.Cmp(v.Denom()); c > 0 || c == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, big.NewInt(int64(v.Sign())))
	}
	return quotient
}

func isInteger(v any) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

func toRat(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case *big.Int:
		return new(big.Rat).SetInt(v)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
		return new(big.Rat).SetFloat64(v)
	}
	return nil
}

// filter keeps the names that match a pattern of include and none of exclude.
func (g *globSweep) filter(names []string) []string {
	matches := func(name string, patterns []string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			// fnmatch negates a class by "!", path.Match by "^".
			ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
			return ok && err == nil
		})
	}
	var kept []string
	for _, name := range names {
		if matches(name, g.include) && !matches(name, g.exclude) {
			kept = append(kept, name)
		}
	}
	return kept
}

func valueError(format string, args ...any) error {
	return newError(classValue, "%s", fmt.Sprintf(format, args...))
}

func typeError(format string, args ...any) error {
	return newError(classPythonType, "%s", fmt.Sprintf(format, args...))
}
