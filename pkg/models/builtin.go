package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// CoreDeps are what a core's constructor gets beside its config.
type CoreDeps struct {
	Path nn.Path
	// Channels are input and hidden channels where the model's hidden_channels
	// give them; nil leaves the core's own.
	Channels []int64
	// Sessions are the model's, in their order, for cores that learn something of each.
	Sessions []string
	// Corrected is that of Options.
	Corrected bool
}

// ReadoutDeps are what a readout's constructor gets beside its config.
type ReadoutDeps struct {
	// InShape is the core's output (channels, time, height, width).
	InShape []int64
	// Corrected is that of Options.
	Corrected bool
}

// ReadoutBuilder makes the readout of one session.
type ReadoutBuilder func(p nn.Path, s Session) (Readout, error)

// The tables of what configs may name under _target_. A new model is a file of
// its own and a line here.
var (
	// Models are the classes of models; a config that names none means DefaultFamily.
	Models   = &config.Registry[struct{}, Family]{What: "model"}
	Cores    = &config.Registry[CoreDeps, Core]{What: "core"}
	Readouts = &config.Registry[ReadoutDeps, ReadoutBuilder]{What: "readout"}
	// Shifters move readouts with the behaviour of the animal.
	Shifters = &config.Registry[struct{}, ShifterBuilder]{What: "shifter"}
	Losses   = &config.Registry[struct{}, Loss]{What: "loss"}
	// Nonlinearities are the functions and classes of PyTorch that configs may name where
	// a function is wanted, and Hydra's ways to name a function.
	Nonlinearities = &config.Registry[struct{}, Nonlinearity]{What: "nonlinearity"}
	// Tensors are the functions that configs may name where a tensor is wanted; Arrays
	// those for what torch.from_numpy takes.
	Tensors = &config.Registry[struct{}, givenTensor]{What: "tensor"}
	Arrays  = &config.Registry[struct{}, *ndarray.Array]{What: "array"}
)

func init() { //nolint:gochecknoinits // fills the tables above, nothing else
	config.Register(Models, DefaultFamily, defaultUnified(),
		func(c UnifiedConfig, _ struct{}) (Family, error) { return unifiedFamily{c}, nil })
	config.Register(Models, exampleClass, defaultExample(),
		func(c ExampleConfig, _ struct{}) (Family, error) { return exampleFamily{c}, nil })
	config.Register(Models, lnpClass, defaultSingleCellLNP(),
		func(c SingleCellLNPConfig, _ struct{}) (Family, error) { return lnpFamily{c}, nil })
	config.Register(Models, spatialContrastClass, defaultSpatialContrast(),
		func(c SpatialContrastConfig, _ struct{}) (Family, error) { return newSpatialContrastFamily(c), nil })
	config.Register(Models, singleContrastClass, defaultSingleContrast(),
		func(c SingleContrastConfig, _ struct{}) (Family, error) {
			return &singleContrastFamily{SingleContrastConfig: c}, nil
		})

	config.Register(Cores, "openretina.modules.core.base_core.SimpleCoreWrapper",
		defaultSimpleCore(), SimpleCoreConfig.build)
	config.Register(Cores, "openretina.modules.core.base_core.DummyCore", DummyCoreConfig{}, DummyCoreConfig.build)
	config.Register(Cores, "openretina.modules.core.gru_core.ConvGRUCore",
		defaultConvGRUCore(), ConvGRUCoreConfig.build)
	config.Register(Cores, "openretina.modules.core.gru_core.ConditionedGRUCore",
		ConditionedGRUCoreConfig{ConvGRUCoreConfig: defaultConvGRUCore()}, ConditionedGRUCoreConfig.build)

	for _, module := range []string{"", "mlp."} {
		config.Register(Shifters, "neuralpredictors.layers.shifters."+module+"MLPShifter", defaultMLPShifter(), MLPShifterConfig.builder)
	}
	for _, module := range []string{"", "static_affine."} {
		config.Register(Shifters, "neuralpredictors.layers.shifters."+module+"StaticAffine2dShifter", defaultAffineShifter(), AffineShifterConfig.builder)
	}

	config.Register(Readouts, "openretina.modules.readout.multi_readout.MultiGaussianMaskReadout",
		defaultGaussianMasks(), GaussianMaskConfig.builder)
	config.Register(Readouts, "openretina.modules.readout.multi_readout.MultiSampledGaussianReadout",
		defaultPointGaussian(), PointGaussianConfig.builder)
	config.Register(Readouts, "openretina.modules.readout.multi_readout.MultiFactorizedReadout",
		FactorizedConfig{}, FactorizedConfig.builder)
	config.Register(Readouts, "openretina.modules.readout.multi_readout.MultipleLNPReadout",
		defaultLNP(), LNPConfig.builder)

	registerLosses()
	registerNonlinearities()
	registerTensors()

	config.Register(Autoencoders, AutoencoderTarget, defaultAutoencoder(),
		func(c AutoencoderConfig, _ struct{}) (AutoencoderConfig, error) { return c, nil })
	config.Register(AutoencoderLosses, autoencoderModule+".SparsityMSELoss", sparsityLoss{},
		func(l sparsityLoss, _ struct{}) (sparsityLoss, error) { return l, nil })
}

