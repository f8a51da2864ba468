package models

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// CoreDeps are what a core's constructor gets beside its config.
type CoreDeps struct {
	Path nn.Path
	// Channels are input and hidden channels where the model's hidden_channels
	// give them; nil leaves the core's own.
	Channels []int64
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
	Losses   = &config.Registry[struct{}, Loss]{What: "loss"}
)

func init() { //nolint:gochecknoinits // fills the tables above, nothing else
	config.Register(Models, DefaultFamily, defaultUnified(),
		func(c UnifiedConfig, _ struct{}) (Family, error) { return unifiedFamily{c}, nil })
	config.Register(Models, "openretina.models.core_readout.ExampleCoreReadout", defaultExample(),
		func(c ExampleConfig, _ struct{}) (Family, error) { return exampleFamily{c}, nil })

	config.Register(Cores, "openretina.modules.core.base_core.SimpleCoreWrapper",
		defaultSimpleCore(), SimpleCoreConfig.build)

	config.Register(Readouts, "openretina.modules.readout.multi_readout.MultiGaussianMaskReadout",
		defaultGaussianMasks(), GaussianMaskConfig.builder)

	for _, module := range []string{"openretina.modules.losses.", "openretina.modules.losses.poisson."} {
		config.Register(Losses, module+"PoissonLoss3d", poissonLoss{Bias: defaultLossBias}, loss[poissonLoss])
	}
	for _, module := range []string{"openretina.modules.losses.", "openretina.modules.losses.correlation."} {
		config.Register(Losses, module+"CorrelationLoss3d", CorrelationLoss{Bias: defaultLossBias, Negate: true}, loss[CorrelationLoss])
	}
	for _, module := range []string{"openretina.modules.losses.", "openretina.modules.losses.mse."} {
		config.Register(Losses, module+"MSE3d", mseLoss{}, loss[mseLoss])
	}
}
