package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image/png"
)

// input is a most exciting input on the page.
type input struct {
	Title, Note string
	Maps        []inputMap
	Chart       chart
}

// inputMap is the map of a channel.
type inputMap struct {
	Name, Class   string
	Picture       template.URL
	Height, Width int
}

// Sizes of the drawings of an input.
const (
	inputWidth, inputHeight = 380, 200
	mapHeight               = 104
)

// newInput computes what the template shows.
func newInput(m MostExciting) (input, error) {
	rows, err := m.rows()
	if err != nil {
		return input{}, err
	}
	in := input{Title: m.Title, Note: m.Note}
	var all [][]float64
	for _, row := range rows {
		for c, component := range row.components {
			picture, err := row.picture(c)
			if err != nil {
				return input{}, err
			}
			name := row.stimulus.channelName(c)
			if m.Truth != nil {
				name += ", " + row.name
			}
			in.Maps = append(in.Maps, inputMap{
				name, channelClass(c, false), picture,
				mapHeight, mapHeight * m.Stimulus.Width / m.Stimulus.Height,
			})
			all = append(all, component.Temporal)
		}
	}
	in.Chart = coursesChart(rows, m.ZeroFrame, all)
	return in, nil
}

// channelClass is the style of a channel's curve; the truth's is dashed.
func channelClass(channel int, truth bool) string {
	class := fmt.Sprintf("channel%d", channel%len(channelColours))
	if truth {
		class += " dashed"
	}
	return class
}

// picture is a map as a data URL, one image pixel a stimulus pixel: the browser
// enlarges it without smoothing.
func (r meiRow) picture(channel int) (template.URL, error) {
	var buffer bytes.Buffer
	s := r.stimulus
	picture := heat(r.components[channel].Spatial, s.Height, s.Width, r.fullScale(channel), 1)
	if err := png.Encode(&buffer, picture); err != nil {
		return "", fmt.Errorf("drawing a map: %w", err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(buffer.Bytes())), nil //nolint:gosec // base64
}

// coursesChart draws the time courses.
func coursesChart(rows []meiRow, zero int, all [][]float64) chart {
	s := rows[0].stimulus
	low, high, _ := extent(all...)
	times := make([]float64, s.Frames)
	for t := range times {
		times[t] = s.time(t, zero)
	}
	c, x, y := newChart("", inputWidth, inputHeight, [2]float64{times[0], times[s.Frames-1]}, [2]float64{min(low, 0), max(high, 0)})
	c.XLabel, c.YLabel = fmt.Sprintf("time relative to the response (%s)", s.timeUnit()), "contrast (sd)"
	for r := len(rows) - 1; r >= 0; r-- { // the model's curves on top
		for channel, component := range rows[r].components {
			class := channelClass(channel, r > 0)
			c.Lines = append(c.Lines, line{class, polyline(times, component.Temporal, x, y)})
		}
	}
	for channel := range rows[0].components {
		c.Legend = append(c.Legend, legend{
			Class: channelClass(channel, false), Name: s.channelName(channel),
			X: c.Left + float64(len(c.Legend))*84,
		})
	}
	if len(rows) > 1 {
		c.Legend = append(c.Legend, legend{Class: "any dashed", Name: "truth", X: c.Left + float64(len(c.Legend))*84})
	}
	c.Summary = fmt.Sprintf("time courses of the channels, from %.3g to %.3g sd", low, high)
	return *c
}
