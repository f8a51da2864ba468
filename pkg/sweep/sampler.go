package sweep

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Trial is one point of a search.
type Trial struct {
	Number int
	// Values are those of the parameters, in their order.
	Values []float64
	// Score is what the search makes small. It is of no meaning while the trial
	// runs.
	Score   float64
	Running bool
}

// Sampler draws the values of trials. What it draws depends on its seed, the number
// of the trial and the trials before it, and on nothing else: a search that is
// resumed goes on as if it had never ended.
type Sampler interface {
	// Suggest gives the values of a trial, in the order of the parameters. The
	// trials before it that succeeded or still run come in the order of their
	// numbers; failed ones are left out.
	Suggest(number int, space []config.Parameter, before []Trial) []float64
	// String names the sampler and its arguments as configs do. It is how a record
	// knows a search again, and must not change.
	String() string
}

// RandomSampler draws independently of what was found, as
// optuna.samplers.RandomSampler does.
type RandomSampler struct{ Seed uint64 }

// Suggest implements Sampler.
func (s RandomSampler) Suggest(number int, space []config.Parameter, _ []Trial) []float64 {
	rng := trialRand(s.Seed, number)
	values := make([]float64, len(space))
	for i := range space {
		values[i] = uniform(&space[i], rng)
	}
	return values
}

// String implements Sampler.
func (s RandomSampler) String() string { return fmt.Sprintf("%s(seed=%d)", randomTarget, s.Seed) }

// trialRand is the generator of one trial.
func trialRand(seed uint64, number int) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "openretina trial %d of seed %d", number, seed))))
}

// uniform draws from the whole space: each choice and each step equally often, or
// each ratio on a logarithmic scale.
func uniform(p *config.Parameter, rng *rand.Rand) float64 {
	if p.Choices != nil {
		return float64(rng.IntN(len(p.Choices)))
	}
	s := scaleOf(p)
	return s.back(s.low + rng.Float64()*(s.high-s.low))
}

// scale maps a numeric parameter to the line on which samplers work: logarithms,
// if the space has them, with half a step added at both ends where it has steps.
type scale struct {
	*config.Parameter
	low, high float64
}

func scaleOf(p *config.Parameter) scale {
	return scale{p, forward(p, p.Low-p.Step/2), forward(p, p.High+p.Step/2)}
}

func forward(p *config.Parameter, value float64) float64 {
	if p.Log {
		return math.Log(value)
	}
	return value
}

// back gives the value of the space next to a place on the line.
func (s scale) back(place float64) float64 {
	value := place
	if s.Log {
		value = math.Exp(place)
	}
	if s.Step > 0 {
		value = s.Low + math.Round((value-s.Low)/s.Step)*s.Step
	}
	return min(max(value, s.Low), s.High)
}

// cell is the stretch of the line that a value with steps stands for.
func (s scale) cell(value float64) (from, to float64) {
	return forward(s.Parameter, value-s.Step/2), forward(s.Parameter, value+s.Step/2)
}
