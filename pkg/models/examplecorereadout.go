package models

import "github.com/open-retina/openretina-go/pkg/config"

// ExampleConfig are the arguments of ExampleCoreReadout, the older CoreReadout: flat,
// and with its defaults.
type ExampleConfig struct {
	InShape             []int64      `yaml:"in_shape,required"`
	HiddenChannels      []int64      `yaml:"hidden_channels,required"`
	TemporalKernelSizes []int64      `yaml:"temporal_kernel_sizes,required"`
	SpatialKernelSizes  []int64      `yaml:"spatial_kernel_sizes,required"`
	NNeuronsDict        *config.Node `yaml:"n_neurons_dict,runtime"`
	CoreGammaInput      float64      `yaml:"core_gamma_input"`
	CoreGammaHidden     float64      `yaml:"core_gamma_hidden"`
	CoreGammaInSparse   float64      `yaml:"core_gamma_in_sparse"`
	CoreGammaTemporal   float64      `yaml:"core_gamma_temporal"`
	CoreInputPadding    Padding      `yaml:"core_input_padding"`
	CoreHiddenPadding   Padding      `yaml:"core_hidden_padding"`
	ReadoutScale        bool         `yaml:"readout_scale"`
	ReadoutBias         bool         `yaml:"readout_bias"`
	GaussianMasks       bool         `yaml:"readout_gaussian_masks"`
	GaussianMeanScale   float64      `yaml:"readout_gaussian_mean_scale"`
	GaussianVarScale    float64      `yaml:"readout_gaussian_var_scale"`
	ReadoutPositive     bool         `yaml:"readout_positive"`
	ReadoutGamma        float64      `yaml:"readout_gamma"`
	ReadoutGammaMasks   float64      `yaml:"readout_gamma_masks"`
	ReadoutRegAvg       bool         `yaml:"readout_reg_avg"`
	LearningRate        float64      `yaml:"learning_rate"`
	CutFirstNFrames     int64        `yaml:"cut_first_n_frames_in_core"`
	DropoutRate         float64      `yaml:"dropout_rate"`
	MaxPoolEveryNLayers *int         `yaml:"maxpool_every_n_layers"`
	DownsampleKernel    *[3]int64    `yaml:"downsample_input_kernel_size"`
	ConvolutionType     string       `yaml:"convolution_type"`
	ColorSquashing      []float64    `yaml:"color_squashing_weights"`
}

func defaultExample() ExampleConfig {
	return ExampleConfig{
		CoreGammaTemporal: 40, CoreHiddenPadding: Padding{Same: true}, ReadoutScale: true, ReadoutBias: true,
		GaussianMasks: true, GaussianMeanScale: 6, GaussianVarScale: 4, ReadoutPositive: true, ReadoutGamma: 0.4,
		LearningRate: 0.01, CutFirstNFrames: 30, ConvolutionType: "custom_separable",
	}
}

// Validate refuses what the class does not make.
func (c *ExampleConfig) Validate() error {
	var refused config.Refusals
	refused.Unless(isStimulusShape(c.InShape), "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	refused.Unless(c.GaussianMasks, "readout_gaussian_masks", "readouts without Gaussian masks (readout_gaussian_masks=False) are not supported")
	return refused.Err()
}

// exampleFamily is ExampleCoreReadout: a SimpleCoreWrapper and Gaussian masks.
type exampleFamily struct{ ExampleConfig }

func (f exampleFamily) conventions() Conventions { return unifiedFamily{}.conventions() }

// hyper leaves the readouts' sizes to the core, as the class does.
func (f exampleFamily) hyper(m *CoreReadout) (*config.Node, error) {
	n, err := config.FromValue(f.ExampleConfig)
	if err != nil {
		return nil, err
	}
	return n, n.Set("n_neurons_dict", neuronsOf(m))
}

func (f exampleFamily) fill(m *CoreReadout, sessions []Session, fresh bool) (err error) {
	c := f.ExampleConfig
	m.InShape, m.LearningRate = c.InShape, c.LearningRate
	m.Core, err = newSimpleCore(CoreDeps{Path: m.store.Root().Sub("core"), Corrected: m.corrected}, SimpleCoreConfig{
		Channels:            append([]int64{c.InShape[0]}, c.HiddenChannels...),
		TemporalKernelSizes: c.TemporalKernelSizes, SpatialKernelSizes: c.SpatialKernelSizes,
		GammaInput: c.CoreGammaInput, GammaTemporal: c.CoreGammaTemporal,
		GammaInSparse: c.CoreGammaInSparse, GammaHidden: c.CoreGammaHidden,
		DropoutRate: c.DropoutRate, CutFirstNFrames: c.CutFirstNFrames,
		MaxPoolEveryNLayers: c.MaxPoolEveryNLayers, DownsampleKernelSize: c.DownsampleKernel,
		InputPadding: c.CoreInputPadding, HiddenPadding: c.CoreHiddenPadding,
		ColorSquashing: c.ColorSquashing, ConvolutionType: c.ConvolutionType,
	})
	if err != nil {
		return err
	}
	inShape, err := m.Core.OutShape(m.InShape)
	if err != nil {
		return err
	}
	if fresh {
		if err := m.firstStep(); err != nil {
			return err
		}
	}
	// The Python class hands readout_gamma over as the mask's weight and
	// readout_gamma_masks as the features': swapped, and so are files.
	masks := GaussianMaskConfig{
		InShape: inShape, Scale: c.ReadoutScale, Bias: c.ReadoutBias, GaussianMeanScale: c.GaussianMeanScale,
		GaussianVarScale: c.GaussianVarScale, Positive: c.ReadoutPositive, MaskL1Reg: c.ReadoutGamma,
		FeatureWeightL1Reg: c.ReadoutGammaMasks, ReadoutRegAvg: c.ReadoutRegAvg,
	}
	return m.addReadouts(masks.build, sessions)
}
