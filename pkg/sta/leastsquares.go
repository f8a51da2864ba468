package sta

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// leastSquares is a nonlinear least-squares problem with bounds: which x between
// lower and upper makes the sum of squared residuals least?
//
// It is solved by the trust-region reflective method (Branch, Coleman, Li 1999:
// SIAM Journal on Scientific Computing 21) with the rules of scipy.optimize's
// curve_fit, over gonum's linear algebra. gonum's own optimizers know no bounds, and
// where they end on a noisy STA is another minimum as often as not: of random
// pictures with a Gaussian as strong as the noise, BFGS and Levenberg-Marquardt found
// the minimum of curve_fit in 2 and 5 of 20.
type leastSquares struct {
	lower, upper []float64
	residuals    func(dst, x []float64)
	jacobian     func(dst *mat.Dense, x []float64) // (residuals, parameters)
	count        int                               // of residuals
}

const (
	// tolerance of the cost, the step and the gradient, each relative.
	tolerance = 1e-8
	// maxEvaluations of the residuals, as the Python package asks for.
	maxEvaluations = 5000
)

var (
	errInfeasible   = errors.New("the start lies outside the bounds")
	errNotFinite    = errors.New("the residuals are not finite at the start")
	errNotConverged = errors.New("the fit did not converge")
)

// iterate is a point with what is known there.
type iterate struct {
	x, residuals, gradient []float64
	jacobian               *mat.Dense
	cost                   float64 // half the sum of squares
}

// solve gives the minimum that is reached from a start.
func (p *leastSquares) solve(start []float64) ([]float64, error) {
	for i, v := range start {
		if p.lower[i] >= p.upper[i] || v < p.lower[i] || v > p.upper[i] {
			return nil, errInfeasible
		}
	}
	at := p.evaluate(p.inside(start, 1e-10))
	if !finite(at.residuals) {
		return nil, errNotFinite
	}
	p.linearize(at)
	region := p.firstRegion(start, at)
	for evaluations := 1; evaluations < maxEvaluations; {
		model, err := p.model(at)
		if err != nil {
			return nil, err
		}
		if model.optimality < tolerance {
			return at.x, nil
		}
		next, n, done := p.advance(at, model, region, maxEvaluations-evaluations)
		if evaluations += n; next != nil {
			at = next
		}
		if done {
			return at.x, nil
		}
		if next != nil {
			p.linearize(at)
		}
	}
	return nil, errNotConverged
}

// advance shrinks the trust region until a step lowers the cost, or nothing is to be
// gained. next is nil where no step did.
func (p *leastSquares) advance(at *iterate, m *model, r *region, budget int) (next *iterate, evaluations int, done bool) {
	for evaluations < budget {
		s := p.chooseStep(at.x, m, r)
		tried := p.evaluate(p.inside(sum(at.x, s.step), 0))
		evaluations++
		length := norm(s.scaled)
		if !finite(tried.residuals) {
			r.radius = length / 4
			continue
		}
		gain := at.cost - tried.cost
		ratio := r.update(gain, s.predicted, length)
		small := norm(s.step) < tolerance*(tolerance+norm(at.x))
		done = small || gain < tolerance*at.cost && ratio > 0.25
		if gain > 0 {
			return tried, evaluations, done
		}
		if done {
			return nil, evaluations, true
		}
	}
	return nil, evaluations, false
}

func (p *leastSquares) evaluate(x []float64) *iterate {
	at := &iterate{x: x, residuals: make([]float64, p.count)}
	p.residuals(at.residuals, x)
	at.cost = floats.Dot(at.residuals, at.residuals) / 2
	return at
}

func (p *leastSquares) linearize(at *iterate) {
	n := len(at.x)
	at.jacobian = mat.NewDense(p.count, n, nil)
	p.jacobian(at.jacobian, at.x)
	at.gradient = make([]float64, n)
	mat.NewVecDense(n, at.gradient).MulVec(at.jacobian.T(), mat.NewVecDense(p.count, at.residuals))
}

