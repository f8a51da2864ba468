package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// PointGaussianConfig are the arguments of MultiSampledGaussianReadout.
type PointGaussianConfig struct {
	InShape        []int64 `yaml:"in_shape,runtime"` // channels, time, height, width
	Bias           bool    `yaml:"bias,required"`
	InitMuRange    float64 `yaml:"init_mu_range,required"`    // of the first positions, at most 1
	InitSigmaRange float64 `yaml:"init_sigma_range,required"` // the first standard deviation
	BatchSample    bool    `yaml:"batch_sample"`              // a position for each frame, not one for all
	AlignCorners   bool    `yaml:"align_corners"`             // ±1 are the middles of the outermost pixels
	GaussType      string  `yaml:"gauss_type"`                // full, uncorrelated or isotropic
	// GridMeanPredictor needs positions that MultiSampledGaussianReadout does not pass on.
	GridMeanPredictor *config.Node    `yaml:"grid_mean_predictor"`
	SharedFeatures    *sharedFeatures `yaml:"shared_features"`
	SharedGrid        *sharedGrid     `yaml:"shared_grid"`
	InitGrid          *givenTensor    `yaml:"init_grid"` // (1, neurons, 1, 2)
	Gamma             float64         `yaml:"gamma"`     // weight of the penalty on the features
	RegAvg            bool            `yaml:"reg_avg"`
	Nonlinearity      function        `yaml:"nonlinearity_function"`

	corrected bool
}

// sharedFeatures are features that neurons with equal ids have in common. Another
// readout's own, which Python can pass on beside them, cannot be named in a config.
type sharedFeatures struct {
	MatchIDs []int64      `yaml:"match_ids,required"`
	Of       *config.Node `yaml:"shared_features"`
}

// sharedGrid are positions that neurons with equal ids have in common.
type sharedGrid struct {
	MatchIDs []int64      `yaml:"match_ids,required"`
	Of       *config.Node `yaml:"shared_grid"`
}

// pointGaussian is PointGaussianReadout: each neuron weighs the features at one point,
// which is drawn from a normal distribution in training (Lurz et al. 2021).
type pointGaussian struct {
	PointGaussianConfig
	path            nn.Path
	neurons         int
	mu, sigma       *torch.Tensor // (1, points, 1, 2), (1, neurons, 2, 2 | 1, 2 | 1, 1)
	features        *torch.Tensor // (1, channels, 1, sets of features)
	scales, bias    *torch.Tensor // (1, 1, 1, neurons), (neurons); nil without
	grids, featured []int64       // of each neuron: its point, its set; nil for its own
}

func defaultPointGaussian() PointGaussianConfig {
	return PointGaussianConfig{BatchSample: true, AlignCorners: true, GaussType: "full", Gamma: 1, Nonlinearity: softplus}
}

// Complete takes the shape of the core's output.
func (c *PointGaussianConfig) Complete(d ReadoutDeps) {
	if len(c.InShape) == 0 {
		c.InShape = d.InShape
	}
	c.corrected = d.Corrected
}

// sigmaShapes are the last two dimensions of sigma.
var sigmaShapes = map[string][]int64{"full": {2, 2}, "uncorrelated": {1, 2}, "isotropic": {1, 1}}

// Validate refuses what PointGaussianReadout refuses.
func (c *PointGaussianConfig) Validate() error {
	var bad config.Refusals
	bad.Unless(isFeatureShape(c.InShape), "in_shape", "in_shape must be [channels, time, height, width], got %v", c.InShape)
	bad.Unless(c.InitMuRange > 0 && c.InitMuRange <= 1, "init_mu_range", "init_mu_range must be above 0 and at most 1, got %v", c.InitMuRange)
	bad.Unless(c.InitSigmaRange > 0, "init_sigma_range", "init_sigma_range must be above 0, got %v", c.InitSigmaRange)
	bad.Unless(sigmaShapes[c.GaussType] != nil, "gauss_type",
		`gauss_type "%s" not known: choose full, uncorrelated or isotropic`, c.GaussType)
	bad.Unless(isNull(c.GridMeanPredictor), "grid_mean_predictor",
		"grid_mean_predictor needs a source_grid, which MultiSampledGaussianReadout does not take: set it to null")
	if f := c.SharedFeatures; f != nil {
		bad.Unless(isNull(f.Of), "shared_features", "another readout's features cannot be shared by a config: set shared_features.shared_features to null")
	}
	if g := c.SharedGrid; g != nil {
		bad.Unless(isNull(g.Of), "shared_grid", "another readout's positions cannot be shared by a config: set shared_grid.shared_grid to null")
	}
	return bad.Err()
}

