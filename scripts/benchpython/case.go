package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// kind is what a case measures.
type kind string

const (
	forward        kind = "forward"         // responses of one session
	trainStep      kind = "train_step"      // one step of a training
	mei            kind = "mei"             // one step towards most exciting stimuli
	predictProcess kind = "predict_process" // a process from its start to the first response in a file
)

// benchCase is one line of the table for one number of threads.
type benchCase struct {
	name          string
	kind          kind
	clips, frames int  // of the stimulus
	neurons       int  // of mei: stimuli to make, each for a neuron of its own
	height, width int  // pixels
	gru           bool // the model has a convolutional GRU
}

// defaultCases take below 20 minutes on two cores.
const defaultCases = "forward_1x50 forward_16x50 forward_4x150 forward_1x1000 train_step_16x50 train_step_128x50 mei_1 mei_16 mei_128 predict_process " +
	"gru_forward_1x50 gru_forward_16x50 gru_train_step_16x50 gru_mei_1 " +
	"forward_1x50_72x64 forward_2x50_72x64 train_step_2x50_72x64 mei_1_72x64 " +
	"forward_1x50_60x80 forward_2x50_60x80 train_step_2x50_60x80 mei_1_60x80"

const (
	usualFrames = 50 // where the name has none
	mostNeurons = 100_000
	mostSize    = 1_000_000 // clips, frames and pixels
)

var caseName = regexp.MustCompile(`^(gru_)?(?:(forward|train_step)_(\d+)x(\d+)|(mei)_(\d+)|(predict_process))(?:_(\d+)x(\d+))?$`)

// parseCase reads a name: forward_BxT and train_step_BxT of B clips of T frames,
// mei_N of N neurons, predict_process; each with _HxW where the stimulus is not
// 18×16 pixels, and with gru_ where the model has a convolutional GRU.
func parseCase(name string) (benchCase, error) {
	m := caseName.FindStringSubmatch(name)
	if m == nil {
		return benchCase{}, fmt.Errorf("unknown case %q: known are forward_BxT, train_step_BxT (clips, frames), mei_N (neurons) and predict_process, each also with _HxW (pixels) and gru_ (a model with a GRU)", name)
	}
	number := func(group, otherwise, most int) int {
		if m[group] == "" {
			return otherwise
		}
		n, err := strconv.Atoi(m[group])
		if err != nil || n > most {
			return 0
		}
		return n
	}
	c := benchCase{
		name: name, kind: kind(m[2] + m[5] + m[7]), gru: m[1] != "",
		clips: number(3, 1, mostSize), frames: number(4, usualFrames, mostSize), neurons: number(6, 1, mostNeurons),
		height: number(8, 18, mostSize), width: number(9, 16, mostSize),
	}
	spec := c.model()
	switch {
	case c.clips < 1 || c.neurons < 1 || c.frames < 1 || c.height < 1 || c.width < 1:
		return benchCase{}, fmt.Errorf("case %q: its numbers must be from 1 to %d, neurons to %d", name, mostSize, mostNeurons)
	case c.frames < spec.leastFrames():
		return benchCase{}, fmt.Errorf("case %q: the model needs at least %d frames", name, spec.leastFrames())
	case min(c.height, c.width) < spec.spatialKernels[0]:
		return benchCase{}, fmt.Errorf("case %q: the model needs at least %[2]d×%[2]d pixels", name, spec.spatialKernels[0])
	}
	return c, nil
}

// parseCases reads names separated by blanks or commas; "none" stands for none.
func parseCases(names string) ([]benchCase, error) {
	if strings.TrimSpace(names) == "none" {
		return nil, nil
	}
	var cases []benchCase
	for _, name := range words(names) {
		c, err := parseCase(name)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("no cases")
	}
	return cases, nil
}

// parseThreads reads numbers separated by blanks or commas.
func parseThreads(text string) ([]int, error) {
	var list []int
	for _, word := range words(text) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 1024 {
			return nil, fmt.Errorf("%q is no number of threads: give numbers from 1 to 1024", word)
		}
		list = append(list, n)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no number of threads")
	}
	return list, nil
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
}

// iterations are those of one call of mei: ten as openretina's visualize makes,
// fewer where the Python package takes seconds for each.
func (c benchCase) iterations() int {
	if c.highRes() {
		return 3
	}
	return 10
}

// pythonNeurons are the neurons that the Python package makes stimuli for: it
// takes them one after another, so two tell the time of all.
func (c benchCase) pythonNeurons() int { return min(c.neurons, 2) }

// warmUps are the calls before the measured ones. The outputs compared are those
// of the last of them.
func (c benchCase) warmUps() int {
	if c.kind == trainStep {
		return 2
	}
	return 1
}

func (c benchCase) highRes() bool { return min(c.height, c.width) >= 32 }

// stimulusShape is (clips, channels, frames, height, width).
func (c benchCase) stimulusShape() []int {
	return []int{c.clips, c.model().channels, c.frames, c.height, c.width}
}
