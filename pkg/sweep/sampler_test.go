package sweep

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
)

// problem is a function to make small.
type problem struct {
	name  string
	space []config.Parameter
	f     func(x []float64) float64
}

func float(key string, low, high float64) config.Parameter {
	return config.Parameter{Key: key, Low: low, High: high}
}

// problems are those of testdata/optuna.py, which draws the same with Optuna.
func problems() []problem {
	sphere := problem{name: "sphere", f: func(x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum += (v - float64(i)) * (v - float64(i))
		}
		return sum
	}}
	for i := range 5 {
		sphere.space = append(sphere.space, float(fmt.Sprint("x", i), -5, 10))
	}
	branin := problem{"branin", []config.Parameter{float("a", -5, 10), float("b", 0, 15)}, func(x []float64) float64 {
		const b, c, t = 5.1 / (4 * math.Pi * math.Pi), 5 / math.Pi, 1 / (8 * math.Pi)
		y := x[1] - b*x[0]*x[0] + c*x[0] - 6
		return y*y + 10*(1-t)*math.Cos(x[0]) + 10
	}}
	// A learning rate, a width, and a kind, as in a search over models.
	model := problem{"model", []config.Parameter{
		{Key: "lr", Low: 1e-5, High: 1, Log: true},
		{Key: "width", Low: 8, High: 512, Step: 1, Integer: true, Log: true},
		{Key: "layers", Low: 1, High: 9, Step: 2, Integer: true},
		{Key: "dropout", Low: 0, High: 0.5},
		{Key: "kind", Choices: []any{"a", "b", "c", "d"}},
	}, func(x []float64) float64 {
		lr, width := math.Log10(x[0])+2.5, math.Log2(x[1])-6
		return lr*lr + width*width/4 + math.Abs(x[2]-5)/4 + 4*(x[3]-0.1)*(x[3]-0.1) + []float64{1, 0, 0.5, 2}[int(x[4])]
	}}
	return []problem{sphere, branin, model}
}

// minimize runs trials one after the other and gives the best value.
func (p problem) minimize(s Sampler, trials int) float64 {
	var history []Trial
	best := math.Inf(1)
	for n := range trials {
		x := s.Suggest(n, p.space, history)
		y := p.f(x)
		history = append(history, Trial{Number: n, Values: x, Score: y})
		best = min(best, y)
	}
	return best
}

func (p problem) medianBest(make func(seed uint64) Sampler, trials, seeds int) (median, quarter, threeQuarters float64) {
	var results []float64
	for seed := range seeds {
		results = append(results, p.minimize(make(uint64(seed)), trials))
	}
	slices.Sort(results)
	return results[seeds/2], results[seeds/4], results[3*seeds/4]
}

// TestTPEBeatsRandom prints with -v, for more seeds, what testdata/optuna.py prints of
// Optuna.
func TestTPEBeatsRandom(t *testing.T) {
	seeds := 12
	if testing.Verbose() {
		seeds = 40
	}
	samplers := map[string]func(seed uint64) Sampler{
		"random": func(seed uint64) Sampler { return RandomSampler{seed} },
		"TPE":    func(seed uint64) Sampler { return DefaultTPE(seed) },
		"TPE multivariate": func(seed uint64) Sampler {
			s := DefaultTPE(seed)
			s.Multivariate = true
			return s
		},
	}
	// The shares of random search's median that TPE's must come below; over 40 seeds
	// they are 0.31, 0.56 and 0.16, and less where it is multivariate.
	limits := map[string]float64{"sphere": 0.5, "branin": 0.8, "model": 0.7}
	for _, p := range problems() {
		medians := map[string]float64{}
		for _, name := range slices.Sorted(maps.Keys(samplers)) {
			median, low, high := p.medianBest(samplers[name], 60, seeds)
			t.Logf("%s: %s %.3f (%.3f to %.3f)", p.name, name, median, low, high)
			medians[name] = median
		}
		for _, name := range []string{"TPE", "TPE multivariate"} {
			if !(medians[name] < limits[p.name]*medians["random"]) {
				t.Errorf("%s: the median of %s is %g, of random search %g", p.name, name, medians[name], medians["random"])
			}
		}
	}
}

