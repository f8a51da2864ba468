package pyrand

import "math/bits"

// Python draws as Python's random module does after random.seed(seed).
type Python struct {
	twister
}

// NewPython is a generator seeded with one non-negative number.
func NewPython(seed uint64) *Python {
	numbers := []uint32{uint32(seed)}
	if high := uint32(seed >> 32); high != 0 {
		numbers = append(numbers, high)
	}
	g := &Python{}
	g.seedArray(numbers)
	return g
}

// below draws a number in [0, n).
func (g *Python) below(n uint32) uint32 {
	size := bits.Len32(n)
	for {
		if v := g.next() >> (32 - size); v < n {
			return v
		}
	}
}

// Shuffle puts a list into random order, as random.shuffle does.
func (g *Python) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, int(g.below(uint32(i+1))))
	}
}
