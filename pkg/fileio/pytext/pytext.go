// Package pytext writes numbers as Python does, for files that Python programs
// read and for texts that must equal theirs. (pkg/config, which imports nothing of
// this module, has its own.)
package pytext

import (
	"math"
	"strconv"
	"strings"
)

// Float is Python's repr() of a float: the fewest digits that give it back, with
// an exponent below 1e-4 and from 1e16 on, and ".0" where it is whole.
func Float(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	if size := math.Abs(x); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
