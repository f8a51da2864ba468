// Package pyrand draws the same random numbers as NumPy's legacy generator
// (numpy.random.RandomState and the functions of numpy.random) and Python's
// random module, so that the Python package and this one visit clips in the same
// order for the same seed. Both rest on the Mersenne Twister MT19937
// (Matsumoto and Nishimura, ACM TOMACS 8, 1998).
package pyrand

import (
	"encoding/binary"
	"fmt"
)

const (
	words = 624
	shift = 397
	// stateSize is the length of a marshalled state: the words and the position.
	stateSize = 4*words + 2
)

// twister is the state of MT19937: the words and the index of the next one.
type twister struct {
	key [words]uint32
	at  int
}

// seed fills the state from one number (init_genrand of the reference code).
func (t *twister) seed(s uint32) {
	for i := range t.key {
		t.key[i] = s
		s = 1812433253*(s^s>>30) + uint32(i) + 1
	}
	t.at = words
}

// seedArray fills the state from several numbers (init_by_array).
func (t *twister) seedArray(numbers []uint32) {
	t.seed(19650218)
	i, j := 1, 0
	for range max(words, len(numbers)) {
		t.key[i] = (t.key[i] ^ (t.key[i-1]^t.key[i-1]>>30)*1664525) + numbers[j] + uint32(j)
		i = t.wrap(i)
		j = (j + 1) % len(numbers)
	}
	for range words - 1 {
		t.key[i] = (t.key[i] ^ (t.key[i-1]^t.key[i-1]>>30)*1566083941) - uint32(i)
		i = t.wrap(i)
	}
	t.key[0] = 1 << 31
}

// wrap steps an index of seedArray; after the last word it starts at 1 with the
// last word in place 0.
func (t *twister) wrap(i int) int {
	if i+1 < words {
		return i + 1
	}
	t.key[0] = t.key[words-1]
	return 1
}

// next is the next 32 random bits.
func (t *twister) next() uint32 {
	if t.at == words {
		t.twist()
	}
	y := t.key[t.at]
	t.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// twist makes the next block of words.
func (t *twister) twist() {
	for i := range t.key {
		y := t.key[i]&(1<<31) | t.key[(i+1)%words]&(1<<31-1)
		t.key[i] = t.key[(i+shift)%words] ^ y>>1
		if y&1 != 0 {
			t.key[i] ^= 0x9908b0df
		}
	}
	t.at = 0
}

// MarshalBinary gives the state, from which the same numbers follow.
func (t *twister) MarshalBinary() ([]byte, error) {
	out := make([]byte, 0, stateSize)
	for _, word := range t.key {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return binary.LittleEndian.AppendUint16(out, uint16(t.at)), nil
}

// UnmarshalBinary takes a state that MarshalBinary gave.
func (t *twister) UnmarshalBinary(state []byte) error {
	if len(state) != stateSize {
		return fmt.Errorf("generator state of %d bytes, want %d", len(state), stateSize)
	}
	at := int(binary.LittleEndian.Uint16(state[4*words:]))
	if at > words {
		return fmt.Errorf("generator state at word %d of %d", at, words)
	}
	for i := range t.key {
		t.key[i] = binary.LittleEndian.Uint32(state[4*i:])
	}
	t.at = at
	return nil
}
