package train

import (
	"context"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Forecast is what a training will do, as far as can be known without doing it.
type Forecast struct {
	RunDir  string   `json:"run_dir"`
	Device  string   `json:"device"`
	Threads int      `json:"threads"`
	Seed    uint64   `json:"seed"`
	Notes   []string `json:"notes"`

	Files []data.File `json:"files"`
	// Sessions are nil where the data was not read; NoSessions says why.
	Sessions   []SessionForecast `json:"sessions"`
	NoSessions string            `json:"no_sessions,omitempty"`

	// Layers are those of the model; without sessions it has one readout, of
	// StandInNeurons.
	Layers     []models.Layer `json:"layers"`
	Parameters int64          `json:"parameters"`
	Trainable  int64          `json:"trainable"`

	Optimizer    string  `json:"optimizer"`
	LearningRate float64 `json:"learning_rate"`
	Schedule     string  `json:"schedule"`
	Steps        Steps   `json:"steps"`
	Memory       Memory  `json:"memory"`
	Time         Timing  `json:"time"`
}

// SessionForecast is a session of the data.
type SessionForecast struct {
	Name       string         `json:"name"`
	Neurons    int            `json:"neurons"`
	Train      int            `json:"train_clips"`
	Validation int            `json:"validation_clips"`
	Tests      []TestForecast `json:"tests"`
}

// TestForecast is a test stimulus of a session.
type TestForecast struct {
	Name   string `json:"name"`
	Frames int    `json:"frames"`
}

// Steps count what an epoch and the training are made of. Numbers that need the data
// are 0 where it was not read; Epochs is -1 where nothing limits them.
type Steps struct {
	Clips             data.ClipSizes `json:"clips"`
	TrainBatches      int            `json:"train_batches"`
	ValidationBatches int            `json:"validation_batches"`
	Accumulate        int            `json:"accumulate"`
	PerEpoch          int            `json:"per_epoch"`
	Epochs            int            `json:"epochs"`
	Total             int            `json:"total"`
}

// StandInNeurons are those of the one session that stands for sessions which are not
// known.
const StandInNeurons = 100

// standInBatches stand for those of an epoch, which only the length of a schedule
// depends on.
const standInBatches = 100

// quickData is how many bytes of files a forecast reads.
const quickData = 1 << 30

// Forecast says what Run would do, and what it would take. It reads the data where
// that is quick, and trains a copy of the model on random clips for a second. It
// writes nothing.
func (p *Plan) Forecast(ctx context.Context, env Environment) (*Forecast, error) {
	fc := &Forecast{
		RunDir: p.OutputDir, Device: env.Device.String(), Threads: torch.Threads(), Seed: p.Seed, Notes: p.Notes,
		Optimizer: p.optimName, Schedule: p.scheduler.Text,
	}
	options := data.Options{Resolve: env.Resolve, Log: env.Log}
	fc.Files = p.source.Files(ctx, options)
	f := &fitter{Plan: p, data: standIn()}
	if fc.NoSessions = notQuick(fc.Files); fc.NoSessions == "" {
		dataset, err := p.source.Load(ctx, options)
		if err != nil {
			return nil, err
		}
		f.data = dataset
		fc.describeSessions(dataset)
	}
	program := memoryNow()
	var err error
	if f.Model, err = p.newModel(ctx, f.data, env); err != nil {
		return nil, err
	}
	defer f.Model.Close()
	if err := f.addTraining(standInBatches); err != nil {
		return nil, err
	}
	if fc.NoSessions == "" {
		if err := p.fits(f.Model, f.data); err != nil {
			return nil, err
		}
	}
	if err := fc.describeModel(f, program); err != nil {
		return nil, err
	}
	if err := fc.countSteps(f); err != nil {
		return nil, err
	}
	return fc, fc.measure(ctx, f)
}

// standIn is data of one session.
func standIn() *data.Dataset {
	return &data.Dataset{Sessions: []*data.Session{{Name: "SESSION", Neurons: StandInNeurons}}}
}

// notQuick says why files are not read for a forecast.
func notQuick(files []data.File) string {
	bytes := int64(0)
	for _, f := range files {
		switch {
		case f.Missing != "":
			return "the data is not there"
		case f.Packed:
			return fmt.Sprintf("%s would have to be unpacked", f.Path)
		}
		bytes += f.Bytes
	}
	if bytes > quickData {
		return fmt.Sprintf("%.1f GB of data are not read for a forecast", float64(bytes)/1e9)
	}
	return ""
}

func (fc *Forecast) describeSessions(d *data.Dataset) {
	for _, s := range d.Sessions {
		session := SessionForecast{Name: s.Name, Neurons: s.Neurons, Train: s.Train.Clips(), Validation: s.Validation.Clips()}
		for _, test := range s.Tests {
			session.Tests = append(session.Tests, TestForecast{Name: test.Name, Frames: test.Movie.Frames()})
		}
		fc.Sessions = append(fc.Sessions, session)
	}
}

func (fc *Forecast) describeModel(f *fitter, program int64) (err error) {
	clips := f.source.Clips()
	stimulus := f.stimulus(clips.Train)
	if fc.Layers, err = f.Model.Summary(stimulus); err != nil {
		return err
	}
	for _, l := range fc.Layers {
		fc.Parameters += l.Parameters
		fc.Trainable += l.Trainable
	}
	fc.LearningRate = f.Optimizer.LR()
	fc.Memory = Memory{
		Program:        program,
		Parameters:     floatBytes * fc.Parameters,
		Gradients:      floatBytes * fc.Trainable,
		OptimizerState: floatBytes * fc.Trainable * int64(f.Optimizer.StatePerParameter()),
	}
	fc.Memory.TrainingBatch, _ = models.ActivationBytes(fc.Layers, stimulus, clips.Batch)
	return fc.describeValidation(f, clips)
}

// describeValidation reckons with batches of whole scenes, of which only the responses
// are computed.
func (fc *Forecast) describeValidation(f *fitter, clips data.ClipSizes) error {
	stimulus := f.stimulus(clips.Validation)
	layers, err := f.Model.Summary(stimulus)
	if err != nil {
		return err
	}
	_, fc.Memory.ValidationBatch = models.ActivationBytes(layers, stimulus, validationClips(typicalSession(f.data), clips))
	return nil
}

// stimulus is the shape (channels, time, height, width) of a clip.
func (f *fitter) stimulus(frames int) []int64 {
	shape := f.Model.StimulusShape(frames)
	return []int64{int64(shape[1]), int64(shape[2]), int64(shape[3]), int64(shape[4])}
}

func (fc *Forecast) countSteps(f *fitter) error {
	fc.Steps = Steps{Clips: f.source.Clips(), Accumulate: f.Accumulate, Epochs: f.trainer.maxEpochs()}
	if fc.Sessions == nil {
		return nil
	}
	train, err := f.data.TrainLoader(uint32(f.Seed))
	if err != nil {
		return err
	}
	val, err := f.data.ValidationLoader()
	if err != nil {
		return err
	}
	s := &fc.Steps
	s.TrainBatches = f.trainer.LimitTrainBatches.of(train.Batches())
	s.ValidationBatches = f.trainer.LimitValBatches.of(val.Batches())
	s.PerEpoch = (s.TrainBatches + s.Accumulate - 1) / s.Accumulate
	if s.Total = s.PerEpoch * s.Epochs; s.Epochs < 0 || f.trainer.MaxSteps >= 0 && f.trainer.MaxSteps < s.Total {
		s.Total = max(f.trainer.MaxSteps, 0)
	}
	return nil
}
