package models

import (
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// SingleCellLNPConfig are the arguments of SingleCellSeparatedLNP.
type SingleCellLNPConfig struct {
	InShape []int64 `yaml:"in_shape,required"` // channels, time, height, width: time is the length of the temporal filter
	// RFLocation is the centre (y, x) of the pixels that the cell sees; null: of all.
	RFLocation     []int64  `yaml:"rf_location"`
	SpatKernelSize [2]int64 `yaml:"spat_kernel_size"` // height and width of the pixels that the cell sees
	LearningRate   float64  `yaml:"learning_rate"`
	Rank           int64    `yaml:"rank"` // how many pairs of a spatial and a temporal filter there are

	SmoothWeightSpat      float64 `yaml:"smooth_weight_spat"`
	SmoothWeightTemp      float64 `yaml:"smooth_weight_temp"`
	SparseWeight          float64 `yaml:"sparse_weight"`
	SmoothRegularizerSpat string  `yaml:"smooth_regularizer_spat"`
	// SmoothRegularizerTemp and Nonlinearity depend on compatibility where they are null.
	SmoothRegularizerTemp *string `yaml:"smooth_regularizer_temp"`
	LaplacePadding        *int64  `yaml:"laplace_padding"` // null: as much as keeps a filter's size
	Nonlinearity          *string `yaml:"nonlinearity"`
	NormalizeWeights      bool    `yaml:"normalize_weights"` // the filters have norm 1

	Loss           *config.Node `yaml:"loss" of:"loss"`
	EvaluationLoss *config.Node `yaml:"evaluation_loss" of:"loss"`
	Optimizer      *config.Node `yaml:"optimizer" of:"optimizer"`
	LRScheduler    *config.Node `yaml:"lr_scheduler" of:"lr_scheduler"`
	NNeuronsDict   *config.Node `yaml:"n_neurons_dict,runtime"`

	// Configs have these, which the class does not read.
	SmoothRegularizer string `yaml:"smooth_regularizer"`
	FitGaussian       bool   `yaml:"fit_gaussian"`
}

func defaultSingleCellLNP() SingleCellLNPConfig {
	return SingleCellLNPConfig{
		SpatKernelSize: [2]int64{15, 15}, LearningRate: 0.001, Rank: 1,
		SmoothRegularizerSpat: "LaplaceL2norm", SmoothRegularizer: "LaplaceL2norm", NormalizeWeights: true,
	}
}

// complete fills in what depends on compatibility: the later sources have other
// defaults, since release 1.1.1 does not run with its own nonlinearity.
func (c *SingleCellLNPConfig) complete(corrected bool) {
	nonlinearity, smooth := "exp", "Laplace1d"
	if corrected {
		nonlinearity, smooth = parametrizedSoftplus, "TimeLaplaceL23dnorm"
	}
	if c.Nonlinearity == nil {
		c.Nonlinearity = &nonlinearity
	}
	if c.SmoothRegularizerTemp == nil {
		c.SmoothRegularizerTemp = &smooth
	}
}

// Validate refuses filters that do not lie in the stimulus, and names that are none.
func (c *SingleCellLNPConfig) Validate() error {
	var refused config.Refusals
	shaped := isStimulusShape(c.InShape)
	refused.Unless(shaped, "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	refused.Unless(slices.Min(c.SpatKernelSize[:]) >= 1, "spat_kernel_size", "spat_kernel_size must be at least 1, got %v", c.SpatKernelSize)
	refused.Unless(c.Rank >= 1, "rank", "rank must be at least 1, got %d", c.Rank)
	refused.Unless(c.RFLocation == nil || len(c.RFLocation) == 2, "rf_location", "rf_location must be [y, x], got %v", c.RFLocation)
	refused.Unless(c.LaplacePadding == nil || *c.LaplacePadding >= 0, "laplace_padding", "laplace_padding must not be negative")
	refused.Unless(c.SmoothRegularizerSpat != "GaussianLaplaceL2" || c.LaplacePadding == nil || *c.LaplacePadding == 1, "laplace_padding",
		"GaussianLaplaceL2 weighs each pixel of a filter: laplace_padding must be null or 1")
	if c.Nonlinearity != nil {
		refused.Unless(*c.Nonlinearity == parametrizedSoftplus || functionals[*c.Nonlinearity] != nil, "nonlinearity",
			"nonlinearity %q is none of %s, %s", *c.Nonlinearity, parametrizedSoftplus, functionalNames())
	}
	if err := refused.Err(); err != nil {
		return err
	}
	return c.validateCrop()
}

func (c *SingleCellLNPConfig) validateCrop() error {
	window := c.window()
	if window.top < 0 || window.left < 0 || window.top+window.height > c.InShape[2] || window.left+window.width > c.InShape[3] {
		return config.Refuse("rf_location", "a filter of %d × %d pixels around rf_location (%d, %d) does not fit into %d × %d: "+
			"choose a smaller spat_kernel_size or a location further inside", window.height, window.width,
			window.top+window.height/2, window.left+window.width/2, c.InShape[2], c.InShape[3])
	}
	return nil
}

// window is a rectangle of pixels.
type window struct{ top, left, height, width int64 }

// window is what the cell sees.
func (c *SingleCellLNPConfig) window() window {
	y, x := c.InShape[2]/2, c.InShape[3]/2
	if c.RFLocation != nil {
		y, x = c.RFLocation[0], c.RFLocation[1]
	}
	w := window{height: c.SpatKernelSize[0], width: c.SpatKernelSize[1]}
	if w.height != c.InShape[2] || w.width != c.InShape[3] { // else there is nothing to cut
		w.top, w.left = y-w.height/2, x-w.width/2
	}
	return w
}

// lnpFamily is SingleCellSeparatedLNP (Vystrčilová et al. 2024): a linear filter of
// space and time, a nonlinearity, one neuron. As a core-readout model the filter is the
// core, the nonlinearity the readout.
type lnpFamily struct{ SingleCellLNPConfig }

// conventions are the class's, whose validation names its penalty unlike its training.
func (f lnpFamily) conventions() Conventions {
	return Conventions{
		Train: []Metric{
			{"regularization_loss_core", CorePenalty},
			{"train_total_loss", TotalLoss},
			{"train_loss", DataLoss},
			{"train_evaluation_loss", EvaluationLoss},
		},
		Validation: []Metric{
			{"val_loss", DataLoss},
			{"val_regularization_loss", CorePenalty},
			{"val_total_loss", TotalLoss},
			{"val_evaluation_loss", EvaluationLoss},
		},
	}
}

func (f lnpFamily) singleCell() {}

func (f lnpFamily) fill(m *CoreReadout, sessions []Session, _ bool) (err error) {
	if err := oneCell("SingleCellSeparatedLNP", sessions); err != nil {
		return err
	}
	c := f.SingleCellLNPConfig
	c.complete(m.corrected)
	m.InShape, m.LearningRate, m.singleCell, m.lossModules = c.InShape, c.LearningRate, true, true
	if m.Loss, err = lossOr(c.Loss, m.Loss); err != nil {
		return err
	}
	if m.EvaluationLoss, err = lossOr(c.EvaluationLoss, m.EvaluationLoss); err != nil {
		return err
	}
	// The tensors come in the order of the class's attributes.
	root := m.store.Root()
	core, err := newLNPCore(root, c, m.corrected)
	if err != nil {
		return err
	}
	readout := newOutputNonlinearity(root.Sub("nonlinearity"), *c.Nonlinearity)
	core.addFilters(root)
	m.Core = core
	return m.addReadouts(func(nn.Path, Session) (Readout, error) { return readout, root.Err() }, sessions)
}

// oneCell refuses data for which a class of a single neuron cannot be trained.
func oneCell(class string, sessions []Session) error {
	if len(sessions) != 1 {
		return fmt.Errorf("%s predicts one neuron of one session, but there are %d sessions: choose one", class, len(sessions))
	}
	if sessions[0].Neurons != 1 {
		return fmt.Errorf("%s predicts one neuron, but session %s has %d: choose one", class, sessions[0].Name, sessions[0].Neurons)
	}
	return nil
}

// hyper are the class's arguments, which its own files lack; it accepts n_neurons_dict
// as it accepts any argument.
func (f lnpFamily) hyper(m *CoreReadout) (*config.Node, error) {
	c := f.SingleCellLNPConfig
	c.complete(m.corrected)
	n, err := config.FromValue(c)
	if err != nil {
		return nil, err
	}
	return n, n.Set("n_neurons_dict", neuronsOf(m))
}

func readStoredLNP(hyper *config.Node) (Family, error) {
	c := struct {
		SingleCellLNPConfig `yaml:",inline"`

		DataInfo *config.Node `yaml:"data_info"`
	}{SingleCellLNPConfig: defaultSingleCellLNP()}
	err := hyper.Read(&c)
	return lnpFamily{c.SingleCellLNPConfig}, err
}

// lnpCore is the linear part: rank times a spatial filter, then a temporal one,
// summed. Its features are (batch, 1, time', 1, 1).
type lnpCore struct {
	SingleCellLNPConfig

	smoothSpace, smoothTime smoothness
	space                   *torch.Tensor // (rank, channels, 1, height, width)
	time                    *torch.Tensor // (1, rank, time, 1, 1)
	fixed                   bool          // the filters are as Forward wants them
}

// newLNPCore makes the core's buffers; addFilters adds its filters.
func newLNPCore(root nn.Path, c SingleCellLNPConfig, corrected bool) (*lnpCore, error) {
	core := &lnpCore{SingleCellLNPConfig: c}
	var err error
	core.smoothSpace, err = newSpaceSmoothness(root.Sub("_smooth_reg_fn_spat"), "smooth_regularizer_spat",
		c.SmoothRegularizerSpat, c.SpatKernelSize, c.LaplacePadding)
	if err != nil {
		return nil, err
	}
	core.smoothTime, err = newTimeSmoothness(root.Sub("_smooth_reg_fn_temp"), "smooth_regularizer_temp",
		*c.SmoothRegularizerTemp, c.LaplacePadding, corrected)
	return core, err
}

// addFilters draws them by xavier_normal_, after the draws that nn.Conv3d makes for
// both and the class throws away.
func (c *lnpCore) addFilters(root nn.Path) {
	channels, height, width := c.InShape[0], c.SpatKernelSize[0], c.SpatKernelSize[1]
	timeShape := []int64{1, c.Rank, c.InShape[1], 1, 1}
	drawn := func(s *torch.Scope, rng *torch.Generator, shape []int64) *torch.Tensor {
		s.Uniform(rng, -1, 1, shape...)
		s.Uniform(rng, -1, 1, timeShape...)
		return nn.XavierNormal(s, rng, shape)
	}
	c.space = root.Sub("space_conv").Param("weight", drawn, c.Rank, channels, 1, height, width)
	c.time = root.Sub("time_conv").Param("weight", nn.XavierNormal, timeShape...)
}

// Forward cuts out what the cell sees, unless the stimulus has been cut already.
func (c *lnpCore) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	space, time := c.filters(s)
	w := c.window()
	if s.Dim(x, 3) != w.height || s.Dim(x, 4) != w.width {
		x = s.Narrow(s.Narrow(x, 3, w.top, w.height), 4, w.left, w.width)
	}
	leave := s.Enter("space_conv")
	frames := s.Conv3D(x, space, nil, torch.Conv3DOptions{})
	leave()
	defer s.Enter("time_conv")()
	return s.Conv3D(frames, time, nil, torch.Conv3DOptions{})
}

// filters are those of the model, of norm 1 where they are to be. Training changes the
// parameters for that, as the class does, without a gradient.
func (c *lnpCore) filters(s *torch.Scope) (space, time *torch.Tensor) {
	if !c.NormalizeWeights || c.fixed {
		return c.space, c.time
	}
	unit := func(w *torch.Tensor) *torch.Tensor { return s.Div(w, s.Norm(w)) }
	if !s.Training() {
		return unit(c.space), unit(c.time)
	}
	defer s.NoGrad()()
	s.CopyInto(c.space, unit(c.space))
	s.CopyInto(c.time, unit(c.time))
	return c.space, c.time
}

// Fixed works out the norms.
func (c *lnpCore) Fixed(s *torch.Scope) Core {
	fixed := *c
	fixed.space, fixed.time = c.filters(s)
	fixed.fixed = true
	return &fixed
}

// Regularizer is smooth_weight_spat · laplace(space) + smooth_weight_temp ·
// laplace(time) + sparse_weight · (mean |space| + mean |time|), of the filters that
// Forward used: Forward has made those of a training. The Python class fails for more
// than one temporal filter; here each is penalised by itself.
func (c *lnpCore) Regularizer(s *torch.Scope) *torch.Tensor {
	space, time := c.space, c.time
	if !s.Training() {
		space, time = c.filters(s)
	}
	total := s.MulScalar(s.Add(s.Mean(s.Abs(space)), s.Mean(s.Abs(time))), c.SparseWeight)
	if c.SmoothWeightSpat != 0 {
		total = s.Add(total, s.MulScalar(c.smoothSpace.penalty(s, space, false), c.SmoothWeightSpat))
	}
	if c.SmoothWeightTemp != 0 {
		each := s.Reshape(time, c.Rank, 1, c.InShape[1], 1, 1)
		total = s.Add(total, s.MulScalar(c.smoothTime.penalty(s, each, false), c.SmoothWeightTemp))
	}
	return total
}

// OutShape accepts the whole stimulus and what the cell sees of it.
func (c *lnpCore) OutShape(in []int64) ([]int64, error) {
	if len(in) != 4 || in[0] != c.InShape[0] || (!slices.Equal(in[2:], c.InShape[2:]) && !slices.Equal(in[2:], c.SpatKernelSize[:])) {
		return nil, config.Refuse("in_shape", "the model takes a stimulus of %d channels, time, %d × %d pixels, or cut to %d × %d, not %s",
			c.InShape[0], c.InShape[2], c.InShape[3], c.SpatKernelSize[0], c.SpatKernelSize[1], torch.FormatShape(in))
	}
	if in[1] < c.InShape[1] {
		return nil, config.Refuse("in_shape", "a temporal filter of %d frames does not fit into %d frames", c.InShape[1], in[1])
	}
	return []int64{1, in[1] - c.InShape[1] + 1, 1, 1}, nil
}

// cutsTo is the size of a stimulus that has been cut already.
func (c *lnpCore) cutsTo() (height, width int) {
	return int(c.SpatKernelSize[0]), int(c.SpatKernelSize[1])
}

// Timing is that of one convolution without padding.
func (c *lnpCore) Timing() Timing { return Timing{Stride: 1, After: int(c.InShape[1]) - 1} }

// Memory counts the stimulus, what is cut out of it, and what the filters make.
func (c *lnpCore) Memory(in []int64) int64 {
	cut := in[0] * in[1] * c.SpatKernelSize[0] * c.SpatKernelSize[1]
	return floatBytes * (elements(in) + cut + (c.Rank+1)*in[1])
}

func (*lnpCore) class() string { return "SingleCellSeparatedLNP" }

func (c *lnpCore) summary(in []int64) ([]Layer, error) {
	out, err := c.OutShape(in)
	if err != nil {
		return nil, err
	}
	return []Layer{
		{Name: "space_conv", Type: "Conv3d", Output: []int64{c.Rank, in[1], 1, 1}, kept: 1},
		{Name: "time_conv", Type: "Conv3d", Output: out, kept: 1},
	}, nil
}
