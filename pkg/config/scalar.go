package config

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// OmegaConf reads plain scalars by PyYAML's YAML 1.1 rules with three changes:
// its own rule for floats stands before that of PyYAML ("1e-3" is one), and
// timestamps stay text.
var (
	yamlBool = map[string]bool{
		"yes": true, "Yes": true, "YES": true, "no": false, "No": false, "NO": false,
		"true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false,
		"on": true, "On": true, "ON": true, "off": false, "Off": false, "OFF": false,
	}
	yamlNull  = map[string]bool{"": true, "~": true, "null": true, "Null": true, "NULL": true}
	yamlInt   = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlFloat = regexp.MustCompile(`^(?:` +
		`[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?` +
		`|[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)` +
		`|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*` +
		`|[-+]?\.(?:inf|Inf|INF)` +
		`|\.(?:nan|NaN|NAN))$`)
	// yamlFloatPyYAML is PyYAML's own rule, which stays in force behind the above.
	yamlFloatPyYAML = regexp.MustCompile(`^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?` +
		`|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*` +
		`|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
)

// longestNumber bounds the text that is tried as a number: longer digits are text
// of a user, never a setting, and big conversions take quadratic time.
const longestNumber = 400

// plainScalar types an unquoted YAML scalar.
func plainScalar(s string) any {
	if b, ok := yamlBool[s]; ok {
		return b
	}
	if yamlNull[s] {
		return nil
	}
	if len(s) > longestNumber || !strings.ContainsAny(s[:1], "-+0123456789.") {
		return s
	}
	if yamlFloat.MatchString(s) || yamlFloatPyYAML.MatchString(s) {
		if f, ok := parseYAMLFloat(s); ok {
			return f
		}
		return s
	}
	if yamlInt.MatchString(s) {
		if i, ok := parseYAMLInt(s); ok {
			return i
		}
	}
	return s
}

func isYAMLFloat(s string) bool {
	return s != "" && len(s) <= longestNumber && (yamlFloat.MatchString(s) || yamlFloatPyYAML.MatchString(s))
}

func isYAMLInt(s string) bool { return s != "" && len(s) <= longestNumber && yamlInt.MatchString(s) }

// parseYAMLFloat reads what the float rules match, base 60 included.
func parseYAMLFloat(s string) (float64, bool) {
	s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
	sign := 1.0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	switch s {
	case ".inf":
		return sign * math.Inf(1), true
	case ".nan":
		return math.NaN(), true
	}
	if strings.Contains(s, ":") {
		total := 0.0
		for part := range strings.SplitSeq(s, ":") {
			f, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return 0, false
			}
			total = total*60 + f
		}
		return sign * total, true
	}
	f, err := strconv.ParseFloat(s, 64)
	// A number beyond the range is infinity in Python, not an error.
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return sign * f, true
}

// parseYAMLInt reads what the integer rule matches; a big value is a *big.Int.
func parseYAMLInt(s string) (any, bool) {
	s = strings.ReplaceAll(s, "_", "")
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimLeft(s, "-+")
	base := 10
	switch {
	case strings.HasPrefix(s, "0b"):
		base, s = 2, s[2:]
	case strings.HasPrefix(s, "0x"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, s = 8, s[1:]
	}
	total := new(big.Int)
	for part := range strings.SplitSeq(s, ":") {
		v, ok := new(big.Int).SetString(part, base)
		if !ok {
			return nil, false
		}
		total.Add(total.Mul(total, big.NewInt(60)), v)
	}
	if negative {
		total.Neg(total)
	}
	return smallInt(total), true
}

// smallInt is the int64 of a number that fits, the number itself otherwise.
func smallInt(v *big.Int) any {
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}
