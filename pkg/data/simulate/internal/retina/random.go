package retina

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Stream is a sequence of random numbers that depends on nothing but the seed
// and the stream's name, so that cells and scenes can be drawn in any order and
// in parallel. The generator is ChaCha8, whose output is specified
// (c2sp.org/chacha8rand).
type Stream struct {
	source *rand.ChaCha8
	spare  float64 // the second of a pair of normal numbers
	paired bool
}

// NewStream is the stream of a purpose (16 bytes of it count) and an index.
func NewStream(seed uint64, purpose string, index int) *Stream {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	copy(key[8:24], purpose)
	binary.LittleEndian.PutUint64(key[24:], uint64(index))
	return &Stream{source: rand.NewChaCha8(key)}
}

// Uniform is a number in [0, 1).
func (s *Stream) Uniform() float64 {
	return float64(float64(s.source.Uint64()>>11) * 0x1p-53)
}

// Between is a number in [low, high).
func (s *Stream) Between(low, high float64) float64 {
	return low + float64((high-low)*s.Uniform())
}

// IntN is an integer in [0, n); its bias is below n/2^64.
func (s *Stream) IntN(n int) int {
	high, _ := bits.Mul64(s.source.Uint64(), uint64(n))
	return int(high)
}

// Normal is a standard normal number, by Marsaglia's polar method.
func (s *Stream) Normal() float64 {
	if s.paired {
		s.paired = false
		return s.spare
	}
	for {
		x, y := s.Between(-1, 1), s.Between(-1, 1)
		square := float64(x*x) + float64(y*y)
		if square >= 1 || square < 0x1p-1000 {
			continue
		}
		factor := math.Sqrt(float64(-2*log(square)) / square)
		s.spare, s.paired = float64(y*factor), true
		return float64(x * factor)
	}
}

// Poisson is a count with the given mean, by inversion; a large mean is drawn in
// parts, whose sum has the same distribution.
func (s *Stream) Poisson(mean float64) int {
	const part = 16.0
	count := 0
	for ; mean > part; mean -= part {
		count += s.smallPoisson(part)
	}
	return count + s.smallPoisson(mean)
}

func (s *Stream) smallPoisson(mean float64) int {
	u := s.Uniform()
	p := exp(-mean)
	sum := p
	k := 0
	for u >= sum && p > 0 {
		k++
		p = float64(p*mean) / float64(k)
		sum += p
	}
	return k
}
