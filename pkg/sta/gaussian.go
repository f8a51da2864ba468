package sta

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Gaussian is an elliptical Gaussian over the pixels of a picture, the model of a
// receptive field. Lengths are in pixels, positions count from the first pixel.
type Gaussian struct {
	CenterX, CenterY float64
	SigmaX, SigmaY   float64 // along the ellipse's axes, which Theta turns
	Theta            float64 // from the x axis to the axis of SigmaX, in radians
	Amplitude        float64
	// Fitted is false where the fit failed, and the rest is its start.
	Fitted bool
}

// ellipse gives a pixel's distances from the centre along the ellipse's axes, in
// standard deviations.
func (g *Gaussian) ellipse() func(x, y int) (u, v float64) {
	sin, cos := math.Sincos(g.Theta)
	return func(x, y int) (u, v float64) {
		dx, dy := float64(x)-g.CenterX, float64(y)-g.CenterY
		return (cos*dx + sin*dy) / g.SigmaX, (cos*dy - sin*dx) / g.SigmaY
	}
}

// within gives the pixels (height, width) of the Gaussian up to so many standard
// deviations from its centre, and zero beyond.
func (g *Gaussian) within(sigmas float64, height, width int) []float64 {
	pixels, at := make([]float64, height*width), g.ellipse()
	for i := range pixels {
		if u, v := at(i%width, i/width); math.Sqrt(u*u+v*v) <= sigmas {
			pixels[i] = g.Amplitude * math.Exp(-(u*u+v*v)/2)
		}
	}
	return pixels
}

// fitGaussian fits a Gaussian to a picture (height, width) by least squares, from the
// pixel that is farthest from zero (fit_2d_gaussian). The centre stays in the picture,
// sigmas between half a pixel and its size.
func fitGaussian(picture []float64, height, width int) Gaussian {
	start := farthest(picture)
	sigma := float64(min(height, width)) / 6
	g := Gaussian{
		CenterX: float64(start % width), CenterY: float64(start / width),
		SigmaX: sigma, SigmaY: sigma, Amplitude: picture[start],
	}
	h, w := float64(height), float64(width)
	x, err := (&leastSquares{
		lower:     []float64{0, 0, 0.5, 0.5, -math.Pi, math.Inf(-1)},
		upper:     []float64{w - 1, h - 1, w, h, math.Pi, math.Inf(1)},
		count:     len(picture),
		residuals: func(dst, x []float64) { gaussianOf(x).residuals(dst, picture, width) },
		jacobian:  func(dst *mat.Dense, x []float64) { gaussianOf(x).jacobian(dst, width) },
	}).solve([]float64{g.CenterX, g.CenterY, g.SigmaX, g.SigmaY, g.Theta, g.Amplitude})
	if err != nil {
		return g // as the Python package does: a start without a fit
	}
	g = *gaussianOf(x)
	g.Fitted = true
	return g
}

func gaussianOf(x []float64) *Gaussian {
	return &Gaussian{CenterX: x[0], CenterY: x[1], SigmaX: x[2], SigmaY: x[3], Theta: x[4], Amplitude: x[5]}
}

func (g *Gaussian) residuals(dst, picture []float64, width int) {
	at := g.ellipse()
	for i, p := range picture {
		u, v := at(i%width, i/width)
		dst[i] = g.Amplitude*math.Exp(-(u*u+v*v)/2) - p
	}
}

// jacobian gives the derivatives of the pixels, in the order of gaussianOf.
func (g *Gaussian) jacobian(dst *mat.Dense, width int) {
	sin, cos := math.Sincos(g.Theta)
	at := g.ellipse()
	pixels, _ := dst.Dims()
	for i := range pixels {
		u, v := at(i%width, i/width)
		shape := math.Exp(-(u*u + v*v) / 2)
		value := g.Amplitude * shape
		row := dst.RawRowView(i)
		row[0] = value * (u*cos/g.SigmaX - v*sin/g.SigmaY)
		row[1] = value * (u*sin/g.SigmaX + v*cos/g.SigmaY)
		row[2] = value * u * u / g.SigmaX
		row[3] = value * v * v / g.SigmaY
		row[4] = value * u * v * (g.SigmaX/g.SigmaY - g.SigmaY/g.SigmaX)
		row[5] = shape
	}
}

// farthest is the index of the value farthest from zero, the first of equals.
func farthest(values []float64) int {
	best := 0
	for i, v := range values {
		if math.Abs(v) > math.Abs(values[best]) {
			best = i
		}
	}
	return best
}
