package pytext

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// formatSpec is Python's [[fill]align][sign][0][width][grouping][.precision][type].
var formatSpec = regexp.MustCompile(`^(?:(.)?([<>=^]))?([-+ ])?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$`)

// spec is a format spec that was read.
type spec struct {
	fill, align, sign, grouping string
	width, precision            int // precision is -1 where none is given
	kind                        byte
}

// The largest width and precision that are formatted: names of files need no more.
const mostDigits = 200

func parseSpec(text string) (s spec, err error) {
	parts := formatSpec.FindStringSubmatch(text)
	if parts == nil {
		return s, fmt.Errorf("format %q is not understood", text)
	}
	s = spec{fill: parts[1], align: parts[2], sign: parts[3], grouping: parts[6], precision: -1}
	if parts[4] != "" && s.align == "" {
		s.fill, s.align = "0", "="
	}
	s.fill, s.align = orText(s.fill, " "), orText(s.align, ">")
	if parts[8] != "" {
		s.kind = parts[8][0]
	}
	for digits, to := range map[string]*int{parts[5]: &s.width, parts[7]: &s.precision} {
		if digits == "" {
			continue
		}
		if *to, err = strconv.Atoi(digits); err != nil || *to > mostDigits {
			return s, fmt.Errorf("format %q: %s is too large", text, digits)
		}
	}
	if s.grouping != "" && s.fill == "0" {
		return s, fmt.Errorf("format %q: grouping of numbers filled up with zeros is not supported", text)
	}
	return s, nil
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// FormatFloat is Python's format(x, spec) of a float.
func FormatFloat(x float64, format string) (string, error) {
	s, err := parseSpec(format)
	if err != nil {
		return "", err
	}
	size, sign := math.Abs(x), ""
	if math.Signbit(x) && !math.IsNaN(x) {
		sign = "-"
	}
	digits, ok := s.float(size)
	if !ok {
		return "", fmt.Errorf("format %q: type %q is not for floats", format, s.kind)
	}
	return s.pad(sign, digits), nil
}

// FormatInt is Python's format(n, spec) of an int.
func FormatInt(n int64, format string) (string, error) {
	s, err := parseSpec(format)
	if err != nil {
		return "", err
	}
	base := map[byte]int{0: 10, 'd': 10, 'b': 2, 'o': 8, 'x': 16, 'X': 16}[s.kind]
	if base == 0 {
		return FormatFloat(float64(n), format)
	}
	if s.precision >= 0 {
		return "", fmt.Errorf("format %q: integers have no precision", format)
	}
	digits, negative := strings.CutPrefix(strconv.FormatInt(n, base), "-")
	if s.kind == 'X' {
		digits = strings.ToUpper(digits)
	}
	sign := ""
	if negative {
		sign = "-"
	}
	return s.pad(sign, digits), nil
}

// float formats a number that is not negative; false where the type is not for floats.
func (s spec) float(x float64) (text string, ok bool) {
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	switch s.kind {
	case 0:
		return s.general(x), true
	case 'e', 'f', 'g':
		text = strconv.FormatFloat(x, s.kind, generalDigits(s.kind, precision), 64)
	case 'E', 'F', 'G':
		lower := s.kind + 'a' - 'A'
		text = strings.ToUpper(strconv.FormatFloat(x, lower, generalDigits(lower, precision), 64))
	case '%':
		text = strconv.FormatFloat(100*x, 'f', precision, 64) + "%"
	default:
		return "", false
	}
	return special(x, text), true
}

// generalDigits is the precision of %g, of which 0 means 1.
func generalDigits(kind byte, precision int) int {
	if kind == 'g' {
		return max(precision, 1)
	}
	return precision
}

// general is the format without a type: repr, or with a precision as %g but with a
// digit behind the point.
func (s spec) general(x float64) string {
	if s.precision < 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return Float(x)
	}
	precision := max(s.precision, 1)
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', precision-1, 64), "e")
	power, _ := strconv.Atoi(exponent) // it was just formatted
	if power < -4 || power >= precision-1 {
		if strings.Contains(mantissa, ".") {
			mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		}
		return mantissa + "e" + exponent
	}
	text := strconv.FormatFloat(x, 'g', precision, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// special gives Go's texts of infinity and NaN Python's form.
func special(x float64, text string) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		lower := strings.ToLower(strings.TrimPrefix(text, "+"))
		if text == strings.ToUpper(text) {
			return strings.ToUpper(lower)
		}
		return lower
	}
	return text
}

// pad puts sign and digits together and fills them up to the width.
func (s spec) pad(sign, digits string) string {
	if sign == "" && (s.sign == "+" || s.sign == " ") {
		sign = s.sign
	}
	digits = s.group(digits)
	missing := max(s.width-len(sign)-len([]rune(digits)), 0)
	fill := func(n int) string { return strings.Repeat(s.fill, n) }
	switch s.align {
	case "<":
		return sign + digits + fill(missing)
	case "^":
		return fill(missing/2) + sign + digits + fill(missing-missing/2)
	case "=":
		return sign + fill(missing) + digits
	}
	return fill(missing) + sign + digits
}

// group separates thousands.
func (s spec) group(digits string) string {
	if s.grouping == "" {
		return digits
	}
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(digits)
	}
	whole, rest := digits[:end], digits[end:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + s.grouping + whole[i:]
	}
	return whole + rest
}