func TestSuggestionsDependOnSeedNumberAndHistory(t *testing.T) {
	p := problems()[2]
	for _, s := range []Sampler{
		RandomSampler{7}, DefaultTPE(7), TPESampler{Seed: 7, Candidates: 3, PriorWeight: 1, Multivariate: true, ConstantLiar: true},
	} {
		var history []Trial
		var seen [][]float64
		for n := range 30 {
			x := s.Suggest(n, p.space, history)
			history = append(history, Trial{Number: n, Values: x, Score: p.f(x)})
			seen = append(seen, x)
		}
		// A search that is taken up again in the middle.
		for n, want := range seen {
			if got := s.Suggest(n, p.space, history[:n]); !slices.Equal(got, want) {
				t.Errorf("%T: trial %d is %v, then %v", s, n, want, got)
			}
		}
		other := p.seeded(s, 8).Suggest(29, p.space, history[:29])
		if slices.Equal(other, seen[29]) {
			t.Errorf("%T: another seed gives the same trial", s)
		}
	}
}

func (problem) seeded(s Sampler, seed uint64) Sampler {
	if tpe, ok := s.(TPESampler); ok {
		tpe.Seed = seed
		return tpe
	}
	return RandomSampler{seed}
}

// awkward are spaces at whose ends samplers tend to fall out.
func awkward() []config.Parameter {
	return []config.Parameter{
		{Key: "one", Low: 3, High: 3},
		{Key: "narrow", Low: 1, High: math.Nextafter(1, 2)},
		{Key: "wide", Low: -1e300, High: 1e300},
		{Key: "log", Low: 1e-300, High: 1e300, Log: true},
		{Key: "steps", Low: 0.1, High: 0.7, Step: 0.2},
		{Key: "odd", Low: -3, High: 7, Step: 5, Integer: true},
		{Key: "bit", Low: 0, High: 1, Step: 1, Integer: true},
		{Key: "int", Low: 1, High: 1 << 53, Step: 1, Integer: true, Log: true},
		{Key: "choice", Choices: []any{"only"}},
		{Key: "choices", Choices: []any{nil, true, int64(3)}},
	}
}

func TestSuggestionsLieInTheSpace(t *testing.T) {
	scores := map[string]func(n int, x []float64) float64{
		"constant": func(int, []float64) float64 { return 1 },
		"rising":   func(n int, _ []float64) float64 { return float64(n) },
		"ends":     func(_ int, x []float64) float64 { return -x[2] - x[4] },
		"huge":     func(n int, _ []float64) float64 { return math.Pow(-10, float64(n)) },
	}
	bare := TPESampler{Candidates: 5} // no startup, prior or clip
	liar := DefaultTPE(1)
	liar.Endpoints, liar.Multivariate, liar.ConstantLiar = true, true, true
	for name, score := range scores {
		for _, s := range []Sampler{RandomSampler{1}, DefaultTPE(1), bare, liar} {
			var history []Trial
			for n := range 45 {
				space := awkward()
				x := s.Suggest(n, space, history)
				for i := range space {
					if !space[i].Contains(x[i]) {
						t.Fatalf("%s, %+v: trial %d: %s is %v", name, s, n, space[i].Key, x[i])
					}
				}
				if k := (x[5] + 3) / 5; k != math.Trunc(k) {
					t.Fatalf("odd is %v", x[5])
				}
				// Some fail and are left out, some still run.
				if n%7 != 3 {
					history = append(history, Trial{Number: n, Values: x, Score: score(n, x), Running: n%7 == 5})
				}
			}
		}
	}
}

func TestRandomSamplerIsUniform(t *testing.T) {
	space := []config.Parameter{
		{Key: "log", Low: 1e-4, High: 1, Log: true},
		{Key: "int", Low: 1, High: 4, Step: 1, Integer: true},
		{Key: "choice", Choices: []any{"a", "b"}},
		{Key: "float", Low: -1, High: 3},
	}
	const n = 4000
	decades, ints, firsts, sum := map[int]int{}, map[float64]int{}, 0, 0.0
	for i := range n {
		x := RandomSampler{3}.Suggest(i, space, nil)
		decades[int(math.Floor(math.Log10(x[0])))]++
		ints[x[1]]++
		if x[2] == 0 {
			firsts++
		}
		sum += x[3]
	}
	// Five standard deviations of a share of a quarter are 0.035, of a half 0.04, of
	// the mean 0.09.
	for d := -4; d < 0; d++ {
		if share := float64(decades[d]) / n; math.Abs(share-0.25) > 0.035 {
			t.Errorf("decade %d has a share of %v", d, share)
		}
	}
	for i := 1.0; i <= 4; i++ {
		if share := float64(ints[i]) / n; math.Abs(share-0.25) > 0.035 {
			t.Errorf("%v has a share of %v", i, share)
		}
	}
	if share := float64(firsts) / n; math.Abs(share-0.5) > 0.04 {
		t.Errorf("the first choice has a share of %v", share)
	}
	if mean := sum / n; math.Abs(mean-1) > 0.09 {
		t.Errorf("the mean is %v", mean)
	}
}

