package pyrand

import "math/bits"

// NumPy draws as numpy.random does after numpy.random.seed(seed), or a
// RandomState(seed).
type NumPy struct {
	twister
}

// NewNumPy is a generator seeded with one number.
func NewNumPy(seed uint32) *NumPy {
	g := &NumPy{}
	g.seed(seed)
	return g
}

// below draws a number in [0, most] by masked rejection.
func (g *NumPy) below(most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if v := g.next() & mask; v <= most {
			return v
		}
	}
}

// Randint draws n integers in [0, high), as randint(0, high, n) does; high must
// be positive and at most 2^32.
func (g *NumPy) Randint(high, n int) []int {
	draws := make([]int, n)
	if high == 1 { // NumPy takes no random bits for a range of one value
		return draws
	}
	for i := range draws {
		draws[i] = int(g.below(uint32(high - 1)))
	}
	return draws
}

// Permutation is a random order of 0 to n-1, as permutation(n) gives it.
func (g *NumPy) Permutation(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := int(g.below(uint32(i)))
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// Choice draws k of n numbers without replacement, as
// choice(n, k, replace=False) does; k must not exceed n.
func (g *NumPy) Choice(n, k int) []int {
	return g.Permutation(n)[:k]
}