func (c PointGaussianConfig) builder(ReadoutDeps) (ReadoutBuilder, error) { return c.build, nil }

func (c PointGaussianConfig) build(p nn.Path, session Session) (Readout, error) {
	r := &pointGaussian{PointGaussianConfig: c, path: p, neurons: session.Neurons}
	n, channels := int64(session.Neurons), c.InShape[0]
	points, sets := n, n
	var err error
	if c.SharedGrid != nil {
		if r.grids, points, err = matches("shared_grid", c.SharedGrid.MatchIDs, session); err != nil {
			return nil, err
		}
	}
	if c.SharedFeatures != nil {
		if r.featured, sets, err = matches("shared_features", c.SharedFeatures.MatchIDs, session); err != nil {
			return nil, err
		}
	}
	biasInit, err := session.biasInit()
	if err != nil {
		return nil, err
	}
	muInit, err := c.muInit(session)
	if err != nil {
		return nil, err
	}
	r.mu = p.Param("_mu", muInit, 1, points, 1, 2)
	r.sigma = p.Param("sigma", c.sigmaInit(), append([]int64{1, n}, sigmaShapes[c.GaussType]...)...)
	r.features = p.Param("_features", nn.Constant(1/float64(channels)), 1, channels, 1, sets)
	if r.featured != nil {
		r.scales = p.Param("scales", nn.Ones, 1, 1, 1, n)
	}
	if c.Bias {
		r.bias = p.Param("bias", biasInit, n)
	}
	if r.grids != nil {
		p.Buffer("grid_sharing_index", nn.Indexes(r.grids), n)
	}
	if r.featured != nil {
		p.Buffer("feature_sharing_index", nn.Indexes(r.featured), n)
	}
	return r, p.Err()
}

// muInit draws the first positions. The Python class draws over init_grid, unless the
// numbers are to be corrected.
func (c PointGaussianConfig) muInit(session Session) (nn.Init, error) {
	drawn := nn.Uniform(-c.InitMuRange, c.InitMuRange)
	if c.InitGrid == nil || c.SharedGrid != nil || session.sample {
		return drawn, nil
	}
	given, err := c.InitGrid.init("init_grid", 1, int64(session.Neurons), 1, 2)
	if err != nil || c.corrected {
		return given, err
	}
	return drawn, nil
}

func (c PointGaussianConfig) sigmaInit() nn.Init {
	if c.GaussType == "full" {
		return nn.Uniform(-c.InitSigmaRange, c.InitSigmaRange)
	}
	return nn.Constant(c.InitSigmaRange)
}

// redraw draws positions and standard deviations again.
func (r *pointGaussian) redraw(session Session) {
	init, err := r.muInit(session)
	if err != nil {
		r.path.Fail(err)
		return
	}
	r.path.Redraw(r.mu, init)
	r.path.Redraw(r.sigma, r.sigmaInit())
}

// matches gives each neuron the place of its id among the different ones, in order.
func matches(key string, ids []int64, session Session) (places []int64, different int64, err error) {
	if session.sample {
		ids = slices.Repeat([]int64{0}, session.Neurons)
	}
	if len(ids) != session.Neurons {
		return nil, 0, config.Refuse(key, "%s: match_ids has %d ids, but session %s has %d neurons",
			key, len(ids), session.Name, session.Neurons)
	}
	unique := slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		place, _ := slices.BinarySearch(unique, id)
		places = append(places, int64(place))
	}
	return places, int64(len(unique)), nil
}

func (r *pointGaussian) NumNeurons() int { return r.neurons }

// Forward is nonlinearity(Σ_c f_c x_c(point) + bias), where a point in training is μ + Σ
// times a normal draw, and else μ.
func (r *pointGaussian) Forward(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	defer s.Enter(r.path.String())()
	if !s.Training() && !s.Recording() {
		return r.Fixed(s, nil).Forward(s, x)
	}
	return r.respond(s, x, r.noise(s, s.Dim(x, 0)*s.Dim(x, 2)))
}

// noise draws (frames | 1, neurons, 1, 2) from the standard normal distribution in
// training; nil else.
func (r *pointGaussian) noise(s *torch.Scope, frames int64) *torch.Tensor {
	if !s.Training() {
		return nil
	}
	if !r.BatchSample {
		frames = 1
	}
	return s.Randn(s.Rand(), frames, int64(r.neurons), 1, 2)
}

