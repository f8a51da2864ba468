package sweep

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// TPESampler is the tree-structured Parzen estimator (Bergstra et al. 2011) with
// the arguments and defaults of optuna.samplers.TPESampler. It models the values of
// the best trials and those of all others by a density each, and takes the one of
// several draws from the first that the second makes least likely.
type TPESampler struct {
	Seed uint64
	// StartupTrials are drawn at random before the first model.
	StartupTrials int
	// Candidates are the draws that are compared for a value.
	Candidates int
	// PriorWeight is the weight of the kernel that covers the whole space, beside
	// one for each trial.
	PriorWeight float64
	// MagicClip keeps kernels from becoming too narrow while there are few.
	MagicClip bool
	// Endpoints lets the bounds of the space count as neighbours of the outermost
	// trials.
	Endpoints bool
	// Multivariate models all parameters together, so that dependencies count.
	Multivariate bool
	// ConstantLiar counts trials that still run among the bad ones, so that trials
	// that run together differ.
	ConstantLiar bool
}

// DefaultTPE has the defaults of Optuna.
func DefaultTPE(seed uint64) TPESampler {
	return TPESampler{Seed: seed, StartupTrials: 10, Candidates: 24, PriorWeight: 1, MagicClip: true}
}

// Suggest implements Sampler.
func (s TPESampler) Suggest(number int, space []config.Parameter, before []Trial) []float64 {
	var finished, running []Trial
	for _, t := range before {
		if t.Running {
			running = append(running, t)
		} else {
			finished = append(finished, t)
		}
	}
	if len(finished) < s.StartupTrials {
		return RandomSampler{s.Seed}.Suggest(number, space, nil)
	}
	good, bad := split(finished)
	if s.ConstantLiar {
		bad = append(bad, running...)
		slices.SortFunc(bad, byNumber)
	}
	rng := trialRand(s.Seed, number)
	values, open := singles(space)
	groups := [][]int{open}
	if !s.Multivariate {
		groups = slices.Collect(slices.Chunk(open, 1))
	}
	for _, group := range groups {
		if len(group) == 0 {
			continue
		}
		drawn := s.best(pick(space, group), columns(good, group), columns(bad, group), rng)
		for j, i := range group {
			values[i] = drawn[j]
		}
	}
	return values
}

// String implements Sampler.
func (s TPESampler) String() string {
	return fmt.Sprintf("%s(seed=%d, n_startup_trials=%d, n_ei_candidates=%d, prior_weight=%v, consider_magic_clip=%v, "+
		"consider_endpoints=%v, multivariate=%v, constant_liar=%v)", tpeTarget, s.Seed, s.StartupTrials, s.Candidates,
		s.PriorWeight, s.MagicClip, s.Endpoints, s.Multivariate, s.ConstantLiar)
}

// singles sets the parameters that have one value only and gives the places of the
// others, which are open.
func singles(space []config.Parameter) (values []float64, open []int) {
	values = make([]float64, len(space))
	for i := range space {
		if !space[i].Single() {
			open = append(open, i)
		} else if space[i].Choices == nil {
			values[i] = space[i].Low
		}
	}
	return values, open
}

// columns gives the values of some parameters, a vector for each trial.
func columns(trials []Trial, places []int) [][]float64 {
	list := make([][]float64, len(trials))
	for j, t := range trials {
		list[j] = pick(t.Values, places)
	}
	return list
}

func pick[T any](list []T, places []int) []T {
	picked := make([]T, len(places))
	for j, i := range places {
		picked[j] = list[i]
	}
	return picked
}

// split separates the best tenth, 25 trials at most, from the others; both stay in
// the order of their numbers. Of equal trials earlier ones are better.
func split(trials []Trial) (good, bad []Trial) {
	n := min((len(trials)+9)/10, 25)
	ranked := slices.Clone(trials)
	slices.SortStableFunc(ranked, func(a, b Trial) int { return cmp.Compare(a.Score, b.Score) })
	good, bad = ranked[:n:n], ranked[n:]
	slices.SortFunc(good, byNumber)
	slices.SortFunc(bad, byNumber)
	return good, bad
}

func byNumber(a, b Trial) int { return cmp.Compare(a.Number, b.Number) }

// best draws candidates where good trials are and takes the one with the largest
// ratio of the densities, which is the one of largest expected improvement.
func (s TPESampler) best(space []config.Parameter, good, bad [][]float64, rng randomSource) []float64 {
	below, above := s.estimate(space, good), s.estimate(space, bad)
	var best []float64
	highest := math.Inf(-1)
	for range max(s.Candidates, 1) {
		candidate := below.draw(rng)
		gain := below.logDensity(candidate) - above.logDensity(candidate)
		if best == nil || gain > highest {
			best, highest = candidate, gain
		}
	}
	return best
}
