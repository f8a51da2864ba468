package nn

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	before := torch.LiveTensors()
	rng, err := torch.NewGenerator(1, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(torch.CPU, rng)
	t.Cleanup(func() {
		s.Close()
		rng.Close()
		if left := torch.LiveTensors() - before; left != 0 {
			t.Errorf("%d tensors are left over", left)
		}
	})
	return s
}

func TestNamesComeFromPathsInCreationOrder(t *testing.T) {
	s := newStore(t)
	layer := s.Root().Sub("core").Sub("features").Subf("layer%d", 0)
	layer.Sub("conv").Param("weight", ScaledNormal(0.01), 2, 3)
	layer.Sub("norm").Buffer("num_batches_tracked", ZeroCount)
	layer.Frozen("grid", Ones, 1)
	var names []string
	for _, e := range s.Entries() {
		names = append(names, e.Name)
	}
	want := []string{
		"core.features.layer0.conv.weight", "core.features.layer0.norm.num_batches_tracked",
		"core.features.layer0.grid",
	}
	if !slices.Equal(names, want) || s.Err() != nil {
		t.Errorf("names are %v, %v", names, s.Err())
	}
	if p := s.Trainable(); len(p) != 1 || p[0].Name != want[0] {
		t.Errorf("trainable: %v", p)
	}
	if err := s.Freeze("core."); err != nil || len(s.Trainable()) != 0 {
		t.Errorf("after Freeze %v are trained, %v", s.Trainable(), err)
	}
}

func TestSecondCreationOfANameIsAnError(t *testing.T) {
	s := newStore(t)
	s.Root().Param("w", Zeros, 1)
	s.Root().Param("w", Zeros, 1)
	if s.Err() == nil || !strings.Contains(s.Err().Error(), "w is created twice") {
		t.Errorf("error is %v", s.Err())
	}
}

func TestTooLargeATensorIsRefusedBeforeItIsMade(t *testing.T) {
	for _, shape := range [][]int64{{1 << 30, 2}, {1 << 40, 1 << 40}} {
		s := newStore(t)
		s.Root().Sub("conv").Param("weight", Zeros, shape...)
		if s.Err() == nil || !strings.Contains(s.Err().Error(), "parameter conv.weight of shape "+torch.FormatShape(shape)+" is larger than") {
			t.Errorf("%v: error is %v", shape, s.Err())
		}
	}
}

func TestLoadIsAllOrNothingAndReportsAllMismatches(t *testing.T) {
	s := newStore(t)
	s.Root().Param("a", Zeros, 2)
	s.Root().Param("b", Zeros, 3)
	s.Root().Param("c", Zeros, 1)
	two, _ := ndarray.FromFloat32([]float32{1, 2}, 2)
	err := s.Load([]ndarray.Named{{Name: "a", Array: two}, {Name: "b", Array: two}, {Name: "x", Array: two}})
	var m *MismatchError
	if !errors.As(err, &m) || !slices.Equal(m.Missing, []string{"c"}) || !slices.Equal(m.Unexpected, []string{"x"}) ||
		len(m.WrongShape) != 1 {
		t.Fatalf("error is %v", err)
	}
	state, err := s.StateDict()
	if err != nil || state[0].Array.At(0) != 0 {
		t.Errorf("a failed load changed the model: %v, %v", state, err)
	}
	state[0].Array = two
	if err := s.Load(state); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.StateDict(); again[0].Array.At(1) != 2 {
		t.Error("load did not copy")
	}
}

func TestInitDrawsWhatPyTorchDraws(t *testing.T) {
	s := newStore(t)
	// torch.manual_seed(1); torch.randn(2,3)*0.01; torch.nn.Conv3d(2,2,(1,2,2)).weight.flatten()[:2]
	w := s.Root().Param("w", ScaledNormal(0.01), 2, 3)
	c := s.Root().Param("c", ConvUniform(8), 2, 2, 1, 2, 2)
	got, err := s.Scope().Float32s(w)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{0.006613521371036768, 0.0026692410465329885}; !slices.Equal(got[:2], want) {
		t.Errorf("normal draws %v, want %v", got[:2], want)
	}
	got, err = s.Scope().Float32s(c)
	if want := []float32{0.1291276514530182, -0.1377801150083542}; err != nil || !slices.Equal(got[:2], want) {
		t.Errorf("uniform draws %v, want %v, %v", got[:2], want, err)
	}
}

