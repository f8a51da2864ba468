package eval

import (
	"fmt"
	"math"
	"strconv"
)

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
