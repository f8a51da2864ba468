package models

import (
	"errors"

	"github.com/open-retina/openretina-go/pkg/config"
)

// The names that the Python package gives to a legacy model and its parts.
const (
	legacyModel   = "openretina.legacy.models.SFB3d_core_SxF3d_readout"
	legacyCore    = "openretina.legacy.models.ParametricFactorizedBatchConv3dCore"
	legacyReadout = "openretina.legacy.models.SpatialXFeature3dReadout"
)

// LegacyConfig are the arguments of SFB3d_core_SxF3d_readout, which made the models of
// Höfling et al. 2024 (eLife), and what their data_info tells.
type LegacyConfig struct {
	ModelFn string `yaml:"model_fn"`
	Seed    uint64 `yaml:"seed"`
	// InShape is the stimulus (channels, frames, height, width).
	InShape      []int64      `yaml:"in_shape,required"`
	NNeuronsDict *config.Node `yaml:"n_neurons_dict"`

	HiddenChannels     KernelSizes `yaml:"hidden_channels"`
	TemporalKernelSize KernelSizes `yaml:"temporal_kernel_size"`
	SpatialKernelSize  KernelSizes `yaml:"spatial_kernel_size"`
	Layers             int64       `yaml:"layers"`
	GammaHidden        float64     `yaml:"gamma_hidden"`
	GammaInput         float64     `yaml:"gamma_input"`
	GammaTemporal      float64     `yaml:"gamma_temporal"`
	GammaInSparse      float64     `yaml:"gamma_in_sparse"`
	FinalNonlinearity  bool        `yaml:"final_nonlinearity"`
	CoreBias           bool        `yaml:"core_bias"`
	Momentum           float64     `yaml:"momentum"`
	InputPadding       Truth       `yaml:"input_padding"`
	HiddenPadding      Truth       `yaml:"hidden_padding"`
	BatchNorm          bool        `yaml:"batch_norm"`
	BatchNormScale     bool        `yaml:"batch_norm_scale"`
	LaplacePadding     *int64      `yaml:"laplace_padding"`
	BatchAdaptation    bool        `yaml:"batch_adaptation"`
	Stack              LayerChoice `yaml:"stack"`
	UseAvgReg          bool        `yaml:"use_avg_reg"`
	Nonlinearity       string      `yaml:"nonlinearity"`
	ConvType           string      `yaml:"conv_type"`

	ReadoutScale           bool    `yaml:"readout_scale"`
	ReadoutBias            bool    `yaml:"readout_bias"`
	GaussianMasks          bool    `yaml:"gaussian_masks"`
	GammaReadout           float64 `yaml:"gamma_readout"`
	GammaMasks             float64 `yaml:"gamma_masks"`
	GaussianMeanScale      float64 `yaml:"gaussian_mean_scale"`
	GaussianVarScale       float64 `yaml:"gaussian_var_scale"`
	InitializeFromROIMasks bool    `yaml:"initialize_from_roi_masks"`
	ReadoutPositive        bool    `yaml:"readout_positive"`
	ReadoutRegAvg          bool    `yaml:"readout_reg_avg"`
}

func defaultLegacy() LegacyConfig {
	return LegacyConfig{
		ModelFn:        legacyModel,
		HiddenChannels: oneSize(8), TemporalKernelSize: oneSize(21), SpatialKernelSize: oneSize(11), Layers: 1,
		GammaInput: 0.1, GammaTemporal: 0.1, FinalNonlinearity: true, Momentum: normMomentum, HiddenPadding: true,
		BatchNorm: true, BatchAdaptation: true, Nonlinearity: "ELU", ConvType: "custom_separable",
		ReadoutBias: true, GammaReadout: 0.1, GaussianMeanScale: 1, GaussianVarScale: 1,
	}
}

// oneSize is the tuple (size,).
func oneSize(size int64) KernelSizes { return KernelSizes{Sizes: []int64{size}} }

// LayerChoice is which layer's features a core gives: an index, from the end where it
// is negative, or null or a list, which may choose one layer only.
type LayerChoice struct {
	layers []int64
	given  bool
}

// UnmarshalNode reads an index, a list or null.
func (c *LayerChoice) UnmarshalNode(n *config.Node) error {
	if c.given = n.Kind() != config.Null; n.Kind() == config.Int {
		c.layers = make([]int64, 1)
		return n.Decode(&c.layers[0])
	}
	return n.Decode(&c.layers)
}

// of is the chosen one of layers, from 0 on.
func (c LayerChoice) of(layers int64) (int64, error) {
	if !c.given && layers == 1 {
		return 0, nil
	}
	if len(c.layers) != 1 {
		return 0, config.Refuse("stack", "stack must choose one of %d layers, such as -1: features of several have other frames", layers)
	}
	chosen := c.layers[0]
	if chosen < -layers || chosen >= layers {
		return 0, config.Refuse("stack", "stack %d is none of %d layers", chosen, layers)
	}
	return (chosen + layers) % layers, nil
}

