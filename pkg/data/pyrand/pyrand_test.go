package pyrand

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is what NumPy 2 and Python 3.11 drew (testdata/draws.json, taken
// from the shared fixture data/chunking).
type recorded struct {
	Choice []struct {
		Clips   int    `json:"num_clips"`
		Count   int    `json:"num_val_clips"`
		Seed    uint32 `json:"seed"`
		Indices []int  `json:"indices"`
	} `json:"choice"`
	Draws []struct {
		Seed        uint32   `json:"seed"`
		Randint50   []int    `json:"numpy_randint_0_50_x12"`
		Permutation []int    `json:"then_numpy_permutation_15"`
		Randint25   []int    `json:"then_numpy_randint_0_25_x7"`
		Shuffled    []string `json:"python_shuffle_s0_to_s8"`
	} `json:"draws"`
}

func readRecorded(t *testing.T) recorded {
	t.Helper()
	data, err := os.ReadFile("testdata/draws.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNumPyDraws(t *testing.T) {
	r := readRecorded(t)
	for _, want := range r.Choice {
		if diff := cmp.Diff(want.Indices, NewNumPy(want.Seed).Choice(want.Clips, want.Count)); diff != "" {
			t.Errorf("choice of %d of %d, seed %d: %s", want.Count, want.Clips, want.Seed, diff)
		}
	}
	for _, want := range r.Draws {
		g := NewNumPy(want.Seed)
		if diff := cmp.Diff(want.Randint50, g.Randint(50, 12)); diff != "" {
			t.Errorf("randint, seed %d: %s", want.Seed, diff)
		}
		if diff := cmp.Diff(want.Permutation, g.Permutation(15)); diff != "" {
			t.Errorf("permutation, seed %d: %s", want.Seed, diff)
		}
		if diff := cmp.Diff(want.Randint25, g.Randint(25, 7)); diff != "" {
			t.Errorf("second randint, seed %d: %s", want.Seed, diff)
		}
	}
}

// TestNumPyRanges covers ranges of one value, of a power of two and of all 32
// bits; the numbers are those of numpy.random after numpy.random.seed(12345).
func TestNumPyRanges(t *testing.T) {
	g := NewNumPy(12345)
	got := [][]int{
		g.Randint(1, 3), g.Randint(50, 5), g.Randint(1<<32, 3), g.Permutation(5), g.Randint(1, 2), g.Randint(64, 4),
	}
	want := [][]int{
		{0, 0, 0}, {34, 37, 29, 1, 36}, {170765737, 878579710, 3549516158}, {4, 0, 3, 1, 2}, {0, 0}, {49, 59, 14, 41},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPythonShuffle(t *testing.T) {
	for _, want := range readRecorded(t).Draws {
		names := []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"}
		NewPython(uint64(want.Seed)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		if diff := cmp.Diff(want.Shuffled, names); diff != "" {
			t.Errorf("seed %d: %s", want.Seed, diff)
		}
	}
}

// TestPythonLargeSeed has a seed of two words; the orders are those of
// random.shuffle after random.seed(2**40+3).
func TestPythonLargeSeed(t *testing.T) {
	g := NewPython(1<<40 + 3)
	order := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, want := range [][]int{{8, 5, 6, 7, 9, 2, 4, 1, 0, 3}, {5, 2, 8, 1, 6, 7, 4, 0, 3, 9}} {
		g.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if diff := cmp.Diff(want, order); diff != "" {
			t.Error(diff)
		}
	}
}

func TestStateContinuesExactly(t *testing.T) {
	for _, skipped := range []int{0, 1, 623, 624, 700} {
		g := NewNumPy(3)
		g.Randint(1<<32, skipped)
		state, err := g.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		restored := &NumPy{}
		if err := restored.UnmarshalBinary(state); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g.Randint(1000, 50), restored.Randint(1000, 50)); diff != "" {
			t.Errorf("after %d draws: %s", skipped, diff)
		}
	}
}

func TestStateErrors(t *testing.T) {
	bad := make([]byte, stateSize)
	bad[stateSize-1] = 0xff
	for _, state := range [][]byte{nil, make([]byte, stateSize-1), bad} {
		if err := new(Python).UnmarshalBinary(state); err == nil {
			t.Errorf("state of %d bytes was taken", len(state))
		}
	}
}
