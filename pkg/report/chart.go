package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// chart is a drawing for the template: positions are in SVG user units.
type chart struct {
	Title, XLabel, YLabel    string
	Width, Height            float64
	Left, Right, Top, Bottom float64 // edges of the plot
	XTicks, YTicks           []tick
	Bars                     []bar
	Lines                    []line
	Points                   []points
	Marks                    []mark
	Legend                   []legend
	// Summary says the same in words, for those who cannot see it.
	Summary string
}

type tick struct {
	At    float64
	Label string
}

// mark is a vertical line; its name stands on the side with more room.
type mark struct {
	At     float64
	Name   string
	Offset float64
	Anchor string
}

type bar struct {
	X, Y, Width, Height float64
	Note                string
}

// line is a curve; Class picks its colour and dashes in the style sheet.
type line struct{ Class, Points string }

type points struct {
	Class string
	At    [][2]float64
}

type legend struct {
	Class, Name string
	X           float64
	Dot         bool
}

// Margins and default sizes of charts.
const (
	marginLeft, marginRight, marginTop, marginBottom = 52, 14, 26, 44

	chartWidth, chartHeight = 460, 300
	traceWidth, traceHeight = 940, 190
	mostBars                = 24
)

// scale maps a range of values to a range of positions.
type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 {
	return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from)
}

// newChart lays out the frame of a chart whose axes hold the given ranges, widened
// to round numbers.
func newChart(title string, width, height float64, x, y [2]float64) (c *chart, xs, ys scale) {
	c = &chart{
		Title: title, Width: width, Height: height,
		Left: marginLeft, Right: width - marginRight, Top: marginTop, Bottom: height - marginBottom,
	}
	xTicks, yTicks := ticks(x[0], x[1], int(width/90)), ticks(y[0], y[1], int(height/40))
	xs = scale{xTicks[0], xTicks[len(xTicks)-1], c.Left, c.Right}
	ys = scale{yTicks[0], yTicks[len(yTicks)-1], c.Bottom, c.Top}
	for _, v := range xTicks {
		c.XTicks = append(c.XTicks, tick{round(xs.at(v)), number(v)})
	}
	for _, v := range yTicks {
		c.YTicks = append(c.YTicks, tick{round(ys.at(v)), number(v)})
	}
	return c, xs, ys
}

// ticks are about n round numbers that cover a range.
func ticks(low, high float64, n int) []float64 {
	if !(high > low) { // also NaN
		low, high = low-0.5, low+0.5
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(n))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*factor) <= float64(n) {
			step *= factor
			break
		}
	}
	first, last := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
	var values []float64
	for k := first; k <= last; k++ {
		values = append(values, k*step)
	}
	return values
}

// number is a tick's label.
func number(v float64) string {
	text := strconv.FormatFloat(v, 'g', 6, 64)
	return strings.Replace(text, "-", "\u2212", 1)
}

// round keeps the page small: a hundredth of a unit is invisible.
func round(v float64) float64 { return math.Round(v*100) / 100 }

// extent is the range of the finite values, and how many they are.
func extent(series ...[]float64) (low, high float64, n int) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, values := range series {
		for _, v := range values {
			if finite(v) {
				low, high = min(low, v), max(high, v)
				n++
			}
		}
	}
	if n == 0 {
		return 0, 1, 0
	}
	return low, high, n
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// histogram draws a distribution. Values that are no numbers are counted in words,
// marks at none are left out.
func histogram(d Distribution) chart {
	low, high, n := extent(d.Values)
	marks := slices.DeleteFunc(slices.Clone(d.Marks), func(m Mark) bool { return !finite(m.Value) })
	for _, m := range marks {
		low, high = min(low, m.Value), max(high, m.Value)
	}
	edges := ticks(low, high, mostBars)
	step := edges[1] - edges[0]
	counts := make([]int, len(edges)-1)
	for _, v := range d.Values {
		if finite(v) {
			counts[min(max(int((v-edges[0])/step), 0), len(counts)-1)]++
		}
	}
	c, xs, ys := newChart(d.Title, chartWidth, chartHeight, [2]float64{edges[0], edges[len(edges)-1]},
		[2]float64{0, float64(max(slices.Max(counts), 1))})
	c.XLabel, c.YLabel = d.Label, "neurons"
	for i, count := range counts {
		if count > 0 {
			left, right, top := xs.at(edges[i]), xs.at(edges[i+1]), ys.at(float64(count))
			c.Bars = append(c.Bars, bar{
				round(left + 0.5), round(top), round(right - left - 1), round(c.Bottom - top),
				fmt.Sprintf("%s to %s: %d", number(edges[i]), number(edges[i+1]), count),
			})
		}
	}
	for _, m := range marks {
		placed := mark{At: round(xs.at(m.Value)), Name: m.Name, Offset: 5, Anchor: "start"}
		if placed.At > (c.Left+c.Right)/2 {
			placed.Offset, placed.Anchor = -5, "end"
		}
		c.Marks = append(c.Marks, placed)
	}
	c.Summary = "no values"
	if n > 0 {
		c.Summary = fmt.Sprintf("%s of %d neurons, median %.3g", d.Label, n, median(d.Values))
	}
	if lost := len(d.Values) - n; lost > 0 {
		c.Summary += fmt.Sprintf("; %d more have no value", lost)
	}
	return *c
}

