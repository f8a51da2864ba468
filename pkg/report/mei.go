package report

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// MostExciting is a most exciting input to show.
type MostExciting struct {
	// Title names the neuron, Note is one line more; both may be empty.
	Title, Note string
	Stimulus    Stimulus
	// Truth is what the cell is known to like best, nil where nothing is known.
	Truth *Stimulus
	// ZeroFrame is the frame that counts as time zero: that of the response.
	ZeroFrame int
}

// check says what makes it impossible to show.
func (m *MostExciting) check() error {
	if err := m.Stimulus.check(); err != nil {
		return err
	}
	if m.Truth == nil {
		return nil
	}
	if err := m.Truth.check(); err != nil {
		return fmt.Errorf("the truth: %w", err)
	}
	if m.Truth.shape() != m.Stimulus.shape() {
		return fmt.Errorf("the truth has %s, the stimulus %s", m.Truth.shape(), m.Stimulus.shape())
	}
	return nil
}

// Sizes of the picture.
const (
	meiDPI    = 160
	meiMap    = 3.4 * vg.Centimeter // height of a map
	meiCourse = 8.5 * vg.Centimeter // width of the time course
	meiGap    = 0.5 * vg.Centimeter
	meiHead   = 1.2 * vg.Centimeter // title and note
	meiLabel  = 0.6 * vg.Centimeter // name of a channel
	meiAxis   = 1.1 * vg.Centimeter // room below for the colour bar
	mapSquare = 24                  // image pixels for one stimulus pixel
)

var (
	inkColour   = color.RGBA{0x1c, 0x1e, 0x21, 0xff}
	faintColour = color.RGBA{0x6b, 0x70, 0x76, 0xff}
	gridColour  = color.RGBA{0xdd, 0xdf, 0xe2, 0xff}
)

// MEI draws a most exciting input as a PNG: for each channel the map of its first
// space-time separable component, colours symmetric around zero, and the time
// courses; where the truth is known, its maps below and its courses dashed.
func MEI(w io.Writer, m MostExciting) error {
	rows, err := m.rows()
	if err != nil {
		return err
	}
	s := &m.Stimulus
	mapWidth := meiMap * vg.Length(s.Width) / vg.Length(s.Height)
	maps := vg.Length(s.Channels)*(mapWidth+meiGap) + meiGap
	height := max(vg.Length(len(rows))*(meiMap+meiLabel)+meiAxis, 6*vg.Centimeter)
	canvas := vgimg.NewWith(vgimg.UseWH(maps+meiCourse+2*meiGap, height+meiHead), vgimg.UseDPI(meiDPI),
		vgimg.UseBackgroundColor(color.White))
	page := draw.New(canvas)
	label(page, vg.Point{X: meiGap, Y: page.Max.Y - 0.55*vg.Centimeter}, m.Title, 11, inkColour)
	label(page, vg.Point{X: meiGap, Y: page.Max.Y - 1.0*vg.Centimeter}, m.Note, 8, faintColour)
	for i, row := range rows {
		top := height - vg.Length(i)*(meiMap+meiLabel)
		row.maps(page, top, mapWidth, len(rows) > 1)
	}
	colourBar(page, meiGap, height-vg.Length(len(rows))*(meiMap+meiLabel)-0.55*vg.Centimeter, maps-2*meiGap)
	course, err := courses(rows, m.ZeroFrame)
	if err != nil {
		return err
	}
	course.Draw(draw.Crop(page, maps, -meiGap, 0.2*vg.Centimeter, -meiHead))
	png := vgimg.PngCanvas{Canvas: canvas}
	if _, err := png.WriteTo(w); err != nil {
		return fmt.Errorf("writing a picture: %w", err)
	}
	return nil
}

