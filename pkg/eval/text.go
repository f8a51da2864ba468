package eval

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// formatFloat writes a number as Python's repr does: with the fewest digits that
// give it back, and with ".0" where it is whole.
func formatFloat(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	// Python turns to exponents below 1e-4 and from 1e16 on.
	if size := math.Abs(x); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// thousandths writes a number with three decimals.
func thousandths(x Number) string {
	if math.IsNaN(float64(x)) {
		return "nan"
	}
	return fmt.Sprintf("%.3f", float64(x))
}

// grouped writes a count with commas between the thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