// respond reads the features at the points that noise makes. As in the Python package
// each frame of each clip is an image of its own.
func (r *pointGaussian) respond(s *torch.Scope, x, noise *torch.Tensor) *torch.Tensor {
	batch, time, n := s.Dim(x, 0), s.Dim(x, 2), int64(r.neurons)
	images := s.Reshape(s.Permute(x, 0, 2, 1, 3, 4), batch*time, s.Dim(x, 1), s.Dim(x, 3), s.Dim(x, 4))
	points := s.Expand(r.points(s, noise), batch*time, n, 1, 2)
	read := s.GridSample(images, points, r.AlignCorners) // (batch · time, channels, neurons, 1)
	y := s.Sum(s.Mul(s.Reshape(read, batch*time, -1, n), s.Reshape(r.weights(s), 1, -1, n)), 1)
	if r.bias != nil {
		y = s.Add(y, r.bias)
	}
	return r.Nonlinearity.apply(s, s.Reshape(y, batch, time, n))
}

// points are (1 | frames, neurons, 1, 2), within the features.
func (r *pointGaussian) points(s *torch.Scope, noise *torch.Tensor) *torch.Tensor {
	r.limit(s)
	points := r.mu
	if r.grids != nil {
		points = s.IndexSelect(r.mu, 1, r.grids)
	}
	if noise != nil {
		points = s.Add(r.spread(s, noise), points)
	}
	low, high := -1.0, 1.0
	return s.Clamp(points, &low, &high)
}

// spread is Σ times draws from the standard normal distribution.
func (r *pointGaussian) spread(s *torch.Scope, noise *torch.Tensor) *torch.Tensor {
	if r.GaussType == "full" {
		return s.Einsum("ancd,bnid->bnic", r.sigma, noise)
	}
	return s.Mul(noise, r.sigma)
}

// limit keeps the positions within the features. Shared ones stay as they are, as in
// the Python package, which limits a copy of them.
func (r *pointGaussian) limit(s *torch.Scope) {
	if low, high := -1.0, 1.0; r.grids == nil {
		s.ClampInPlace(r.mu, &low, &high)
	}
}

// weights are each neuron's features (1, channels, 1, neurons).
func (r *pointGaussian) weights(s *torch.Scope) *torch.Tensor {
	if r.featured == nil {
		return r.features
	}
	return s.Mul(r.scales, s.IndexSelect(r.features, 3, r.featured))
}

// Fixed weighs the four positions around each neuron's point.
func (r *pointGaussian) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	defer s.Enter(r.path.String())()
	points, weights, bias := r.points(s, nil), r.weights(s), r.bias
	n := int64(r.neurons)
	if bias == nil {
		bias = s.Zeros(n)
	}
	if neurons != nil {
		n = int64(len(neurons))
		points, weights, bias = s.IndexSelect(points, 1, neurons), s.IndexSelect(weights, 3, neurons), s.IndexSelect(bias, 0, neurons)
	}
	at, err := s.Float32s(points)
	if err != nil {
		return &linearReadout{nonlinearity: r.Nonlinearity.apply}
	}
	near := interpolate(at, r.InShape[2], r.InShape[3], r.AlignCorners)
	masks := s.FromFloat32(near.weights, n, 1, near.count)
	features := s.Reshape(s.Permute(s.Reshape(weights, -1, n), 1, 0), n, -1, 1)
	return &linearReadout{
		weights: s.Reshape(s.Mul(features, masks), n, -1), positions: near.positions,
		bias: bias, nonlinearity: r.Nonlinearity.apply,
	}
}

// Regularizer is gamma · Σ|f|, or of the mean.
func (r *pointGaussian) Regularizer(s *torch.Scope) *torch.Tensor {
	defer s.Enter(r.path.String())()
	return s.MulScalar(reduction(s, r.RegAvg)(s.Abs(r.weights(s))), r.Gamma)
}

func (r *pointGaussian) averagesNeurons() bool { return r.RegAvg }

// center moves all points to the middle.
func (r *pointGaussian) center(s *torch.Scope) { s.CopyInto(r.mu, s.Zeros(1, s.Dim(r.mu, 1), 1, 2)) }

func (r *pointGaussian) class() string { return "PointGaussianReadout" }