// inside moves a point off the bounds, by margin relative to a bound; by the least
// possible where margin is 0.
func (p *leastSquares) inside(x []float64, margin float64) []float64 {
	moved := make([]float64, len(x))
	for i, v := range x {
		low, high := p.lower[i], p.upper[i]
		fromLow, fromHigh := v-low, high-v
		switch {
		case !math.IsInf(low, 0) && fromLow <= min(fromHigh, margin*max(1, math.Abs(low))):
			v = low + margin*max(1, math.Abs(low))
			if margin == 0 {
				v = math.Nextafter(low, high)
			}
		case !math.IsInf(high, 0) && fromHigh <= min(fromLow, margin*max(1, math.Abs(high))):
			v = high - margin*max(1, math.Abs(high))
			if margin == 0 {
				v = math.Nextafter(high, low)
			}
		}
		if v < low || v > high {
			v = (low + high) / 2
		}
		moved[i] = v
	}
	return moved
}

// scaling is the distance of each parameter to the bound that its gradient points
// to, and the distance's derivative; 1 and 0 where there is no such bound.
func (p *leastSquares) scaling(at *iterate) (distance, slope []float64) {
	distance, slope = make([]float64, len(at.x)), make([]float64, len(at.x))
	for i, g := range at.gradient {
		switch {
		case g < 0 && !math.IsInf(p.upper[i], 0):
			distance[i], slope[i] = p.upper[i]-at.x[i], -1
		case g > 0 && !math.IsInf(p.lower[i], 0):
			distance[i], slope[i] = at.x[i]-p.lower[i], 1
		default:
			distance[i] = 1
		}
	}
	return distance, slope
}

// model is the quadratic model of the cost around a point, in variables scaled by
// the root of the distance to the bounds: value(s) = ½ sᵀ B s + gᵀ s.
type model struct {
	scale, g   []float64
	b          *mat.Dense
	optimality float64 // largest entry of the gradient, scaled

	// B in its eigenvectors: squares of singular values, the gradient.
	singular, rotated []float64
	vectors           mat.Dense
	fullRank          bool
}

func (p *leastSquares) model(at *iterate) (*model, error) {
	n := len(at.x)
	distance, slope := p.scaling(at)
	m := &model{scale: make([]float64, n), g: make([]float64, n)}
	augmented := mat.NewDense(p.count+n, n, nil)
	for i, d := range distance {
		m.scale[i] = math.Sqrt(d)
		m.g[i] = m.scale[i] * at.gradient[i]
		m.optimality = max(m.optimality, math.Abs(at.gradient[i]*d))
		augmented.Set(p.count+i, i, math.Sqrt(at.gradient[i]*slope[i]))
	}
	augmented.Slice(0, p.count, 0, n).(*mat.Dense).Apply(
		func(_, j int, v float64) float64 { return v * m.scale[j] }, at.jacobian)
	m.b = mat.NewDense(n, n, nil)
	m.b.Mul(augmented.T(), augmented)

	var svd mat.SVD
	if !svd.Factorize(augmented, mat.SVDThinV) {
		return nil, errNotConverged
	}
	m.singular = svd.Values(nil)
	svd.VTo(&m.vectors)
	m.rotated = make([]float64, n)
	mat.NewVecDense(n, m.rotated).MulVec(m.vectors.T(), mat.NewVecDense(n, m.g))
	const epsilon = 0x1p-52
	m.fullRank = m.singular[n-1] > epsilon*float64(p.count)*m.singular[0]
	return m, nil
}

// value is the change of the cost that the model predicts for a step.
func (m *model) value(s []float64) float64 { return m.form(s, s)/2 + floats.Dot(m.g, s) }

// form is sᵀ B t.
func (m *model) form(s, t []float64) float64 {
	return mat.Inner(mat.NewVecDense(len(s), s), m.b, mat.NewVecDense(len(t), t))
}

