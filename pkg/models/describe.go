package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sort"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// Description is what a file says of the model in it, whether that can be rebuilt
// here or not. What the file does not say is empty.
type Description struct {
	// Format is the form of the file, WrittenBy the program.
	Format    checkpoint.Format `json:"format"`
	WrittenBy string            `json:"written_by,omitempty"`
	// Problem is why the model cannot be used here; empty where it can.
	Problem string `json:"problem,omitempty"`

	// Class, Core and Readout are the Python package's names.
	Class   string `json:"class,omitempty"`
	Core    string `json:"core,omitempty"`
	Readout string `json:"readout,omitempty"`
	// Kernels are the convolutions, in the order of the state dict.
	Kernels []Kernel `json:"kernels,omitempty"`
	// Parameters and Buffers count the values of the state dict.
	Parameters int64 `json:"parameters"`
	Buffers    int64 `json:"buffers"`
	// InShape is the stimulus that the model was made with (channels, frames, height,
	// width); CutFrames how many frames a response is shorter than its stimulus.
	InShape   []int64 `json:"in_shape,omitempty"`
	CutFrames *int64  `json:"cut_frames,omitempty"`
	// InputDim and HiddenDim are the neurons and hidden units of a sparse autoencoder.
	InputDim  int64 `json:"input_dim,omitempty"`
	HiddenDim int64 `json:"hidden_dim,omitempty"`

	Sessions []DescribedSession `json:"sessions,omitempty"`
	// Score is that of all sessions' neurons.
	Score *DescribedScore `json:"score,omitempty"`
	// Data are the facts of data_info about the data as a whole, a JSON object.
	Data     json.RawMessage    `json:"data,omitempty"`
	Training *DescribedTraining `json:"training,omitempty"`
}

// Kernel is a convolution of a model.
type Kernel struct {
	// Name is that of its layer in the state dict.
	Name string `json:"name"`
	In   int64  `json:"in_channels"`
	Out  int64  `json:"out_channels"`
	// Time is 0 where the file does not tell: the separable convolution keeps waves.
	Time   int64 `json:"time"`
	Height int64 `json:"height"`
	Width  int64 `json:"width"`
}

// DescribedSession is a session that a model has neurons of.
type DescribedSession struct {
	Name    string          `json:"name"`
	Neurons int64           `json:"neurons"`
	Score   *DescribedScore `json:"score,omitempty"`
}

// DescribedScore sums up the scores that a training stored of neurons.
type DescribedScore struct {
	Metric string `json:"metric,omitempty"`
	// Mean and Median are over those that are numbers, N of all Of; nil where N is 0.
	Mean   *float64 `json:"mean"`
	Median *float64 `json:"median"`
	N      int      `json:"n"`
	Of     int      `json:"of"`
}

// DescribedTraining is how far a model was trained, and by what.
type DescribedTraining struct {
	Epoch      int64 `json:"epoch"`
	GlobalStep int64 `json:"global_step"`
	// Optimizer and Schedule are classes with their settings, JSON objects; they are
	// empty where the file does not have their state.
	Optimizer json.RawMessage `json:"optimizer,omitempty"`
	Schedule  json.RawMessage `json:"lr_scheduler,omitempty"`
	// Callbacks are the names under which callbacks left their state.
	Callbacks []string `json:"callbacks,omitempty"`
	// Resumable tells that openretina can go on to the same bits.
	Resumable bool `json:"resumable"`
}

// Describe reads a description off the content of the file at path. It rebuilds the
// model, where that is possible, to see that it fits its weights.
func Describe(c *checkpoint.Checkpoint, path string) (*Description, error) {
	hyper := c.HyperParameters
	if hyper == nil {
		hyper = &pickle.Dict{}
	}
	d := &Description{Format: c.Format, InShape: integers(hyper, "in_shape")}
	d.describeProgram(c)
	d.describeArchitecture(c, hyper)
	info, _ := entry[*pickle.Dict](hyper, "data_info")
	if info == nil {
		info = &pickle.Dict{}
	}
	d.describeSessions(hyper, info)
	if n, ok := entry[int64](info, "model_cut_frames"); ok {
		d.CutFrames = &n
	}
	var err error
	if d.Data, err = rawJSON(dataFacts(info)); err != nil {
		return nil, fmt.Errorf("data_info: %w", err)
	}
	if d.Training, err = describeTraining(c, hyper); err != nil {
		return nil, err
	}
	d.tryModel(c, filepath.Dir(path))
	return d, nil
}

// tryModel rebuilds the model, and measures what it cuts.
func (d *Description) tryModel(c *checkpoint.Checkpoint, beside string) {
	if HoldsAutoencoder(c) {
		a, err := AutoencoderFrom(c, Options{})
		if err != nil {
			d.Problem = firstProblem(err)
			return
		}
		d.InputDim, d.HiddenDim = a.InputDim, a.HiddenDim
		a.Close()
		return
	}
	m, err := FromCheckpoint(c, Options{beside: beside})
	if err != nil {
		d.Problem = firstProblem(err)
		return
	}
	defer m.Close()
	frames := int(m.InShape[1])
	cut := int64(frames - m.ResponseFrames(frames))
	d.CutFrames = &cut
	if d.Sessions == nil { // the classes of single cells store none
		for _, name := range m.Sessions() {
			d.Sessions = append(d.Sessions, DescribedSession{Name: name, Neurons: int64(m.readouts[name].NumNeurons())})
		}
	}
}

