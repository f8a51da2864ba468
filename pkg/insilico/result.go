package insilico

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Result holds the stimuli of a run, in the order of its targets.
type Result struct {
	// Targets are those that were begun: all, unless the run ended early.
	Targets []Neurons
	// Places are the neurons of each target counted over all sessions of the model,
	// sorted by name.
	Places [][]int
	// Objective has for each target the objective before each step and after the
	// last: one value more than Steps.
	Objective [][]float32
	// Steps made for each target.
	Steps []int
	// Stimulus is (targets, channels, time, height, width), float32.
	Stimulus *ndarray.Array
	// Window is the part of the response that the objective is the mean of.
	Window Window
	// Warnings are to be shown to the user, each a line.
	Warnings []string

	settings *Settings
	place    map[Neuron]int
}

// Window is Length frames from Start on of a response of Frames frames. The last
// frame of a response belongs to the last frame of the stimulus.
type Window struct {
	Start  int64 `json:"start"`
	Length int64 `json:"length"`
	Frames int64 `json:"response_frames"`
}

// newResult makes room for n stimuli.
func newResult(m *models.CoreReadout, c *Settings, n int) (*Result, error) {
	shape := m.StimulusShape(c.Frames)
	shape[0] = n
	stimulus, err := ndarray.New(ndarray.Float32, shape...)
	if err != nil {
		return nil, fmt.Errorf("room for the stimuli: %w", err)
	}
	stimulus.Shape[0], stimulus.Data = 0, stimulus.Data[:0]
	all, err := AllNeurons(m, "")
	if err != nil {
		return nil, err
	}
	r := &Result{Stimulus: stimulus, settings: c, place: make(map[Neuron]int, len(all))}
	for i, neuron := range all {
		r.place[neuron] = i
	}
	return r, nil
}

// warn keeps a message, if there is one and once.
func (r *Result) warn(message string) {
	if message != "" && !slices.Contains(r.Warnings, message) {
		r.Warnings = append(r.Warnings, message)
	}
}

// add appends the stimuli of a batch.
func (r *Result) add(targets []Neurons, rows [][]float32, stimuli []float32) error {
	part, err := ndarray.FromFloat32(stimuli, len(stimuli))
	if err != nil {
		return err
	}
	r.Stimulus.Data = append(r.Stimulus.Data, part.Data...)
	r.Stimulus.Shape[0] += len(targets)
	for i, target := range targets {
		places := make([]int, len(target))
		for j, n := range target {
			places[j] = r.place[n]
		}
		r.Targets = append(r.Targets, target)
		r.Places = append(r.Places, places)
		r.Objective = append(r.Objective, rows[i])
		r.Steps = append(r.Steps, len(rows[i])-1)
	}
	return nil
}

// Meta is what a record says about the model.
type Meta struct {
	// Model is the name or path that was asked for, ModelDigest its content's.
	Model       string `json:"model"`
	ModelDigest string `json:"model_digest"`
	// CenterReadout tells that the readouts were moved to the middle of the features.
	CenterReadout bool `json:"center_readout,omitempty"`
}

// The files of a result in its directory.
const (
	ArraysFile = "mei.npz"
	RecordFile = "mei.json"
)

// Write writes the result into a directory, which is made if need be.
//
// mei.npz: stimulus (N, channels, time, height, width) and objective (N, steps+1)
// as float32, the rows of stimuli that ended early padded with NaN, and steps (N)
// as int64. mei.json: model, seed, window, settings, and a list entry for each neuron:
// its session, its place there, its place over all sessions, and the stimulus it
// belongs to, all from 0.
func (r *Result) Write(dir string, meta Meta) error {
	if len(r.Targets) == 0 {
		return errors.New("there are no stimuli to write")
	}
	if err := fileio.MkdirAll(dir); err != nil {
		return err
	}
	objective, steps, err := r.arrays()
	if err != nil {
		return err
	}
	err = npy.WriteZipFile(filepath.Join(dir, ArraysFile), []npy.Named{
		{Name: "stimulus", Array: r.Stimulus}, {Name: "objective", Array: objective}, {Name: "steps", Array: steps},
	})
	if err != nil {
		return err
	}
	return fileio.WriteJSON(filepath.Join(dir, RecordFile), r.record(meta))
}

// arrays are the objective, padded, and the steps.
func (r *Result) arrays() (objective, steps *ndarray.Array, err error) {
	width := r.settings.Steps() + 1
	padded := make([]float32, 0, len(r.Targets)*width)
	counts := make([]int64, len(r.Targets))
	for i, row := range r.Objective {
		padded = append(padded, row...)
		for range width - len(row) {
			padded = append(padded, float32(math.NaN()))
		}
		counts[i] = int64(r.Steps[i])
	}
	if objective, err = ndarray.FromFloat32(padded, len(r.Targets), width); err != nil {
		return nil, nil, err
	}
	steps, err = ndarray.FromInt64(counts, len(counts))
	return objective, steps, err
}

// record is the content of mei.json.
func (r *Result) record(meta Meta) any {
	record := struct {
		Meta
		Seed     uint64   `json:"seed"`
		Sessions []string `json:"sessions"`
		Neurons  []int    `json:"neurons"`
		Places   []int    `json:"neurons_over_all_sessions"`
		Stimulus []int    `json:"stimulus"`
		Window   Window   `json:"window"`
		Warnings []string `json:"warnings,omitempty"`
		Settings any      `json:"settings"`
	}{Meta: meta, Seed: r.settings.Seed, Window: r.Window, Warnings: r.Warnings}
	if r.settings.Node != nil {
		record.Settings = r.settings.Node
	}
	for i, target := range r.Targets {
		record.Places = append(record.Places, r.Places[i]...)
		for _, n := range target {
			record.Sessions = append(record.Sessions, n.Session)
			record.Neurons = append(record.Neurons, n.Index)
			record.Stimulus = append(record.Stimulus, i)
		}
	}
	return record
}