// least finds where between from and to the model is least along start + t·direction.
func (m *model) least(start, direction []float64, from, to float64) (t, value float64) {
	a := m.form(direction, direction) / 2
	b := floats.Dot(m.g, direction) + m.form(start, direction)
	c := m.value(start)
	at := func(t float64) float64 { return t*(a*t+b) + c }
	t = from
	if at(to) < at(t) {
		t = to
	}
	if inner := -b / (2 * a); a != 0 && from < inner && inner < to && at(inner) < at(t) {
		t = inner
	}
	return t, at(t)
}

// newton is the minimum of the model where alpha is added to B.
func (m *model) newton(alpha float64) []float64 {
	n := len(m.g)
	step, weighted := make([]float64, n), make([]float64, n)
	for i, s := range m.singular {
		weighted[i] = -m.rotated[i] / (s*s + alpha)
	}
	mat.NewVecDense(n, step).MulVec(&m.vectors, mat.NewVecDense(n, weighted))
	return step
}

// region is where the model is trusted: around the point, in scaled variables.
type region struct {
	radius float64
	alpha  float64 // what kept the last step within it (Levenberg, Marquardt)
}

func (p *leastSquares) firstRegion(start []float64, at *iterate) *region {
	distance, _ := p.scaling(at)
	scaled := make([]float64, len(start))
	for i, v := range start {
		scaled[i] = v / math.Sqrt(distance[i])
	}
	if radius := norm(scaled); radius > 0 {
		return &region{radius: radius}
	}
	return &region{radius: 1}
}

// update compares a step's gain with what was predicted.
func (r *region) update(gain, predicted, length float64) (ratio float64) {
	switch {
	case predicted > 0:
		ratio = gain / predicted
	case predicted == 0 && gain == 0:
		ratio = 1
	}
	before := r.radius
	if ratio < 0.25 {
		r.radius = length / 4
	} else if ratio > 0.75 && length > 0.95*r.radius {
		r.radius *= 2
	}
	r.alpha *= before / r.radius
	return ratio
}

// step is the minimum of the model within the region (Moré 1977), and updates alpha.
func (r *region) step(m *model) []float64 {
	if m.fullRank {
		if s := m.newton(0); norm(s) <= r.radius {
			r.alpha = 0
			return s
		}
	}
	low, high := 0.0, norm(m.rotated)/r.radius
	if m.fullRank {
		excess, slope := m.excess(0, r.radius)
		low = -excess / slope
	}
	guess := func() float64 { return max(high/1000, math.Sqrt(low*high)) }
	if !m.fullRank && r.alpha == 0 {
		r.alpha = guess()
	}
	for range 10 {
		if r.alpha < low || r.alpha > high {
			r.alpha = guess()
		}
		excess, slope := m.excess(r.alpha, r.radius)
		if excess < 0 {
			high = r.alpha
		}
		ratio := excess / slope
		low = max(low, r.alpha-ratio)
		r.alpha -= (excess + r.radius) * ratio / r.radius
		if math.Abs(excess) < 0.01*r.radius {
			break
		}
	}
	s := m.newton(r.alpha)
	floats.Scale(r.radius/norm(s), s)
	return s
}

// excess is by how much the step with alpha is longer than radius, and its
// derivative.
func (m *model) excess(alpha, radius float64) (excess, slope float64) {
	var square, cube float64
	for i, s := range m.singular {
		d, g := s*s+alpha, m.rotated[i]
		square += g * g / (d * d)
		cube += g * g / (d * d * d)
	}
	length := math.Sqrt(square)
	return length - radius, -cube / length
}

// candidate is a step, in scaled variables too, and the gain that the model predicts.
type candidate struct {
	step, scaled []float64
	predicted    float64
}

func (m *model) candidate(scaled []float64, value float64) candidate {
	step := make([]float64, len(scaled))
	floats.MulTo(step, m.scale, scaled)
	return candidate{step: step, scaled: scaled, predicted: -value}
}

