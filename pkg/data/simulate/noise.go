package simulate

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
	"github.com/open-retina/openretina-go/pkg/data/simulate/internal/retina"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// NoiseOptions are the settings of the Python package's create-data. A zero value
// stands for its default.
type NoiseOptions struct {
	Seed       uint64
	NumColors  int // 3, channels of the stimuli
	NumStimuli int // 4
	// NumSessions (2) of 10 to 29 neurons each.
	NumSessions int
	// ClipLength (75) frames; stimulus i has 70 + i clips.
	ClipLength int
	Progress   func(done, total int)
}

// Sizes of the noise data set.
const (
	noiseHeight   = 16
	noiseWidth    = 8
	firstClips    = 70
	fewestNeurons = 10
	neuronChoices = 20
	cellTypeCodes = 40
)

func (o NoiseOptions) withDefaults() (NoiseOptions, error) {
	for _, size := range []struct {
		name           string
		value          *int
		standard, most int
	}{
		{"num-colors", &o.NumColors, 3, 100},
		{"num-stimuli", &o.NumStimuli, 4, 1000},
		{"num-sessions", &o.NumSessions, 2, 1000},
		{"clip-length", &o.ClipLength, 75, 10000},
	} {
		if *size.value == 0 {
			*size.value = size.standard
		}
		if *size.value < 1 || *size.value > size.most {
			return o, fmt.Errorf("noise data: %s is %d, want 1 to %d", size.name, *size.value, size.most)
		}
	}
	return o, nil
}

// WriteNoise makes the data set of the Python package's create-data in dir, with
// its names, shapes and element types: normal noise, and neurons that sum one
// colour over a square and smooth the sum in time.
func WriteNoise(ctx context.Context, dir string, options NoiseOptions) error {
	o, err := options.withDefaults()
	if err != nil {
		return err
	}
	var files []string
	for i := range o.NumStimuli {
		files = append(files, stimulusFile(noiseName(i)))
	}
	for session := range o.NumSessions {
		files = append(files, sessionFile(session))
	}
	if err := claim(dir, manifest{Kind: "noise", Seed: o.Seed, Files: files}); err != nil {
		return err
	}
	step := counter(o.Progress, o.NumStimuli)
	sessions := newNoiseSessions(o)
	for i := range o.NumStimuli { // one stimulus in memory at a time
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := o.stimulus(dir, i, sessions); err != nil {
			return err
		}
		step()
	}
	for i := range sessions {
		if err := writeHDF5(filepath.Join(dir, sessionFile(i)), sessions[i].write(o)); err != nil {
			return err
		}
	}
	return nil
}

func noiseName(stimulus int) string { return fmt.Sprintf("random_noise_%d", stimulus) }

// frames is the length of a stimulus.
func (o NoiseOptions) frames(stimulus int) int { return (firstClips + stimulus) * o.ClipLength }

// stimulus writes one stimulus and lets every neuron respond to it.
func (o NoiseOptions) stimulus(dir string, i int, sessions []noiseSession) error {
	shape := []int{o.NumColors, o.frames(i), noiseHeight, noiseWidth}
	values := make([]float64, shape[0]*shape[1]*shape[2]*shape[3])
	stream := retina.NewStream(o.Seed, "noise", i)
	for j := range values {
		values[j] = stream.Normal()
	}
	a, err := ndarray.FromFloat64(values, shape...)
	if err != nil {
		return err
	}
	for s := range sessions {
		sessions[s].respond(values, o.frames(i))
	}
	return npy.WriteFile(filepath.Join(dir, stimulusFile(noiseName(i))), a)
}

// noiseSession is the neurons of a session and what they answered so far.
type noiseSession struct {
	neurons   []noiseNeuron
	types     []int64
	responses [][]float64 // of each stimulus (neurons, frames)
}

// noiseNeuron sums one colour over a square and averages over some frames.
type noiseNeuron struct {
	colour, row, column, size, window int
	scale, offset                     float64
}

func newNoiseSessions(o NoiseOptions) []noiseSession {
	sessions := make([]noiseSession, o.NumSessions)
	for s := range sessions {
		stream := retina.NewStream(o.Seed, "noise neurons", s)
		n := fewestNeurons + stream.IntN(neuronChoices)
		for range n {
			sessions[s].types = append(sessions[s].types, int64(stream.IntN(cellTypeCodes)))
			sessions[s].neurons = append(sessions[s].neurons, noiseNeuron{
				colour: stream.IntN(o.NumColors), row: stream.IntN(noiseHeight - 1), column: stream.IntN(noiseWidth - 1),
				size: 2 + stream.IntN(4), window: 3 + stream.IntN(4),
				scale: stream.Between(0.5, 1.5), offset: stream.Uniform(),
			})
		}
	}
	return sessions
}

// respond appends the session's responses to a stimulus.
func (s *noiseSession) respond(stimulus []float64, frames int) {
	responses := make([]float64, 0, len(s.neurons)*frames)
	for _, n := range s.neurons {
		responses = append(responses, n.respond(stimulus, frames)...)
	}
	s.responses = append(s.responses, responses)
}

// respond is the neuron's response (frames); squares end at the picture's edge,
// windows at the movie's.
func (n noiseNeuron) respond(stimulus []float64, frames int) []float64 {
	sums := make([]float64, frames)
	for t := range sums {
		for y := n.row; y < min(n.row+n.size, noiseHeight); y++ {
			for x := n.column; x < min(n.column+n.size, noiseWidth); x++ {
				sums[t] += stimulus[((n.colour*frames+t)*noiseHeight+y)*noiseWidth+x]
			}
		}
	}
	responses := make([]float64, frames)
	for t := range responses {
		total := 0.0
		first := t - n.window/2
		for u := max(first, 0); u < min(first+n.window, frames); u++ {
			total += sums[u]
		}
		responses[t] = float64(n.scale*total)/float64(n.window) + n.offset
	}
	return responses
}

// write writes a session file.
func (s *noiseSession) write(o NoiseOptions) func(*hdf5.Writer) error {
	return func(f *hdf5.Writer) error {
		n := len(s.neurons)
		for i, responses := range s.responses {
			if err := hdf5.Put(f, "responses_"+noiseName(i), []int{n, o.frames(i)}, responses, hdf5.Layout{}); err != nil {
				return err
			}
		}
		return hdf5.Put(f, "session_info/celltypes", []int{n}, s.types, hdf5.Layout{})
	}
}
