package models

import (
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// The penalties of openretina.modules.layers.regularizers, by which kernels of
// neighbouring weights become smooth: each filters a kernel with a discrete Laplace
// operator, which is zero where the kernel is linear.

// laplaceKernels are the operators over space by their size, laplaceTime that over
// time.
var (
	laplaceKernels = map[int64][]float32{
		3: {
			0, -1, 0,
			-1, 4, -1,
			0, -1, 0,
		},
		5: {
			0, 0, 1, 0, 0,
			0, 1, 2, 1, 0,
			1, 2, -16, 2, 1,
			0, 1, 2, 1, 0,
			0, 0, 1, 0, 0,
		},
		7: {
			0, 0, 1, 1, 1, 0, 0,
			0, 1, 3, 3, 3, 1, 0,
			1, 3, 0, -7, 0, 3, 1,
			1, 3, -7, -24, -7, 3, 1,
			1, 3, 0, -7, 0, 3, 1,
			0, 1, 3, 3, 3, 1, 0,
			0, 0, 1, 1, 1, 0, 0,
		},
	}
	laplaceTime = []float32{-1, 2, -1}
)

// laplaceEps keeps a kernel of zeros from a division by zero.
const laplaceEps = 1e-6

// smoothness is a penalty on kernels that are not smooth: sums, or means where
// average is set. A smaller value is a smoother kernel.
type smoothness interface {
	penalty(s *torch.Scope, kernels *torch.Tensor, average bool) *torch.Tensor
}

// laplace is the class Laplace: the operator over height and width. It is a buffer,
// so that files have it.
type laplace struct {
	filter  *torch.Tensor // (1, 1, size, size)
	padding int64
}

// newLaplace makes the operator of a size (3, 5 or 7); padding nil keeps the size of
// what is filtered.
func newLaplace(p nn.Path, size int64, padding *int64) (*laplace, error) {
	kernel, ok := laplaceKernels[size]
	if !ok {
		return nil, config.Refuse("filter_size", "Unsupported filter size %d: choose 3, 5 or 7", size)
	}
	return &laplace{filter: p.Buffer("filter", nn.Values(kernel), 1, 1, size, size), padding: orSame(padding, size)}, nil
}

// orSame is the padding that keeps the size of what a filter is applied to, unless
// another is given.
func orSame(padding *int64, size int64) int64 {
	if padding == nil {
		return size / 2
	}
	return *padding
}

// apply filters images (count, 1, height, width).
func (l *laplace) apply(s *torch.Scope, images *torch.Tensor) *torch.Tensor {
	size := s.Dim(l.filter, 2)
	frames := s.Reshape(images, -1, 1, 1, s.Dim(images, 2), s.Dim(images, 3))
	filtered := s.Conv3D(frames, s.Reshape(l.filter, 1, 1, 1, size, size), nil, torch.Conv3DOptions{Padding: [3]int64{0, l.padding, l.padding}})
	return s.Reshape(filtered, s.Dim(filtered, 0), 1, s.Dim(filtered, 3), s.Dim(filtered, 4))
}

// laplace1d is the operator over time, and the classes that penalise temporal kernels
// (out, in, time, 1, 1), or any shape whose third axis is time, with it.
//
// Release 1.1.1 sums what is filtered before anything else is done to it, so that all
// but the ends of a kernel cancels out: Laplace1d is Σ laplace(w), which may be
// negative, TimeLaplaceL23dnorm (Σ laplace(w))² / (Σ w² + ε). Corrected, as upstream's
// head has it, both are Σ laplace(w)² / (Σ w² + ε).
type laplace1d struct {
	filter                *torch.Tensor // (1, 1, 3)
	padding               int64
	normalized, corrected bool
}

// newLaplace1d makes the operator; padding nil keeps the length of what is filtered.
func newLaplace1d(p nn.Path, padding *int64, corrected bool) *laplace1d {
	size := int64(len(laplaceTime))
	return &laplace1d{
		filter:  p.Buffer("filter", nn.Values(laplaceTime), 1, 1, size),
		padding: orSame(padding, size), corrected: corrected,
	}
}

// newTimeLaplaceL2 makes TimeLaplaceL23dnorm.
func newTimeLaplaceL2(p nn.Path, padding *int64, corrected bool) *laplace1d {
	l := newLaplace1d(p.Sub("laplace"), padding, corrected)
	l.normalized = true
	return l
}

// apply filters traces (count, 1, time).
func (l *laplace1d) apply(s *torch.Scope, traces *torch.Tensor) *torch.Tensor {
	columns := s.Reshape(traces, -1, 1, s.Dim(traces, 2), 1, 1)
	filtered := s.Conv3D(columns, s.Reshape(l.filter, 1, 1, -1, 1, 1), nil, torch.Conv3DOptions{Padding: [3]int64{l.padding, 0, 0}})
	return s.Reshape(filtered, s.Dim(filtered, 0), 1, s.Dim(filtered, 2))
}

func (l *laplace1d) penalty(s *torch.Scope, kernels *torch.Tensor, average bool) *torch.Tensor {
	w := traces(s, kernels)
	filtered := l.apply(s, w)
	switch {
	case l.corrected:
		return relative(s, filtered, w, average)
	case l.normalized:
		return relative(s, s.Sum(filtered), w, average)
	}
	return reduction(s, average)(filtered)
}

// traces are the temporal kernels (count, 1, time) of a tensor whose third axis is
// time and whose later ones have size 1.
func traces(s *torch.Scope, kernels *torch.Tensor) *torch.Tensor {
	return s.Reshape(kernels, -1, 1, s.Dim(kernels, 2))
}

// laplaceL2 is LaplaceL2norm and FlatLaplaceL23dnorm: Σ laplace(v)² / (Σ v² + ε) for
// spatial kernels v (out, in, height, width) or (out, in, 1, height, width).
type laplaceL2 struct{ *laplace }

func newLaplaceL2(p nn.Path, padding *int64) (laplaceL2, error) {
	operator, err := newLaplace(p.Sub("laplace"), 3, padding)
	return laplaceL2{operator}, err
}

func (l laplaceL2) penalty(s *torch.Scope, kernels *torch.Tensor, average bool) *torch.Tensor {
	v := images(s, kernels)
	return relative(s, l.apply(s, v), v, average)
}

// images are the spatial kernels (count, 1, height, width) of a tensor whose last two
// axes are height and width.
func images(s *torch.Scope, kernels *torch.Tensor) *torch.Tensor {
	return s.Reshape(kernels, -1, 1, s.Dim(kernels, -2), s.Dim(kernels, -1))
}

// gaussianLaplaceL2 is GaussianLaplaceL2: LaplaceL2norm that asks more of a kernel's
// surround than of its centre, by 1 - a Gaussian of a quarter of its shorter side.
type gaussianLaplaceL2 struct {
	laplaceL2
	surround []float32 // 1 - Gaussian (height, width)
	height   int64
}

func newGaussianLaplaceL2(p nn.Path, height, width int64, padding *int64) (gaussianLaplaceL2, error) {
	surround := gaussian2D(height, width, gaussianShape{sigma: float64(min(height, width)) / 4, gamma: 1, normalize: true})
	for i := range surround {
		surround[i] = 1 - surround[i]
	}
	l2, err := newLaplaceL2(p, padding)
	return gaussianLaplaceL2{l2, surround, height}, err
}

func (l gaussianLaplaceL2) penalty(s *torch.Scope, kernels *torch.Tensor, average bool) *torch.Tensor {
	if math.IsNaN(float64(l.surround[0])) { // all pixels of the Gaussian are equal
		s.Fail(fmt.Errorf("GaussianLaplaceL2 has no centre and surround in kernels of %d × %d pixels: choose LaplaceL2norm",
			l.height, int64(len(l.surround))/l.height))
		return nil
	}
	v := images(s, kernels)
	weights := s.FromFloat32(l.surround, 1, 1, l.height, int64(len(l.surround))/l.height)
	return relative(s, s.Mul(l.apply(s, v), weights), v, average)
}

// relative is Σ filtered² / (Σ kernels² + ε), or the quotient of means.
func relative(s *torch.Scope, filtered, kernels *torch.Tensor, average bool) *torch.Tensor {
	reduce := reduction(s, average)
	return s.Div(reduce(s.Square(filtered)), s.AddScalar(reduce(s.Square(kernels)), laplaceEps))
}

// reduction is what makes one number of all: the mean, or the sum.
func reduction(s *torch.Scope, average bool) func(x *torch.Tensor, dims ...int64) *torch.Tensor {
	if average {
		return s.Mean
	}
	return s.Sum
}

// gaussianShape are the arguments of gaussian2d beside its size: the standard
// deviation along x (the rows), how many times longer it is than that along y, the angle between
// them and the axes in radians, and where it is centred (along the columns, then the
// rows).
type gaussianShape struct {
	sigma, gamma, theta float64
	center              [2]float64
	normalize           bool // to values from 0 to 1
}

// gaussian2D is the function gaussian2d, row by row.
func gaussian2D(height, width int64, g gaussianShape) []float32 {
	values := make([]float64, 0, height*width)
	sin, cos := math.Sincos(g.theta)
	for row := range height {
		for column := range width {
			x := float64(row) - float64(height-1)/2 - g.center[1]
			y := float64(column) - float64(width-1)/2 - g.center[0]
			along, across := x*cos+y*sin, -x*sin+y*cos
			across *= g.gamma
			values = append(values, math.Exp(-0.5*(along*along+across*across)/(g.sigma*g.sigma)))
		}
	}
	if g.normalize {
		lowest := slices.Min(values)
		highest := slices.Max(values) - lowest
		for i := range values {
			values[i] = (values[i] - lowest) / highest
		}
	}
	return toFloat32(values)
}

// newSpaceSmoothness makes the penalty on spatial kernels (height, width) that a config
// names, as the Python package looks it up among its classes. key is the argument that
// names it.
func newSpaceSmoothness(p nn.Path, key, class string, size [2]int64, padding *int64) (smoothness, error) {
	switch class {
	case "LaplaceL2norm", "FlatLaplaceL23dnorm":
		return newLaplaceL2(p, padding)
	case "GaussianLaplaceL2":
		return newGaussianLaplaceL2(p, size[0], size[1], padding)
	}
	return nil, config.Refuse(key, "%s %q is no regularizer of space: choose LaplaceL2norm, FlatLaplaceL23dnorm or GaussianLaplaceL2", key, class)
}

// newTimeSmoothness makes the penalty on temporal kernels likewise; corrected is that of
// laplace1d.
func newTimeSmoothness(p nn.Path, key, class string, padding *int64, corrected bool) (smoothness, error) {
	switch class {
	case "Laplace1d":
		return newLaplace1d(p, padding, corrected), nil
	case "TimeLaplaceL23dnorm":
		return newTimeLaplaceL2(p, padding, corrected), nil
	}
	return nil, config.Refuse(key, "%s %q is no regularizer of time: choose Laplace1d or TimeLaplaceL23dnorm", key, class)
}
