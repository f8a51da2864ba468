package ndarray

import (
	"math"
	"testing"
)

func TestNumElements(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  int
		ok    bool
	}{
		{nil, 1, true},
		{[]int{2, 3}, 6, true},
		{[]int{0, math.MaxInt, 2}, 0, true},
		{[]int{-1, 2}, 0, false},
		{[]int{math.MaxInt, 2}, 0, false},
	} {
		got, err := NumElements(c.shape)
		if (err == nil) != c.ok || (c.ok && got != c.want) {
			t.Errorf("NumElements(%v) = %d, %v", c.shape, got, err)
		}
	}
}

func TestConversionsKeepValues(t *testing.T) {
	half := &Array{DType: Float16, Shape: []int{6}, Data: []byte{0, 0x3c, 0, 0xc0, 1, 0, 0, 0x7c, 0, 0x7e, 0xff, 0x7b}}
	got := half.Float32s()
	want := []float32{1, -2, float32(math.Pow(2, -24)), float32(math.Inf(1)), float32(math.NaN()), 65504}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(float64(got[i])) && math.IsNaN(float64(want[i]))) {
			t.Errorf("half %d = %v, want %v", i, got[i], want[i])
		}
	}
	ints, err := FromInt64([]int64{-1, math.MaxInt64, 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if v := ints.Int64s(); v[0] != -1 || v[1] != math.MaxInt64 || v[2] != 3 {
		t.Errorf("int64 round trip gives %v", v)
	}
	brain := &Array{DType: BFloat16, Shape: []int{1}, Data: []byte{0x80, 0x3f}}
	if brain.At(0) != 1 {
		t.Errorf("bfloat16 one = %v", brain.At(0))
	}
	if _, err := FromFloat32([]float32{1, 2}, 3); err == nil {
		t.Error("two values filled a shape of three")
	}
}
