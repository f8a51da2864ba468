package train

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/config"
)

// limit is a number of batches, or a part of them: Lightning's limit_*_batches,
// overfit_batches and val_check_interval. nil stands for all batches.
type limit struct {
	batches  int
	fraction float64 // of batches, where batches is 0
}

// Forms are an integer and a fraction.
func (limit) Forms() []any { return []any{0, float64(0)} }

// UnmarshalNode reads an integer, or a fraction; 1 is one batch, 1.0 is all of them.
func (l *limit) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.Int {
		if err := n.Decode(&l.batches); err != nil {
			return err
		}
	} else if err := n.Decode(&l.fraction); err != nil {
		return err
	}
	if l.fraction > 1 && l.fraction == math.Trunc(l.fraction) && l.fraction < math.MaxInt32 {
		l.batches, l.fraction = int(l.fraction), 0
	}
	if l.batches < 0 || !(l.fraction >= 0 && l.fraction <= 1) {
		return fmt.Errorf("%s must be a number of batches, or a part of them between 0.0 and 1.0", n.Path())
	}
	return nil
}

// counts tells whether it is a number of batches.
func (l *limit) counts() bool { return l != nil && l.batches > 0 }

// some tells whether it is set, and not to 0.
func (l *limit) some() bool { return l != nil && (l.batches > 0 || l.fraction > 0) }

// of is how many of n batches are used.
func (l *limit) of(n int) int {
	switch {
	case l == nil:
		return n
	case l.batches > 0 || l.fraction == 0:
		return min(l.batches, n)
	}
	return int(l.fraction * float64(n))
}

// check refuses a part of n batches that is less than one.
func (l *limit) check(key string, n int) error {
	if l.some() && n > 0 && l.of(n) == 0 {
		return fmt.Errorf("trainer.%s=%v of %d batches is less than one: set at least %.4g, or a number of batches",
			key, l.fraction, n, 1/float64(n))
	}
	return nil
}

// interval is after how many of n batches a validation runs.
func (l *limit) interval(n int) int {
	switch {
	case l == nil:
		return n
	case l.batches > 0:
		return l.batches
	}
	return max(1, int(l.fraction*float64(n)))
}

// epochsPerValidation is how many epochs of so many batches pass from one validation to
// the next.
func (t *trainerConfig) epochsPerValidation(batches int) float64 {
	return float64(orElse(t.CheckValEveryNEpoch, 1)) * float64(max(t.ValCheckInterval.interval(batches), 1)) / float64(max(batches, 1))
}

// devRun is fast_dev_run: a number of batches, or true for one.
type devRun int

// Forms are those of the comment.
func (devRun) Forms() []any { return []any{false, 0} }

// UnmarshalNode reads either.
func (d *devRun) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.Bool {
		var on bool
		if err := n.Decode(&on); err != nil {
			return err
		}
		if on {
			*d = 1
		}
		return nil
	}
	if err := n.Decode((*int)(d)); err != nil {
		return err
	}
	if *d < 0 {
		return fmt.Errorf("%s must not be negative, got %d", n.Path(), *d)
	}
	return nil
}
