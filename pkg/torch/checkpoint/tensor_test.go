package checkpoint

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// TestTensorKinds reads views, element types and shared storages of PyTorch
// (testdata/make.py).
func TestTensorKinds(t *testing.T) {
	want, err := npy.ReadZipFile("testdata/tensors.npz")
	if err != nil {
		t.Fatal(err)
	}
	for path, count := range map[string]int{"testdata/tensors.pt": 17, "testdata/tensors_old.pt": 17, "testdata/untyped.pt": 3} {
		c := open(t, path)
		if c.State.Len() != count {
			t.Errorf("%s: %d tensors", path, c.State.Len())
		}
		for _, name := range c.State.Names() {
			got, _ := c.State.Get(name)
			expected, err := npy.Find(want, name)
			if err != nil {
				t.Fatal(err)
			}
			dtype := expected.DType
			if name == "bfloat16" {
				dtype = ndarray.BFloat16
			}
			if got.DType != dtype || !slices.Equal(got.Shape, expected.Shape) || !cmp.Equal(got.Float64s(), expected.Float64s()) {
				t.Errorf("%s: %s is %v of shape %v: %v", path, name, got.DType, got.Shape, got.Float64s())
			}
		}
	}
}

func TestBigEndian(t *testing.T) {
	const one = "\x3f\x80\x00\x00"
	program := stateOf(tensor("FloatStorage", 2, 0, "K\x02", "K\x01"))
	c, err := read(archive(t, "a/data.pkl", program, "a/byteorder", "big", "a/data/0", one+one))
	if err != nil {
		t.Fatal(err)
	}
	if w, _ := c.State.Get("w"); !cmp.Equal(w.Float64s(), []float64{1, 1}) {
		t.Errorf("read %v", w.Float64s())
	}
}
