package models

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/sta"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// SpatialContrastConfig are the arguments of SpatialContrastCoreReadout.
type SpatialContrastConfig struct {
	InShape            []int64      `yaml:"in_shape,required"`
	NNeuronsDict       *config.Node `yaml:"n_neurons_dict,runtime"`
	STADir             string       `yaml:"sta_dir,required"`
	STAFilePattern     string       `yaml:"sta_file_pattern"`
	FlipSTA            bool         `yaml:"flip_sta"`
	TemporalCropFrames *int         `yaml:"temporal_crop_frames"`
	SigmaContour       float64      `yaml:"sigma_contour"`
	CutFirstNFrames    int64        `yaml:"cut_first_n_frames"`
	WInit              float64      `yaml:"w_init"`
	AInit              float64      `yaml:"a_init"`
	BInit              float64      `yaml:"b_init"`
	CInit              float64      `yaml:"c_init"`
	LearningRate       float64      `yaml:"learning_rate"`
	NeuronChunkSize    int64        `yaml:"neuron_chunk_size"`
	Loss               *config.Node `yaml:"loss" of:"loss"`
	EvaluationLoss     *config.Node `yaml:"evaluation_loss" of:"loss"`
}

func defaultSpatialContrast() SpatialContrastConfig {
	frames := 30
	return SpatialContrastConfig{
		STAFilePattern:     "cell_data_{retina_index}_WN_stas_cell_{cell_index}.npy",
		TemporalCropFrames: &frames, SigmaContour: 3, AInit: 4, BInit: 1, CInit: -5, LearningRate: 0.01, NeuronChunkSize: 32,
	}
}

// Validate refuses what no filters can be made for.
func (c *SpatialContrastConfig) Validate() error {
	var refused config.Refusals
	refuseFilters(&refused, c.InShape, c.TemporalCropFrames, c.SigmaContour)
	refused.Unless(c.CutFirstNFrames >= 0, "cut_first_n_frames", "cut_first_n_frames must not be negative, got %d", c.CutFirstNFrames)
	refused.Unless(c.NeuronChunkSize >= 1, "neuron_chunk_size", "neuron_chunk_size must be at least 1, got %d", c.NeuronChunkSize)
	_, err := c.staFile("session", 0)
	refused.Unless(err == nil, "sta_file_pattern", "sta_file_pattern: %v", err)
	return refused.Err()
}

// refuseFilters checks what both classes of spatial contrast models ask of filters.
func refuseFilters(refused *config.Refusals, inShape []int64, frames *int, sigmas float64) {
	refused.Unless(isStimulusShape(inShape) && inShape[0] == 1, "in_shape",
		"in_shape must be [1, time, height, width], got %v: spatial contrast models see one channel, such as the mean of several", inShape)
	refused.Unless(frames == nil || *frames >= 1, "temporal_crop_frames", "temporal_crop_frames must be at least 1, or null for all frames")
	refused.Unless(sigmas > 0, "sigma_contour", "sigma_contour must be positive, got %v", sigmas)
}

// placeholder is one of sta_file_pattern, with Python's format of a number or without.
var placeholder = regexp.MustCompile(`\{(\w*)(?::(0?\d*)d?)?\}`)

// staFile is the name of a cell's STA file.
func (c *SpatialContrastConfig) staFile(session string, cell int64) (string, error) {
	var err error
	name := placeholder.ReplaceAllStringFunc(c.STAFilePattern, func(text string) string {
		part := placeholder.FindStringSubmatch(text)
		switch part[1] {
		case "retina_index":
			return session
		case "cell_index":
			digits := strconv.FormatInt(cell, 10)
			if part[2] != "" {
				digits = fmt.Sprintf("%"+part[2]+"d", cell)
			}
			return digits
		}
		err = fmt.Errorf("%s is none of {retina_index} and {cell_index}", text)
		return text
	})
	if err == nil && strings.ContainsAny(name, "{}") {
		err = fmt.Errorf("%q has a brace that opens or closes nothing", c.STAFilePattern)
	}
	return name, err
}

