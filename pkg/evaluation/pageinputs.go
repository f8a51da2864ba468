package evaluation

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/report"
)

// inputs are the most exciting inputs to show: beside the truth one for each type
// of cell, else those of the best predicted neurons.
func (c *PageContent) inputs(ranked []neuron) ([]report.MostExciting, error) {
	if c.Inputs == nil {
		return nil, nil
	}
	var pictures []report.MostExciting
	for _, place := range c.chooseInputs(ranked) {
		picture, err := c.picture(place)
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, picture)
	}
	return pictures, nil
}

// chooseInputs are places in the record.
func (c *PageContent) chooseInputs(ranked []neuron) []int {
	var places []int
	if t := c.Truth; t != nil {
		shown := map[string]bool{}
		for i, cell := range t.Cells {
			if kind := t.Truth.Cells[i].Type; cell.Stimulus >= 0 && !shown[kind] && len(places) < pageInputs {
				shown[kind] = true
				places = append(places, cell.Stimulus)
			}
		}
	}
	if len(places) > 0 {
		return places
	}
	at := map[insilico.Neuron]int{}
	for place, target := range c.Inputs.Targets {
		if len(target) == 1 {
			at[target[0]] = place
		}
	}
	for _, n := range ranked {
		key := insilico.Neuron{Session: c.Results[n.result].Sessions[n.session].Name, Index: n.index}
		if place, ok := at[key]; ok && len(places) < pageInputs {
			places = append(places, place)
			delete(at, key)
		}
	}
	return places
}

// picture shows the input at a place of the record, beside the truth where it is
// known.
func (c *PageContent) picture(place int) (report.MostExciting, error) {
	r := c.Inputs
	shape := r.Stimulus.Shape
	stimulus := report.Stimulus{
		Data:     r.Clip(place),
		Channels: shape[1], Frames: shape[2], Height: shape[3], Width: shape[4], FrameRate: c.FrameRate,
	}
	first := r.Targets[place][0]
	picture := report.MostExciting{
		Title: fmt.Sprintf("%s, neuron %d", first.Session, first.Index), ZeroFrame: zeroFrame(r),
	}
	if c.Truth != nil {
		if cell := c.Truth.Truth.Find(first.Session, first.Index); cell >= 0 && c.Truth.Cells[cell].Stimulus == place {
			truth, match := c.Truth.Truth, c.Truth.Cells[cell].MEI
			stimulus.ChannelNames = truth.ChannelNames
			optimum, err := truth.Optimum(cell, c.Truth.limits, shape[2], match.Newest)
			if err != nil {
				return picture, err
			}
			beside := stimulus
			beside.Data = optimum
			picture.Truth = &beside
			picture.Note = fmt.Sprintf("%s, correlation with the truth %s", truth.Cells[cell].Type, short(match.Correlation))
		}
	}
	picture.Stimulus = stimulus
	return picture, nil
}

// zeroFrame is the frame of the stimulus at which the last response of the window
// happens.
func zeroFrame(r *insilico.Record) int {
	frames := r.Stimulus.Shape[2]
	behind := int(r.Window.Frames - r.Window.Start - r.Window.Length)
	return min(max(frames-1-behind, 0), frames-1)
}
