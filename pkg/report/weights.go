package report

import (
	"errors"
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Weights are some weights of a model to show: a map over space, and a course over time
// or a number for each feature.
type Weights struct {
	Title string
	// Map is row by row.
	Map           []float64
	Height, Width int
	// Course are the numbers beside the map; none: the map alone.
	Course []float64
	// Features tells that Course has a number for each feature, else for each frame.
	Features bool
}

// WeightsJPEG draws weights, colours symmetric around zero.
func WeightsJPEG(w io.Writer, m Weights) error {
	if len(m.Map) == 0 || len(m.Map) != m.Height*m.Width {
		return fmt.Errorf("a map of %d × %d with %d weights", m.Height, m.Width, len(m.Map))
	}
	for _, v := range append(append([]float64{}, m.Map...), m.Course...) {
		if !finite(v) {
			return errors.New("weights that are not finite")
		}
	}
	width := meiMap * vg.Length(m.Width) / vg.Length(m.Height)
	size := width + 2*meiGap
	if len(m.Course) > 0 {
		size += meiCourse
	}
	canvas := vgimg.NewWith(vgimg.UseWH(size, meiMap+meiHead+meiGap), vgimg.UseDPI(meiDPI), vgimg.UseBackgroundColor(color.White))
	page := draw.New(canvas)
	label(page, vg.Point{X: meiGap, Y: page.Max.Y - 0.55*vg.Centimeter}, m.Title, 9, inkColour)
	top := page.Max.Y - meiHead
	box := vg.Rectangle{Min: vg.Point{X: meiGap, Y: top - meiMap}, Max: vg.Point{X: meiGap + width, Y: top}}
	page.DrawImage(box, heat(m.Map, m.Height, m.Width, max(largest(m.Map), 1e-30), mapSquare))
	page.SetColor(faintColour)
	page.SetLineWidth(0.4)
	page.Stroke(box.Path())
	if len(m.Course) > 0 {
		course, err := m.course()
		if err != nil {
			return err
		}
		course.Draw(draw.Crop(page, width+2*meiGap, -0.2*vg.Centimeter, 0.2*vg.Centimeter, -meiHead))
	}
	jpeg := vgimg.JpegCanvas{Canvas: canvas}
	if _, err := jpeg.WriteTo(w); err != nil {
		return fmt.Errorf("writing a picture: %w", err)
	}
	return nil
}

// course is the plot beside the map.
func (m *Weights) course() (*plot.Plot, error) {
	p := plot.New()
	stylePlot(p)
	p.Y.Label.Text = "weight"
	if m.Features {
		p.X.Label.Text = "feature"
		bars, err := plotter.NewBarChart(plotter.Values(m.Course), 0.6*meiCourse/vg.Length(len(m.Course)))
		if err != nil {
			return nil, fmt.Errorf("drawing weights: %w", err)
		}
		bars.Color, bars.LineStyle.Width = channelColour(0), 0
		p.Add(bars)
		return p, nil
	}
	p.X.Label.Text = "frame"
	points := make(plotter.XYs, len(m.Course))
	for t, v := range m.Course {
		points[t] = plotter.XY{X: float64(t), Y: v}
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, fmt.Errorf("drawing weights: %w", err)
	}
	line.Color, line.Width = channelColour(0), vg.Points(1.6)
	p.Add(line)
	return p, nil
}