// spatialContrastFamily is SpatialContrastCoreReadout: no core, and a readout for each
// session with the filters of its cells' STAs, which it gets from their files or, of a
// model that is restored, from the checkpoint.
type spatialContrastFamily struct {
	SpatialContrastConfig

	// filters gives those of a session.
	filters func(Session) (*contrastFilters, error)
}

func newSpatialContrastFamily(c SpatialContrastConfig) spatialContrastFamily {
	return spatialContrastFamily{c, c.readFilters}
}

func (f spatialContrastFamily) conventions() Conventions { return unifiedFamily{}.conventions() }

// check leaves the STA files alone, which are data.
func (f spatialContrastFamily) check() error {
	f.filters = func(s Session) (*contrastFilters, error) {
		return emptyFilters(s.Neurons, f.InShape[2], f.InShape[3], 1), nil
	}
	return checkBuilt(f, nil)
}

// averagePoisson is the default loss of spatial contrast models.
func averagePoisson() poissonLoss {
	l := defaultPoisson()
	l.Avg = true
	return l
}

func emptyFilters(neurons int, height, width, frames int64) *contrastFilters {
	n := int64(neurons)
	return &contrastFilters{
		spatial: make([]float32, n*height*width), temporal: make([]float32, n*frames),
		height: height, width: width, frames: frames,
	}
}

func (f spatialContrastFamily) fill(m *CoreReadout, sessions []Session, fresh bool) (err error) {
	m.InShape, m.LearningRate, m.Core, m.lossModules = f.InShape, f.LearningRate, dummyCore{f.CutFirstNFrames}, true
	// A sum would grow with the number of neurons, and the rates with it.
	if m.Loss, err = lossOr(f.Loss, averagePoisson()); err != nil {
		return err
	}
	if m.EvaluationLoss, err = lossOr(f.EvaluationLoss, m.EvaluationLoss); err != nil {
		return err
	}
	frames, of := int64(0), ""
	var gains []*torch.Tensor
	m.Conventions.AfterStep = func(s *torch.Scope) { keepPositive(s, gains...) }
	return m.addReadouts(func(p nn.Path, session Session) (Readout, error) {
		filters, err := f.filters(session)
		if err != nil {
			return nil, err
		}
		if of != "" && filters.frames != frames {
			return nil, config.Refuse("temporal_crop_frames",
				"the temporal filters of session %s have %d frames, those of %s %d: set temporal_crop_frames to the least",
				session.Name, filters.frames, of, frames)
		}
		frames, of = filters.frames, session.Name
		r, err := newSpatialContrast(p, session, filters, contrastInit{f.WInit, f.AInit, f.BInit, f.CInit}, f.NeuronChunkSize)
		if err != nil {
			return nil, err
		}
		gains = append(gains, r.a)
		if fresh {
			r.cells = session.cells()
		}
		return r, nil
	}, sessions)
}

// cells are the numbers of the neurons in the recording.
func (s Session) cells() []int64 {
	if s.Cells != nil {
		return s.Cells
	}
	cells := make([]int64, s.Neurons)
	for i := range cells {
		cells[i] = int64(i)
	}
	return cells
}

// hyper are the arguments as they are.
func (f spatialContrastFamily) hyper(m *CoreReadout) (*config.Node, error) {
	n, err := config.FromValue(f.SpatialContrastConfig)
	if err != nil {
		return nil, err
	}
	return n, n.Set("n_neurons_dict", neuronsOf(m))
}

