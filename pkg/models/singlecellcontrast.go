package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/sta"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// SingleContrastConfig are the arguments of SingleCellSpatialContrast.
type SingleContrastConfig struct {
	InShape            []int64      `yaml:"in_shape,required"`
	STADir             string       `yaml:"sta_dir,required"`
	STAFileName        string       `yaml:"sta_file_name,required"`
	FlipSTA            bool         `yaml:"flip_sta"`
	TemporalCropFrames *int         `yaml:"temporal_crop_frames"`
	SigmaContour       float64      `yaml:"sigma_contour"`
	SpatCropSize       *[2]int64    `yaml:"spat_crop_size"`
	LearningRate       float64      `yaml:"learning_rate"`
	WInit              float64      `yaml:"w_init"`
	AInit              float64      `yaml:"a_init"`
	BInit              float64      `yaml:"b_init"`
	CInit              float64      `yaml:"c_init"`
	Loss               *config.Node `yaml:"loss" of:"loss"`
	ValidationLoss     *config.Node `yaml:"validation_loss" of:"loss"`
}

func defaultSingleContrast() SingleContrastConfig {
	return SingleContrastConfig{SigmaContour: 3, LearningRate: 0.001, AInit: 1, BInit: 1}
}

// Validate refuses what no filters can be made for.
func (c *SingleContrastConfig) Validate() error {
	var refused config.Refusals
	refuseFilters(&refused, c.InShape, c.TemporalCropFrames, c.SigmaContour)
	refused.Unless(c.SpatCropSize == nil || min(c.SpatCropSize[0], c.SpatCropSize[1]) >= 1, "spat_crop_size",
		"spat_crop_size must be [height, width] in pixels, or null for all, got %v", c.SpatCropSize)
	return refused.Err()
}

// singleContrastFamily is SingleCellSpatialContrast: one cell. As a core-readout model
// the patch of the stimulus around its receptive field is the core.
type singleContrastFamily struct {
	SingleContrastConfig

	// center is the receptive field's (row, column) in the stimulus; nil where it is not
	// known.
	center *[2]int64
	// filters are those of the patch; nil until they are read.
	filters *contrastFilters
}

func (f *singleContrastFamily) singleCell() {}

// conventions has val_evaluation_loss beside the class's own val_correlation, the same
// number: the Python package's callbacks watch that name, which its class never logs.
func (f *singleContrastFamily) conventions() Conventions {
	return Conventions{
		Train:      []Metric{{"train_loss", DataLoss}, {"train_correlation", Correlation}},
		Validation: []Metric{{"val_loss", DataLoss}, {"val_correlation", Correlation}, {"val_evaluation_loss", Correlation}},
		PerElement: true, EvaluationKey: "validation_loss", Evaluation: averageCorrelation(),
	}
}

// averageCorrelation is the evaluation loss of a cell. Python's has per_neuron too: of one
// neuron it is the same number.
func averageCorrelation() Loss {
	l := defaultCorrelation()
	l.Avg = true
	return l
}

// check leaves the STA file alone, which is data.
func (f *singleContrastFamily) check() error {
	empty := &singleContrastFamily{SingleContrastConfig: f.SingleContrastConfig, center: &[2]int64{}}
	p := empty.crop()
	empty.filters = emptyFilters(1, p.height, p.width, 1)
	return checkBuilt(empty, nil)
}

// crop is the patch around the receptive field, within the stimulus.
func (f *singleContrastFamily) crop() (p window) {
	if f.SpatCropSize == nil {
		return window{height: f.InShape[2], width: f.InShape[3]}
	}
	p.top, p.height = cropAxis(f.center[0], f.SpatCropSize[0], f.InShape[2])
	p.left, p.width = cropAxis(f.center[1], f.SpatCropSize[1], f.InShape[3])
	return p
}

// cropAxis moves what would leave the axis back.
func cropAxis(center, size, limit int64) (start, length int64) {
	start = max(0, center-size/2)
	end := min(limit, start+size)
	start = max(0, end-size)
	return start, end - start
}

