package train

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/data"
)

// Memory is what a training takes, in bytes. Program and TrialPeak are measured, the
// others reckoned.
type Memory struct {
	// Program is what the process has before there is a model, data included.
	Program        int64 `json:"program"`
	Parameters     int64 `json:"parameters"`
	Gradients      int64 `json:"gradients"`
	OptimizerState int64 `json:"optimizer_state"`
	// TrainingBatch and ValidationBatch are what the layers make of one.
	TrainingBatch   int64 `json:"training_batch"`
	ValidationBatch int64 `json:"validation_batch"`
	// TrialPeak is the largest size of this process by the end of the trial; 0 where
	// the system does not tell.
	TrialPeak int64 `json:"trial_peak"`
}

// Total is the sum; training and validation take turns.
func (m Memory) Total() int64 {
	return m.Program + m.Parameters + m.Gradients + m.OptimizerState + max(m.TrainingBatch, m.ValidationBatch)
}

// Timing is what a trial on random clips took, in seconds, and what follows for the
// training; 0 where the data is not known.
type Timing struct {
	Batch           float64 `json:"batch_s"`
	ValidationBatch float64 `json:"validation_batch_s"`
	Epoch           float64 `json:"epoch_s"`
	Total           float64 `json:"total_s"`
}

const floatBytes = 4

// trialTime is how long training steps are repeated, after one to warm up; the
// responses of validation batches too.
const trialTime = time.Second / 2

// measure trains on random clips for about a second. The model is of no use after it.
func (fc *Forecast) measure(ctx context.Context, f *fitter) error {
	clips := f.source.Clips()
	session := typicalSession(f.data)
	batch := f.randomBatch(session, clips.Batch, clips.Train)
	step := func() error {
		_, err := f.Step(ctx, batch, true)
		return err
	}
	var err error
	if fc.Time.Batch, err = secondsOf(step); err != nil {
		return err
	}
	held := f.randomBatch(session, validationClips(session, clips), clips.Validation)
	if fc.Time.ValidationBatch, err = secondsOf(func() error {
		_, err := evaluateBatch(ctx, f.Model, held)
		return err
	}); err != nil {
		return err
	}
	fc.Memory.TrialPeak = memoryPeak()
	s := fc.Steps
	fc.Time.Epoch = float64(s.TrainBatches)*fc.Time.Batch +
		float64(s.ValidationBatches)*fc.Time.ValidationBatch/f.trainer.epochsPerValidation(s.TrainBatches)
	if s.PerEpoch > 0 {
		fc.Time.Total = fc.Time.Epoch * float64(s.Total) / float64(s.PerEpoch)
	}
	return nil
}

// secondsOf is how long a call takes once it has run before: the mean over trialTime.
func secondsOf(call func() error) (float64, error) {
	if err := call(); err != nil {
		return 0, err
	}
	started := time.Now()
	for calls := 1; ; calls++ {
		if err := call(); err != nil {
			return 0, err
		}
		if taken := time.Since(started); taken >= trialTime {
			return taken.Seconds() / float64(calls), nil
		}
	}
}

// typicalSession is the one whose number of neurons is nearest to the mean.
func typicalSession(d *data.Dataset) *data.Session {
	mean := d.Neurons() / len(d.Sessions)
	best := d.Sessions[0]
	for _, s := range d.Sessions {
		if abs(s.Neurons-mean) < abs(best.Neurons-mean) {
			best = s
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// validationClips are those of one batch.
func validationClips(s *data.Session, clips data.ClipSizes) int {
	if n := s.Validation.Clips(); n > 0 {
		return min(n, clips.Batch)
	}
	return clips.Batch
}

// randomBatch has stimuli and responses of about the usual size.
func (f *fitter) randomBatch(s *data.Session, clips, frames int) *data.Batch {
	shape := f.stimulus(frames)
	b := &data.Batch{
		Session: s.Name, Clips: clips, Channels: int(shape[0]), Frames: frames, Height: int(shape[2]), Width: int(shape[3]),
		Neurons: s.Neurons,
	}
	rng := rand.New(rand.NewPCG(f.Seed, 0))
	b.Inputs = make([]float32, clips*b.Channels*frames*b.Height*b.Width)
	for i := range b.Inputs {
		b.Inputs[i] = float32(rng.NormFloat64())
	}
	b.Targets = make([]float32, clips*frames*s.Neurons)
	for i := range b.Targets {
		b.Targets[i] = rng.Float32()
	}
	return b
}

// memoryNow is the resident size of this process in bytes, memoryPeak the largest so
// far; 0 where the system does not tell.
func memoryNow() int64  { return processStatus("VmRSS:") }
func memoryPeak() int64 { return processStatus("VmHWM:") }

func processStatus(field string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), field)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	kilobytes, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
