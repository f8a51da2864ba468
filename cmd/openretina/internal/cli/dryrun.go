package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/train"
)

// printForecast prints what --dry-run found out.
func (s *IOStreams) printForecast(fc *train.Forecast, asJSON bool) error {
	if asJSON {
		return writeJSON(s.Out, fc)
	}
	s.printSections([]section{
		{"Run", runRows(fc)},
		{"Data", fileRows(fc.Files)},
		{"Sessions", sessionRows(fc)},
		{"Model", layerRows(fc)},
		{"Training", stepRows(fc)},
		{"Memory, reckoned", memoryRows(fc)},
		{"Time, from a trial on random clips", timeRows(fc)},
	})
	return nil
}

func runRows(fc *train.Forecast) [][]string {
	rows := [][]string{
		{"directory", fc.RunDir},
		{"device", fmt.Sprintf("%s, %d threads", fc.Device, fc.Threads)},
		{"seed", fmt.Sprint(fc.Seed)},
	}
	for _, note := range fc.Notes {
		rows = append(rows, []string{"note", note})
	}
	return rows
}

func fileRows(files []data.File) (rows [][]string) {
	for _, f := range files {
		if f.Missing != "" {
			rows = append(rows, []string{f.Part, "missing: " + f.Missing})
			continue
		}
		rows = append(rows, []string{f.Part, f.Path, byteCount(float64(f.Bytes))})
	}
	return rows
}

func sessionRows(fc *train.Forecast) [][]string {
	if fc.Sessions == nil {
		return [][]string{{"not known: " + fc.NoSessions}}
	}
	rows := [][]string{{"name", "neurons", "training clips", "validation clips", "test stimuli (frames)"}}
	neurons, train, validation := 0, 0, 0
	for _, s := range fc.Sessions {
		var tests []string
		for _, test := range s.Tests {
			tests = append(tests, fmt.Sprintf("%s (%d)", test.Name, test.Frames))
		}
		rows = append(rows, []string{s.Name, fmt.Sprint(s.Neurons), fmt.Sprint(s.Train), fmt.Sprint(s.Validation), strings.Join(tests, ", ")})
		neurons, train, validation = neurons+s.Neurons, train+s.Train, validation+s.Validation
	}
	if len(fc.Sessions) > 1 {
		rows = append(rows, []string{fmt.Sprintf("%d sessions", len(fc.Sessions)), fmt.Sprint(neurons), fmt.Sprint(train), fmt.Sprint(validation), ""})
	}
	return rows
}

// shownReadouts is how many readouts are listed; the others are alike.
const shownReadouts = 3

func layerRows(fc *train.Forecast) [][]string {
	rows := [][]string{{"name", "type", "output of a clip", "parameters"}}
	var hidden []models.Layer
	readouts := 0
	for _, l := range fc.Layers {
		if strings.HasPrefix(l.Name, "readout.") {
			if readouts++; readouts > shownReadouts {
				hidden = append(hidden, l)
				continue
			}
		}
		rows = append(rows, []string{l.Name, l.Type, torch.FormatShape(l.Output), parameterText(l.Parameters, l.Trainable)})
	}
	if len(hidden) > 0 {
		parameters := int64(0)
		for _, l := range hidden {
			parameters += l.Parameters
		}
		rows = append(rows, []string{fmt.Sprintf("%d more readouts", len(hidden)), "", "", grouped(parameters)})
	}
	rows = append(rows, []string{"all", "", "", fmt.Sprintf("%s, of which %s are trained", grouped(fc.Parameters), grouped(fc.Trainable))})
	if fc.Sessions == nil {
		rows = append(rows, []string{fmt.Sprintf("readout.SESSION stands for the sessions, with %d neurons", train.StandInNeurons)})
	}
	return rows
}

func parameterText(parameters, trainable int64) string {
	switch {
	case parameters == 0:
		return ""
	case trainable == 0:
		return grouped(parameters) + " (frozen)"
	}
	return grouped(parameters)
}

func stepRows(fc *train.Forecast) [][]string {
	s := fc.Steps
	rows := [][]string{
		{"optimizer", fmt.Sprintf("%s, learning rate %v", fc.Optimizer, fc.LearningRate)},
		{"schedule", fc.Schedule},
		{"batch", fmt.Sprintf("%d clips of %d frames", s.Clips.Batch, s.Clips.Train)},
	}
	epochs := "at most " + counted(s.Epochs, "epoch", "epochs")
	if s.Epochs < 0 {
		epochs = "no limit of epochs"
	}
	if fc.Sessions == nil {
		return append(rows, []string{"length", epochs})
	}
	each := fmt.Sprintf("%s for training, %d for validation", counted(s.TrainBatches, "batch", "batches"), s.ValidationBatches)
	if s.Accumulate > 1 {
		each += fmt.Sprintf("; %s of %d batches", counted(s.PerEpoch, "step", "steps"), s.Accumulate)
	}
	if s.Total > 0 {
		epochs += fmt.Sprintf(", %s steps", grouped(int64(s.Total)))
	}
	return append(rows, []string{"epoch", each}, []string{"length", epochs})
}

func memoryRows(fc *train.Forecast) (rows [][]string) {
	m := fc.Memory
	add := func(name string, bytes int64) { rows = append(rows, []string{name, byteCount(float64(bytes))}) }
	add("program and data", m.Program)
	add("parameters", m.Parameters)
	add("gradients", m.Gradients)
	add("optimizer", m.OptimizerState)
	add("training batch", m.TrainingBatch)
	add("or validation batch", m.ValidationBatch)
	add("all", m.Total())
	if m.TrialPeak > 0 {
		add("this process at most, in the trial", m.TrialPeak)
	}
	return rows
}

func timeRows(fc *train.Forecast) [][]string {
	t := fc.Time
	rows := [][]string{{"training batch", duration(t.Batch)}, {"validation batch", duration(t.ValidationBatch)}}
	if t.Epoch > 0 {
		rows = append(rows, []string{"epoch", "about " + duration(t.Epoch)})
	}
	if t.Total > 0 {
		rows = append(rows, []string{"all epochs", "about " + duration(t.Total) + ", less where training ends early"})
	}
	return rows
}

// duration is seconds in two or three digits.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= time.Hour:
		return d.Round(time.Minute).String()
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

// grouped is a number with commas between its thousands.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(int64(n)) + " " + several
}