// read makes the filters of the STA file and cuts the spatial one to the patch.
func (f *singleContrastFamily) read() error {
	dir, err := hub.Local(f.STADir, "")
	if err != nil {
		return config.Refuse("sta_dir", "sta_dir: %v", err)
	}
	filters, err := sta.ReadFilters(filepath.Join(dir, f.STAFileName), sta.Options{
		Flip: f.FlipSTA, Height: int(f.InShape[2]), Width: int(f.InShape[3]),
		Frames: framesOf(f.TemporalCropFrames), SigmaContour: f.SigmaContour,
	})
	if err != nil {
		return err
	}
	f.center = &[2]int64{int64(filters.Gaussian.CenterY), int64(filters.Gaussian.CenterX)}
	p := f.crop()
	f.filters = &contrastFilters{temporal: filters.Temporal, height: p.height, width: p.width, frames: int64(len(filters.Temporal))}
	for y := p.top; y < p.top+p.height; y++ {
		row := filters.Spatial[y*f.InShape[3]:]
		f.filters.spatial = append(f.filters.spatial, row[p.left:p.left+p.width]...)
	}
	return nil
}

func (f *singleContrastFamily) fill(m *CoreReadout, sessions []Session, _ bool) (err error) {
	if err := oneCell("SingleCellSpatialContrast", sessions); err != nil {
		return err
	}
	if f.filters == nil {
		if err := f.read(); err != nil {
			return err
		}
	}
	m.InShape, m.LearningRate, m.singleCell, m.lossModules = f.InShape, f.LearningRate, true, true
	patch := window{height: f.filters.height, width: f.filters.width}
	if f.center != nil || f.SpatCropSize == nil {
		patch = f.crop()
	} else { // stimuli have to be cut already
		m.InShape = []int64{1, f.InShape[1], patch.height, patch.width}
	}
	if patch.height != f.filters.height || patch.width != f.filters.width {
		return fmt.Errorf("the spatial filter has %d × %d pixels, the patch around the receptive field %d × %d",
			f.filters.height, f.filters.width, patch.height, patch.width)
	}
	m.Core = patchCore{patch: patch}
	if m.Loss, err = lossOr(f.Loss, averagePoisson()); err != nil {
		return err
	}
	if m.EvaluationLoss, err = lossOr(f.ValidationLoss, averageCorrelation()); err != nil {
		return err
	}
	r, err := newSingleContrast(m.store.Root(), f.filters, contrastInit{f.WInit, f.AInit, f.BInit, f.CInit})
	if err != nil {
		return err
	}
	// The Python class keeps the contrast's weight positive where its comment says the
	// gain.
	m.Conventions.AfterStep = func(s *torch.Scope) { keepPositive(s, r.w) }
	return m.addReadouts(func(nn.Path, Session) (Readout, error) { return r, nil }, sessions)
}

// newSingleContrast makes the readout under the names of SingleCellSpatialContrast.
func newSingleContrast(p nn.Path, f *contrastFilters, first contrastInit) (*spatialContrast, error) {
	r := &spatialContrast{
		neurons: 1, height: f.height, width: f.width, frames: f.frames, atOnce: 1,
		floor: 1e-12, // the class has none: a millionth of the contrast's weight
	}
	r.a = p.Param("nl_a", nn.Constant(first.a))
	r.b = p.Param("nl_b", nn.Constant(first.b))
	r.c = p.Param("nl_c", nn.Constant(first.c))
	r.w = p.Param("w", nn.Constant(first.w))
	r.spatial = p.Buffer("spatial_filter", nn.Values(f.spatial), f.height, f.width)
	r.temporal = p.Buffer("temporal_filter", nn.Values(f.temporal), f.frames)
	r.sums = p.Buffer("spatial_filter_sum", nn.Values(f.sums()))
	return r, p.Err()
}

// rfLocation is the key under which a checkpoint of ours holds the receptive field's
// (row, column).
const rfLocation = "rf_location"

