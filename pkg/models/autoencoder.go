package models

import (
	"context"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// AutoencoderConfig are the arguments of Autoencoder.
type AutoencoderConfig struct {
	InputDim     int64        `yaml:"input_dim,runtime"` // neurons; ???: as many as the activations have
	HiddenDim    int64        `yaml:"hidden_dim,required"`
	Loss         *config.Node `yaml:"loss,required" of:"autoencoder loss"`
	LearningRate float64      `yaml:"learning_rate"`
	// UnitNormLossFactor is kept in files; the Python class does not use it.
	UnitNormLossFactor float64 `yaml:"unit_norm_loss_factor"`
}

func defaultAutoencoder() AutoencoderConfig {
	return AutoencoderConfig{LearningRate: 0.0005, UnitNormLossFactor: 1}
}

// Validate refuses sizes that are none.
func (c *AutoencoderConfig) Validate() error {
	var refused config.Refusals
	refused.Unless(c.InputDim >= 0, "input_dim", "input_dim must not be negative, got %d", c.InputDim)
	refused.Unless(c.HiddenDim >= 1, "hidden_dim", "hidden_dim must be at least 1, got %d", c.HiddenDim)
	return refused.Err()
}

// sparsityLoss is SparsityMSELoss: the squared error and the hidden activations.
type sparsityLoss struct {
	SparsityFactor float64 `yaml:"sparsity_factor,required"`
}

// Autoencoder is Autoencoder, a sparse autoencoder of neurons' responses (Bricken et al.
// 2023): hidden activations z = relu(W (x - b) + c) of which there may be more than
// neurons, and their reconstruction D z + b.
type Autoencoder struct {
	AutoencoderConfig

	sparsity      float64
	corrected     bool
	bias          *torch.Tensor // b (input)
	encoder, hide *torch.Tensor // W (hidden, input), c (hidden)
	decoder       *torch.Tensor // D (input, hidden)

	store  *nn.Store
	rng    *torch.Generator
	device torch.Device
}

const autoencoderModule = "openretina.models.sparse_autoencoder"

// AutoencoderTarget is the class's name in configs.
const AutoencoderTarget = autoencoderModule + ".Autoencoder"

// Autoencoders and their losses are what configs may name; an autoencoder is no model of
// a stimulus, and so not in Models.
var (
	Autoencoders      = &config.Registry[struct{}, AutoencoderConfig]{What: "autoencoder"}
	AutoencoderLosses = &config.Registry[struct{}, sparsityLoss]{What: "autoencoder loss"}
)

// IsAutoencoder says whether the node `model` of a config names the class.
func IsAutoencoder(model *config.Node) bool {
	name, err := config.Target(model)
	return err == nil && name == AutoencoderTarget
}

// ReadAutoencoder reads the node `model` of a config.
func ReadAutoencoder(n *config.Node) (AutoencoderConfig, error) {
	c, err := Autoencoders.Build(n, struct{}{})
	if err != nil {
		return c, err
	}
	_, err = AutoencoderLosses.Build(c.Loss, struct{}{})
	return c, err
}

// NewAutoencoder makes an autoencoder with the weights that the Python class draws for
// the seed.
func NewAutoencoder(c AutoencoderConfig, o Options) (*Autoencoder, error) {
	l, err := AutoencoderLosses.Build(c.Loss, struct{}{})
	if err != nil {
		return nil, err
	}
	return newAutoencoder(c, l.SparsityFactor, o)
}

func newAutoencoder(c AutoencoderConfig, sparsity float64, o Options) (*Autoencoder, error) {
	if c.InputDim < 1 || c.HiddenDim < 1 {
		return nil, fmt.Errorf("input_dim and hidden_dim must be at least 1, got %d and %d", c.InputDim, c.HiddenDim)
	}
	rng, err := torch.NewGenerator(o.Seed, torch.CPU)
	if err != nil {
		return nil, err
	}
	a := &Autoencoder{
		AutoencoderConfig: c, sparsity: sparsity, corrected: o.Corrected,
		store: nn.NewStore(torch.CPU, rng), rng: rng, device: o.Device,
	}
	err = torch.Do(context.Background(), torch.Inference, func(*torch.Scope) error {
		root := a.store.Root()
		a.bias = root.Param("bias", nn.Zeros, c.InputDim)
		a.encoder = root.Sub("encoder").Param("weight", nn.ConvUniform(c.InputDim), c.HiddenDim, c.InputDim)
		a.hide = root.Sub("encoder").Param("bias", nn.ConvUniform(c.InputDim), c.HiddenDim)
		a.decoder = root.Sub("decoder").Param("weight", nn.ConvUniform(c.HiddenDim), c.InputDim, c.HiddenDim)
		if err := root.Err(); err != nil || o.Device.IsCPU() {
			return err
		}
		return a.store.MoveTo(o.Device)
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close frees the autoencoder.
func (a *Autoencoder) Close() {
	a.store.Close()
	a.rng.Close()
}

// Store holds the tensors by name.
func (a *Autoencoder) Store() *nn.Store { return a.store }

// Device is where it computes.
func (a *Autoencoder) Device() torch.Device { return a.device }

// Encode gives the hidden activations (examples, hidden) of responses (examples, input).
func (a *Autoencoder) Encode(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	drive := s.MatMul(s.Sub(x, a.bias), s.Permute(a.encoder, 1, 0))
	return s.ReLU(s.Add(drive, a.hide))
}

// Decode gives the responses (examples, input) of hidden activations.
func (a *Autoencoder) Decode(s *torch.Scope, z *torch.Tensor) *torch.Tensor {
	return s.Add(s.MatMul(z, s.Permute(a.decoder, 1, 0)), a.bias)
}

// Losses are the squared error, summed over neurons and averaged over examples; the
// sparsity, which is the sum of all hidden activations, corrected their sum for an
// example on average; and the error + sparsity_factor · sparsity.
func (a *Autoencoder) Losses(s *torch.Scope, x, z, reconstruction *torch.Tensor) (total, squares, sparsity *torch.Tensor) {
	examples := s.Dim(x, 0)
	if s.Err() != nil {
		return nil, nil, nil
	}
	squares = s.MulScalar(s.Sum(s.Square(s.Sub(x, reconstruction))), 1/float64(examples))
	sparsity = s.Sum(s.Abs(z))
	if a.corrected {
		sparsity = s.MulScalar(sparsity, 1/float64(examples))
	}
	return s.Add(squares, s.MulScalar(sparsity, a.sparsity)), squares, sparsity
}

// normed is the dimension of the decoder (input, hidden) along which weights are held at
// norm 1: release 1.1.1 holds those to a neuron, corrected are those of a hidden unit,
// without which a unit could be small and its weights large.
func (a *Autoencoder) normed() int64 {
	if a.corrected {
		return 0
	}
	return 1
}

// ScaleDecoder divides the decoder's weights by their norms, as each training step
// begins.
func (a *Autoencoder) ScaleDecoder(s *torch.Scope) {
	defer s.NoGrad()()
	s.CopyInto(a.decoder, s.Div(a.decoder, s.NormKeep(a.decoder, a.normed())))
}

// ProjectGradient takes the part of the decoder's gradient away that would change those
// norms.
func (a *Autoencoder) ProjectGradient(s *torch.Scope) {
	defer s.NoGrad()()
	unit := s.Div(a.decoder, s.NormKeep(a.decoder, a.normed()))
	gradient := s.Grad(a.decoder)
	along := s.Mul(s.SumKeep(s.Mul(gradient, unit), a.normed()), unit)
	s.CopyInto(gradient, s.Sub(gradient, along))
}

// NormDifference is Σ |1 - norm| of the decoder's weights.
func (a *Autoencoder) NormDifference(s *torch.Scope) *torch.Tensor {
	return s.Sum(s.Abs(s.AddScalar(s.Neg(s.Norm(a.decoder, a.normed())), 1)))
}

// Reconstruct gives the reconstruction of responses (examples, input), and the hidden
// activations (examples, hidden), both float32.
func (a *Autoencoder) Reconstruct(ctx context.Context, responses *ndarray.Array) (reconstruction, hidden *ndarray.Array, err error) {
	if len(responses.Shape) != 2 || int64(responses.Shape[1]) != a.InputDim {
		return nil, nil, fmt.Errorf("responses of shape %s do not fit: the autoencoder takes %d neurons in the last dimension",
			torch.FormatShape(responses.Shape), a.InputDim)
	}
	err = torch.DoOn(ctx, a.device, torch.Inference, func(s *torch.Scope) error {
		z := a.Encode(s, s.As(s.FromArray(responses), ndarray.Float32))
		var err error
		if reconstruction, err = s.Array(a.Decode(s, z)); err != nil {
			return err
		}
		hidden, err = s.Array(z)
		return err
	})
	return reconstruction, hidden, err
}

// Checkpoint is the content of a checkpoint that the Python class loads, without what a
// training adds.
func (a *Autoencoder) Checkpoint() (*checkpoint.Checkpoint, error) {
	arrays, err := a.store.StateDict()
	if err != nil {
		return nil, err
	}
	state := &checkpoint.State{}
	for _, array := range arrays {
		state.Set(array.Name, array.Array)
	}
	// The class wants its loss as an object.
	loss := &pickle.Object{
		Class: pickle.Class{Module: autoencoderModule, Name: "SparsityMSELoss"}, Args: pickle.Tuple{}, New: true,
		State: pickle.NewDict("sparsity_factor", a.sparsity),
	}
	return &checkpoint.Checkpoint{
		State: state, HyperParametersName: "kwargs",
		HyperParameters: pickle.NewDict("input_dim", a.InputDim, "hidden_dim", a.HiddenDim, "loss", loss,
			"learning_rate", a.LearningRate, "unit_norm_loss_factor", a.UnitNormLossFactor),
	}, nil
}

// HoldsAutoencoder says whether a file is one of an autoencoder.
func HoldsAutoencoder(c *checkpoint.Checkpoint) bool {
	if c.HyperParameters == nil {
		return false
	}
	_, input := c.HyperParameters.Get("input_dim")
	_, hidden := c.HyperParameters.Get("hidden_dim")
	return input && hidden
}

// AutoencoderFrom rebuilds an autoencoder of a file.
func AutoencoderFrom(c *checkpoint.Checkpoint, o Options) (*Autoencoder, error) {
	hyper, err := hyperNode(c.HyperParameters)
	if err != nil {
		return nil, err
	}
	if _, stored := hyper.Get("loss"); !stored { // converted files do not keep it, and only a training needs it
		err := hyper.Set("loss", config.Object{{Key: config.TargetKey, Value: autoencoderModule + ".SparsityMSELoss"}})
		if err != nil {
			return nil, err
		}
	}
	arguments := defaultAutoencoder()
	if err := hyper.Read(&arguments); err != nil {
		return nil, err
	}
	a, err := newAutoencoder(arguments, storedSparsity(c.HyperParameters), o)
	if err != nil {
		return nil, err
	}
	if err := a.store.Load(stateOf(c)); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// storedSparsity is the factor of the loss object in a file; 0 where there is none, which
// only a training would miss.
func storedSparsity(hyper *pickle.Dict) float64 {
	value, _ := hyper.Get("loss")
	var factor any
	switch l := value.(type) {
	case *pickle.Object:
		factor, _ = l.Attr("sparsity_factor")
	case *pickle.Dict:
		factor, _ = l.Get("sparsity_factor")
	}
	switch f := factor.(type) {
	case float64:
		return f
	case int64:
		return float64(f)
	}
	return 0
}
