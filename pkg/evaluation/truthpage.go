package evaluation

import (
	"strconv"

	"github.com/open-retina/openretina-go/pkg/report"
)

// charts set the model against the truth, cell by cell.
func (c *TruthComparison) charts() []report.Comparison {
	groups := func(value func(i int) (x, y float64, ok bool)) []report.Group {
		list := []report.Group{{Name: "linear-nonlinear"}, {Name: "with subunits"}}
		for i, cell := range c.Truth.Cells {
			group := &list[0]
			if !cell.Linear {
				group = &list[1]
			}
			if x, y, ok := value(i); ok {
				group.X, group.Y = append(group.X, x), append(group.Y, y)
			}
		}
		return list
	}
	charts := []report.Comparison{{
		Title: "What a cell allows and what the model reaches", XLabel: "ceiling (correlation of the true rate)",
		YLabel: "test correlation", Diagonal: true,
		Groups: groups(func(i int) (x, y float64, ok bool) { return c.Truth.Cells[i].Ceiling, c.Cells[i].Correlation, true }),
	}}
	if c.MEILinearCells > 0 {
		charts = append(charts, report.Comparison{
			Title: "Most exciting inputs and the cells' own optimum", XLabel: "ceiling (correlation of the true rate)",
			YLabel: "correlation",
			Groups: groups(func(i int) (x, y float64, ok bool) {
				return c.Truth.Cells[i].Ceiling, c.Cells[i].MEI.Correlation, c.Cells[i].Stimulus >= 0
			}),
		})
	}
	return charts
}

// table has a row for each cell.
func (c *TruthComparison) table() report.Table {
	t := report.Table{
		Title: "Against the truth", Folded: true,
		Columns: []string{"session", "neuron", "type", "linear-nonlinear", "ceiling", "test correlation", "of the ceiling", "MEI and truth"},
	}
	for i, cell := range c.Truth.Cells {
		linear, agreement := "no", "–"
		if cell.Linear {
			linear = "yes"
		}
		if c.Cells[i].Stimulus >= 0 {
			agreement = short(c.Cells[i].MEI.Correlation)
		}
		t.Rows = append(t.Rows, []string{
			cell.Session, strconv.Itoa(cell.Neuron), cell.Type, linear, short(cell.Ceiling), short(c.Cells[i].Correlation),
			short(c.Cells[i].Correlation / cell.Ceiling), agreement,
		})
	}
	return t
}