// hyper adds what the class does not store: the receptive field's place and the
// session's name. With them a file needs no STA to be restored; Python leaves out what
// is no argument.
func (f *singleContrastFamily) hyper(m *CoreReadout) (*config.Node, error) {
	n, err := config.FromValue(f.SingleContrastConfig)
	if err != nil {
		return nil, err
	}
	if f.center != nil {
		err = n.Set(rfLocation, f.center[:])
	}
	return n, errors.Join(err, n.Set("n_neurons_dict", neuronsOf(m)))
}

// readStoredSingleContrast reads the arguments that a checkpoint holds.
func readStoredSingleContrast(hyper *config.Node) (Family, error) {
	c := struct {
		SingleContrastConfig `yaml:",inline"`

		RFLocation   *[2]int64    `yaml:"rf_location"`
		NNeuronsDict *config.Node `yaml:"n_neurons_dict"`
		DataInfo     *config.Node `yaml:"data_info"`
	}{SingleContrastConfig: defaultSingleContrast()}
	err := hyper.Read(&c)
	return &singleContrastFamily{SingleContrastConfig: c.SingleContrastConfig, center: c.RFLocation}, err
}

// sized makes room for the filters of a state dict. Files by the Python package do not
// say where the patch lies: that is looked for in the STA, at its place or beside the
// file, and in gaussian.json beside the file.
func (f *singleContrastFamily) sized(state []ndarray.Named, beside string) (Family, error) {
	shapes := map[string][]int{}
	for _, n := range state {
		shapes[n.Name] = n.Array.Shape
	}
	spatial, temporal := shapes["spatial_filter"], shapes["temporal_filter"]
	if len(spatial) != 2 || len(temporal) != 1 || min(spatial[0], spatial[1], temporal[0]) < 1 {
		return nil, fmt.Errorf("the file has a spatial filter of shape %v and a temporal filter of shape %v", spatial, temporal)
	}
	if f.center == nil && f.SpatCropSize != nil {
		f.locate(beside)
	}
	f.filters = emptyFilters(1, int64(spatial[0]), int64(spatial[1]), int64(temporal[0]))
	return f, nil
}

// locate looks for the receptive field's place; without it stimuli have to be cut to
// the patch.
func (f *singleContrastFamily) locate(beside string) {
	for _, dir := range []string{f.STADir, filepath.Join(beside, "stas"), beside} {
		from := *f
		from.STADir = dir
		if err := from.read(); err == nil {
			f.center = from.center
			return
		}
	}
	if f.center = readLocation(filepath.Join(beside, "gaussian.json")); f.center == nil {
		slog.Warn("the file does not say where the receptive field lies: stimuli have to be cut to the patch around it, "+
			"or its STA has to be there", "sta", filepath.Join(f.STADir, f.STAFileName), "patch", *f.SpatCropSize)
	}
}

// readLocation reads rf_location of a JSON file; nil where there is none.
func readLocation(path string) *[2]int64 {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var fit struct {
		RFLocation *[2]int64 `json:"rf_location"`
	}
	if json.Unmarshal(raw, &fit) != nil {
		return nil
	}
	return fit.RFLocation
}

// patchCore cuts a patch out of the stimulus, unless it has been cut already.
type patchCore struct {
	dummyCore

	patch window
}

// Forward is a view of the stimulus.
func (c patchCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	if s.Dim(x, 3) == c.patch.height && s.Dim(x, 4) == c.patch.width {
		return c.dummyCore.Forward(s, x)
	}
	return s.Narrow(s.Narrow(x, 3, c.patch.top, c.patch.height), 4, c.patch.left, c.patch.width)
}

// OutShape is the patch's.
func (c patchCore) OutShape(in []int64) ([]int64, error) {
	return []int64{in[0], in[1], c.patch.height, c.patch.width}, nil
}

// Fixed is the core itself.
func (c patchCore) Fixed(*torch.Scope) Core { return c }

// cutsTo is the size of a stimulus that has been cut already.
func (c patchCore) cutsTo() (height, width int) { return int(c.patch.height), int(c.patch.width) }

func (patchCore) class() string { return "SingleCellSpatialContrast" }
