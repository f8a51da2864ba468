package hub

import (
	"sync"
	"time"
)

const (
	reportEvery = 100 * time.Millisecond
	rateEvery   = 500 * time.Millisecond
	// rateWeight is the weight of the newest rate in the smoothed one.
	rateWeight = 0.3
)

// tracker sums what the transfers of one fetch bring, and reports it.
type tracker struct {
	mu       sync.Mutex
	report   func(Progress)
	state    Progress
	reported time.Time
	// sampled is when the rate was last computed, fresh the bytes since then.
	sampled time.Time
	fresh   int64
}

func (c *Client) newTracker(p string) *tracker {
	return &tracker{report: c.Progress, state: Progress{Path: p, Total: -1}, sampled: time.Now()}
}

// total says how large the whole is; the first one to know is believed, for a
// folder is more than its files.
func (t *tracker) total(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.Total < 0 {
		t.state.Total = n
	}
}

// have counts bytes that were there before; negative for bytes thrown away.
func (t *tracker) have(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Done += n
}

// received counts bytes from the network.
func (t *tracker) received(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Done += int64(n)
	t.fresh += int64(n)
	now := time.Now()
	if since := now.Sub(t.sampled); since >= rateEvery {
		rate := float64(t.fresh) / since.Seconds()
		if t.state.Rate > 0 {
			rate = rateWeight*rate + (1-rateWeight)*t.state.Rate
		}
		t.state.Rate, t.sampled, t.fresh = rate, now, 0
	}
	if now.Sub(t.reported) >= reportEvery {
		t.tell(now)
	}
}

func (t *tracker) waiting(is bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Waiting = is
	t.tell(time.Now())
}

// finish reports the last state.
func (t *tracker) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(time.Now())
}

func (t *tracker) tell(now time.Time) {
	t.reported = now
	if t.report != nil {
		t.report(t.state)
	}
}