// firstProblem is the first of the problems that an error lists.
func firstProblem(err error) string {
	if problems := config.ErrorList(nil); errors.As(err, &problems) && len(problems) > 1 {
		return fmt.Sprintf("%v (and %d more problems)", problems[0], len(problems)-1)
	}
	return err.Error()
}

func (d *Description) describeProgram(c *checkpoint.Checkpoint) {
	if c.LightningVersion == "" {
		return
	}
	d.WrittenBy = "Lightning " + c.LightningVersion
	if c.Extra != nil {
		if _, ours := c.Extra.Get(checkpoint.ResumeKey); ours {
			d.WrittenBy = "openretina, in the form of Lightning " + c.LightningVersion
		}
	}
}

// entry is an entry of a dict if it is of a type.
func entry[T any](d *pickle.Dict, key string) (value T, ok bool) {
	raw, found := d.Get(key)
	if !found {
		return value, false
	}
	value, ok = raw.(T)
	return value, ok
}

// integers is a list of integers; nil where there is none.
func integers(d *pickle.Dict, key string) []int64 {
	v, _ := d.Get(key)
	items, ok := v.([]any)
	if tuple, isTuple := v.(pickle.Tuple); isTuple {
		items, ok = tuple, true
	}
	if !ok {
		return nil
	}
	list := make([]int64, len(items))
	for i, item := range items {
		if list[i], ok = item.(int64); !ok {
			return nil
		}
	}
	return list
}

// describeSessions takes the neurons, and the scores of the test after training.
func (d *Description) describeSessions(hyper, info *pickle.Dict) {
	neurons, ok := entry[*pickle.Dict](hyper, "n_neurons_dict")
	if !ok {
		if neurons, ok = entry[*pickle.Dict](info, "n_neurons_dict"); !ok {
			return
		}
	}
	metric, _ := entry[string](info, "pretrained_performance_metric")
	performance, scored := entry[*pickle.Dict](info, "pretrained_performance")
	var all []float64
	for _, name := range neurons.Keys() {
		s := DescribedSession{Name: name}
		s.Neurons, _ = entry[int64](neurons, name)
		if scored {
			if values, ok := scores(performance, name); ok {
				s.Score = summarize("", values)
				all = append(all, values...)
			}
		}
		d.Sessions = append(d.Sessions, s)
	}
	sort.SliceStable(d.Sessions, func(i, j int) bool { return d.Sessions[i].Name < d.Sessions[j].Name })
	if all != nil {
		d.Score = summarize(metric, all)
	}
}

// scores are those of a session's neurons, or the one of all of them.
func scores(performance *pickle.Dict, session string) ([]float64, bool) {
	v, _ := performance.Get(session)
	if number, ok := v.(float64); ok {
		return []float64{number}, true
	}
	a, ok := checkpoint.Array(v)
	if list, isList := v.([]any); isList { // of JSON without types
		a, ok = arrayOf(list), true
	}
	if !ok || a == nil {
		return nil, false
	}
	return a.Float64s(), true
}

func arrayOf(list []any) *ndarray.Array {
	values := make([]float64, len(list))
	for i, item := range list {
		v, ok := item.(float64)
		if !ok {
			v = math.NaN()
		}
		values[i] = v
	}
	a, _ := ndarray.FromFloat64(values, len(values)) // a vector fits its length
	return a
}

func summarize(metric string, values []float64) *DescribedScore {
	s := &DescribedScore{Metric: metric, Of: len(values)}
	sum, numbers := 0.0, []float64{}
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			sum += v
			numbers = append(numbers, v)
		}
	}
	if s.N = len(numbers); s.N == 0 {
		return s
	}
	sort.Float64s(numbers)
	mean, median := sum/float64(s.N), (numbers[(s.N-1)/2]+numbers[s.N/2])/2
	s.Mean, s.Median = &mean, &median
	return s
}

// dataFacts are the entries of data_info that are not about single sessions.
func dataFacts(info *pickle.Dict) *pickle.Dict {
	facts := &pickle.Dict{}
	for _, key := range info.Keys() {
		switch key {
		case "n_neurons_dict", "mean_activity_dict", "sessions_kwargs", "pretrained_performance",
			"pretrained_performance_metric", "model_cut_frames":
			continue
		}
		v, _ := info.Get(key)
		facts.SetString(key, v)
	}
	return facts
}

// rawJSON is a tree as JSON; nil where it is empty.
func rawJSON(d *pickle.Dict) (json.RawMessage, error) {
	if d == nil || d.Len() == 0 {
		return nil, nil
	}
	return checkpoint.EncodeHyperParameters(d)
}
