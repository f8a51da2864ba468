package torch

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSeparableConvUsesTheThreads: without -fopenmp at::parallel_for is serial and
// says nothing. The threads share the work evenly, so their processor times tell how
// many there are, however busy the machine is.
func TestSeparableConvUsesTheThreads(t *testing.T) {
	defer SetThreads(0)
	for _, n := range []int{1, 2, 3} {
		SetThreads(n)
		if got := busyThreads(t); got != n {
			t.Errorf("%d threads compute, want %d", got, n)
		}
	}
}

// busyThreads is how many OS threads share the work of a convolution, forward and
// backward.
func busyThreads(t *testing.T) (busy int) {
	t.Helper()
	c := separableCases[0]
	c.batch = 12 // each number of threads divides the work
	g := newGenerator(t, 1)
	do(t, Probe, func(s *Scope) error {
		x, spatial, temporal := c.operands(s, g)
		operands := []*Tensor{s.RequireGrad(x, true), s.RequireGrad(spatial, true), s.RequireGrad(temporal, true)}
		convolve := func() {
			backwardOnce(s, s.SeparableConv3D(x, spatial, temporal, c.padding, c.same), operands)
		}
		convolve() // the team is made
		before := threadTimes(t)
		for gains := (map[string]time.Duration{}); longest(gains) < 200*time.Millisecond && s.Err() == nil; {
			convolve()
			busy, gains = 0, map[string]time.Duration{}
			for id, now := range threadTimes(t) {
				gains[id] = now - before[id]
			}
			for _, gain := range gains {
				if gain > longest(gains)/3 {
					busy++
				}
			}
		}
		return s.Err()
	})
	return busy
}

func longest(times map[string]time.Duration) (most time.Duration) {
	for _, d := range times {
		most = max(most, d)
	}
	return most
}

// threadTimes is for how long each thread of this process has been on a processor.
func threadTimes(t *testing.T) map[string]time.Duration {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/schedstat")
	if err != nil || len(tasks) == 0 {
		t.Skip("the kernel does not tell the processor times of threads")
	}
	times := map[string]time.Duration{}
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // it may have ended
		running, _, _ := strings.Cut(string(text), " ")
		if ns, err := strconv.ParseInt(running, 10, 64); err == nil {
			times[task] = time.Duration(ns)
		}
	}
	return times
}

// TestSeparableResultsAreTheSameEveryTime, to the last bit, on one thread, twice the
// same, and on any number of them: parts are added in the order of the clips, not of
// the threads.
func TestSeparableResultsAreTheSameEveryTime(t *testing.T) {
	defer SetThreads(0)
	for _, c := range []separableCase{separableCases[0], separableCases[1], separableCases[4]} {
		for _, computation := range []struct {
			name    string
			mode    Mode
			results func(s *Scope, g *Generator) []*Tensor
		}{
			{"convolution", Probe, c.convolutionResults},
			{"layer in evaluation", Probe, c.layerResults},
			{"layer in training", Train, c.layerResults},
		} {
			var first [][]float32
			for _, n := range []int{1, 1, 2, 2, 3, 3} {
				SetThreads(n)
				g := newGenerator(t, 3)
				do(t, computation.mode, func(s *Scope) error {
					var all [][]float32
					for _, result := range computation.results(s, g) {
						all = append(all, values(t, s, result))
					}
					if first == nil {
						first = all
					}
					for i := range all {
						if at, ok := sameBits(all[i], first[i]); !ok {
							t.Errorf("%s of %v on %d threads: value %d of result %d differs", computation.name, c, n, at, i)
						}
					}
					return s.Err()
				})
			}
		}
	}
}

// sameBits finds the first value that differs.
func sameBits(a, b []float32) (at int, same bool) {
	if len(a) != len(b) {
		return min(len(a), len(b)), false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i, false
		}
	}
	return 0, true
}

// convolutionResults are the value and all gradients.
func (c separableCase) convolutionResults(s *Scope, g *Generator) []*Tensor {
	x, spatial, temporal := c.operands(s, g)
	operands := []*Tensor{s.RequireGrad(x, true), s.RequireGrad(spatial, true), s.RequireGrad(temporal, true)}
	y := s.SeparableConv3D(x, spatial, temporal, c.padding, c.same)
	return append(gradients(s, y, s.Detach(y), operands), y)
}

// layerResults are the value, the running statistics and the gradients that the mode
// knows: evaluation has that of x only.
func (c separableCase) layerResults(s *Scope, g *Generator) []*Tensor {
	x, spatial, temporal := c.operands(s, g)
	n := c.norm(s, g)
	operands := []*Tensor{s.RequireGrad(x, true)}
	if s.Training() {
		for _, weight := range []*Tensor{spatial, temporal, n.weight, n.bias, n.shift} {
			operands = append(operands, s.RequireGrad(weight, true))
		}
	}
	y := s.SeparableLayer(x, n.layer(c, spatial, temporal))
	return append(gradients(s, y, s.Detach(y), operands), y, n.mean, n.variance)
}

// newGenerator lives as long as the test.
func newGenerator(tb testing.TB, seed uint64) *Generator {
	tb.Helper()
	g, err := NewGenerator(seed, CPU)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(g.Close)
	return g
}
