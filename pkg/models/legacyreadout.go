package models

import (
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// readout is SpatialXFeature3d for features of a shape. It computes as the
// GaussianMaskReadout that came after it; names and initial values differ.
func (f legacyFamily) readout(features []int64) ReadoutBuilder {
	return func(p nn.Path, session Session) (Readout, error) { return f.newReadout(p, session, features) }
}

func (f legacyFamily) newReadout(p nn.Path, session Session, features []int64) (Readout, error) {
	n, channels := int64(session.Neurons), features[0]
	r := &gaussianMask{path: p.String(), neurons: session.Neurons, GaussianMaskConfig: GaussianMaskConfig{
		InShape: features, Scale: f.ReadoutScale, Bias: f.ReadoutBias,
		GaussianMeanScale: f.GaussianMeanScale, GaussianVarScale: f.GaussianVarScale, Positive: f.ReadoutPositive,
		MaskL1Reg: f.GammaMasks, FeatureWeightL1Reg: f.GammaReadout, ReadoutRegAvg: f.ReadoutRegAvg,
	}}
	r.mean = p.Param("mask_mean", nn.Zeros, n, 2)
	r.logVar = p.Param("mask_log_var", nn.Zeros, n)
	r.grid = p.Frozen("grid", maskGrid, n, features[2], features[3], 2)
	r.features = p.Param("features", nn.Normal(0, 0.01), 1, channels, 1, n)
	if f.ReadoutScale {
		r.scale = p.Param("scale", nn.Normal(1, 0.01), n)
	}
	if f.ReadoutBias {
		initial, err := session.biasInit()
		if err != nil {
			return nil, err
		}
		r.bias = p.Param("bias", initial, n)
	}
	return r, p.Err()
}
