package insilico

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Record is a result as Result.Write left it in a directory.
type Record struct {
	Meta
	Seed    uint64
	Targets []Neurons
	// Window is the part of the response that the objective was the mean of.
	Window Window
	// Settings are nil where the result was made by settings without a Node.
	Settings *Settings
	// Stimulus is (targets, channels, time, height, width), float32.
	Stimulus *ndarray.Array
}

// ReadRecord reads the record and the stimuli of a directory. The error wraps
// fs.ErrNotExist where it has none.
func ReadRecord(dir string) (*Record, error) {
	path := filepath.Join(dir, RecordFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var content struct {
		Meta
		Seed     uint64          `json:"seed"`
		Sessions []string        `json:"sessions"`
		Neurons  []int           `json:"neurons"`
		Stimulus []int           `json:"stimulus"`
		Window   Window          `json:"window"`
		Settings json.RawMessage `json:"settings"`
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Record{Meta: content.Meta, Seed: content.Seed, Window: content.Window}
	if r.Stimulus, err = readStimuli(filepath.Join(dir, ArraysFile)); err != nil {
		return nil, err
	}
	if r.Targets, err = recordedTargets(content.Sessions, content.Neurons, content.Stimulus, r.Stimulus.Shape[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Settings, err = recordedSettings(path, content.Settings)
	return r, err
}

// Clip copies the stimulus of target i.
func (r *Record) Clip(i int) []float32 {
	size := len(r.Stimulus.Data) / r.Stimulus.Shape[0]
	clip := ndarray.Array{DType: r.Stimulus.DType, Shape: r.Stimulus.Shape[1:], Data: r.Stimulus.Data[i*size : (i+1)*size]}
	return clip.Float32s()
}

func readStimuli(path string) (*ndarray.Array, error) {
	arrays, err := npy.ReadZipFile(path)
	if err != nil {
		return nil, err
	}
	stimulus, err := npy.Find(arrays, "stimulus")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(stimulus.Shape) != 5 || stimulus.DType != ndarray.Float32 {
		return nil, fmt.Errorf("%s: stimulus is %s of shape %v, want float32 (stimuli, channels, time, height, width)",
			path, stimulus.DType, stimulus.Shape)
	}
	return stimulus, nil
}

// recordedTargets puts together the neurons of each of n stimuli.
func recordedTargets(sessions []string, neurons, stimulus []int, n int) ([]Neurons, error) {
	if len(sessions) != len(neurons) || len(stimulus) != len(neurons) {
		return nil, fmt.Errorf("%d sessions, %d neurons and %d stimuli", len(sessions), len(neurons), len(stimulus))
	}
	targets := make([]Neurons, n)
	for i, s := range stimulus {
		if s < 0 || s >= n || neurons[i] < 0 {
			return nil, fmt.Errorf("neuron %d of stimulus %d, of which there are %d", neurons[i], s, n)
		}
		targets[s] = append(targets[s], Neuron{Session: sessions[i], Index: neurons[i]})
	}
	for s, target := range targets {
		if len(target) == 0 {
			return nil, fmt.Errorf("stimulus %d belongs to no neuron", s)
		}
	}
	return targets, nil
}

func recordedSettings(path string, text []byte) (*Settings, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	node, err := config.FromYAML(path, text) // JSON is YAML
	if err != nil {
		return nil, err
	}
	s, err := FromConfig(node)
	if refused := (*config.Error)(nil); errors.As(err, &refused) {
		// The file is the program's, not a config of the user.
		return nil, fmt.Errorf("%s: %s", path, refused.Message)
	}
	return s, err
}