// Validate refuses what the Python function fails with.
func (c *LegacyConfig) Validate() error {
	refused := config.Refusals{checkActivation(c.Nonlinearity), c.validateLayers()}
	refused.Unless(c.ModelFn == legacyModel, "model_fn", "unknown model_fn %s: known is %s", c.ModelFn, legacyModel)
	refused.Unless(isStimulusShape(c.InShape), "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	refused.Unless(checkConvolutionType(c.ConvType) == nil, "conv_type",
		"Un-implemented conv_type %s: choose custom_separable, separable, full or time_independent", c.ConvType)
	refused.Unless(c.Momentum >= 0 && c.Momentum <= 1, "momentum", "momentum must be between 0 and 1, got %v", c.Momentum)
	refused.Unless(c.LaplacePadding == nil || *c.LaplacePadding >= 0, "laplace_padding", "laplace_padding must not be negative")
	refused.Unless(c.GaussianMasks, "gaussian_masks", "gaussian_masks must be true: the Python package fails with other masks")
	return refused.Err()
}

func (c *LegacyConfig) validateLayers() error {
	if c.Layers < 1 {
		return config.Refuse("layers", "layers must be at least 1, got %d", c.Layers)
	}
	_, err := c.Stack.of(c.Layers)
	return errors.Join(err,
		c.HiddenChannels.check("hidden_channels", c.Layers),
		c.TemporalKernelSize.check("temporal_kernel_size", c.Layers),
		c.SpatialKernelSize.check("spatial_kernel_size", c.Layers))
}

// legacyFamily is SFB3d_core_SxF3d_readout: a core with a log speed for each session,
// and readouts through Gaussian masks (Höfling et al. 2024).
type legacyFamily struct {
	LegacyConfig
	arguments *config.Node
}

func readStoredLegacy(hyper *config.Node) (Family, error) {
	f := legacyFamily{defaultLegacy(), hyper}
	err := hyper.Read(&f.LegacyConfig)
	return f, err
}

func (f legacyFamily) conventions() Conventions { return unifiedFamily{}.conventions() }

func (f legacyFamily) hyper(*CoreReadout) (*config.Node, error) { return f.arguments.Clone(), nil }

func (f legacyFamily) fill(m *CoreReadout, sessions []Session, _ bool) error {
	m.InShape = f.InShape
	deps := CoreDeps{Path: m.store.Root().Sub("core"), Corrected: m.corrected}
	for _, session := range sessions {
		deps.Sessions = append(deps.Sessions, session.Name)
	}
	core, err := f.core(deps)
	if err != nil {
		return err
	}
	m.Core = core
	if !f.BatchAdaptation {
		if err := m.store.Freeze(deps.Path.Sub("log_speed_").String()); err != nil {
			return err
		}
	}
	features, err := core.OutShape(m.InShape)
	if err != nil {
		return err
	}
	return m.addReadouts(f.readout(features), sessions)
}

// core is ParametricFactorizedBatchConv3dCore: the layers of a ConvGRUCore without its
// GRU, which came after it. It pads a layer by half of its own kernel, leaves the first
// out of gamma_hidden, always uses log speeds, and gives the features of one layer.
func (f legacyFamily) core(d CoreDeps) (*convGRUCore, error) {
	channels := []int64{f.InShape[0]}
	for i := range int(f.Layers) {
		channels = append(channels, f.HiddenChannels.of(i))
	}
	core, err := newConvCore(d, ConvGRUCoreConfig{
		Channels: channels, TemporalKernelSizes: f.TemporalKernelSize, SpatialKernelSizes: f.SpatialKernelSize,
		GammaHidden: f.GammaHidden, GammaInput: f.GammaInput, GammaInSparse: f.GammaInSparse, GammaTemporal: f.GammaTemporal,
		FinalNonlinearity: f.FinalNonlinearity, Bias: f.CoreBias, BatchNorm: f.BatchNorm, BatchNormScale: f.BatchNormScale,
		BatchNormMomentum: f.Momentum, LaplacePadding: f.LaplacePadding, BatchAdaptation: true, UseLogSpeed: true,
		UseAvgReg: f.UseAvgReg, Nonlinearity: f.Nonlinearity, ConvolutionType: f.ConvType,
	}, f.padding)
	if err != nil {
		return nil, err
	}
	chosen, err := f.Stack.of(f.Layers)
	if err != nil {
		return nil, err
	}
	core.sparse, core.layers = core.layers[1:], core.layers[:chosen+1]
	core.Channels = channels[:chosen+2]
	return core, nil
}

func (f legacyFamily) padding(layer int) Padding {
	half := int64(0)
	if layer == 0 && bool(f.InputPadding) || layer > 0 && bool(f.HiddenPadding) {
		half = f.SpatialKernelSize.of(layer) / 2
	}
	return Padding{Size: [3]int64{0, half, half}}
}

// seed draws what a state dict lacks, which the Python package takes: its
// nnfabrik_model_loading refuses only what the model does not have.
func (f legacyFamily) seed() uint64 { return f.Seed }
