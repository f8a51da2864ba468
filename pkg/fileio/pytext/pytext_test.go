package pytext

import (
	"math"
	"testing"
)

func TestFloatIsPythonsRepr(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0.0", 1: "1.0", -2.5: "-2.5", 0.1: "0.1", 1e-4: "0.0001", 1e-5: "1e-05", 1e15: "1000000000000000.0",
		1e16: "1e+16", 1e100: "1e+100", 0.12400119006633759: "0.12400119006633759", math.Inf(1): "inf", math.Inf(-1): "-inf",
	} {
		if got := Float(x); got != want {
			t.Errorf("Float(%v) = %s, want %s", x, got, want)
		}
	}
	if got := Float(math.NaN()); got != "nan" {
		t.Errorf("NaN is %s", got)
	}
	if got := Float(math.Copysign(0, -1)); got != "-0.0" {
		t.Errorf("minus zero is %s", got)
	}
}
