package evaluation

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/data/simulate"
)

// AlignedLine says in words what to read where the numbers of the Python package
// are open to question: each clip's first frames left out, nothing clipped.
func (r *Result) AlignedLine() string {
	a := r.Report.Aligned
	line := fmt.Sprintf("Clip by clip, not clipped: correlation %s, MSE %s", short(float64(a.Corr.Mean)), short(float64(a.MSE.Mean)))
	if !math.IsNaN(float64(a.FEVE.Mean)) {
		line += fmt.Sprintf(", FEVE %s, FEV %s", short(float64(a.FEVE.Mean)), short(float64(a.FEV.Mean)))
	}
	return line + fmt.Sprintf(" (means over %d neurons)", a.Corr.N)
}

// Lines say the result in words, a line each, with the targets.
func (c *TruthComparison) Lines() []string {
	lines := []string{fmt.Sprintf("Test correlation / ceiling: median %s over the %d linear-nonlinear cells with a ceiling of at least %.1f (target %.1f: %s)",
		short(c.Ratio), c.RatioCells, simulate.MinCeiling, RatioTarget, verdict(c.Ratio, RatioTarget))}
	if c.MEICells > 0 {
		lines = append(lines, fmt.Sprintf("MEI and the cell's optimum: median correlation %s over these cells, %s over all %d linear-nonlinear ones (target %.1f: %s)",
			short(c.MEI), short(c.MEILinear), c.MEILinearCells, MEITarget, verdict(c.MEI, MEITarget)))
	}
	return lines
}

func verdict(value, target float64) string {
	if value >= target {
		return "reached"
	}
	return "missed"
}
