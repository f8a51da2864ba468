package evaluation

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/data/simulate"
	"github.com/open-retina/openretina-go/pkg/insilico"
)

// What a model of the simulated retina should reach, see TruthComparison.
const (
	RatioTarget = 0.9
	MEITarget   = 0.9
)

// TruthComparison says how near a model comes to the cells of a simulated retina.
type TruthComparison struct {
	Truth *simulate.Truth
	// Cells are in the order of the truth.
	Cells []CellComparison
	// Ratio is the median of test correlation / ceiling over the linear-nonlinear
	// cells with a ceiling of at least simulate.MinCeiling, RatioCells of them.
	Ratio      float64
	RatioCells int
	// MEI is the median over the same cells, as far as there are stimuli for them, of
	// the correlation between the model's most exciting input for one frame of the
	// response and the cell's own optimum under the same norm and ranges, aligned in
	// time. MEILinear is the median over all linear-nonlinear cells. Both are NaN
	// without such inputs.
	MEI, MEILinear           float64
	MEICells, MEILinearCells int

	limits simulate.Limits
}

// CellComparison is one cell of a TruthComparison.
type CellComparison struct {
	// Correlation is that of the model's prediction with the mean over repeats.
	Correlation float64
	// Stimulus is the place of the cell's most exciting input in the record, -1
	// without one, and MEI how well it agrees with the cell's optimum.
	Stimulus int
	MEI      simulate.Match
}

// CompareTruth compares an evaluation on simulate.TestStimulus, and most exciting
// inputs where there are any (nil otherwise), with the truth. Inputs for the mean
// of several neurons, or of several frames, are left out: the truth has no optimum
// for these.
func CompareTruth(truth *simulate.Truth, r *Result, inputs *insilico.Record) (*TruthComparison, error) {
	correlations := map[string][]float64{}
	for _, s := range r.Report.Sessions {
		correlations[s.Name] = s.Aligned.Corr
	}
	c := &TruthComparison{Truth: truth, Cells: make([]CellComparison, len(truth.Cells))}
	var err error
	if c.Ratio, c.RatioCells, err = truth.MedianRatio(correlations); err != nil {
		return nil, fmt.Errorf("comparing with the truth: %w", err)
	}
	for i, cell := range truth.Cells {
		c.Cells[i] = CellComparison{Correlation: correlations[cell.Session][cell.Neuron], Stimulus: -1}
	}
	if inputs != nil && inputs.Window.Length == 1 {
		if err := c.compareInputs(inputs); err != nil {
			return nil, fmt.Errorf("comparing most exciting inputs with the truth: %w", err)
		}
	}
	c.summarizeInputs()
	return c, nil
}

// compareInputs finds the input of each cell and compares it with its optimum.
func (c *TruthComparison) compareInputs(inputs *insilico.Record) error {
	c.limits = limitsOf(inputs.Settings)
	for i, target := range inputs.Targets {
		cell := c.Truth.Find(target[0].Session, target[0].Index)
		if len(target) > 1 || cell < 0 {
			continue
		}
		match, err := c.Truth.CompareMEI(cell, inputs.Clip(i), c.limits)
		if err != nil {
			return fmt.Errorf("%s: %w", target[0], err)
		}
		c.Cells[cell].Stimulus, c.Cells[cell].MEI = i, match
	}
	return nil
}

// summarizeInputs fills in the medians over cells.
func (c *TruthComparison) summarizeInputs() {
	var reliable, linear []float64
	for i, cell := range c.Truth.Cells {
		if c.Cells[i].Stimulus < 0 || !cell.Linear {
			continue
		}
		linear = append(linear, c.Cells[i].MEI.Correlation)
		if cell.Ceiling >= simulate.MinCeiling {
			reliable = append(reliable, c.Cells[i].MEI.Correlation)
		}
	}
	c.MEI, c.MEICells = simulate.Median(reliable), len(reliable)
	c.MEILinear, c.MEILinearCells = simulate.Median(linear), len(linear)
}

// limitsOf is the projection that the inputs were made under.
func limitsOf(s *insilico.Settings) (limits simulate.Limits) {
	if s == nil {
		return limits
	}
	for _, processor := range s.Postprocessors {
		projection, ok := processor.(insilico.ChangeNormJointlyClipRangeSeparately)
		if !ok {
			continue
		}
		limits = simulate.Limits{Norm: orElse(projection.Norm, 0)}
		for _, bounds := range projection.MinMaxValues {
			limits.Ranges = append(limits.Ranges, [2]float64{orElse(bounds[0], math.Inf(-1)), orElse(bounds[1], math.Inf(1))})
		}
	}
	return limits
}

func orElse(value *float64, otherwise float64) float64 {
	if value == nil {
		return otherwise
	}
	return *value
}
