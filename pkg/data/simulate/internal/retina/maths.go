package retina

import "math"

// The functions of package math differ in their last bits between machines
// (assembly on some, fused multiply-add on others), and a spike is drawn by
// comparing such a number with a random one. So this package has its own: each
// product is rounded by an explicit conversion, which forbids fusing, and of
// package math only exact operations are used. TestPortableArithmetic holds the
// package to that.

// Parts of ln 2 whose sum is exact beyond float64; the first has trailing zeros,
// so that its product with a small integer is exact.
const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// expTerms are the coefficients 1/k! of the exponential series, highest first.
var expTerms = [...]float64{
	1.0 / 87178291200, 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
	1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1,
}

// exp is e^x for |x| below 700; beyond, 0 or infinity.
func exp(x float64) float64 {
	if x > 700 {
		return math.Inf(1)
	}
	if x < -700 {
		return 0
	}
	n := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(n*ln2High) - float64(n*ln2Low)
	sum := 0.0
	for _, term := range expTerms {
		sum = float64(sum*r) + term
	}
	return float64(sum * math.Float64frombits(uint64(int64(n)+1023)<<52))
}

// log is the natural logarithm of a positive normal number: the series of
// 2 artanh((m-1)/(m+1)) for the mantissa m, plus the exponent.
func log(x float64) float64 {
	const mantissaBits = 52
	bits := math.Float64bits(x)
	exponent := int(bits>>mantissaBits) - 1022
	m := math.Float64frombits(bits&(1<<mantissaBits-1) | 1022<<mantissaBits)
	if m < math.Sqrt2/2 {
		m, exponent = m+m, exponent-1
	}
	s := (m - 1) / (m + 1)
	square := float64(s * s)
	sum := 0.0
	for k := 23; k >= 1; k -= 2 { // |s| < 0.172, so the next term is below 1e-19
		sum = float64(sum*square) + 1/float64(k)
	}
	return float64(float64(exponent)*math.Ln2) + float64(2*s*sum)
}

// softplus is log(1 + e^x), the output nonlinearity of cells and of models.
func softplus(x float64) float64 {
	return max(x, 0) + log(1+exp(-math.Abs(x)))
}

// sinCosTurn is sine and cosine of the angle of numerator/denominator turns. The
// reduction to an eighth of a turn is done in integers.
func sinCosTurn(numerator, denominator int) (sin, cos float64) {
	quarters := (8*numerator/denominator + 1) / 2
	rest := 4*numerator - quarters*denominator
	x := float64(math.Pi/2*float64(rest)) / float64(denominator)
	square := float64(x * x)
	s, c := 1.0, 1.0
	for k := 8; k >= 1; k-- {
		s = 1 - float64(square*s)/float64(2*k*(2*k+1))
		c = 1 - float64(square*c)/float64((2*k-1)*2*k)
	}
	s = float64(s * x)
	switch quarters % 4 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}

// moments are mean and population standard deviation.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		d := v - mean
		deviation += float64(d * d)
	}
	return mean, math.Sqrt(deviation / float64(len(values)))
}

// correlation is Pearson's; 0 where one side is constant.
func correlation(a, b []float64) float64 {
	meanA, deviationA := moments(a)
	meanB, deviationB := moments(b)
	if deviationA == 0 || deviationB == 0 {
		return 0
	}
	sum := 0.0
	for i := range a {
		sum += float64((a[i] - meanA) * (b[i] - meanB))
	}
	return sum / float64(len(a)) / float64(deviationA*deviationB)
}