// median is the middle of the finite values, NaN of none.
func median(values []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !finite(v) })
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// scatter draws a comparison.
func scatter(p Comparison) (chart, error) {
	var xs, ys [][]float64
	for _, group := range p.Groups {
		if len(group.X) != len(group.Y) {
			return chart{}, fmt.Errorf("comparison %q: %d x and %d y values in %q", p.Title, len(group.X), len(group.Y), group.Name)
		}
		xs, ys = append(xs, group.X), append(ys, group.Y)
	}
	xLow, xHigh, _ := extent(xs...)
	yLow, yHigh, n := extent(ys...)
	if p.Diagonal {
		xLow, xHigh = min(xLow, yLow), max(xHigh, yHigh)
		yLow, yHigh = xLow, xHigh
	}
	c, x, y := newChart(p.Title, chartWidth, chartHeight, [2]float64{xLow, xHigh}, [2]float64{yLow, yHigh})
	c.XLabel, c.YLabel = p.XLabel, p.YLabel
	if p.Diagonal {
		low, high := max(x.low, y.low), min(x.high, y.high)
		c.Lines = append(c.Lines, line{"diagonal", polyline([]float64{low, high}, []float64{low, high}, x, y)})
	}
	for i, group := range p.Groups {
		class := fmt.Sprintf("group%d", i)
		cloud := points{Class: class}
		for k := range group.X {
			if finite(group.X[k]) && finite(group.Y[k]) {
				cloud.At = append(cloud.At, [2]float64{round(x.at(group.X[k])), round(y.at(group.Y[k]))})
			}
		}
		c.Points = append(c.Points, cloud)
		c.Legend = append(c.Legend, legend{class, group.Name, c.Left + float64(i)*140, true})
	}
	c.Summary = fmt.Sprintf("%s against %s, %d points", p.YLabel, p.XLabel, n)
	return *c, nil
}

// polyline is a curve's points in SVG's words.
func polyline(xs, ys []float64, x, y scale) string {
	var text strings.Builder
	for i := range ys {
		if !finite(ys[i]) {
			continue
		}
		fmt.Fprintf(&text, "%g,%g ", round(x.at(xs[i])), round(y.at(ys[i])))
	}
	return strings.TrimSpace(text.String())
}

// traceChart draws a response.
func traceChart(t Trace) (chart, error) {
	n := len(t.Measured)
	if len(t.Predicted) != n || (t.Truth != nil && len(t.Truth) != n) || n == 0 {
		return chart{}, fmt.Errorf("trace %q: %d measured, %d predicted, %d true frames",
			t.Title, n, len(t.Predicted), len(t.Truth))
	}
	low, high, _ := extent(t.Measured, t.Predicted, t.Truth)
	times, label := make([]float64, n), "time (frames)"
	for i := range times {
		times[i] = float64(i)
		if t.FrameRate > 0 {
			times[i] /= t.FrameRate
			label = "time (s)"
		}
	}
	c, x, y := newChart(t.Title, traceWidth, traceHeight, [2]float64{0, times[n-1]}, [2]float64{min(low, 0), high})
	c.XLabel, c.YLabel = label, "response"
	for _, curve := range []struct {
		class, name string
		values      []float64
	}{{"measured", "measured", t.Measured}, {"truth", "truth", t.Truth}, {"predicted", "predicted", t.Predicted}} {
		if curve.values == nil {
			continue
		}
		c.Legend = append(c.Legend, legend{Class: curve.class, Name: curve.name, X: c.Left + float64(len(c.Legend))*110})
		c.Lines = append(c.Lines, line{curve.class, polyline(times, curve.values, x, y)})
	}
	c.Summary = strings.TrimSpace(fmt.Sprintf("measured and predicted response of %s over %.3g %s. %s",
		t.Title, times[n-1], strings.TrimSuffix(strings.TrimPrefix(label, "time ("), ")"), t.Note))
	return *c, nil
}
