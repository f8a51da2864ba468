package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// maxFruitless attempts in a row may bring nothing; one that brings bytes
	// starts the count again, up to maxAttempts in all.
	maxFruitless = 5
	maxAttempts  = 100
)

// retry repeats an attempt while it fails for a reason that may pass. An attempt
// says how many bytes it brought.
func (c *Client) retry(ctx context.Context, attempt func() (gained int64, err error)) error {
	contact := false
	fruitless := 0
	for n := 1; ; n++ {
		gained, err := attempt()
		if err == nil {
			return nil
		}
		var passing *transientError
		if ctx.Err() != nil || !errors.As(err, &passing) {
			return err
		}
		// Without a network, or with a wrong endpoint, waiting is no remedy.
		unreachable := errors.Is(err, errUnreachable)
		if unreachable && !contact {
			return err
		}
		contact = contact || !unreachable
		// A trickle is no fruit: it would hold the user for hours.
		if fruitless++; gained > 0 && !errors.Is(err, errStalled) {
			fruitless = 0
		}
		if fruitless >= maxFruitless || n >= maxAttempts {
			return fmt.Errorf("given up after %d attempts: %w", n, err)
		}
		if err := sleep(ctx, c.times().pause(fruitless, passing.after)); err != nil {
			return err
		}
	}
}

// pause grows with the fruitless attempts, and is drawn so that many clients do
// not come back at once.
func (p pace) pause(fruitless int, asked time.Duration) time.Duration {
	d := min(p.backoff<<max(0, min(fruitless, maxFruitless)-1), p.backoffMax)
	return max(asked, d/2+rand.N(d/2+1))
}
