package retina

import "math"

// Taps is the length of a cell's temporal filter in frames (0.7 s).
const Taps = 21

// cellType is a recipe: what all cells of a type share.
type cellType struct {
	name    string
	centre  gaussians
	time    [Taps]float64
	colour  [Channels]float64
	subunit subunits
}

// gaussians is a centre-surround filter: standard deviations in pixels and the
// weight of the surround's integral relative to the centre's.
type gaussians struct{ centre, surround, weight float64 }

// subunits says how a cell's receptive field is divided.
type subunits uint8

const (
	// one subunit makes a linear-nonlinear cell.
	one subunits = iota
	// pool is nine rectified subunits of the same polarity.
	pool
	// bothSigns is an ON and a weaker OFF subunit in the same place.
	bothSigns
)

// The spatial filters: of linear-nonlinear cells, of subunits, and a wide one
// with a weak surround for colour-opponent subunits.
var (
	centreSurround = gaussians{centre: 1.2, surround: 2.4, weight: 0.7}
	smallSubunit   = gaussians{centre: 0.8, surround: 1.6, weight: 0.7}
	opponentUnit   = gaussians{centre: 0.9, surround: 1.8, weight: 0.3}
)

// The temporal filters, and the weights of green and UV.
var (
	sustained = kinetics(lobe{1, 4.0, 3}, lobe{-0.25, 9.5, 6})
	biphasic  = kinetics(lobe{1, 3.2, 3.5}, lobe{-0.85, 7.2, 6})
	transient = kinetics(lobe{1, 3.0, 4}, lobe{-1.25, 5.6, 6})

	green    = [Channels]float64{1, 0}
	uv       = [Channels]float64{0, 1}
	both     = [Channels]float64{0.8, 0.6}
	opponent = [Channels]float64{0.8, -0.6}
)

// cellTypes is the retina's list of types: twelve linear-nonlinear, six not.
func cellTypes() []cellType {
	var types []cellType
	for _, polarity := range []struct {
		name string
		sign float64
	}{{"on", 1}, {"off", -1}} {
		for _, speed := range []struct {
			name string
			time [Taps]float64
		}{{"sustained", sustained}, {"biphasic", biphasic}} {
			for _, colour := range []struct {
				name    string
				weights [Channels]float64
			}{{"green", green}, {"uv", uv}, {"both", both}} {
				types = append(types, cellType{
					name:   polarity.name + "_" + speed.name + "_" + colour.name,
					centre: centreSurround, time: speed.time,
					colour: signed(polarity.sign, colour.weights), subunit: one,
				})
			}
		}
	}
	return append(types,
		cellType{"subunits_on", smallSubunit, biphasic, both, pool},
		cellType{"subunits_off", smallSubunit, biphasic, signed(-1, both), pool},
		cellType{"transient_on_off", centreSurround, transient, both, bothSigns},
		cellType{"transient_off", smallSubunit, transient, signed(-1, both), pool},
		cellType{"opponent_green_on", opponentUnit, sustained, opponent, pool},
		cellType{"opponent_uv_on", opponentUnit, sustained, signed(-1, opponent), pool},
	)
}

// signed is the weights times a sign.
func signed(sign float64, weights [Channels]float64) [Channels]float64 {
	for c := range weights {
		weights[c] = float64(weights[c] * sign)
	}
	return weights
}

// lobe is a gamma-shaped part of a temporal filter: its height, the age of its
// peak in frames, and its steepness (the order of the cascade).
type lobe struct{ height, peak, order float64 }

// kinetics is the sum of lobes, of unit norm; the last tap is the newest frame.
func kinetics(lobes ...lobe) [Taps]float64 {
	var filter [Taps]float64
	square := 0.0
	for i := range filter {
		age := float64(Taps-1-i) + 0.5
		for _, l := range lobes {
			x := age / l.peak
			filter[i] += float64(l.height * exp(float64(l.order*(1+log(x)-x))))
		}
		square += float64(filter[i] * filter[i])
	}
	for i := range filter {
		filter[i] /= math.Sqrt(square)
	}
	return filter
}

// at is the filter around a point, of unit norm.
func (g gaussians) at(row, column float64) [pixels]float64 {
	var filter [pixels]float64
	square := 0.0
	for p := range filter {
		dy, dx := float64(p/Width)-row, float64(p%Width)-column
		distance := float64(dy*dy) + float64(dx*dx)
		filter[p] = bell(distance, g.centre) - float64(g.weight*bell(distance, g.surround))
		square += float64(filter[p] * filter[p])
	}
	for p := range filter {
		filter[p] /= math.Sqrt(square)
	}
	return filter
}

// bell is a two-dimensional Gaussian of unit integral at a squared distance.
func bell(distance, deviation float64) float64 {
	variance := float64(deviation * deviation)
	return exp(-distance/float64(2*variance)) / float64(2*math.Pi*variance)
}