// registerLosses names the losses by the modules that have them: those of today, of
// which the first three are also names of the package, and the older
// openretina.modules.measures.
func registerLosses() {
	const losses, measures = "openretina.modules.losses.", "openretina.modules.measures."
	for _, module := range []string{losses, losses + "poisson.", measures} {
		config.Register(Losses, module+"PoissonLoss3d", defaultPoisson(), loss[poissonLoss])
	}
	for _, module := range []string{losses, losses + "mse.", measures} {
		config.Register(Losses, module+"MSE3d", mseLoss{}, loss[mseLoss])
	}
	for _, module := range []string{losses, losses + "correlation."} {
		config.Register(Losses, module+"CorrelationLoss3d", defaultCorrelation(), loss[CorrelationLoss])
	}
	config.Register(Losses, losses+"poisson.L1PoissonLoss3d",
		l1PoissonLoss{Bias: defaultLossBias, GammaL1: 0.001}, loss[l1PoissonLoss])
	for _, module := range []string{losses + "poisson.", measures} {
		config.Register(Losses, module+"CelltypePoissonLoss3d", cellTypePoissonLoss{Bias: defaultLossBias}, loss[cellTypePoissonLoss])
	}
	config.Register(Losses, losses+"correlation.CelltypeCorrelationLoss3d",
		cellTypeCorrelationLoss{CorrelationLoss: defaultCorrelation()}, loss[cellTypeCorrelationLoss])
	config.Register(Losses, losses+"correlation.L1CorrelationLoss3d",
		l1CorrelationLoss{defaultCorrelation()}, loss[l1CorrelationLoss])
	config.Register(Losses, losses+"correlation.ScaledCorrelationLoss3d",
		defaultScaledCorrelation(), loss[scaledCorrelationLoss])

	config.Register(Losses, measures+"StandardPoissonLoss3d", standardPoissonLoss{Bias: defaultLossBias}, loss[standardPoissonLoss])
	older := measureLoss{Bias: defaultLossBias}
	config.Register(Losses, measures+"CorrelationLoss3d", older,
		func(l measureLoss, _ struct{}) (Loss, error) { return l.negated(), nil })
	config.Register(Losses, measures+"CelltypeCorrelationLoss3d", older,
		func(l measureLoss, _ struct{}) (Loss, error) {
			return cellTypeCorrelationLoss{CorrelationLoss: l.negated()}, nil
		})
	config.Register(Losses, measures+"L1CorrelationLoss3d", older,
		func(l measureLoss, _ struct{}) (Loss, error) { return l1CorrelationLoss{l.negated()}, nil })
	config.Register(Losses, measures+"ScaledCorrelationLoss3d", scaledMeasureLoss{Bias: defaultLossBias, Scale: 30},
		func(l scaledMeasureLoss, _ struct{}) (Loss, error) { return *l.scaled(), nil })
}

// registerNonlinearities names those with arguments of their own with these.
func registerNonlinearities() {
	plain := func(name string, apply Nonlinearity) {
		config.Register(Nonlinearities, name, struct{}{}, func(struct{}, struct{}) (Nonlinearity, error) { return apply, nil })
	}
	for _, n := range nonlinearities {
		targets := []string{"torch.nn." + n.class}
		if n.function != "" {
			targets = append(targets, functional+n.function)
		}
		for _, target := range targets {
			switch n.class {
			case "Softplus":
				config.Register(Nonlinearities, target, softplusArguments{Beta: 1, Threshold: 20}, softplusArguments.build)
			case "ELU":
				config.Register(Nonlinearities, target, eluArguments{Alpha: 1}, eluArguments.build)
			case "LeakyReLU":
				config.Register(Nonlinearities, target, leakyReLUArguments{NegativeSlope: 0.01}, leakyReLUArguments.build)
			default:
				plain(target, n.apply)
			}
		}
	}
	plain("torch.exp", (*torch.Scope).Exp)
	plain("torch.abs", (*torch.Scope).Abs)
	plain("torch.square", (*torch.Scope).Square)
	plain("torch.relu", (*torch.Scope).ReLU)
	plain("torch.sigmoid", (*torch.Scope).Sigmoid)
	plain("torch.tanh", (*torch.Scope).Tanh)
	for _, name := range []string{"get_method", "get_object", "get_static_method"} {
		config.Register(Nonlinearities, hydraUtils+name, methodArguments{}, methodArguments.build)
	}
}

func registerTensors() {
	config.Register(Tensors, "torch.tensor", tensorArguments{}, tensorArguments.build)
	config.Register(Tensors, "torch.zeros", filledArguments{}, filledArguments.build)
	config.Register(Tensors, "torch.ones", filledArguments{fill: 1}, filledArguments.build)
	config.Register(Tensors, "torch.full", fullArguments{}, fullArguments.build)
	config.Register(Tensors, "torch.from_numpy", fromNumPyArguments{}, fromNumPyArguments.build)
	config.Register(Arrays, "numpy.load", loadArguments{}, loadArguments.build)
}