// chooseStep takes the best of three steps where the model's minimum lies outside the
// bounds: to just before the bound, reflected at the bound, or down the gradient.
func (p *leastSquares) chooseStep(x []float64, m *model, r *region) candidate {
	free := m.candidate(r.step(m), 0)
	if p.within(sum(x, free.step)) {
		free.predicted = -m.value(free.scaled)
		return free
	}
	stay := max(0.995, 1-m.optimality)
	stopped, reflected := p.atBound(x, free, m, r, stay)
	downhill := p.downhill(x, m, r, stay)
	switch {
	case stopped.predicted > reflected.predicted && stopped.predicted > downhill.predicted:
		return stopped
	case reflected.predicted > stopped.predicted && reflected.predicted > downhill.predicted:
		return reflected
	}
	return downhill
}

// atBound stops a step short of the first bound on its way, and reflects it there.
func (p *leastSquares) atBound(x []float64, free candidate, m *model, r *region, stay float64) (stopped, reflected candidate) {
	stride, hits := p.toBound(x, free.step)
	direction := append([]float64(nil), free.scaled...)
	for i, hit := range hits {
		if hit {
			direction[i] = -direction[i]
		}
	}
	scaled := append([]float64(nil), free.scaled...)
	floats.Scale(stride, scaled)
	bound := m.candidate(scaled, 0)

	reflected.predicted = math.Inf(-1)
	toBound, _ := p.toBound(sum(x, bound.step), m.candidate(direction, 0).step)
	toRegion := leaves(scaled, direction, r.radius)
	if reach := min(toBound, toRegion); reach > 0 {
		from, to := (1-stay)*stride/reach, toRegion
		if reach == toBound {
			to = stay * toBound
		}
		if from <= to {
			t, value := m.least(scaled, direction, from, to)
			reflected = m.candidate(floats.AddScaledTo(make([]float64, len(x)), scaled, t, direction), value)
		}
	}
	floats.Scale(stay, scaled)
	return m.candidate(scaled, m.value(scaled)), reflected
}

// downhill follows the scaled gradient to the model's minimum, the region's end or
// just before a bound.
func (p *leastSquares) downhill(x []float64, m *model, r *region, stay float64) candidate {
	n := len(x)
	direction := floats.ScaleTo(make([]float64, n), -1, m.g)
	reach := r.radius / norm(direction)
	if toBound, _ := p.toBound(x, m.candidate(direction, 0).step); toBound < reach {
		reach = stay * toBound
	}
	t, value := m.least(make([]float64, n), direction, 0, reach)
	floats.Scale(t, direction)
	return m.candidate(direction, value)
}

func (p *leastSquares) within(x []float64) bool {
	for i, v := range x {
		if v < p.lower[i] || v > p.upper[i] {
			return false
		}
	}
	return true
}

// toBound is how often a step fits between x and the first bound on its way, and
// whose bounds those are.
func (p *leastSquares) toBound(x, step []float64) (stride float64, hits []bool) {
	strides, hits := make([]float64, len(x)), make([]bool, len(x))
	for i, s := range step {
		strides[i] = math.Inf(1)
		if s != 0 {
			strides[i] = max((p.lower[i]-x[i])/s, (p.upper[i]-x[i])/s)
		}
	}
	stride = floats.Min(strides)
	for i, s := range strides {
		hits[i] = s == stride && step[i] != 0
	}
	return stride, hits
}

// leaves is the t at which from + t·direction leaves the ball of a radius.
func leaves(from, direction []float64, radius float64) float64 {
	a, b := floats.Dot(direction, direction), floats.Dot(from, direction)
	c := floats.Dot(from, from) - radius*radius
	root := math.Sqrt(max(0, b*b-a*c))
	q := -(b + math.Copysign(root, b)) // neither root is a difference of near equals
	return max(q/a, c/q)
}

func sum(a, b []float64) []float64 { return floats.AddTo(make([]float64, len(a)), a, b) }

func norm(x []float64) float64 { return floats.Norm(x, 2) }

func finite(x []float64) bool {
	for _, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