// TestDensities checks that a mixture is one: its density integrates to 1.
func TestDensities(t *testing.T) {
	s := DefaultTPE(0)
	for _, c := range []struct {
		p      config.Parameter
		values []float64
	}{
		{float("x", -2, 5), []float64{-2, 0, 0.1, 5, 5}},
		{config.Parameter{Key: "log", Low: 1e-3, High: 10, Log: true}, []float64{1e-3, 0.5, 0.5}},
		{float("nothing", 0, 1), nil},
	} {
		m := s.estimate([]config.Parameter{c.p}, vectors(c.values))
		line := scaleOf(&c.p)
		const steps = 20000
		sum := 0.0
		for i := range steps {
			place := line.low + (float64(i)+0.5)/steps*(line.high-line.low)
			sum += math.Exp(m.logDensity([]float64{line.back(place)})) * (line.high - line.low) / steps
		}
		if math.Abs(sum-1) > 1e-4 { // of the midpoint rule
			t.Errorf("%s: the density sums up to %v", c.p.Key, sum)
		}
	}
	for _, c := range []struct {
		p      config.Parameter
		values []float64
	}{
		{config.Parameter{Key: "steps", Low: 2, High: 14, Step: 3, Integer: true}, []float64{2, 2, 11}},
		{config.Parameter{Key: "log", Low: 1, High: 40, Step: 1, Integer: true, Log: true}, []float64{1, 40, 7}},
		{config.Parameter{Key: "choice", Low: 0, High: 2, Step: 1, Choices: []any{"a", "b", "c"}}, []float64{2, 2}},
	} {
		m := s.estimate([]config.Parameter{c.p}, vectors(c.values))
		sum := 0.0
		for v := c.p.Low; v <= c.p.High; v += c.p.Step {
			sum += math.Exp(m.logDensity([]float64{v}))
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: the probabilities sum up to %v", c.p.Key, sum)
		}
	}
}

func vectors(values []float64) [][]float64 {
	list := make([][]float64, len(values))
	for i, v := range values {
		list[i] = []float64{v}
	}
	return list
}

func TestTrialWeights(t *testing.T) {
	for n, want := range map[int][2]float64{1: {1, 1}, 25: {1, 1}, 26: {1.0 / 26, 1}, 30: {1.0 / 30, 1}} {
		w := trialWeights(n)
		if len(w) != n || w[0] != want[0] || w[n-1] != want[1] {
			t.Errorf("%d: %v", n, w)
		}
	}
	// numpy.linspace(1/30, 1, 5) before 25 ones.
	if w := trialWeights(30); math.Abs(w[1]-(1.0/30+29.0/120)) > 1e-15 || w[4] != 1 {
		t.Errorf("30: %v", w[:6])
	}
}

func TestSplit(t *testing.T) {
	var trials []Trial
	for i := range 21 {
		trials = append(trials, Trial{Number: i, Score: float64(i / 10 % 2)})
	}
	good, bad := split(trials)
	var numbers []int
	for _, g := range good {
		numbers = append(numbers, g.Number)
	}
	if !slices.Equal(numbers, []int{0, 1, 2}) || len(bad) != 18 || bad[0].Number != 3 {
		t.Errorf("good %v, then %d bad ones", numbers, len(bad))
	}
	if good, _ := split(nil); len(good) != 0 {
		t.Errorf("no trials: %v", good)
	}
}

// TestSamplersNameThemselves fixes how records know searches again: a change here
// makes every recorded search another one.
func TestSamplersNameThemselves(t *testing.T) {
	for want, s := range map[string]Sampler{
		"optuna.samplers.RandomSampler(seed=3)": RandomSampler{Seed: 3},
		"optuna.samplers.TPESampler(seed=42, n_startup_trials=10, n_ei_candidates=24, prior_weight=1, " +
			"consider_magic_clip=true, consider_endpoints=false, multivariate=false, constant_liar=false)": DefaultTPE(42),
	} {
		if got := s.String(); got != want {
			t.Errorf("the sampler is %s, want %s", got, want)
		}
	}
}