func TestRedrawDrawsOnIntoTheSameTensor(t *testing.T) {
	var drawn [2][]float32
	t.Run("redrawn", func(t *testing.T) {
		s := newStore(t)
		w := s.Root().Param("w", Uniform(-1, 1), 5)
		s.Root().Redraw(w, Uniform(-1, 1))
		drawn[0], _ = s.Scope().Float32s(w)
		if trained, err := s.Scope().RequiresGrad(w); !trained || err != nil {
			t.Errorf("the tensor is trained: %v, %v", trained, err)
		}
	})
	t.Run("drawn second", func(t *testing.T) {
		s := newStore(t)
		s.Root().Buffer("first", Uniform(-1, 1), 5)
		drawn[1], _ = s.Scope().Float32s(s.Root().Param("w", Uniform(-1, 1), 5))
	})
	if len(drawn[0]) != 5 || !slices.Equal(drawn[0], drawn[1]) {
		t.Errorf("redrawn are %v, want the second draw, %v", drawn[0], drawn[1])
	}
}

// TestSharedTensorsAreListedTwiceAndTrainedOnce is a module that two others hold.
func TestSharedTensorsAreListedTwiceAndTrainedOnce(t *testing.T) {
	s := newStore(t)
	first := s.Root().Sub("first")
	w := first.Param("w", Ones, 2)
	first.Sub("norm").Buffer("count", ZeroCount)
	s.Root().Sub("firsts").Param("w", Ones, 1) // another one
	s.Root().Sub("second").Sub("_source").Share(first)
	var names []string
	for _, e := range s.Entries() {
		names = append(names, e.Name)
	}
	want := []string{"first.w", "first.norm.count", "firsts.w", "second._source.w", "second._source.norm.count"}
	if !slices.Equal(names, want) || len(s.Parameters()) != 2 || len(s.Trainable()) != 2 || s.Err() != nil {
		t.Fatalf("names are %v, parameters %d, %v", names, len(s.Parameters()), s.Err())
	}
	if err := s.MoveTo(torch.CPU); err != nil {
		t.Fatal(err)
	}
	state, err := s.StateDict()
	if err != nil {
		t.Fatal(err)
	}
	state[0].Array, _ = ndarray.FromFloat32([]float32{5, 6}, 2)
	state[3].Array = state[0].Array
	if err := s.Load(state); err != nil {
		t.Fatal(err)
	}
	values, err := s.Scope().Float32s(w)
	trained, gradErr := s.Scope().RequiresGrad(w)
	if err := errors.Join(err, gradErr); err != nil || !slices.Equal(values, []float32{5, 6}) || !trained {
		t.Errorf("values are %v, trained %v, %v", values, trained, err)
	}
	s.Root().Sub("second").Sub("_source").Share(first)
	if s.Err() == nil || !strings.Contains(s.Err().Error(), "second._source.w is created twice") {
		t.Errorf("error is %v", s.Err())
	}
}

func TestFreezeKeepsOptimizersAway(t *testing.T) {
	s := newStore(t)
	w := s.Root().Sub("core").Param("w", Ones, 2)
	readout := s.Root().Sub("readout").Param("w", Ones, 2)
	err := s.Scope().Do(t.Context(), torch.Train, func(in *torch.Scope) error {
		in.Backward(in.Sum(in.Mul(w, readout)))
		return in.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze("core."); err != nil {
		t.Fatal(err)
	}
	if s.Scope().Grad(w) != nil {
		t.Error("a frozen parameter keeps its gradient")
	}
	if s.Scope().Grad(readout) == nil {
		t.Error("the others lose theirs")
	}
	if n := len(s.Parameters()); n != 2 {
		t.Errorf("%d parameters, want 2: an optimizer numbers the frozen ones too", n)
	}
}

// TestMoveToKeepsTensorsAndOwnsNoMore moves to where the store is already, which
// takes the same steps as moving to a GPU.
func TestMoveToKeepsTensorsAndOwnsNoMore(t *testing.T) {
	s := newStore(t)
	w := s.Root().Param("w", Ones, 2)
	s.Root().Buffer("b", ZeroCount)
	before := torch.LiveTensors()
	if err := s.MoveTo(torch.CPU); err != nil {
		t.Fatal(err)
	}
	if torch.LiveTensors() != before {
		t.Errorf("%d tensors more", torch.LiveTensors()-before)
	}
	trained, err := s.Scope().RequiresGrad(w)
	values, verr := s.Scope().Float32s(w)
	if !trained || err != nil || verr != nil || values[0] != 1 {
		t.Errorf("parameter is %v, trained %v: %v, %v", values, trained, err, verr)
	}
}