// readFilters makes a session's filters of its cells' STA files.
func (c SpatialContrastConfig) readFilters(s Session) (*contrastFilters, error) {
	dir, err := hub.Local(c.STADir, "")
	if err != nil {
		return nil, config.Refuse("sta_dir", "sta_dir: %v", err)
	}
	o := sta.Options{
		Flip: c.FlipSTA, Height: int(c.InShape[2]), Width: int(c.InShape[3]),
		Frames: framesOf(c.TemporalCropFrames), SigmaContour: c.SigmaContour,
	}
	cells := s.cells()
	if len(cells) != s.Neurons {
		return nil, fmt.Errorf("%d neurons, but %d cell_indices", s.Neurons, len(cells))
	}
	all := &contrastFilters{height: c.InShape[2], width: c.InShape[3]}
	first := ""
	for _, cell := range cells {
		name, err := c.staFile(s.Name, cell)
		if err != nil {
			return nil, config.Refuse("sta_file_pattern", "sta_file_pattern: %v", err)
		}
		f, err := sta.ReadFilters(filepath.Join(dir, name), o)
		if err != nil {
			return nil, err
		}
		if first == "" {
			first, all.frames = name, int64(len(f.Temporal))
		} else if int64(len(f.Temporal)) != all.frames {
			return nil, config.Refuse("temporal_crop_frames",
				"STA %s has %d frames, %s has %d: set temporal_crop_frames to the least", name, len(f.Temporal), first, all.frames)
		}
		all.spatial, all.temporal = append(all.spatial, f.Spatial...), append(all.temporal, f.Temporal...)
	}
	return all, nil
}

// framesOf is temporal_crop_frames as an option of sta: 0 for all.
func framesOf(frames *int) int {
	if frames == nil {
		return 0
	}
	return *frames
}

// readStoredSpatialContrast reads the arguments that a checkpoint holds; its core and
// readout, pickled whole beside them, are left alone.
func readStoredSpatialContrast(hyper *config.Node) (Family, error) {
	c := struct {
		SpatialContrastConfig `yaml:",inline"`

		Core     *config.Node `yaml:"core"`
		Readout  *config.Node `yaml:"readout"`
		DataInfo *config.Node `yaml:"data_info"`
	}{SpatialContrastConfig: defaultSpatialContrast()}
	err := hyper.Read(&c)
	return newSpatialContrastFamily(c.SpatialContrastConfig), err
}

// sized makes room for the filters of a state dict, so that no STA is needed.
func (f spatialContrastFamily) sized(state []ndarray.Named, _ string) (Family, error) { //nolint:unparam // sizedByState's
	shapes := map[string][]int{}
	for _, n := range state {
		shapes[n.Name] = n.Array.Shape
	}
	f.filters = func(s Session) (*contrastFilters, error) {
		p := "readout." + s.Name + "."
		spatial, temporal := shapes[p+"spatial_filters"], shapes[p+"temporal_filters"]
		if len(spatial) != 3 || len(temporal) != 2 {
			return nil, errors.New("the file has no filters of this session")
		}
		if spatial[1] < 1 || spatial[2] < 1 || temporal[1] < 1 || spatial[0] != s.Neurons {
			return nil, fmt.Errorf("spatial filters of shape %v and temporal filters of shape %v do not fit %d neurons", spatial, temporal, s.Neurons)
		}
		return emptyFilters(s.Neurons, int64(spatial[1]), int64(spatial[2]), int64(temporal[1])), nil
	}
	return f, nil
}

// nameCells writes the cells' numbers into data_info, where the Python package looks
// for the names of STA files, unless the data told them.
func (m *CoreReadout) nameCells(info *pickle.Dict) {
	all, ok := info.Get("sessions_kwargs")
	if !ok {
		all = pickle.NewDict()
		info.SetString("sessions_kwargs", all)
	}
	for _, name := range m.sessions {
		r, isContrast := m.readouts[name].(*spatialContrast)
		kwargs, isDict := all.(*pickle.Dict)
		if !isContrast || !isDict || r.cells == nil {
			continue
		}
		session, ok := kwargs.Get(name)
		if !ok {
			session = pickle.NewDict()
			kwargs.SetString(name, session)
		}
		if fields, isDict := session.(*pickle.Dict); isDict {
			if _, told := fields.Get("cell_indices"); !told {
				fields.SetString("cell_indices", int64List(r.cells))
			}
		}
	}
}

func int64List(values []int64) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}