// rows are the stimulus and, where it is known, the truth, taken apart.
func (m *MostExciting) rows() ([]meiRow, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	rows := []meiRow{{stimulus: &m.Stimulus, name: "model"}}
	if m.Truth != nil {
		rows = append(rows, meiRow{stimulus: m.Truth, name: "truth"})
	}
	for i := range rows {
		var err error
		if rows[i].components, err = Separate(*rows[i].stimulus); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// meiRow is a stimulus in the picture.
type meiRow struct {
	stimulus   *Stimulus
	components []Component
	name       string
}

// fullScale is the map value that gets the strongest colour: 1 in the channel with
// the largest contrast, more in the others, so that a channel that hardly matters
// looks pale.
func (r meiRow) fullScale(channel int) float64 {
	strongest := 0.0
	for _, component := range r.components {
		strongest = max(strongest, largest(component.Temporal))
	}
	return strongest / max(largest(r.components[channel].Temporal), 1e-9*strongest, math.SmallestNonzeroFloat64)
}

// maps draws the row's maps below the height top.
func (r meiRow) maps(page draw.Canvas, top, width vg.Length, named bool) {
	s := r.stimulus
	for c, component := range r.components {
		left := meiGap + vg.Length(c)*(width+meiGap)
		name := s.channelName(c)
		if named {
			name += ", " + r.name
		}
		label(page, vg.Point{X: left, Y: top - meiLabel + 0.15*vg.Centimeter}, name, 8, channelColour(c))
		box := vg.Rectangle{
			Min: vg.Point{X: left, Y: top - meiLabel - meiMap}, Max: vg.Point{X: left + width, Y: top - meiLabel},
		}
		page.DrawImage(box, heat(component.Spatial, s.Height, s.Width, r.fullScale(c), mapSquare))
		page.SetColor(faintColour)
		page.SetLineWidth(0.4)
		page.Stroke(box.Path())
	}
}

// colourBar draws the scale of the maps.
func colourBar(page draw.Canvas, left, y, width vg.Length) {
	const steps = 200
	values := make([]float64, steps)
	for i := range values {
		values[i] = 2*float64(i)/(steps-1) - 1
	}
	box := vg.Rectangle{Min: vg.Point{X: left, Y: y}, Max: vg.Point{X: left + width, Y: y + 0.2*vg.Centimeter}}
	page.DrawImage(box, heat(values, 1, steps, 1, 4))
	for i, text := range []string{"-1", "0 (relative contrast)", "1"} {
		style := textStyle(7, faintColour)
		style.XAlign = [...]xAlignment{draw.XLeft, draw.XCenter, draw.XRight}[i]
		page.FillText(style, vg.Point{X: left + width*vg.Length(i)/2, Y: y - 0.35*vg.Centimeter}, text)
	}
}

// xAlignment is how gonum names a horizontal alignment.
type xAlignment = text.XAlignment

// courses is the plot of the rows' time courses.
func courses(rows []meiRow, zero int) (*plot.Plot, error) {
	p := plot.New()
	s := rows[0].stimulus
	p.X.Label.Text = fmt.Sprintf("time relative to the response (%s)", s.timeUnit())
	p.Y.Label.Text = "contrast (sd of the movie)"
	stylePlot(p)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gridColour, gridColour
	p.Add(grid)
	for r, row := range rows {
		for c, component := range row.components {
			points := make(plotter.XYs, len(component.Temporal))
			for t, v := range component.Temporal {
				points[t] = plotter.XY{X: s.time(t, zero), Y: v}
			}
			line, err := plotter.NewLine(points)
			if err != nil {
				return nil, fmt.Errorf("drawing a time course: %w", err)
			}
			line.Color, line.Width = channelColour(c), vg.Points(1.6)
			name := s.channelName(c)
			if r > 0 {
				line.Dashes, line.Width = []vg.Length{vg.Points(3), vg.Points(2)}, vg.Points(1)
				name += ", " + row.name
			}
			p.Add(line)
			p.Legend.Add(name, line)
		}
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.TextStyle = textStyle(7, inkColour)
	p.Legend.Padding = vg.Points(2)
	low, high := p.Y.Min, p.Y.Max
	p.Y.Max = high + 0.25*math.Max(high-low, 1e-9) // room for the legend
	return p, nil
}

// stylePlot gives a plot this package's look.
func stylePlot(p *plot.Plot) {
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font.Size, axis.Label.TextStyle.Color = 8, inkColour
		axis.Tick.Label.Font.Size, axis.Tick.Label.Color = 7, faintColour
		axis.Color, axis.Tick.Color = faintColour, faintColour
		axis.Label.TextStyle.Font.Variant, axis.Tick.Label.Font.Variant = "Sans", "Sans"
	}
}

func channelColour(channel int) color.RGBA { return channelColours[channel%len(channelColours)] }

func textStyle(size float64, colour color.Color) text.Style {
	return text.Style{
		Color: colour, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, vg.Length(size)),
		Handler: plot.DefaultTextHandler,
	}
}

// label writes a line of text, its base line at the point.
func label(page draw.Canvas, at vg.Point, line string, size float64, colour color.Color) {
	if line != "" {
		page.FillText(textStyle(size, colour), at, line)
	}
}
